"""The question ecommerce.fake_discounts."""

from decimal import ROUND_HALF_UP, Decimal
from random import Random

import pytest

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


def ask_for(**parameters):
    return answer("ecommerce.fake_discounts", seen_since="2026-01-01", **parameters)


def judge(prices, offer):
    """Return the expected evidence by daily prices; None if the discount is not doubtful."""
    valid = [point for point in prices if not point.is_outlier]
    run = []
    for point in reversed(valid):
        is_discounted = point.old_price is not None and point.old_price > point.price
        if not is_discounted or point.currency != offer.currency:
            break
        run.append(point)
    own = [point for point in valid if point.currency == offer.currency]
    if not run or not own:
        return None
    began, first = run[-1].day, own[0].day
    start = min(first, began + 90)
    days = {
        day: [point for point in valid if point.day >= day][-1]
        for day in range(valid[0].day, 0, -1)
    }
    charged = [
        day
        for day in range(start, 0, -1)
        if days[day].currency == offer.currency
        and days[day].price >= offer.old_price * Decimal("0.99")
    ]
    if start < 30:
        return None
    lowest = None
    if first >= began + 30:
        earlier = [days[day] for day in range(began + 30, began, -1)]
        lowest = min((p.price for p in earlier if p.currency == offer.currency), default=None)
    real = lowest and (100 * (lowest - offer.price) / lowest).quantize(CENT, ROUND_HALF_UP)
    if not charged:
        return ("never charged", began, real, 0, None, None)
    raised = days[charged[0]].day
    before = [point for point in valid if point.day > raised]
    is_raised = raised < began + 90 and before and before[-1].currency == offer.currency
    is_raised = is_raised and before[-1].price <= offer.old_price * Decimal("0.95")
    if not is_raised or len(charged) > 30:
        return None
    return ("raised shortly before", began, real, len(charged), raised, before[-1].price)


class TestFakeDiscounts:
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_from_daily_prices(self, seed):
        random, expected = Random(seed), {}
        for _ in range(150):
            prices = pricing.random_prices(random, 200)
            offer = pricing.add_offer(prices)
            discount = offer.old_price and 100 - 100 * offer.price / offer.old_price
            if discount and discount >= 10 and offer.is_available is not False:
                evidence = judge(prices, offer)
                if evidence:
                    expected[f"uzum:{offer.external_id}"] = evidence

        rows = ask_for()

        result = {
            row["offer"]: (
                row["reason"],
                (SEEN - row["began_at"]).days,
                row["real_percent"],
                row["days_at_old_price"],
                row["raised_at"] and (SEEN - row["raised_at"]).days,
                row["raised_from"],
            )
            for row in rows
        }
        assert result == expected
        assert {reason for reason, *_ in expected.values()} == {
            "never charged",
            "raised shortly before",
        }
        order = [(-row["advertised_percent"], row["product_id"]) for row in rows]
        assert order == sorted(order)

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
        pricing.add_offer(points)

        rows = ask_for()

        assert [row["reason"] for row in rows] == ([reason] if reason else [])

    def test_filters(self):
        seller = factories.seller(external_id="7")
        category = factories.category(path_names="Дом > Посуда")
        product = factories.product(category=category)
        prices = [Price(90, Decimal(60), old_price=Decimal(100))]
        pricing.add_offer(prices, product=product, seller=seller)
        pricing.add_offer(prices, is_available=False)
        pricing.add_offer(prices, scraped_at=SEEN - 500 * DAY)

        def count(**parameters):
            return len(ask_for(**parameters))

        assert count() == count(seller="uzum:7") == count(category="Дом") == count(platform="uzum")
        assert count() == count(least_percent=40) == 1
        assert count(seller="uzum:8") == count(category="Дом > По") == count(platform="ozon") == 0
        assert count(least_percent=41) == count(least_days=91) == 0

    def test_is_empty_without_offers(self):
        assert ask_for() == []
