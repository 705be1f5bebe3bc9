"""Tables of any source: from a file and its mapping to the database."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from classifieds.models import Listing, ListingEvent
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import (
    Category,
    Offer,
    PricePoint,
    Product,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from marketplace import checks, registry
from marketplace.exceptions import SourceError
from marketplace.loading import adapters
from marketplace.loading.adapters import Source
from marketplace.loading.ingest import ingest
from marketplace.loading.mapped import tables
from marketplace.registry import Platform
from procurement.models import Lot
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

CARDS = """
[product]
external_id = { column = "url", pattern = '/(\\d+)/' }
title = "title"

[offer]
external_id = { column = "url", pattern = '/(\\d+)/', prefix = "nm:" }
price = "price"
old_price = "old"
currency = { constant = "RUB" }

[seller]
external_id = "shop"
name = "shop"
"""
HISTORY = """
[table]
group_by = "id"
observed_at = { column = "day", zone = "UTC" }

[product]
external_id = "id"

[offer]
external_id = { column = "id", prefix = "nm:" }
price = "price"
currency = { constant = "RUB" }

[price_point]
recorded_at = { column = "day", zone = "UTC" }
price = "price"
currency = { constant = "RUB" }
"""
ADS = """
[table]
rows = "ads"
observed_at = "updated"

