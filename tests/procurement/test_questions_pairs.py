"""Who buys from whom, compared with a computation in Python."""

from collections import defaultdict
from datetime import date

import pytest
from hypothesis import example, given

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


def expected(lots, currency):
    deals, customers = defaultdict(list), defaultdict(list)
    for lot in lots:
        if lot.customer:
            amount = amount_of(lot, target=currency)
            customers[lot.customer].append(amount)
            if lot.provider:
                deals[lot.customer, lot.provider].append(amount)
    rows = [
        {
            "customer_id": customer.pk,
            "customer": customer.name,
            "customer_inn": customer.inn,
            "supplier_id": supplier.pk,
            "supplier": supplier.name,
            "supplier_inn": supplier.inn,
            "lots": len(amounts),
            "amount": total(amounts),
            "currency": currency,
            "share_percent": percent(total(amounts), total(customers[customer])),
            "n_used": sum(amount is not None for amount in amounts),
            "supplier_address": f"{supplier.platform}:{supplier.external_id}",
        }
        for (customer, supplier), amounts in deals.items()
    ]
    return sorted(
        rows,
        key=lambda row: (
            descending(row["amount"]),
            -row["lots"],
            row["customer_id"],
            row["supplier_id"],
        ),
    )


@examples
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_equals_a_computation(lots):
    lots = random_lots.completed_lots(lots)
    rows = expected(lots, "UZS")
    first, last = date(2026, 8, 21), date(2026, 10, 3)
    dated = [lot for lot in lots if lot.deal_date and first <= local_day(lot.deal_date) <= last]

    assert answer("procurement.pairs", since=None) == rows
    assert answer("procurement.pairs", since=None, currency="USD") == expected(lots, "USD")
    assert answer("procurement.pairs", since=first, until=last) == expected(dated, "UZS")
    for supplier in {lot.provider for lot in lots if lot.provider}:
        address = f"uzex:{supplier.external_id}"
        assert answer("procurement.pairs", since=None, supplier=address) == [
            row for row in rows if row["supplier_id"] == supplier.pk
        ]


def test_one_customer_of_several():
    bought, other = (factories.organization(inn=None, name=name) for name in "AB")
    for customer in (bought, other):
        factories.lot(customer=customer, provider=other, deal_date=factories.SEEN)

    (row,) = answer("procurement.pairs", since=None, customer=f"uzex:{bought.external_id}")

    assert (row["customer"], row["supplier"], row["share_percent"]) == ("A", "B", 100)


def test_an_organization_that_does_not_exist_and_an_empty_database():
    assert answer("procurement.pairs", since=None, customer="uzex:none") == []
    assert answer("procurement.pairs", supplier="uzex:none") == []
