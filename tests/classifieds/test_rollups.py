"""Answers from rollups are those from the ads."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import example, given, settings

from classifieds.models import Listing
from marketplace.questions import ask
from marketplace.rollups.refresh import refresh
from tests.classifieds import random_ads
from tests.questions import analysts  # noqa: F401
from tests.strategies import FIRST, examples

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

ASKED = [
    *[("market_overview", {"by": by}) for by in ("category", "city", "district", "month")],
    ("market_overview", {"depth": 1}),
    *[
        (name, parameters)
        for name in ("days_on_market", "price_cuts")
        for parameters in ({}, {"depth": 1}, {"by": "district"}, {"by": "price_band"})
    ],
    ("days_on_market", {"outcome": "sold", "days": 5}),
]


def rows_of(name, **parameters):
    with ask(f"classifieds.{name}", **parameters) as rows:
        return list(rows)


def store(ads, events, days=100):
    """Store ads of the last days and their events."""
    shift = timezone.now() - timedelta(days=days) - FIRST
    for ad in ads:
        for field in ("posted_at", "first_seen_at", "last_seen_at", "sold_at"):
            if getattr(ad, field):
                setattr(ad, field, getattr(ad, field) + shift)
    for event in events:
        event.recorded_at += shift
    random_ads.store(ads, events)


@settings(examples, max_examples=3)
@given(random_ads.ads_with_events())
@example(random_ads.edge_cases())
def test_equal_those_from_the_ads(rows):
    store(*rows)
    list(refresh("classifieds"))

    for name, parameters in ASKED:
        # The rollups have no platforms.
        assert rows_of(name, **parameters) == rows_of(name, **parameters, platform="olx"), name


def test_are_read_for_the_usual_period():
    store(*random_ads.edge_cases(), days=60)
    list(refresh("classifieds"))
    Listing.objects.all().delete()

    assert all(rows_of(name, **parameters) for name, parameters in ASKED)
    assert not any(rows_of(name, **parameters, platform="olx") for name, parameters in ASKED)
