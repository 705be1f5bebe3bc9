"""Purchases and sales of an organization, compared with a computation in Python."""

from collections import defaultdict
from datetime import date, timedelta
from itertools import cycle

import pytest
from hypothesis import example, given

from procurement.models import Organization
from tests import factories
from tests.amounts import descending, local_day, percent, total
from tests.procurement import random_lots
from tests.procurement.random_lots import amount_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The deals are of August to October; the last 90 days begin in the middle of them.
UNTIL = date(2026, 12, 15)


def window(lots, first, last, currency):
    """Return the amount of a period: 0 without lots, None if no amount is known."""
    within = [lot for lot in lots if first <= local_day(lot.deal_date) <= last]
    return total(amount_of(lot, target=currency) for lot in within) if within else 0


def row_of(subject, role, partner, lots, currency, has_trend):
    both = [lot for lot in lots if lot.start_cost and lot.deal_cost]
    budgets = [amount_of(lot, "start_cost", currency) for lot in both]
    budget = total(budgets)
    spent = total(amount_of(lot, target=currency) for lot in both)
    saved = None if budget is None else budget - spent
    start = UNTIL - timedelta(days=89)
    recent = window(lots, start, UNTIL, currency)
    previous = window(lots, start - timedelta(days=90), start - timedelta(days=1), currency)
    if not has_trend:
        recent = previous = None
    amounts = [amount_of(lot, target=currency) for lot in lots]
    days = [local_day(lot.deal_date) for lot in lots]
    return {
        "organization": subject.name,
        "organization_id": subject.pk,
        "role": role,
        "partner": partner and partner.name,
        "partner_id": partner and partner.pk,
        "partner_inn": partner and partner.inn,
        "amount": total(amounts),
        "currency": currency,
        "saved": saved,
        "saved_percent": percent(saved, budget),
        "recent_amount": recent,
        "previous_amount": previous,
        "trend_percent": percent(
            None if recent is None or previous is None else recent - previous, previous
        ),
        "first_deal": min(days),
        "last_deal": max(days),
        "n_saved": sum(budget is not None for budget in budgets),
        "n_used": sum(amount is not None for amount in amounts),
        "lots": len(lots),
    }


def expected(lots, subject, currency, has_trend):
    partners = defaultdict(list)
    for lot in lots:
        if lot.deal_date:
            if lot.customer == subject:
                partners["bought", lot.provider].append(lot)
            if lot.provider == subject:
                partners["sold", lot.customer].append(lot)
    rows = [
        row_of(subject, role, partner, members, currency, has_trend)
        for (role, partner), members in partners.items()
    ]
    for row in rows:
        whole = total(other["amount"] for other in rows if other["role"] == row["role"])
        row["share_percent"] = percent(row["amount"], whole)
    return sorted(
        rows,
        key=lambda row: (
            row["role"],
            descending(row["amount"]),
            -row["lots"],
            row["partner_id"] or float("inf"),
        ),
    )


@examples
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_equals_a_computation(lots):
    lots = random_lots.completed_lots(lots)

    for subject, since, currency in zip(
        Organization.objects.all(),
        cycle((None, date(2026, 6, 19), date(2026, 6, 20))),
        cycle(("UZS", "USD")),
        strict=False,
    ):
        address = f"uzex:{subject.external_id}"
        parameters = {"since": since, "until": UNTIL, "currency": currency}
        rows = answer("procurement.organization", organization=address, **parameters)
        assert rows == expected(lots, subject, currency, since != date(2026, 6, 20))

    rows = answer("procurement.organization", since=None, until=UNTIL)
    assert rows == expected(lots, largest_customer(lots), "UZS", has_trend=True)


def largest_customer(lots):
    """Return the customer with the largest amounts, or most lots; None if there is none."""
    amounts = defaultdict(list)
    for lot in lots:
        if lot.customer and lot.deal_date:
            amounts[lot.customer].append(amount_of(lot))
    return min(
        amounts,
        key=lambda item: (descending(total(amounts[item])), -len(amounts[item]), item.pk),
        default=None,
    )


def test_an_organization_that_does_not_exist_and_an_empty_database():
    assert answer("procurement.organization") == []
    factories.lot(customer=factories.organization(), deal_date=factories.SEEN)
    assert answer("procurement.organization", organization="uzex:none") == []
