"""Answers from rollups are those from the lots."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from hypothesis import example, given, settings

from marketplace.questions import ask
from marketplace.rollups.refresh import refresh
from procurement.models import Lot, LotItem
from tests import factories
from tests.procurement import random_lots
from tests.questions import analysts  # noqa: F401
from tests.strategies import FIRST, examples

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

ASKED = [
    *[("savings", {"by": by}) for by in ("category", "region", "customer", "month", "lot_type")],
    *[("competition", {"by": by, "least_lots": 1}) for by in ("category", "customer", "month")],
    *[("concentration", {"by": by, "least_lots": 1}) for by in ("category", "region", "customer")],
    ("pairs", {}),
    ("suspicious_lots", {}),
    ("suspicious_lots", {"since": "-1y"}),
]


def rows_of(name, **parameters):
    with ask(f"procurement.{name}", **parameters) as rows:
        return list(rows)


def store(lots, days=100):
    """Store lots with deals of the last days, and an item of each."""
    random_lots.store(lots)
    start = timezone.now() - timedelta(days=days)
    Lot.objects.update(deal_date=F("deal_date") + (start - FIRST))
    LotItem.objects.all().delete()
    for number, lot in enumerate(lots):
        price = 100 + number % 3 if number else 9000
        factories.lot_item(lot=lot, product_name="Paper", measure_name="pack", price=price)


@settings(examples, max_examples=3)
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_equal_those_from_the_lots(lots):
    store(lots)
    list(refresh("procurement"))

    for name, parameters in ASKED:
        # The rollups have no platforms.
        assert rows_of(name, **parameters) == rows_of(name, **parameters, platform="uzex"), name


def test_are_read_for_the_usual_period():
    store(random_lots.edge_cases(), days=60)
    list(refresh("procurement"))
    supplier = Lot.objects.exclude(provider=None).first().provider
    (largest,) = {row.organization_id for row in rows_of("organization")}
    Lot.objects.update(status="failed")

    assert all(rows_of(name, **parameters) for name, parameters in ASKED)
    assert rows_of("pairs", supplier=f"uzex:{supplier.external_id}")
    assert not any(rows_of(name, **parameters, platform="uzex") for name, parameters in ASKED)
    assert largest