[listing]
external_id = "id"
title = "title"
price = "price"
currency = { constant = "PLN" }
year = "details.Rok produkcji"
attributes = "details"
"""
MORE = """
[listing]
external_id = "id"
rooms = "rooms"
"""


@pytest.fixture
def load(tmp_path):
    """Write a table and its mapping, and load the one by the other."""

    def write_and_load(text, columns, platform="wildberries", name="table.csv", **options):
        path, mapping = tmp_path / name, tmp_path / "map.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        mapping.write_text(columns)
        return ingest(platform, [str(path)], columns=str(mapping), **options)

    return write_and_load


def counts(summary):
    return (summary.read, summary.created, summary.updated, summary.unchanged, summary.rejected)


class TestRows:
    def test_fill_the_records_of_all_sections(self, load):
        load('url,title,price,old,shop\n/7/,Чайник,"1 500 ₽","2 000 ₽",Uy\n', CARDS)

        offer = Offer.objects.get()
        assert (offer.external_id, offer.price, offer.old_price) == ("nm:7", 1500, 2000)
        assert (offer.product.title, offer.product.seller.name) == ("Чайник", "Uy")
        assert offer.seller.external_id == "Uy"

    def test_change_nothing_when_loaded_again(self, load):
        text = "url,title,price,old,shop\n/7/,Чайник,1500,,Uy\n/8/,Стакан,100,,\n"
        first = load(text, CARDS)
        before = list(Offer.objects.order_by("id").values())

        again = load(text, CARDS)

        assert counts(first) == (2, 2, 0, 0, 0)
        assert counts(again) == (2, 0, 0, 2, 0)
        assert list(Offer.objects.order_by("id").values()) == before
        assert PricePoint.objects.count() == RawPayload.objects.count() == 2

    def test_are_read_packed_and_in_another_encoding(self, load):
        text = "url;title;price;old;shop\r\n/7/;Чайник;1500,50;;\r\n"

        summary = load(gzip.compress(text.encode("windows-1251")), CARDS, name="table.csv.gz")

        assert counts(summary) == (1, 1, 0, 0, 0)
        assert Product.objects.get().title == "Чайник"
        assert Offer.objects.get().price == Decimal("1500.50")

    def test_have_prices_with_words_that_multiply(self, load):
        load('url,title,price,old,shop\n/7/,Дом,"1,5 млн ₽","2,1 mln",\n/8/,A,15 тыс.,,\n', CARDS)

        found = Offer.objects.order_by("external_id").values_list("price", "old_price")
        assert list(found) == [(1500000, 2100000), (15000, None)]

    @pytest.mark.parametrize(
        ("other", "price"), [("2.300.000", 1600), ("2300.50", Decimal("1.60")), ("700", None)]
    )
    def test_show_each_other_the_decimal_mark(self, load, settings, other, price):
        settings.INGEST_BATCH_SIZE = 1
        summary = load(f"url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,{other},,\n", CARDS)

        found = Offer.objects.filter(external_id="nm:7").values_list("price", flat=True)
        assert list(found) == ([] if price is None else [price])
        assert summary.rejected == (price is None)

    def test_keep_the_decimal_mark_with_what_is_stored(self, tmp_path):
        path, columns = tmp_path / "table.csv", tmp_path / "map.toml"
        path.write_text("url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,2.300.000,,\n")
        columns.write_text(CARDS)
        table, another = (tables.load(str(columns), "wildberries") for _ in range(2))
        documents = [entry.document for entry in table.read(str(path), 10**6)]
        [item] = table.adapter.split(documents[0], Source("table.csv"))

        assert another.adapter.parse(item).records[-1].price == 1600

    def test_have_the_decimal_mark_that_the_user_states(self, load):
        text = "url,title,price,old,shop\n/7/,A,1.600,,\n"

        assert load(text, CARDS).rejected == 1
        load(text, CARDS, options={"decimal": ","})

        assert Offer.objects.get().price == 1600
        reason = QuarantinedRecord.objects.values_list("reason", flat=True)[0]
        assert reason.startswith('"1.600" can mean 1600 or 1.6: state the decimal mark')

    @pytest.mark.parametrize(("decimal", "price"), [(",", 1600), (".", Decimal("1.60"))])
    def test_a_stated_decimal_mark_counts_more_than_the_evidence(self, load, decimal, price):
        columns = CARDS.replace('"RUB"', '"UZS"')
        text = "url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,5.50,,\n"

        load(text, columns, options={"decimal": decimal})

        assert Offer.objects.get(external_id="nm:7").price == price

    def test_whose_currency_has_no_decimals_need_no_other_prices(self, load):
        columns = CARDS.replace('"RUB"', '"UZS"')

        load("url,title,price,old,shop\n/7/,A,1.600,,\n", columns)

        assert Offer.objects.get().price == 1600

    def test_whose_price_names_another_currency_are_quarantined(self, load):
        columns = CARDS.replace('{ constant = "RUB" }', '"cur"')
        rows = (
            "/1/,A,1 600 USD,,Uy,UZS",
            "/2/,B,1 600 so'm,,Uy,UZS",
            "/3/,C,$15,,Uy,RUB",
            "/4/,D,100,$150,Uy,RUB",
            "/5/,E,15 USD,,Uy,у.е.",
            "/6/,F,15,,Uy,RUB",
        )

        load("\n".join(["url,title,price,old,shop,cur", *rows]), columns)

        found = Offer.objects.order_by("external_id").values_list("price", "currency")
        assert list(found) == [(1600, "UZS"), (15, "USD"), (15, "RUB")]
        reasons = QuarantinedRecord.objects.order_by("id").values_list("field", "reason")
        assert list(reasons) == [
            ("price", '"1 600 USD" is not in UZS, the currency of the record'),
            ("price", '"$15" is not in RUB, the currency of the record'),
            ("old", '"$150" is not in RUB, the currency of the record'),
        ]

    def test_whose_price_names_another_currency_than_the_command_are_quarantined(self, load):
        columns = CARDS.replace('currency = { constant = "RUB" }\n', "")

        summary = load(
            "url,title,price,old,shop\n/1/,A,$15,,\n/2/,B,15 ₽,,\n",
            columns,
            options={"currency": "RUB"},
        )

        assert summary.rejected == 1
        assert Offer.objects.get().external_id == "nm:2"

    def test_without_a_price_make_no_offer(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,,900,\n", CARDS)

        assert (Product.objects.count(), Offer.objects.count()) == (1, 0)

    def test_without_a_seller_make_none(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,5,,\n", CARDS)

        assert Seller.objects.count() == 0
        assert Offer.objects.get().seller is None

    def test_an_old_price_that_is_not_higher_is_none(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,500,500,\n", CARDS)

        assert Offer.objects.get().old_price is None

    def test_those_that_are_wrong_are_quarantined_alone(self, load):
        text = "url,title,price,old,shop\n/x/,A,1,,\n/7/,B,дорого,,\n/8/,C\n/9/,D,1,,\n,E,1,,\n"

        summary = load(text, CARDS)

        assert counts(summary) == (5, 1, 0, 0, 4)
        found = QuarantinedRecord.objects.values_list("source", "field", "reason")
        assert sorted(found) == [
            ("table.csv: line 2", "url", '"/x/" holds no id as the mapping describes it'),
            ("table.csv: line 3", "price", '"дорого" is not a number'),
            ("table.csv: line 4", "", "has 2 columns, the table has 5"),
            ("table.csv: line 6", "url", "is missing"),
        ]

    def test_can_be_left_out(self, load):
        columns = '[skip]\ntitle = ["ТОП", ""]\n' + CARDS
        text = "url,title,price,old,shop\n/7/,ТОП,,,\n/7/, ,,,\n/7/,Чайник,5,,\n"

        assert counts(load(text, columns)) == (1, 1, 0, 0, 0)

    def test_take_the_currency_of_the_command_where_none_is_said(self, load):
        columns = '[product]\nexternal_id = "id"\n[offer]\nexternal_id = "id"\nprice = "price"\n'

        load("id,price\n1,5\n", columns)
        load("id,price\n2,5\n", columns, options={"currency": "KZT"})

        found = Offer.objects.order_by("external_id").values_list("currency", flat=True)
        assert list(found) == [None, "KZT"]

    def test_a_currency_without_a_price_is_unknown(self, load):
        ads = {"updated": "2026-06-01 12:00", "ads": [{"id": 1, "title": "A", "price": ""}]}

        load(json.dumps(ads), ADS, platform="olx")

        assert Listing.objects.get().currency is None


class TestTableAsAWhole:
    def test_one_without_a_column_of_the_mapping_is_refused(self, load):
        summary = load("url,name,price,old,shop\n/7/,Чайник,5,,\n", CARDS)

        assert summary.read == 0
        assert summary.failures == [
            'table.csv has no column "title", which map.toml names in [product] title. Its columns '
            "are: url, name, price, old, shop. Correct the mapping; if these are not names, add "
            "header = false under [table]."
        ]

    def test_one_with_a_column_twice_is_refused(self, load):
        summary = load("id,id,rooms\n1,2,3\n", MORE, platform="olx")

        assert summary.failures[0].startswith('table.csv has several columns "id", which map.toml')

    def test_one_that_is_cut_off_is_loaded_as_far_as_it_goes(self, load):
        rows = "".join(f"{number},2024-09-08,{number}.5\n" for number in range(1, 4000))
        packed = gzip.compress(f"id,day,price\n{rows}".encode())

        summary = load(packed[:-200], HISTORY, name="table.csv.gz")

        assert "table.csv.gz is truncated or damaged" in summary.failures[0]
        assert summary.created == Product.objects.count() > 3000

    def test_a_mapping_for_another_platform_is_refused(self, load):
        columns = '[table]\nplatform = "ozon"\n' + CARDS

        with pytest.raises(SourceError) as refusal:
            load("url,title,price,old,shop\n/7/,A,5,,\n", columns)

        assert str(refusal.value) == (
            "map.toml reads tables of ozon, not of wildberries. Load them as ozon, or correct "
            "platform under [table]."
        )

    def test_a_platform_that_is_unknown_is_refused(self, load):
        with pytest.raises(SourceError, match='Unknown platform "amazon"'):
            load("a,b\n", CARDS, platform="amazon")


class TestHistory:
    ROWS = "id,day,price\n7,2024-09-15,110\n7,2024-09-08,100\n7,2024-09-22,110\n8,2024-09-08,5\n"

    def test_rows_of_one_thing_are_one_item(self, load):
        summary = load(self.ROWS, HISTORY)

        assert counts(summary) == (2, 2, 0, 0, 0)
        points = PricePoint.objects.filter(offer__external_id="nm:7").order_by("recorded_at")
        assert [(point.recorded_at.day, point.price) for point in points] == [(8, 100), (15, 110)]

    def test_the_newest_row_is_what_the_offer_is(self, load):
        load(self.ROWS, HISTORY)

        offer = Offer.objects.get(external_id="nm:7")
        assert (offer.price, offer.scraped_at) == (110, datetime(2024, 9, 22, tzinfo=UTC))

    def test_loading_again_adds_nothing(self, load):
        load(self.ROWS, HISTORY)

        again = load(self.ROWS, HISTORY)

        assert counts(again) == (2, 0, 0, 2, 0)
        assert again.price_points == 0
        # The rows tell their times: seen again in the same file, they are no newer.
        assert Offer.objects.get(external_id="nm:7").last_seen_at.day == 22

    def test_a_newer_row_counts_after_loading_twice(self, load):
        load(self.ROWS, HISTORY)
        load(self.ROWS, HISTORY)

        load(self.ROWS.replace("8,2024", "7,2024-09-29,130\n8,2024"), HISTORY)

        offer = Offer.objects.get(external_id="nm:7")
        assert (offer.price, offer.scraped_at.day) == (130, 29)
        points = PricePoint.objects.filter(offer=offer).order_by("recorded_at")
        assert [(point.recorded_at.day, point.price) for point in points] == [
            (8, 100),
            (15, 110),
            (29, 130),
        ]

    def test_a_row_that_is_wrong_does_not_take_the_others_with_it(self, load):
        summary = load("id,day,price\n7,2024-09-08,100\n7,8 Sep,90\n7,2024-09-15,110\n", HISTORY)

        assert counts(summary) == (2, 1, 0, 0, 1)
        assert PricePoint.objects.count() == 2
        assert QuarantinedRecord.objects.get().reason == '"8 Sep" is not a time as ISO 8601'


class TestSameTime:
    COLUMNS = """
