"""The question ecommerce.compare, and the view that says which products are the same."""

from datetime import datetime
from decimal import Decimal
from statistics import median_low

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import find_rate_day, local_day
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import DAY, Price, ask_rows
from tests.factories import SEEN
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: From the GS1 General Specifications and products' packages.
BARCODES = ["4006381333931", "73513537", "036000291452", "10012345000017"]


def same_products():
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("SELECT * FROM ecommerce_same_product ORDER BY 1, 2, 3")
        return cursor.fetchall()


def range_of(stored, count):
    """Return lowest, median and highest price of a number of days until an offer was last seen.

    They are None if the history does not reach back so far.
    """
    points, currency = daily.valid(stored.points), stored.offer.currency
    days = daily.by_day(points, until=stored.seen)
    known = [point.day for point in points if point.currency == currency]
    if known[0] < stored.seen + count:
        return (None, None, None)
    prices = daily.prices_of(days, currency, stored.seen, count)
    # The price that was observed last counts even if it was in effect for no time.
    observed = [*prices, points[-1].price]
    return (min(observed), median_low(prices or observed), max(observed))


def compared(stored, target):
    """Return the expected row of an offer."""
    offer, points = stored.offer, daily.valid(stored.points)
    first = next(point.day for point in points if point.currency == offer.currency)
    row = {
        "offer": markets.address(offer),
        "price": offer.price,
        "currency": offer.currency,
        "converted_price": daily.converted(offer, target),
        "target_currency": target,
        "rate_day": find_rate_day(offer.currency, local_day(offer.scraped_at), target),
        "is_available": offer.is_available,
        "seen_at": offer.scraped_at,
        "history_since": local_day(markets.at(first)),
    }
    for days in (30, 90, 365):
        names = (f"low_{days}", f"median_{days}", f"high_{days}")
        row |= zip(names, range_of(stored, days), strict=True)
    return row


def ascending(value):
    """Return a key that sorts None last."""
    return (value is None, value or 0)


def _has_check_digit(barcode):
    digits = [int(digit) for digit in barcode.zfill(14)]
    return (sum(digits) + 2 * sum(digits[::2])) % 10 == 0


class TestSameProduct:
    def test_barcodes_need_a_right_check_digit(self):
        wrong = ["4006381333932", "4006381333", "00000000", "400638133393a", "", "٤006381333931"]
        products = [
            factories.product(title_normalized=None, barcode=barcode)
            for barcode in [*BARCODES, *wrong, None]
        ]

        expected = [
            (product.pk, "barcode", barcode.zfill(14))
            for product, barcode in zip(products, BARCODES, strict=False)
        ]
        assert same_products() == expected

    def test_a_barcode_is_equal_in_all_its_lengths(self):
        products = [
            factories.product(title_normalized=None, barcode=barcode)
            for barcode in ("036000291452", "0036000291452", "00036000291452", "10036000291459")
        ]

        values = {product: value for product, _, value in same_products()}

        assert len({values[product.pk] for product in products[:3]}) == 1
        assert values[products[3].pk] != values[products[0].pk]

    @pytest.mark.parametrize(
        "barcode", ["2000000000008", "0212345678909", "212345678909", "20000004", "00000109"]
    )
    def test_barcodes_of_one_shop_are_not_compared(self, barcode):
        assert _has_check_digit(barcode)
        factories.product(title_normalized=None, barcode=barcode)

        assert same_products() == []

    def test_contains_titles_and_barcodes_of_offers(self):
        product = factories.product(title_normalized="choynak")
        factories.product(title_normalized="")
        factories.offer(product=product, barcode=BARCODES[0])
        factories.offer(product=product, barcode="1")

        assert same_products() == [
            (product.pk, "barcode", BARCODES[0].zfill(14)),
            (product.pk, "title", "choynak"),
        ]


class TestSameProducts:
    def test_looks_up_each_key_in_an_index(self):
        with connections["ecommerce"].cursor() as cursor:
            # Whatever the statistics say, the plan has index scans only.
            cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
            cursor.execute(
                "EXPLAIN SELECT * FROM (VALUES (1)) v (id), ecommerce_same_products(v.id)"
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
            cursor.execute("RESET enable_seqscan; RESET enable_bitmapscan")

        for index in ("products_title", "products_barcode", "offers_barcode"):
            assert f"using ecommerce_{index} on" in plan, plan
        assert "Seq Scan" not in plan


class TestCompare:
    @markets.EXAMPLES
    @given(
        markets.drafts(),
        st.sampled_from(["UZS", "USD"]),
        st.sampled_from(["", "yes"]),
    )
    def test_equals_a_computation_from_daily_prices(self, drafts, currency, in_stock):
        products = [draft._replace(title="choynak") for draft in drafts.products]
        drafts = drafts._replace(products=products)
        stored = markets.store(drafts)
        expected = [
            compared(entry, currency)
            for entry in stored
            if not in_stock or entry.offer.is_available is not False
        ]
        expected.sort(key=lambda row: ascending(row["converted_price"]))
        platform = products[3].platform

        rows = ask_rows("compare", product=f"{platform}:3", currency=currency, in_stock=in_stock)

        assert markets.narrow(rows, expected) == expected

    def test_finds_the_same_product_by_title_and_barcode(self):
        chosen = factories.product(external_id="1", title_normalized="choynak", barcode=BARCODES[0])
        by_title = factories.product(platform="ozon", title_normalized="choynak")
        by_barcode = factories.product(platform="yandex", title_normalized="teapot")
        other = factories.product(title_normalized="piyola", barcode="4006381333932")
        offers = {
            product: factories.offer(product=product, platform=product.platform)
            for product in (chosen, by_title, other)
        }
        offers[by_barcode] = factories.offer(
            product=by_barcode, platform="yandex", barcode=BARCODES[0], is_available=False
        )

        def compared(**parameters):
            rows = ask_rows("compare", product="uzum:1", **parameters)
            return [row["product_id"] for row in rows]

        assert compared() == [chosen.pk, by_title.pk, by_barcode.pk]
        assert compared(platform="ozon") == [by_title.pk]
        assert compared(in_stock="yes") == [chosen.pk, by_title.pk]
        assert ask_rows("compare", product="uzum:404") == []

    def test_searches_words_and_shows_the_rate(self):
        factories.rate("ecommerce", rate=Decimal(12000), rate_date=(SEEN - DAY).date())
        kettle = factories.product(title="Чайник электрический Artel")
        factories.product(title="Чайник заварочный")
        factories.offer(product=kettle, price=24000, seller=factories.seller(rating=4))
        factories.offer(product=kettle, price=3, currency="USD")
        factories.offer(product=kettle, price=1, currency="EUR")

        rows = ask_rows("compare", search="artel чайники", currency="usd")

        result = [(row["converted_price"], row["rate_day"], row["rating"]) for row in rows]
        day = (SEEN - DAY).date()
        assert result == [(2, day, 4), (3, None, None), (None, None, None)]
        assert ask_rows("compare", search="-- - " * 50 + "artel") != []

    def test_without_parameters_compares_the_product_that_changed_last(self):
        assert ask_rows("compare") == []
        markets.add_offer([Price(2, Decimal(5))])
        newest = markets.add_offer(
            [Price(1, Decimal(5))], product=factories.product(title_normalized="piyola")
        )

        [row] = ask_rows("compare")

        assert row["product_id"] == newest.product_id
        assert isinstance(row["seen_at"], datetime)
        assert row["low_30"] is None
