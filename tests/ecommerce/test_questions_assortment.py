"""The question ecommerce.assortment_changes."""

from collections import Counter, defaultdict
from random import Random

import pytest
from django.utils import timezone

from tests import factories
from tests.ecommerce.pricing import DAY
from tests.factories import SEEN
from tests.questions import analysts, answer  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before SEEN.
FIRST, LAST = 20, 5


def ask_for(**parameters):
    period = {"since": date_of(FIRST), "until": date_of(LAST)}
    return answer("ecommerce.assortment_changes", **period | parameters)


def date_of(days):
    return timezone.localdate(SEEN - days * DAY).isoformat()


def add(first, last, **fields):
    """Store a product that was first and last seen some days before SEEN."""
    times = {"first_seen_at": SEEN - first * DAY, "last_seen_at": SEEN - last * DAY}
    return factories.product(**times, **fields)


class TestAssortmentChanges:
    @pytest.mark.parametrize("by", ["category", "seller", "platform"])
    def test_equals_counts_in_python(self, by):
        random = Random(2)
        categories = [factories.category(path_names="A > B"), factories.category(name="C"), None]
        # Two sellers with the same name are two.
        sellers = [factories.seller(), factories.seller(), None]
        stored = []
        for _ in range(150):
            first = random.randint(0, 30)
            product = add(
                first,
                random.randint(0, first),
                platform=random.choice(["uzum", "ozon"]),
                category=random.choice(categories),
                seller=random.choice(sellers),
            )
            stored.append(product)
        expected = defaultdict(Counter)
        for product in stored:
            of_platform = [other for other in stored if other.platform == product.platform]
            newest = min((SEEN - other.last_seen_at).days for other in of_platform)
            oldest = max((SEEN - other.first_seen_at).days for other in of_platform)
            first, last = (SEEN - product.first_seen_at).days, (SEEN - product.last_seen_at).days
            key = {"category": product.category_id, "seller": product.seller_id}.get(by)
            is_present = last <= newest + 3
            expected[product.platform, key].update(
                products=is_present,
                new_products=LAST <= first <= FIRST and first < oldest,
                vanished_products=LAST <= last <= FIRST and not is_present,
            )

        rows = ask_for(by=by)

        names = ("products", "new_products", "vanished_products")
        keys = sorted(
            expected,
            key=lambda key: (
                -expected[key]["new_products"] - expected[key]["vanished_products"],
                -expected[key]["products"],
                key[0],
                key[1] is None,
                key[1],
            ),
        )
        assert [(row["platform"], *(row[name] for name in names)) for row in rows] == [
            (key[0], *(expected[key][name] for name in names)) for key in keys
        ]
        assert all(
            row["net_change"] == row["new_products"] - row["vanished_products"] for row in rows
        )

    def test_filters_and_counts_days(self):
        category = factories.category(path_names="A > B")
        seller = factories.seller(external_id="7")
        add(100, 0)
        add(10, 6, category=category, seller=seller)

        def counts(**parameters):
            rows = ask_for(**parameters)
            return [(row["name"], row["new_products"], row["vanished_products"]) for row in rows]

        assert counts() == [("A > B", 1, 1), (None, 0, 0)]
        assert counts(by="seller", category="A") == [("Malika Savdo", 1, 1)]
        assert counts(by="platform", seller="uzum:7") == [(None, 1, 1)]
        assert counts(category="A", missing_days=6) == [("A > B", 1, 0)]
        assert counts(category="A", until=date_of(11)) == [("A > B", 0, 0)]
        assert counts(platform="ozon") == counts(category="B") == []

    def test_products_of_the_first_day_are_not_new(self):
        add(10, 0)

        [row] = ask_for()

        assert (row["new_products"], row["observed_since"].isoformat()) == (0, date_of(10))

    def test_is_empty_without_products(self):
        assert ask_for() == []
