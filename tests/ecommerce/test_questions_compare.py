"""The question ecommerce.compare, and the view that says which products are the same."""

from datetime import datetime
from decimal import Decimal
from random import Random

import pytest
from django.db import connections
from django.utils import timezone

from tests import factories
from tests.ecommerce import pricing
from tests.ecommerce.pricing import DAY, Price
from tests.factories import SEEN
from tests.questions import analysts, answer  # noqa: F401 # a fixture

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


def expected_period(prices, currency, days):
    """Return lowest, median and highest price; None if the history does not reach back so far."""
    own = [p for p in prices if p.currency == currency and not p.is_outlier]
    if not own or own[0].day < days:
        return (None, None, None)
    series = sorted(pricing.daily_prices(prices, currency, days))
    # The price that was observed last counts even if it was in effect for no time.
    valid = [p for p in prices if not p.is_outlier]
    observed = [*series, valid[-1].price] if valid[-1].currency == currency else series
    if not observed:
        return (None, None, None)
    median = series[(len(series) - 1) // 2] if series else min(observed)
    return (min(observed), median, max(observed))


def _last(value):
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
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_from_daily_prices(self, seed):
        random = Random(seed)
        pricing.add_rates()
        expected = {}
        for number in range(25):
            product = factories.product(external_id=str(number), title_normalized="choynak")
            prices = pricing.random_prices(random)
            offer = pricing.add_offer(prices, product=product)
            currency = offer.currency
            own = [p for p in prices if p.currency == currency and not p.is_outlier]
            since = timezone.localtime(SEEN - own[0].day * DAY).date() if own else None
            periods = [expected_period(prices, currency, days) for days in (30, 90, 365)]
            converted = pricing.convert(offer.price, currency)
            expected[f"uzum:{offer.external_id}"] = (offer.pk, converted, since, *sum(periods, ()))

        rows = answer("ecommerce.compare", product="uzum:3")

        names = [f"{kind}_{days}" for days in (30, 90, 365) for kind in ("low", "median", "high")]
        for row in rows:
            result = [row["converted_price"], row["history_since"], *(row[name] for name in names)]
            assert result == list(expected[row["offer"]][1:]), row
        order = sorted(expected, key=lambda key: (*_last(expected[key][1]), expected[key][0]))
        assert [row["offer"] for row in rows] == order
        assert any(row["median_365"] for row in rows)

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
            rows = answer("ecommerce.compare", product="uzum:1", **parameters)
            return [row["product_id"] for row in rows]

        assert compared() == [chosen.pk, by_title.pk, by_barcode.pk]
        assert compared(platform="ozon") == [by_title.pk]
        assert compared(in_stock="yes") == [chosen.pk, by_title.pk]
        assert answer("ecommerce.compare", product="uzum:404") == []

    def test_searches_words_and_shows_the_rate(self):
        factories.rate("ecommerce", rate=Decimal(12000), rate_date=(SEEN - DAY).date())
        kettle = factories.product(title="Чайник электрический Artel")
        factories.product(title="Чайник заварочный")
        factories.offer(product=kettle, price=24000, seller=factories.seller(rating=4))
        factories.offer(product=kettle, price=3, currency="USD")
        factories.offer(product=kettle, price=1, currency="EUR")

        rows = answer("ecommerce.compare", search="artel чайники", currency="usd")

        result = [(row["converted_price"], row["rate_day"], row["rating"]) for row in rows]
        day = (SEEN - DAY).date()
        assert result == [(2, day, 4), (3, None, None), (None, None, None)]
        assert answer("ecommerce.compare", search="-- - " * 50 + "artel") != []

    def test_without_parameters_compares_the_product_that_changed_last(self):
        assert answer("ecommerce.compare") == []
        pricing.add_offer([Price(2, Decimal(5))])
        newest = pricing.add_offer(
            [Price(1, Decimal(5))], product=factories.product(title_normalized="piyola")
        )

        [row] = answer("ecommerce.compare")

        assert row["product_id"] == newest.product_id
        assert isinstance(row["seen_at"], datetime)
        assert row["low_30"] is None
