"""Tables of any source: rows become records by a mapping file."""

import gzip
import json
from decimal import Decimal

import pytest

from classifieds.models import Listing
from ecommerce.models import (
    Offer,
    PricePoint,
    Product,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from marketplace.exceptions import SourceError
from marketplace.loading.adapters import Source
from marketplace.loading.mapped import tables
from procurement.models import Lot
from tests.commands import run
from tests.marketplace.loading.table_samples import ADS, CARDS, HISTORY, MORE, counts

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


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

    def test_may_have_prices_with_multipliers(self, load):
        load('url,title,price,old,shop\n/7/,Дом,"1,5 млн ₽","2,1 mln",\n/8/,A,15 тыс.,,\n', CARDS)

        prices = Offer.objects.order_by("external_id").values_list("price", "old_price")
        assert list(prices) == [(1500000, 2100000), (15000, None)]

    @pytest.mark.parametrize(
        ("other", "price"), [("2.300.000", 1600), ("2300.50", Decimal("1.60")), ("700", None)]
    )
    def test_determine_the_decimal_mark_together(self, load, settings, other, price):
        settings.INGEST_BATCH_SIZE = 1
        summary = load(f"url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,{other},,\n", CARDS)

        prices = Offer.objects.filter(external_id="nm:7").values_list("price", flat=True)
        assert list(prices) == ([] if price is None else [price])
        assert summary.rejected == (price is None)

    def test_store_the_decimal_mark(self, tmp_path):
        path, columns = tmp_path / "table.csv", tmp_path / "map.toml"
        path.write_text("url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,2.300.000,,\n")
        columns.write_text(CARDS)
        table, another = (tables.load(str(columns), "wildberries") for _ in range(2))
        documents = [entry.document for entry in table.read(str(path))]
        [item] = table.adapter.split(documents[0], Source("table.csv"))

        assert another.adapter.parse(item).records[-1].price == 1600

    def test_are_read_with_the_decimal_mark_of_the_user(self, load):
        text = "url,title,price,old,shop\n/7/,A,1.600,,\n"

        assert load(text, CARDS).rejected == 1
        load(text, CARDS, options={"decimal": ","})

        assert Offer.objects.get().price == 1600
        reason = QuarantinedRecord.objects.values_list("reason", flat=True)[0]
        assert reason.startswith('"1.600" can mean 1600 or 1.6: state the decimal mark')
        assert "--decimal , or --decimal . for a feed or table" in reason
        assert "decimal of the field in a mapping" in reason

    @pytest.mark.parametrize(("decimal", "price"), [(",", 1600), (".", Decimal("1.60"))])
    def test_a_stated_decimal_mark_takes_precedence(self, load, decimal, price):
        columns = CARDS.replace('"RUB"', '"UZS"')
        text = "url,title,price,old,shop\n/7/,A,1.600,,\n/8/,B,5.50,,\n"

        load(text, columns, options={"decimal": decimal})

        assert Offer.objects.get(external_id="nm:7").price == price

    def test_in_a_currency_without_decimals_need_no_other_prices(self, load):
        columns = CARDS.replace('"RUB"', '"UZS"')

        load("url,title,price,old,shop\n/7/,A,1.600,,\n", columns)

        assert Offer.objects.get().price == 1600

    def test_with_a_price_in_another_currency_are_quarantined(self, load):
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

        prices = Offer.objects.order_by("external_id").values_list("price", "currency")
        assert list(prices) == [(1600, "UZS"), (15, "USD"), (15, "RUB")]
        reasons = QuarantinedRecord.objects.order_by("id").values_list("field", "reason")
        assert list(reasons) == [
            ("price", '"1 600 USD" is not in UZS, the currency of the record'),
            ("price", '"$15" is not in RUB, the currency of the record'),
            ("old", '"$150" is not in RUB, the currency of the record'),
        ]

    def test_with_a_currency_other_than_that_of_the_command_are_quarantined(self, load):
        columns = CARDS.replace('currency = { constant = "RUB" }\n', "")

        summary = load(
            "url,title,price,old,shop\n/1/,A,$15,,\n/2/,B,15 ₽,,\n",
            columns,
            options={"currency": "RUB"},
        )

        assert summary.rejected == 1
        assert Offer.objects.get().external_id == "nm:2"

    def test_without_a_price_have_no_offer(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,,900,\n", CARDS)

        assert (Product.objects.count(), Offer.objects.count()) == (1, 0)

    def test_without_a_seller_have_none(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,5,,\n", CARDS)

        assert Seller.objects.count() == 0
        assert Offer.objects.get().seller is None

    def test_an_old_price_that_is_not_higher_is_dropped(self, load):
        load("url,title,price,old,shop\n/7/,Чайник,500,500,\n", CARDS)

        assert Offer.objects.get().old_price is None

    def test_invalid_rows_are_quarantined_alone(self, load, tmp_path):
        text = "url,title,price,old,shop\n/x/,A,1,,\n/7/,B,дорого,,\n/8/,C\n/9/,D,1,,\n,E,1,,\n"

        summary = load(text, CARDS)

        assert counts(summary) == (5, 1, 0, 0, 4)
        records = QuarantinedRecord.objects.values_list("source", "field", "reason")
        path, no_id = f"{tmp_path}/table.csv", "has no id in the form that the mapping describes"
        assert sorted(records) == [
            (f"{path}: line 2", "url", f'"/x/" {no_id}'),
            (f"{path}: line 3", "price", '"дорого" is not a number'),
            (f"{path}: line 4", "", "has 2 columns, the table has 5"),
            (f"{path}: line 6", "url", "is missing"),
        ]

    def test_can_be_skipped(self, load):
        columns = '[skip]\ntitle = ["ТОП", ""]\n' + CARDS
        text = "url,title,price,old,shop\n/7/,ТОП,,,\n/7/, ,,,\n/7/,Чайник,5,,\n"

        assert counts(load(text, columns)) == (1, 1, 0, 0, 0)

    def test_without_a_currency_have_that_of_the_command(self, load):
        columns = '[product]\nexternal_id = "id"\n[offer]\nexternal_id = "id"\nprice = "price"\n'

        load("id,price\n1,5\n", columns)
        load("id,price\n2,5\n", columns, options={"currency": "KZT"})

        currencies = Offer.objects.order_by("external_id").values_list("currency", flat=True)
        assert list(currencies) == [None, "KZT"]

    def test_a_currency_without_a_price_is_unknown(self, load):
        ads = {"updated": "2026-06-01 12:00", "ads": [{"id": 1, "title": "A", "price": ""}]}

        load(json.dumps(ads), ADS, platform="olx")

        assert Listing.objects.get().currency is None


class TestTable:
    def test_without_a_column_of_the_mapping_is_refused(self, load):
        summary = load("url,name,price,old,shop\n/7/,Чайник,5,,\n", CARDS)

        assert summary.read == 0
        assert summary.source_errors == [
            'table.csv has no column "title", which map.toml names in [product] title. Its columns '
            "are: url, name, price, old, shop. Correct the mapping; if the table has no header, "
            "add header = false under [table]."
        ]

    def test_with_a_repeated_column_is_refused(self, load):
        summary = load("id,id,rooms\n1,2,3\n", MORE, platform="olx")

        assert summary.source_errors[0].startswith(
            'table.csv has several columns "id", which map.toml'
        )

    def test_that_is_truncated_is_loaded_up_to_that_place(self, load):
        rows = "".join(f"{number},2024-09-08,{number}.5\n" for number in range(1, 4000))
        packed = gzip.compress(f"id,day,price\n{rows}".encode())

        summary = load(packed[:-200], HISTORY, name="table.csv.gz")

        assert "table.csv.gz is truncated or damaged" in summary.source_errors[0]
        assert summary.created == Product.objects.count() > 3000

    def test_a_mapping_for_another_platform_is_refused(self, load):
        columns = '[table]\nplatform = "ozon"\n' + CARDS

        with pytest.raises(SourceError) as refusal:
            load("url,title,price,old,shop\n/7/,A,5,,\n", columns)

        assert str(refusal.value) == (
            "map.toml reads tables of ozon, not of wildberries. Load them as ozon, or correct "
            "platform under [table]."
        )

    def test_an_unknown_platform_is_refused(self, load):
        with pytest.raises(SourceError, match='Unknown platform "amazon"'):
            load("a,b\n", CARDS, platform="amazon")


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
        assert outcome.err == (
            'quarantined 1: rooms: "x" is not a number\n'
            "See: python manage.py ingest_review list --platform olx\n"
        )
        assert list(Listing.objects.values_list("external_id", "rooms")) == [("1", 2)]

    def test_refuses_an_invalid_mapping(self, tmp_path):
        (tmp_path / "map.toml").write_text("[lot]")

        outcome = run("ingest", "olx", "table.csv", "--columns", str(tmp_path / "map.toml"))

        assert outcome == (
            "",
            'CommandError: map.toml, [lot]: "lot" is not a record type. Use one of: category, '
            "seller, listing.\n",
            1,
        )
