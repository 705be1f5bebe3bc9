"""$title: the sample is loaded exactly."""

from decimal import Decimal

import pytest

from classifieds.models import Listing
from marketplace.loading.ingest import load_documents
from tests.samples import sample

pytestmark = pytest.mark.django_db(databases=["default", "classifieds"], transaction=True)


def load(**changes):
    """Load the sample with changes to its only ad; return the summary."""
    document = sample("$name", "$SHAPE")
    document["${name}Ads"][0].update(changes)
    return load_documents("$name", [document])


def test_an_ad_has_its_price_and_city():
    assert load().created == 1

    listing = Listing.objects.get(platform="$name")
    assert (listing.title, listing.city) == ("Namuna velosiped", "Tashkent")
    assert (listing.price, listing.currency) == (Decimal("1200000.00"), "UZS")


def test_loading_again_changes_nothing():
    load()

    assert (load().created, load().updated) == (0, 0)


def test_an_ad_without_an_id_is_rejected_alone():
    assert load(id=None).rejected == 1
