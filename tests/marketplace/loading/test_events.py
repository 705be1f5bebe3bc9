"""Events of listings and lots: one for each change."""

from datetime import timedelta

import pytest

from classifieds.models import Listing, ListingEvent, QuarantinedRecord
from procurement.models import Lot, LotEvent
from tests.marketplace.loading.cards import NOON, load

pytestmark = pytest.mark.django_db(databases=["classifieds", "procurement"])


def deal(**overrides):
    return {
        "lot_id": 7,
        "lot_display_no": "2511",
        "lot_start_date": "2025-11-27T17:46:56",
        "lot_end_date": "2025-12-04T11:25:30",
        "deal_id": 3,
        "deal_date": "2025-12-04T12:19:29",
        "start_cost": 1000.0,
        "deal_cost": 900.0,
        "category_name": "Бумага",
        "customer_inn": "203195074",
        "customer_name": "Maktab",
        "provider_inn": "305911928",
        "provider_name": "Qogʻoz",
        "pcp_count": 3.0,
        "is_budget": 1,
        "rn": 1,
        "total_count": 9,
    } | overrides


class TestListingEvents:
    def ad(self, price=100, status="active"):
        return {
            "id": 5,
            "title": "Spark",
            "category": {"id": 108, "type": "automotive"},
            "status": status,
            "createdTime": "2026-05-01T10:00:00+05:00",
            "price": {"regularPrice": {"value": price, "currencyCode": "UZS"}},
            "params": [],
        }

    def page(self, *ads):
        return {"listing": {"listing": {"ads": list(ads)}}}

    def test_every_change_of_price_or_status_is_an_event(self):
        for hour, ad in enumerate([self.ad(), self.ad(), self.ad(90), self.ad(90, "removed")]):
            load(self.page(ad), platform="olx", at=NOON + timedelta(hours=hour))

        events = ListingEvent.objects.order_by("recorded_at").values_list(
            "kind", "old_price", "new_price", "old_status", "new_status"
        )
        assert list(events) == [
            ("posted", None, 100, None, "active"),
            ("price", 100, 90, None, None),
            ("status", None, None, "active", "removed"),
        ]

    def test_an_older_state_creates_no_event(self):
        load(self.page(self.ad(90)), platform="olx")

        load(self.page(self.ad(100)), platform="olx", at=NOON - timedelta(hours=1))

        assert Listing.objects.get().price == 90
        assert list(ListingEvent.objects.values_list("kind", flat=True)) == ["posted"]
        assert not QuarantinedRecord.objects.exists()


class TestLotEvents:
    def test_every_change_of_a_lot_is_audited_with_its_payload(self):
        load(deal(), platform="uzex")
        load(deal(), platform="uzex", at=NOON + timedelta(hours=1))
        load(deal(deal_cost=850.0), platform="uzex", at=NOON + timedelta(hours=2))

        created, changed = LotEvent.objects.order_by("id")
        assert (created.kind, created.changes) == ("created", {})
        assert changed.kind == "changed"
        assert changed.changes == {
            "deal_cost": [900.0, 850.0],
            "savings_amount": [100.0, 150.0],
            "savings_percent": [10.0, 15.0],
        }
        assert changed.payload["deal_cost"] == 850.0
        assert changed.recorded_at == NOON + timedelta(hours=2)

    def test_savings_are_unknown_without_a_published_cost(self):
        load(deal(deal_cost=0, deal_id=None, deal_date=None), platform="uzex")

        lot = Lot.objects.get()
        assert (lot.deal_cost, lot.savings_amount, lot.savings_percent) == (None, None, None)
