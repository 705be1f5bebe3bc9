"""Savings, compared with a computation in Python."""

from decimal import Decimal
from statistics import median

import pytest
from hypothesis import example, given

from tests import factories
from tests.amounts import descending, percent, text_order, total
from tests.procurement import random_lots
from tests.procurement.random_lots import amount_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def expected(lots, by, currency):
    groups = random_lots.group(lots, by)
    rows = {}
    for key, members in groups.items():
        used = [
            lot
            for lot in members
            if lot.start_cost and lot.deal_cost and amount_of(lot, target=currency) is not None
        ]
        budget = total(amount_of(lot, "start_cost", currency) for lot in used)
        spent = total(amount_of(lot, target=currency) for lot in used)
        shares = [100 * (lot.start_cost - lot.deal_cost) / lot.start_cost for lot in used]
        rows[key] = {
            "name": random_lots.name_of(key, members, by),
            "customer_id": members[0].customer_id if by == "customer" else None,
            "budget": budget,
            "spent": spent,
            "saved": budget - spent if used else None,
            "currency": currency,
            "saved_percent": percent(budget - spent, budget) if used else None,
            "median_percent": median(shares) if used else None,
            "n_used": len(used),
            "lots": len(members),
        }
    return [
        row
        for key, row in sorted(
            rows.items(),
            key=lambda entry: (
                text_order(entry[0]) if by == "month" else (),
                descending(entry[1]["saved"]),
                -entry[1]["lots"],
                text_order(entry[0]),
            ),
        )
    ]


@examples
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_equals_a_computation(lots):
    lots = random_lots.completed_lots(lots)

    for by in ("category", "region", "customer", "month", "lot_type"):
        currency = "USD" if by == "region" else "UZS"
        rows = answer("procurement.savings", by=by, since=None, currency=currency)
        wanted = expected(lots, by, currency)

        medians = [row.pop("median_percent") for row in rows]
        assert medians == [
            pytest.approx(row.pop("median_percent"), abs=Decimal("0.006")) for row in wanted
        ]
        assert rows == wanted


def test_a_deal_above_the_start_cost_is_a_negative_saving():
    factories.lot(start_cost=100, deal_cost=150, deal_date=factories.SEEN)

    (row,) = answer("procurement.savings", since=None)

    assert (row["saved"], row["saved_percent"], row["median_percent"]) == (-50, -50, -50)


def test_lots_without_costs_are_counted_but_have_no_savings():
    factories.lot(start_cost=0, deal_cost=Decimal(5), deal_date=factories.SEEN)
    factories.lot(start_cost=5, deal_cost=None, deal_date=factories.SEEN)

    (row,) = answer("procurement.savings", since=None)

    assert (row["n_used"], row["lots"], row["saved"], row["saved_percent"]) == (0, 2, None, None)


def test_one_customer_and_an_empty_database():
    assert answer("procurement.savings") == []

    customer = factories.organization(external_id="inn:1")
    factories.lot(customer=customer, deal_date=factories.SEEN)
    factories.lot(deal_date=factories.SEEN)

    (row,) = answer("procurement.savings", since=None, customer="uzex:inn:1")
    assert row["lots"] == 1
