"""$title: the sample is loaded exactly."""

from decimal import Decimal

import pytest

from ecommerce.models import Offer
from marketplace.loading.ingest import load_documents
from tests.samples import sample

pytestmark = pytest.mark.django_db(databases=["default", "ecommerce"], transaction=True)


def load(**changes):
    """Load the sample with changes to its only product; return the summary."""
    document = sample("$name", "$SHAPE")
    document["${name}Products"][0].update(changes)
    return load_documents("$name", [document])


def test_an_offer_has_its_price_and_seller():
    assert load().created == 1

    offer = Offer.objects.select_related("product", "seller").get(platform="$name")
    assert (offer.product.title, offer.seller.name) == ("Namuna choynak", "Namuna Shop")
    assert (offer.price, offer.old_price) == (Decimal("129000.00"), Decimal("150000.00"))
    assert (offer.currency, offer.stock_quantity) == ("UZS", 3)


def test_loading_again_changes_nothing():
    load()

    assert (load().created, load().updated) == (0, 0)


def test_a_product_without_an_id_is_rejected_alone():
    assert load(id=None).rejected == 1