[table]
observed_at = { column = "t", zone = "UTC" }

[product]
external_id = "id"

[offer]
external_id = { column = "id", prefix = "nm:" }
price = "price"
currency = { constant = "RUB" }
"""
    NOON, BEFORE = "2026-06-01 12:00", "2026-06-01 11:00"

    @pytest.mark.parametrize("between", [[], [(120, BEFORE)], [(120, "2026-06-01 11:30")] * 2])
    def test_of_two_rows_of_a_batch_the_later_counts(self, load, between):
        rows = [(110, self.NOON), *between, (130, self.NOON)]
        text = "id,price,t\n" + "".join(f"7,{price},{at}\n" for price, at in rows)

        load(text, self.COLUMNS)

        assert Offer.objects.get().price == 130
        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [*{price for price, _ in between}, 130]

    @pytest.mark.parametrize("between", [[], [(120, BEFORE)]])
    def test_it_still_counts_after_a_late_observation(self, load, between):
        rows = [(110, self.NOON), *between, (130, self.NOON)]
        text = "id,price,t\n" + "".join(f"7,{price},{at}\n" for price, at in rows)
        load(text, self.COLUMNS)
        load("id,price,t\n7,100,2026-05-01 10:00\n", self.COLUMNS)

        assert Offer.objects.get().price == 130
        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [100, *{price for price, _ in between}, 130]


class TestJson:
    ADS = {
        "updated": "2026-06-01 12:00",
        "ads": [
            {"id": 1, "title": "A", "price": "9 900 zł", "details": {"Rok produkcji": "2005"}},
            {"id": 2, "title": "B", "price": "x", "details": {}},
            "advertisement",
        ],
    }

    def test_rows_stand_in_a_list_with_the_time_beside_it(self, load):
        summary = load(json.dumps(self.ADS), ADS, platform="olx", name="ads.json")

        listing = Listing.objects.get()
        assert counts(summary) == (3, 1, 0, 0, 2)
        assert (listing.price, listing.year) == (9900, 2005)
        assert listing.attributes == {"Rok produkcji": "2005"}
        assert listing.last_seen_at == datetime(2026, 6, 1, 7, tzinfo=UTC)

    def test_places_name_the_row(self, load):
        load(json.dumps(self.ADS), ADS, platform="olx", name="ads.json")

        places = ListingQuarantine.objects.values_list("source", flat=True)
        assert sorted(places) == ["ads.json: document, ads 2", "ads.json: document, ads 3"]

    def test_rows_may_be_the_elements_of_an_array(self, load):
        summary = load('[{"id": 1, "rooms": 2}, {"id": 2}]', MORE, platform="olx")

        assert counts(summary) == (2, 2, 0, 0, 0)

    def test_a_snapshot_of_another_day_is_a_change_of_price(self, load):
        later = {"updated": "2026-06-02 12:00", "ads": [{"id": 1, "title": "A", "price": "9 000"}]}
        load(json.dumps(self.ADS), ADS, platform="olx")

        summary = load(json.dumps(later), ADS, platform="olx")

        event = ListingEvent.objects.get(kind="price")
        assert counts(summary) == (1, 0, 1, 0, 0)
        assert (event.old_price, event.new_price) == (9900, 9000)


class TestSecondFile:
    CARD = {"updated": "2026-06-01 12:00", "ads": [{"id": 1, "title": "A", "price": "500"}]}

    @pytest.mark.parametrize("day", [datetime(2026, 5, 1, tzinfo=UTC), None])
    def test_adds_to_the_same_records_and_leaves_the_price(self, load, day):
        load(json.dumps(self.CARD), ADS, platform="olx")

        summary = load("id,rooms\n1,2\n", MORE, platform="olx", observed_at=day)

        listing = Listing.objects.get()
        assert counts(summary) == (1, 0, 1, 0, 0)
        assert (listing.title, listing.price, listing.currency) == ("A", 500, "PLN")
        assert listing.rooms == 2

    def test_of_the_same_form_says_that_there_is_no_price_any_more(self, load):
        load(json.dumps(self.CARD), ADS, platform="olx")
        later = {"updated": "2026-06-02 12:00", "ads": [{"id": 1, "title": "A", "price": ""}]}

        load(json.dumps(later), ADS, platform="olx")

        assert Listing.objects.get().price is None


class TestKeys:
    COLUMNS = """
