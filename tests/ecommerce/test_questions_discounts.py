"""The question ecommerce.fake_discounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import DAY, Price, ask_rows, date_of
from tests.factories import SEEN
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def ask_for(**parameters):
    return ask_rows("fake_discounts", **{"seen_since": "2026-01-01", **parameters})


def judge(stored, least_days=30):
    """Return the expected row by daily prices; None if the discount is not doubtful."""
    offer, points = stored.offer, daily.valid(stored.points)
    began = None
    for point in reversed(points):
        is_discounted = point.old_price is not None and point.old_price > point.price
        if not is_discounted or point.currency != offer.currency:
            break
        began = point.day
    own = [point for point in points if point.currency == offer.currency]
    if began is None or min(own[0].day, began + 90) - stored.seen < least_days:
        return None
    days = {
        day: point
        for day, point in daily.by_day(points, stored.seen).items()
        if point.currency == offer.currency
    }
    window = [day for day in days if day <= began + 90]
    charged = [day for day in window if days[day].price >= offer.old_price * Decimal("0.99")]
    lowest = None
    if own[0].day >= began + 30:
        lowest = min(daily.prices_of(days, offer.currency, began, 30), default=None)
    raised = days[charged[0]].day if charged else None
    before = next((point for point in reversed(points) if charged and point.day > raised), None)
    if charged:
        was_raised = before and before.currency == offer.currency and raised < began + 90
        was_lower = was_raised and before.price <= offer.old_price * Decimal("0.95")
        if not was_lower or len(charged) > 30:
            return None
    return {
        "offer": markets.address(offer),
        "advertised_percent": daily.percent_below(offer.price, offer.old_price),
        "reason": "raised shortly before" if charged else "never charged",
        "began_at": markets.at(began),
        # The price that was observed last counts even if it was in effect for no time.
        "highest_price": max([own[-1].price, *(days[day].price for day in window)]),
        "lowest_before": lowest,
        "real_percent": daily.percent_below(offer.price, lowest),
        "days_at_old_price": len(charged),
        "days_known": min(own[0].day, began + 90) - stored.seen,
        "raised_at": markets.at(raised),
        "raised_from": before and before.price,
    }


class TestFakeDiscounts:
    @markets.EXAMPLES
    @given(
        market=markets.drafts(),
        least_percent=st.sampled_from([2, 10, 20]),
        least_days=st.sampled_from([1, 30]),
        filters=markets.FILTERS | st.just({"seller": "uzum:0"}),
    )
    def test_equals_a_computation_from_daily_prices(
        self, market, least_percent, least_days, filters
    ):
        expected = []
        for stored in markets.store(market):
            offer = stored.offer
            discount = daily.percent_below(offer.price, offer.old_price)
            is_current = offer.is_available is not False and stored.seen <= 70
            is_discounted = discount is not None and discount >= least_percent
            if is_current and is_discounted and markets.is_chosen(offer, **filters):
                expected.append(judge(stored, least_days))
        expected = [row for row in reversed(expected) if row]
        expected.sort(key=lambda row: -row["advertised_percent"])

        rows = ask_for(
            seen_since=date_of(70), least_percent=least_percent, least_days=least_days, **filters
        )

        assert markets.narrow(rows, expected) == expected

    @pytest.mark.parametrize(
        ("points", "reason"),
        [
            # Honest: sold at the old price for a long time, also within 1 %.
            ([Price(90, 100), Price(9, 60, old_price=100)], None),
            ([Price(90, 99), Price(9, 60, old_price=100)], None),
            # The old price was never charged, also if the discount never began.
            ([Price(90, 98), Price(9, 60, old_price=100)], "never charged"),
            ([Price(90, 60, old_price=100)], "never charged"),
            # It was charged before the 90 days only.
            ([Price(300, 100), Price(200, 80), Price(9, 60, old_price=100)], "never charged"),
            ([Price(90, 80), Price(20, 100), Price(9, 60, old_price=100)], "raised shortly before"),
            ([Price(90, 96), Price(20, 100), Price(9, 60, old_price=100)], None),
            ([Price(90, 80), Price(40, 100), Price(9, 60, old_price=100)], None),
            # The history is too short.
            ([Price(29, 60, old_price=100)], None),
            # Outliers are no prices.
            (
                [Price(90, 60), Price(40, 600, is_outlier=True), Price(39, 60, old_price=600)],
                "never charged",
            ),
        ],
    )
    def test_judges(self, points, reason):
        markets.add_offer(points)

        rows = ask_for()

        assert [row["reason"] for row in rows] == ([reason] if reason else [])

    def test_filters(self):
        seller = factories.seller(external_id="7")
        category = factories.category(path_names="Дом > Посуда")
        product = factories.product(category=category)
        prices = [Price(90, Decimal(60), old_price=Decimal(100))]
        markets.add_offer(prices, product=product, seller=seller)
        markets.add_offer(prices, is_available=False)
        markets.add_offer(prices, scraped_at=SEEN - 500 * DAY)

        def count(**parameters):
            return len(ask_for(**parameters))

        assert count() == count(seller="uzum:7") == count(category="Дом") == count(platform="uzum")
        assert count() == count(least_percent=40) == 1
        assert count(seller="uzum:8") == count(category="Дом > По") == count(platform="ozon") == 0
        assert count(least_percent=41) == count(least_days=91) == 0

    def test_is_empty_without_offers(self):
        assert ask_for() == []
