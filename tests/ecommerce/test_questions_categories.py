"""The question ecommerce.category_overview."""

from collections import defaultdict
from decimal import Decimal
from statistics import median, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import percent
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import Price, ask_rows, near
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def ask_for(**parameters):
    return ask_rows("category_overview", **parameters)


def quartiles(values):
    if len(values) < 2:
        return (values * 3) or [None] * 3
    return quantiles(values, method="inclusive")


def change_of(stored, since):
    """Return by how many percent the price changed since the day began; None if unknown."""
    then = daily.by_day(daily.valid(stored.points), until=-1).get(since)
    if then is None or then.currency != stored.offer.currency or not then.price:
        return None
    return 100 * (stored.offer.price - then.price) / then.price


def group_of(product, category):
    """Return the path of the level below a category, or the top one without a category."""
    if product.category is None:
        return None
    path = product.category.path_names or product.category.name
    if category and not path.startswith(category):
        return path
    return " > ".join(path.split(" > ")[: len(category.split(" > ")) + 1 if category else 1])


def overview_of(group, since):
    """Return the expected columns of the offers of a category and platform."""
    offers = [stored.offer for stored in group]
    prices = [daily.converted(offer, "UZS") for offer in offers]
    prices = [price for price in prices if price is not None]
    changes = [change_of(stored, since) for stored in group]
    changes = [change for change in changes if change is not None]
    discounted = [offer for offer in offers if (offer.old_price or 0) > offer.price]
    lower, middle, upper = map(near, quartiles(prices))
    return {
        "products": len({offer.product_id for offer in offers}),
        "offers": len(offers),
        "sellers": len({offer.seller_id for offer in offers} - {None}) or None,
        "quartile_1": lower,
        "median": middle,
        "quartile_3": upper,
        "currency": "UZS",
        "n_used": len(prices),
        "discounted_percent": percent(Decimal(len(discounted)), len(offers)),
        "change_percent": near(median(changes) if changes else None),
        "n_compared": len(changes),
    }


class TestCategoryOverview:
    @markets.EXAMPLES
    @given(
        drafts=markets.drafts(),
        category=st.sampled_from(["", "", "A", "A > C", "F"]),
    )
    def test_equals_a_computation_from_daily_prices(self, drafts, category):
        groups = defaultdict(list)
        market = list(markets.store(drafts))
        since = 30 + min((stored.seen for stored in market), default=0)
        for stored in market:
            product = stored.offer.product
            is_available = stored.offer.is_available is not False
            if is_available and markets.is_within(product, category):
                groups[group_of(product, category), product.platform].append(stored)
        expected = [
            {"category": name, "platform": platform, **overview_of(group, since)}
            for (name, platform), group in groups.items()
        ]
        expected.sort(
            key=lambda row: (
                -row["offers"],
                row["category"] is None,
                row["category"],
                row["platform"],
            )
        )

        rows = ask_for(category=category)

        assert markets.narrow(rows, expected) == expected

    def test_shows_the_level_below_a_category(self):
        for path in ("A > B", "A > C > D", "A > C > E", "A", "AB > C"):
            factories.offer(product=factories.product(category=factories.category(path_names=path)))

        def names(category):
            rows = ask_for(category=category)
            return {row["category"]: row["offers"] for row in rows}

        assert names("") == {"A": 4, "AB": 1}
        assert names("A") == {"A": 1, "A > B": 1, "A > C": 2}
        assert names("A > C") == {"A > C > D": 1, "A > C > E": 1}
        assert names("Смартфоны") == {
            "A > B": 1,
            "A > C > D": 1,
            "A > C > E": 1,
            "A": 1,
            "AB > C": 1,
        }
        assert names("none") == {}

    def test_single_prices_ties_and_zero(self):
        category = factories.category(path_names="A")
        for price, then in ((0, 0), (5, 5), (5, 5)):
            product = factories.product(category=category)
            markets.add_offer([Price(60, then)], product=product, price=price)

        [row] = ask_for(currency="UZS", platform="uzum")

        assert (row["quartile_1"], row["median"], row["quartile_3"]) == (2.5, 5, 5)
        # A change from 0 has no percentage.
        assert (row["change_percent"], row["n_compared"]) == (0, 2)
        [row] = ask_for(currency="USD")
        assert (row["median"], row["n_used"], row["offers"]) == (None, 3, 3)

    def test_quartiles_are_converted_at_the_newest_rate(self):
        for rate_date, rate in (("2025-01-01", 10_000), ("2026-01-01", 12_500)):
            factories.rate("ecommerce", rate_date=rate_date, rate=rate)
        factories.offer(price=5000, currency="UZS")
        factories.offer(price=1, currency="USD")

        [row] = ask_for(currency="USD")

        assert (row["quartile_1"], row["median"]) == (near(Decimal("0.55")), near(Decimal("0.7")))

    def test_is_empty_without_offers(self):
        assert ask_for() == []