[table]
rows = "*"

[listing]
external_id = { column = "@key", pattern = 'ID(\\w+)\\.html' }
url = "@key"
title = "title"
price = "price"
"""

    def test_of_an_object_can_be_columns(self, load):
        ads = {
            "https://olx.kz/d/lamp-IDaaa.html": {"title": "Lamp", "price": "400 000 ₸"},
            "https://olx.kz/d/cup-IDbbb.html": {"title": "Cup", "price": ""},
            "https://olx.kz/d/pot-IDccc.html": "gone",
        }

        summary = load(json.dumps(ads), self.COLUMNS, platform="olx")

        found = Listing.objects.order_by("external_id").values_list("external_id", "title", "price")
        assert list(found) == [("aaa", "Lamp", 400000), ("bbb", "Cup", None)]
        assert counts(summary) == (3, 2, 0, 0, 1)
        rejected = ListingQuarantine.objects.get()
        assert rejected.source == ('table.csv: document, key "https://olx.kz/d/pot-IDccc.html"')

    def test_of_an_object_inside_of_the_document_can_be_columns(self, load):
        columns = self.COLUMNS.replace('"*"', '"ads.*"')
        text = json.dumps({"day": 1, "ads": {"x-IDaaa.html": {"title": "Lamp"}}})

        load(text, columns, platform="olx")

        assert Listing.objects.get().url == "x-IDaaa.html"


class TestChain:
    COLUMNS = """
