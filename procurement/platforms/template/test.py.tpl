"""$title: the sample is loaded exactly."""

from decimal import Decimal

import pytest

from marketplace.loading.ingest import load_documents
from procurement.models import Lot
from tests.samples import sample

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)


def load(**changes):
    """Load the sample with changes to its only lot; return the summary."""
    document = sample("$name", "$SHAPE")
    document["${name}Lots"][0].update(changes)
    return load_documents("$name", [document])


def test_a_lot_has_its_costs_and_savings():
    assert load().created == 1

    lot = Lot.objects.select_related("customer").get(platform="$name")
    assert (lot.start_cost, lot.deal_cost) == (Decimal("2000000.00"), Decimal("1500000.00"))
    assert (lot.savings_percent, lot.customer.inn) == (Decimal("25.00"), "200123456")


def test_loading_again_changes_nothing():
    load()

    assert (load().created, load().updated) == (0, 0)


def test_a_lot_without_an_id_is_rejected_alone():
    assert load(id=None).rejected == 1
