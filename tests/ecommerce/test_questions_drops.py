"""The questions ecommerce.price_drops and ecommerce.new_lows."""

from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from random import Random

import pytest
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

CENT = Decimal("0.01")


def day_of(days):
    return timezone.localdate(SEEN - days * DAY).isoformat()


def percent_below(price, lowest):
    return (100 * (lowest - price) / lowest).quantize(CENT, ROUND_HALF_UP)


def lowest_before(prices, cut, days):
    """Return the lowest of the daily prices before a cut; None if there is none."""
    earlier = [p._replace(day=p.day - cut.day) for p in prices if p.day > cut.day]
    return min(pricing.daily_prices(earlier, cut.currency, days), default=None)


def cuts_of(prices, first_day):
    """Yield the points of the last days that are below the one before, or follow an outlier."""
    for before, point in pairwise(prices):
        is_lower = before.currency == point.currency and point.price < before.price
        if (is_lower or before.is_outlier) and not point.is_outlier and point.day <= first_day:
            yield point


def histories(seed, count=60, first_day=120):
    """Store offers of one product each; yield them with their prices."""
    random = Random(seed)
    for _ in range(count):
        prices = pricing.random_prices(random, first_day)
        yield pricing.add_offer(prices), prices


class TestPriceDrops:
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_from_daily_prices(self, seed):
        expected = {}
        for offer, prices in histories(seed):
            for cut in cuts_of(prices, 90):
                lowest = lowest_before(prices, cut, 30)
                if cut.is_available is False or lowest is None:
                    continue
                drop = percent_below(cut.price, lowest)
                best = expected.get(offer.product_id, (0, 0, 0))
                if drop >= 5 and (drop, -cut.day) > (best[0], -best[2]):
                    expected[offer.product_id] = (drop, lowest, cut.day)

        rows = answer("ecommerce.price_drops", since=day_of(90), until=day_of(0))

        result = {
            row["product_id"]: (
                row["drop_percent"],
                row["lowest_before"],
                (SEEN - row["recorded_at"]).days,
            )
            for row in rows
        }
        assert result == expected != {}
        assert [row["product_id"] for row in rows] == sorted(
            expected, key=lambda key: (-expected[key][0], key)
        )

    @pytest.mark.parametrize(
        ("points", "lowest", "days"),
        [
            # A price that ended 30 days before does not count; one that ended a day later does.
            ([Price(60, 50), Price(31, 100), Price(1, 80)], 100, 30),
            ([Price(60, 50), Price(30, 100), Price(1, 80)], None, None),
            ([Price(60, 95), Price(30, 100), Price(1, 80)], 95, 30),
            # Short histories, other currencies and outliers.
            ([Price(3, 100), Price(1, 80)], 100, 2),
            ([Price(90, 90), Price(60, 8, "USD"), Price(9, 100), Price(1, 80)], 100, 8),
            ([Price(9, 100), Price(5, 10, is_outlier=True), Price(4, 100), Price(1, 80)], 100, 8),
            ([Price(9, 100), Price(5, 10, is_outlier=True), Price(1, 80)], 100, 8),
            ([Price(9, 100), Price(1, 80, is_outlier=True)], None, None),
            ([Price(9, 100), Price(1, 80, is_available=False)], None, None),
            ([Price(1, 80)], None, None),
            ([Price(9, 100), Price(1, 0)], 100, 8),
        ],
    )
    def test_compares_with_the_30_days_before(self, points, lowest, days):
        pricing.add_offer([point._replace(price=Decimal(point.price)) for point in points])

        rows = answer("ecommerce.price_drops", since=day_of(1), until=day_of(0))

        expected = [] if lowest is None else [(lowest, days)]
        assert [(row["lowest_before"], row["days_before"]) for row in rows] == expected

    def test_filters_by_platform_category_and_day(self):
        games = factories.category(name="Игры", path_names="Дом > Игры")
        toys = factories.category(name="Игры и игрушки", path_names="Дом > Игры и игрушки")
        products = [factories.product(category=category) for category in (games, toys)]
        for product in products:
            pricing.add_offer([Price(9, Decimal(100)), Price(2, Decimal(50))], product=product)

        def dropped(**parameters):
            rows = answer("ecommerce.price_drops", **{"since": day_of(2), **parameters})
            return [row["product_id"] for row in rows]

        first, second = (product.pk for product in products)
        assert dropped(category="Дом > Игры") == dropped(category="Игры") == [first]
        assert dropped(category="Дом") == [first, second]
        assert dropped(platform="ozon") == dropped(since=day_of(1)) == []
        assert dropped(since=day_of(9), until=day_of(3)) == []


class TestNewLows:
    @pytest.mark.parametrize(("lowest_of", "first_day"), [("90", 120), ("365", 420), ("all", 120)])
    def test_equals_a_computation_from_daily_prices(self, lowest_of, first_day):
        expected = {}
        for offer, prices in histories(3, 120, first_day):
            valid = [point for point in prices if not point.is_outlier]
            run = [cut for cut in cuts_of(prices, 60) if cut.price == offer.price]
            for cut in run:
                later = [p for p in valid if p.day < cut.day]
                is_current = all((p.price, p.currency) == (cut.price, cut.currency) for p in later)
                known = [p for p in valid if p.currency == cut.currency and p.day > cut.day]
                days = 10_000 if lowest_of == "all" else int(lowest_of)
                is_covered = lowest_of == "all" or (known and known[0].day - cut.day >= days)
                lowest = lowest_before(prices, cut, min(days, 500))
                if not is_current or not is_covered or lowest is None or cut.price >= lowest:
                    continue
                if offer.currency == cut.currency and offer.is_available is not False:
                    since = timezone.localdate(SEEN - known[0].day * DAY)
                    drop = percent_below(cut.price, lowest)
                    expected[f"uzum:{offer.external_id}"] = (drop, lowest, since, cut.day)

        rows = answer("ecommerce.new_lows", since=day_of(60), lowest_of=lowest_of)

        result = {
            row["offer"]: (
                row["below_percent"],
                row["lowest_before"],
                row["history_since"],
                (SEEN - row["since"]).days,
            )
            for row in rows
        }
        assert result == expected != {}
        assert [row["below_percent"] for row in rows] == sorted(
            (drop for drop, *_ in expected.values()), reverse=True
        )

    def test_lows_that_history_does_not_reach_are_unknown(self):
        pricing.add_offer([Price(200, Decimal(90)), Price(150, Decimal(99)), Price(1, Decimal(80))])

        [row] = answer("ecommerce.new_lows", since=day_of(7))

        assert (row["low_90"], row["low_365"], row["low_all"]) == (99, None, 90)
        assert answer("ecommerce.new_lows", since=day_of(0)) == []

    def test_compares_a_price_after_an_outlier_with_the_price_before_it(self):
        pricing.add_offer([Price(200, 100), Price(9, 10, is_outlier=True), Price(2, 96)])

        [row] = answer("ecommerce.new_lows", since=day_of(7))

        assert (row["lowest_before"], row["below_percent"]) == (100, 4)


@pytest.mark.parametrize("question", ["price_drops", "new_lows"])
def test_is_empty_without_prices(question):
    assert answer(f"ecommerce.{question}") == []
