"""The question ecommerce.category_overview."""

from collections import defaultdict
from decimal import Decimal
from random import Random
from statistics import median, quantiles

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

#: The day with which prices are compared, in days before SEEN.
SINCE = 30


def ask_for(**parameters):
    since = timezone.localdate(SEEN - SINCE * DAY).isoformat()
    return answer("ecommerce.category_overview", **{"since": since, **parameters})


def near(value):
    """Return what equals a rounded result: PostgreSQL computes percentiles in double precision."""
    return None if value is None else pytest.approx(value, abs=Decimal("0.011"))


def quartiles(values):
    if len(values) < 2:
        return (values * 3) or [None] * 3
    return quantiles(values, method="inclusive")


def change_of(offer, prices):
    """Return by how many percent the price changed since the day began; None if unknown."""
    valid = [point for point in prices if not point.is_outlier and point.day > SINCE]
    if not valid or valid[-1].currency != offer.currency:
        return None
    return 100 * (offer.price - valid[-1].price) / valid[-1].price


class TestCategoryOverview:
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_in_python(self, seed):
        random = Random(seed)
        pricing.add_rates()
        categories = [factories.category(path_names=path) for path in ("A > B", "A > C > D", "E")]
        sellers = [factories.seller() for _ in range(3)]
        groups = defaultdict(list)
        for _ in range(120):
            category, platform = random.choice([*categories, None]), random.choice(["uzum", "ozon"])
            prices = pricing.random_prices(random, 100)
            seller = random.choice(sellers) if platform == "uzum" else None
            product = factories.product(platform=platform, category=category)
            offer = pricing.add_offer(prices, product=product, platform=platform, seller=seller)
            if offer.is_available is not False:
                path = category and category.path_names[:1]
                groups[path, platform].append((offer, prices))

        rows = ask_for()

        assert {(row["category"], row["platform"]) for row in rows} == set(groups)
        for row in rows:
            group = groups[row["category"], row["platform"]]
            offers = [offer for offer, _ in group]
            converted = [pricing.convert(offer.price, offer.currency) for offer in offers]
            known = sorted(price for price in converted if price is not None)
            changes = [change_of(*pair) for pair in group]
            changes = [change for change in changes if change is not None]
            discounted = [o for o in offers if o.old_price and o.old_price > o.price]
            assert row["products"] == row["offers"] == len(offers)
            assert row["sellers"] == (len({o.seller_id for o in offers if o.seller_id}) or None)
            result = [row[name] for name in ("quartile_1", "median", "quartile_3")]
            assert result == [near(value) for value in quartiles(known)]
            assert (row["n_used"], row["n_compared"]) == (len(known), len(changes))
            assert row["discounted_percent"] == near(Decimal(100 * len(discounted)) / len(offers))
            assert row["change_percent"] == near(median(changes) if changes else None)
        counts = [row["offers"] for row in rows]
        assert counts == sorted(counts, reverse=True)

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
            pricing.add_offer([Price(60, then)], product=product, price=price)

        [row] = ask_for(currency="UZS", platform="uzum")

        assert (row["quartile_1"], row["median"], row["quartile_3"]) == (2.5, 5, 5)
        # A change from 0 has no percentage.
        assert (row["change_percent"], row["n_compared"]) == (0, 2)
        [row] = ask_for(currency="USD")
        assert (row["median"], row["n_used"], row["offers"]) == (None, 0, 3)

    def test_is_empty_without_offers(self):
        assert ask_for() == []