[product]
external_id = "id"

[category]
chain = { column = "path", separator = "/" }
url = "link"
"""

    def test_is_a_category_for_each_of_its_names(self, load):
        load("id,path,link\n1,Дом / Кухня / Чайники,/c\n2,Дом,\n3,,\n", self.COLUMNS)

        found = Category.objects.order_by("external_id")
        assert [(each.external_id, each.name, each.url) for each in found] == [
            ("Дом", "Дом", None),
            ("Дом > Кухня", "Кухня", None),
            ("Дом > Кухня > Чайники", "Чайники", "/c"),
        ]
        leaf = Product.objects.get(external_id="1").category
        assert (leaf.name, leaf.parent.name, leaf.parent.parent.name) == ("Чайники", "Кухня", "Дом")
        assert Product.objects.get(external_id="2").category.name == "Дом"
        assert Product.objects.get(external_id="3").category is None

    def test_may_be_what_the_rows_are_about(self, load):
        summary = load("path\nДом>Кухня\nДом>Сад\n", '[category]\nchain = "path"\n')

        assert counts(summary) == (2, 2, 0, 0, 0)
        assert Category.objects.count() == 3


class TestPlatformOfTablesOnly:
    @pytest.fixture(autouse=True)
    def bazaar(self, monkeypatch):
        platforms = (*registry.PLATFORMS, Platform("bazaar", "ecommerce", "Bazaar"))
        for module in (registry, adapters, checks):
            monkeypatch.setattr(module, "PLATFORMS", platforms)

    TEXT = "url,title,price,old,shop\n/7/,Чайник,500,,\n/8/,Стакан,x,,\n"

    def test_is_loaded_by_a_mapping(self, load):
        assert counts(load(self.TEXT, CARDS, platform="bazaar")) == (2, 1, 0, 0, 1)
        assert counts(load(self.TEXT, CARDS, platform="bazaar")) == (2, 0, 0, 1, 1)
        assert Offer.objects.get().platform == "bazaar"

    def test_passes_the_checks(self):
        assert list(checks.check_platforms(None)) == []

    def test_can_be_surveyed_and_replayed(self, load, tmp_path):
        load(self.TEXT, CARDS, platform="bazaar")
        before = list(Offer.objects.values())

        checked = run(
            "ingest_check",
            "bazaar",
            str(tmp_path / "table.csv"),
            f"--columns={tmp_path / 'map.toml'}",
        )
        replayed = run("ingest", "bazaar", "--replay")

        assert "bazaar: sources 1, documents 2, items 1, faults 1" in checked.out
        assert replayed.code == 0
        assert list(Offer.objects.values()) == before

    def test_takes_what_comes_late(self, load):
        later, earlier = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
        load(self.TEXT, CARDS, platform="bazaar", observed_at=later)

        load(self.TEXT.replace("500", "400"), CARDS, platform="bazaar", observed_at=earlier)

        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [400, 500]

    def test_says_how_to_load_what_is_not_a_table(self, load, tmp_path):
        (tmp_path / "page.json").write_text('{"id": 1}')

        ingest("bazaar", [str(tmp_path / "page.json")])

        assert QuarantinedRecord.objects.get().reason == (
            "bazaar is loaded from tables only: add --columns MAP.toml"
        )


class TestUnknownTable:
    def test_is_refused_with_the_mapping_that_fits(self, tmp_path):
        path = tmp_path / "new cards.csv"
        path.write_text("brand,title,url,review_count,current_price\nA,B,/catalog/1/,2,3\n")

        outcome = run("ingest", "wildberries", str(path))

        assert outcome.err.splitlines()[0] == (
            "new cards.csv is a table, and wildberries has no shape with its columns (brand, "
            "title, url, review_count, current_price). A shipped mapping fits: python manage.py "
            f'ingest wildberries "{path}" --columns ecommerce/columns/wb-csv-a.toml'
        )
        assert (outcome.code, QuarantinedRecord.objects.count()) == (1, 0)

    @pytest.mark.parametrize(
        ("header", "owner"),
        [
            ("brand,title,url,review_count,current_price", "wildberries"),
            ("product_url,product_name,final_price", "ozon"),
        ],
    )
    def test_of_another_platform_is_refused_with_its_name(self, tmp_path, header, owner):
        path = tmp_path / "table.csv"
        path.write_text(f"{header}\n{',' * header.count(',')}x\n")

        summary = ingest("yandex", [str(path)])

        [failure] = summary.failures
        assert failure.endswith(f"It looks like a table of {owner}: load it as that.")

    def test_is_refused_with_what_to_write_if_no_mapping_fits(self, tmp_path):
        (tmp_path / "table.csv").write_text("a;b\n1;2\n3;4\n")

        outcome = run("ingest_check", "olx", str(tmp_path / "table.csv"))

        assert outcome.err.splitlines()[0] == (
            "table.csv is a table, and olx has no shape with its columns (a, b). No shipped "
            "mapping fits. Write one, as docs/tables.md describes, and run: "
            "python manage.py ingest olx table.csv --columns MAP.toml"
        )


class TestRoles:
    def test_two_sections_of_one_type_are_linked_by_their_names(self, load):
        columns = (
            '[lot]\nexternal_id = "lot"\n'
            '[customer]\nrecord = "organization"\nexternal_id = "buyer"\nname = "buyer"\n'
            '[provider]\nrecord = "organization"\nexternal_id = "winner"\nname = "winner"\n'
        )

        load("lot,buyer,winner\n1,Maktab,Qogʻoz\n", columns, platform="uzex")

        lot = Lot.objects.get()
        assert (lot.customer.name, lot.provider.name) == ("Maktab", "Qogʻoz")


class TestCommand:
    def test_loads_a_table_by_its_mapping(self, tmp_path):
        (tmp_path / "table.csv").write_text("id;rooms\n1;2\n2;x\n")
        (tmp_path / "map.toml").write_text(MORE)

        outcome = run(
            "ingest", "olx", str(tmp_path / "table.csv"), f"--columns={tmp_path / 'map.toml'}"
        )

        counted = "olx: read 2, created 1, updated 0, unchanged 0, rejected 1, price points 0, "
        assert outcome.out.startswith(counted)
        assert outcome.err == 'quarantined 1: rooms: "x" is not a number\n'
        assert list(Listing.objects.values_list("external_id", "rooms")) == [("1", 2)]

    def test_refuses_a_mapping_that_is_wrong(self, tmp_path):
        (tmp_path / "map.toml").write_text("[lot]")

        outcome = run("ingest", "olx", "table.csv", "--columns", str(tmp_path / "map.toml"))

        assert outcome == (
            "",
            'CommandError: map.toml, [lot]: "lot" is not a record type. Use one of: category, '
            "seller, listing.\n",
            1,
        )
