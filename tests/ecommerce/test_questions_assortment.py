"""The question ecommerce.assortment_changes."""

from collections import Counter, defaultdict

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import local_day
from tests.ecommerce import markets
from tests.ecommerce.markets import ask_rows, date_of
from tests.questions import analysts  # noqa: F401 # a fixture
from tests.strategies import few_or_many, optional

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before TODAY.
FIRST, LAST = 20, 5

PRODUCTS = few_or_many(
    st.fixed_dictionaries(
        {
            "platform": st.sampled_from(markets.PLATFORMS),
            "category": optional(0, 1),
            "seller": optional(0, 1),
            "days": st.tuples(st.integers(0, 30), st.integers(0, 30)),
        }
    ),
    count=60,
)


def ask_for(**parameters):
    period = {"since": date_of(FIRST), "until": date_of(LAST)}
    return ask_rows("assortment_changes", **period | parameters)


def add(first, last, **fields):
    """Store a product that was first and last seen some days before TODAY."""
    times = {"first_seen_at": markets.at(first), "last_seen_at": markets.at(last)}
    return factories.product(**times, **fields)


def store(drafts):
    """Replace the products of the example before; yield each with its first and last day."""
    with transaction.atomic(using="ecommerce"):
        markets.clear()
        categories = [factories.category(path_names="A > B"), factories.category(path_names=None)]
        # Two sellers with the same name are two.
        sellers = [factories.seller(), factories.seller()]
        for draft in drafts:
            last, first = sorted(draft["days"])
            category = None if draft["category"] is None else categories[draft["category"]]
            seller = None if draft["seller"] is None else sellers[draft["seller"]]
            row = {"platform": draft["platform"], "category": category, "seller": seller}
            yield add(first, last, **row), first, last


def group_of(product, by):
    """Return the id and the name of a product's group."""
    if by == "platform":
        return None, None
    row = getattr(product, by)
    return row and row.pk, row and (getattr(row, "path_names", None) or row.name)


class TestAssortmentChanges:
    @markets.EXAMPLES
    @given(PRODUCTS, st.sampled_from([1, 3, 10]))
    def test_equals_counts_in_python(self, drafts, missing_days):
        stored = list(store(drafts))
        for by in ("category", "seller", "platform"):
            groups, observed = defaultdict(Counter), defaultdict(list)
            for product, first, last in stored:
                observed[product.platform] += [first, last]
            for product, first, last in stored:
                days = observed[product.platform]
                is_present = last <= min(days) + missing_days
                groups[product.platform, *group_of(product, by)].update(
                    products=is_present,
                    new_products=LAST <= first <= FIRST and first < max(days),
                    vanished_products=LAST <= last <= FIRST and not is_present,
                )
            expected = [
                {
                    "platform": platform,
                    "name": name,
                    **counts,
                    "net_change": counts["new_products"] - counts["vanished_products"],
                    "observed_since": local_day(markets.at(max(observed[platform]))),
                    "observed_until": markets.at(min(observed[platform])),
                }
                for (platform, key, name), counts in sorted(
                    groups.items(), key=lambda group: (group[0][0], group[0][1] or 10**9)
                )
            ]
            expected.sort(
                key=lambda row: (-row["new_products"] - row["vanished_products"], -row["products"])
            )

            rows = ask_for(by=by, missing_days=missing_days)

            assert markets.narrow(rows, expected) == expected

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
