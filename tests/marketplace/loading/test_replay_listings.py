"""Replay of listings: prices are corrected without an event."""

from dataclasses import replace
from datetime import timedelta

import pytest

from classifieds.models import Listing, ListingEvent
from classifieds.platforms import olx
from marketplace.loading.ingest import load_documents
from marketplace.loading.replay import replay
from tests.marketplace.loading.misreading import START

pytestmark = pytest.mark.django_db(databases=["classifieds"])


@pytest.fixture(autouse=True)
def _no_gates(settings):
    """Disable the gates, which would hold misread payloads."""
    settings.INGEST_GATES = {"default": {"is_enabled": False}}


def load_ads(*prices):
    """Load two ads once for each price, on successive days."""
    for at, price in enumerate(prices):
        value = {"value": price, "currency": "UZS"}
        ads = [
            {
                "id": number,
                "title": f"Divan {number}",
                "created_time": START.isoformat(),
                "url": f"https://www.olx.uz/d/{number}",
                "status": "active",
                "params": [{"key": "price", "value": value}],
            }
            for number in (1, 2)
        ]
        load_documents("olx", ads, observed_at=START + timedelta(days=at))


class TestListings:
    @pytest.fixture
    def misread(self, monkeypatch):
        """Load ads with one price misread as ten times its value."""
        [state, offers, *others] = olx.SHAPES

        def parse(payload, context):
            parsed = offers.parse(payload, context)
            *parents, listing = parsed.records
            if listing.external_id == "1":
                listing = listing._replace(price=listing.price * 10)
            return parsed._replace(records=[*parents, listing])

        def misread(*prices):
            with monkeypatch.context() as patch:
                patch.setattr(olx, "SHAPES", (state, replace(offers, parse=parse), *others))
                load_ads(*prices)

        return misread

    def test_a_price_is_corrected_without_an_event(self, misread):
        misread(500, 600)
        before = list(ListingEvent.objects.order_by("pk").values())

        summary = replay("olx")

        assert (summary.updated, summary.unchanged) == (1, 1)
        assert set(Listing.objects.values_list("price", flat=True)) == {600}
        assert list(ListingEvent.objects.order_by("pk").values()) == before

    def test_an_expired_listing_stays_expired(self):
        load_ads(500)
        Listing.objects.filter(external_id="1").update(status="expired")

        replay("olx")

        assert Listing.objects.get(external_id="1").status == "expired"
        assert Listing.objects.get(external_id="2").status == "active"
