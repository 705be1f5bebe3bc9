"""Inputs that were loaded wrongly before: the command stores the right values."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from classifieds.models import Listing
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import Offer, PricePoint, Product, QuarantinedRecord
from marketplace.loading.values import TASHKENT
from procurement.models import Lot, Organization
from tests import cases
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DAYS = ("2026-11-20T10:00", "2026-11-21T10:00", "2026-11-22T10:00")


def load(platform, name, *options, columns=""):
    """Load a case; return the outcome of the command."""
    mapping = ("--columns", cases.path(columns)) if columns else ()
    return run("ingest", platform, cases.path(name), *mapping, *options)


def points(offer):
    """Return the history of an offer: price and availability, oldest first."""
    history = PricePoint.objects.filter(offer=offer).order_by("recorded_at")
    return list(history.values_list("price", "is_available"))


def reasons():
    return list(QuarantinedRecord.objects.values_list("field", "reason"))


class TestOutOfStock:
    def test_wildberries(self):
        load("wildberries", "a7-wb-1.json", "--observed-at", DAYS[0])
        load("wildberries", "a7-wb-2.json", "--observed-at", DAYS[1])

        offer = Offer.objects.get()
        assert (offer.is_available, offer.stock_quantity, offer.price) == (False, 0, 1000)
        assert points(offer) == [(1000, True), (1000, False)]

        load("wildberries", "a7-wb-1.json", "--observed-at", DAYS[2])
        assert points(offer)[2:] == [(1000, True)]

    def test_a_feed(self):
        for number in (1, 2, 3):
            load("yandex", f"a7-yml-{number}.xml")

        offer = Offer.objects.get()
        assert (offer.is_available, offer.price) == (False, 500)
        assert points(offer) == [(500, True), (500, False)]

    def test_a_table(self):
        for number in (1, 2):
            load("wildberries", f"a7-csv-{number}.csv", columns="a6-map.toml")

        offer = Offer.objects.get()
        assert (offer.is_available, offer.stock_quantity, offer.price) == (False, 0, 500)
        assert points(offer) == [(500, True), (500, False)]


class TestTimesOfDocuments:
    def test_a_stale_time_does_not_count(self):
        load("yandex", "d4-const-1.xml")
        before = timezone.now()
        warning = load("yandex", "d4-const-2.xml").err

        offer = Offer.objects.get()
        assert (offer.price, offer.scraped_at >= before) == (600, True)
        assert "2024-01-15" in warning
        load("yandex", "d4-const-3.xml", "--observed-at", "2026-01-01T10:00")
        assert [price for price, _ in points(offer)] == [500, 700, 600]

    def test_the_same_bytes_are_the_same_observation(self):
        load("yandex", "d4-const-1.xml")

        load("yandex", "d4-const-1.xml")

        assert Offer.objects.get().scraped_at.year == 2024
        assert PricePoint.objects.count() == 1

    def test_a_time_in_the_future_does_not_count(self):
        errors = [load("yandex", f"d4-fut-{number}.xml").err for number in (1, 2, 3)]

        offer = Offer.objects.get()
        assert offer.scraped_at <= timezone.now()
        assert len(points(offer)) > 1
        assert "2062" in errors[0]

    @pytest.mark.parametrize(
        ("name", "expected_time"),
        [
            ("d4-badd2.xml", datetime(2026, 11, 30, 11, tzinfo=TASHKENT)),
            ("d4-badd4.xml", datetime(2026, 11, 30, 9, 5, tzinfo=TASHKENT)),
            ("d4-badd5.xml", datetime(2026, 11, 30, 11, tzinfo=TASHKENT)),
        ],
    )
    def test_other_formats_are_read(self, name, expected_time):
        load("yandex", name)

        assert Offer.objects.get().scraped_at == expected_time

    def test_a_feed_without_a_time_is_observed_now(self):
        before = timezone.now()

        load("yandex", "d4-badd3.xml")

        assert Offer.objects.get().scraped_at >= before


class TestPrices:
    def test_words_for_multiples(self):
        load("wildberries", "a1d-words.csv", columns="a1-map.toml")

        prices = dict(Offer.objects.values_list("product__title", "price"))
        assert prices == {"phone": 15_000, "car": 15_000}
        # The mapping states that all prices are in roubles.
        [(field, reason)] = reasons()
        assert (field, reason) == (
            "price",
            '"1,5 млн сум" is not in RUB, the currency of the record',
        )

    def test_three_digits_after_a_separator_in_a_table(self):
        load("wildberries", "a2-prices.csv", columns="a1-map.toml")

        prices = dict(Offer.objects.values_list("product__title", "price"))
        assert prices["dot rub"] == 1600
        assert (prices["mlrd"], prices["tys"]) == (2_000_000_000, 15_000)
        # The mapping states that all prices are in roubles; these are in so'm.
        assert not {"dot mln", "ming", "mln uz"} & prices.keys()

    def test_three_digits_after_a_separator_in_a_feed(self):
        load("yandex", "d1-feed.xml")

        assert not Offer.objects.filter(external_id__endswith="106").exists()
        assert any(
            field == "price" and reason.startswith('"1,600" can mean')
            for field, reason in reasons()
        )

    def test_the_later_of_two_records_with_the_same_time_counts(self):
        load("wildberries", "a5c-sametime-min.csv", columns="a4-map.toml")

        offer = Offer.objects.get()
        assert offer.price == 130
        assert [price for price, _ in points(offer)] == [120, 130]


def test_words_of_availability():
    load("yandex", "d3-avail.xml")

    offers = {
        offer.external_id.rpartition(":")[2]: (offer.is_available, offer.stock_quantity)
        for offer in Offer.objects.all()
    }
    assert offers["1"][0] is None
    assert offers["2"][0] is True
    assert offers["3"][0] is None
    assert (offers["4"], offers["5"], offers["6"]) == ((False, 0), (True, 7), (False, 0))
    assert offers["7"][0] is False
    assert offers["8"] == (False, 0)


class TestProcurement:
    def test_a_second_deal_of_a_lot_is_a_warning(self):
        outcome = load("uzex", "p2b-two-winners.json", "--lot-type", "auction")

        assert "more than one deal (11, 12)" in outcome.err
        assert Lot.objects.count() == 1

    def test_tax_numbers(self):
        load("uzex", "p3-inn.json")

        inns = set(Organization.objects.values_list("name", "inn"))
        assert inns == {("C1", "123456789"), ("C2", "987654321"), ("Zero lead", "012345678")}


class TestReading:
    def test_bytes_after_the_end_of_a_gzip_member(self):
        outcome = load("yandex", "d2-trail.xml.gz")

        # Two of the fifteen offers have the same id, and four are faulty.
        assert outcome.out.startswith("yandex: read 15, created 10,")
        assert QuarantinedRecord.objects.count() == 4
        assert "ignored" in outcome.err

    def test_white_space_before_the_declaration(self):
        load("yandex", "d2-blank1.xml")

        assert Product.objects.count() >= 10


class TestShapes:
    def test_values_of_a_list_page_are_not_those_of_a_product(self):
        load("yandex", "ym-list-page.json")

        product = Product.objects.get(external_id="1001")
        assert product.title == "Наушники"
        assert (product.rating, product.review_count, product.images) == (None, None, None)

    def test_an_item_of_a_search(self):
        load("uzum", "uzum-makesearch-item.json")

        offer = Offer.objects.select_related("product").get()
        assert (offer.product.external_id, offer.external_id) == ("500001", "700001")
        assert (offer.price, offer.old_price) == (Decimal(28222000), Decimal(42000000))
        assert offer.variant_attributes == {"Rang": "Qora"}

    def test_a_product_page(self):
        load("uzum", "uzum-jsonld.json")

        offer = Offer.objects.select_related("product__category__parent", "seller").get()
        product = offer.product
        assert (product.external_id, product.title) == ("500002", "Namuna krossovka")
        assert (product.rating, product.review_count) == (Decimal("4.70"), 159)
        assert (offer.external_id, offer.price, offer.currency) == ("700010", 157000, "UZS")
        assert (offer.is_available, offer.seller.name) == (True, "Namuna Shop")
        assert product.category.path_names == "Poyabzal > Krossovkalar"

    def test_a_tile_of_another_marketplace_is_refused(self):
        outcome = load("ozon", "ozon-tile-of-another-market.csv")

        assert (outcome.code, Product.objects.count()) == (1, 0)


class TestAds:
    COLUMNS = "classifieds/columns"

    def test_an_ad_that_was_removed_before_it_was_found(self):
        path = cases.path("olx-pl-removed-before-found.json")
        for mapping in ("olx-pl-b.toml", "olx-pl-b-removed.toml"):
            run("ingest", "olx", path, "--columns", f"{self.COLUMNS}/{mapping}")

        assert Listing.objects.get().status == "removed"

    def test_ads_that_are_keyed_by_their_url(self, tmp_path):
        mapping = tmp_path / "keyed.toml"
        mapping.write_text(
            '[table]\nrows = "*"\n[listing]\n'
            "external_id = { column = \"@key\", pattern = '-ID(\\w+)' }\n"
            'title = "title"\nprice = "price"\ncurrency = { constant = "KZT" }\n'
        )

        run("ingest", "olx", cases.path("ads-keyed-by-url.json"), "--columns", str(mapping))

        listings = set(Listing.objects.values_list("external_id", "title", "price"))
        assert listings == {("99aaa", "MacBook", Decimal(400000)), ("99bbb", "MacBook Air", None)}
        assert not ListingQuarantine.objects.exists()
