"""The questions ecommerce.price_drops and ecommerce.new_lows."""

from decimal import Decimal
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import local_day
from tests.ecommerce import daily, markets
from tests.ecommerce.daily import percent_below
from tests.ecommerce.markets import Price, ask_rows, date_of
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def cuts_of(points):
    """Yield each point that may be a new low: lower than before, or again in this currency."""
    points = daily.valid(points)
    for number, (before, point) in enumerate(pairwise(points), 1):
        is_known = point.currency in {earlier.currency for earlier in points[:number]}
        if is_known and (before.currency != point.currency or point.price < before.price):
            yield point


def drop_of(stored, cut):
    """Return the expected row of a cut; None without a price in the 30 days before."""
    days = daily.by_day(daily.valid(stored.points))
    lowest = min(daily.prices_of(days, cut.currency, cut.day, 30), default=None)
    if lowest is None:
        return None
    known = [day for day in range(cut.day + 1, cut.day + 31) if is_priced(days, day, cut.currency)]
    product, seller = stored.offer.product, stored.offer.seller
    return {
        "product_id": product.pk,
        "platform": product.platform,
        "price": cut.price,
        "currency": cut.currency,
        "lowest_before": lowest,
        "drop_percent": percent_below(cut.price, lowest),
        "days_before": max(known) - cut.day,
        "recorded_at": markets.at(cut.day),
        "seller": seller and seller.name,
    }


def is_priced(days, day, currency):
    return day in days and days[day].currency == currency


class TestPriceDrops:
    @markets.EXAMPLES
    @given(
        market=markets.drafts(),
        least_percent=st.sampled_from([0, 5, 20]),
        last=st.sampled_from([0, 6]),
        filters=markets.FILTERS,
    )
    def test_equals_a_computation_from_daily_prices(self, market, least_percent, last, filters):
        drops = {}
        chosen = (s for s in markets.store(market) if markets.is_chosen(s.offer, **filters))
        for stored in chosen:
            for cut in cuts_of(stored.points):
                drop = drop_of(stored, cut)
                is_shown = last <= cut.day <= 90 and cut.is_available is not False
                is_below = drop and cut.price < drop["lowest_before"]
                if is_shown and is_below and drop["drop_percent"] >= least_percent:
                    drops.setdefault(drop["product_id"], []).append(drop)
        expected = [
            max(drops[key], key=lambda drop: (drop["drop_percent"], drop["recorded_at"]))
            for key in sorted(drops)
        ]
        expected.sort(key=lambda drop: -drop["drop_percent"])

        rows = ask_rows(
            "price_drops",
            since=date_of(90),
            until=date_of(last),
            least_percent=least_percent,
            **filters,
        )

        assert markets.narrow(rows, expected) == expected

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
        markets.add_offer([point._replace(price=Decimal(point.price)) for point in points])

        rows = ask_rows("price_drops", since=date_of(1), until=date_of(0))

        expected = [] if lowest is None else [(lowest, days)]
        assert [(row["lowest_before"], row["days_before"]) for row in rows] == expected

    def test_an_equal_price_is_not_a_drop(self):
        markets.add_offer([Price(9, 100), Price(5, 80), Price(1, 80, old_price=90)])

        assert ask_rows("price_drops", since=date_of(1), until=date_of(0), least_percent=0) == []

    def test_filters_by_platform_category_and_day(self):
        games = factories.category(name="Игры", path_names="Дом > Игры")
        toys = factories.category(name="Игры и игрушки", path_names="Дом > Игры и игрушки")
        products = [factories.product(category=category) for category in (games, toys)]
        for product in products:
            markets.add_offer([Price(9, Decimal(100)), Price(2, Decimal(50))], product=product)

        def dropped(**parameters):
            rows = ask_rows("price_drops", **{"since": date_of(2), **parameters})
            return [row["product_id"] for row in rows]

        first, second = (product.pk for product in products)
        assert dropped(category="Дом > Игры") == dropped(category="Игры") == [first]
        assert dropped(category="Дом") == [first, second]
        assert dropped(platform="ozon") == dropped(since=date_of(1)) == []
        assert dropped(since=date_of(9), until=date_of(3)) == []


def low_of(stored, cut):
    """Return what is expected of the row of a cut that is the current price."""
    days = daily.by_day(daily.valid(stored.points))
    first = next(day for day in days if is_priced(days, day, cut.currency))

    def lowest_of(count):
        if first < cut.day + count:
            return None
        return min(daily.prices_of(days, cut.currency, cut.day, count), default=None)

    return {
        "offer": markets.address(stored.offer),
        "price": cut.price,
        "currency": cut.currency,
        "since": markets.at(cut.day),
        "low_90": lowest_of(90),
        "low_365": lowest_of(365),
        "low_all": lowest_of(first - cut.day),
        "history_since": local_day(markets.at(first)),
    }


class TestNewLows:
    @markets.EXAMPLES
    @given(markets.drafts(), markets.FILTERS)
    def test_equals_a_computation_from_daily_prices(self, market, filters):
        lows = []
        for stored in markets.store(market):
            points = daily.valid(stored.points)
            state = points[-1][1:3]
            current = list(takewhile(lambda p, state=state: p[1:3] == state, reversed(points)))[-1]
            is_shown = current.day <= 30 and stored.offer.is_available is not False
            is_chosen = markets.is_chosen(stored.offer, **filters)
            if is_shown and is_chosen and current in cuts_of(points):
                lows.append(low_of(stored, current))

        for lowest_of in ("90", "365", "all"):
            expected = [
                row | {"lowest_before": lowest, "below_percent": below}
                for row in lows
                for lowest in [row[f"low_{lowest_of}"]]
                for below in [percent_below(row["price"], lowest)]
                if lowest is not None and row["price"] < lowest
            ]
            expected.sort(key=lambda row: -row["below_percent"])
            rows = ask_rows("new_lows", since=date_of(30), lowest_of=lowest_of, **filters)
            assert markets.narrow(rows, expected) == expected

    def test_lows_that_history_does_not_reach_are_unknown(self):
        markets.add_offer([Price(200, Decimal(90)), Price(150, Decimal(99)), Price(1, Decimal(80))])

        [row] = ask_rows("new_lows", since=date_of(7))

        assert (row["low_90"], row["low_365"], row["low_all"]) == (99, None, 90)
        assert ask_rows("new_lows", since=date_of(0)) == []

    def test_compares_a_price_after_an_outlier_with_the_price_before_it(self):
        markets.add_offer([Price(200, 100), Price(9, 10, is_outlier=True), Price(2, 96)])

        [row] = ask_rows("new_lows", since=date_of(7))

        assert (row["lowest_before"], row["below_percent"]) == (100, 4)


@pytest.mark.parametrize("question", ["price_drops", "new_lows"])
def test_is_empty_without_prices(question):
    assert ask_rows(question) == []
