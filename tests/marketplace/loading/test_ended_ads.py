"""Ads end: they are missing from a full listing, or their own date has passed."""

from datetime import timedelta

import orjson
import pytest

from classifieds.full_listings import expire
from classifieds.models import Listing, ListingEvent
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.replay import replay
from tests.marketplace.loading.shop_feeds import ALL, BUT_ONE, day

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


def ad(number, **overrides):
    """Return an ad as the offers API returns it."""
    return {
        "id": number,
        "title": f"Divan {number}",
        "created_time": day(-1).isoformat(),
        "url": f"https://www.olx.uz/d/{number}",
        "status": "active",
        "user": {"id": 7, "name": "Dilshod"},
        "category": {"id": 1},
        "params": [{"key": "price", "value": {"value": 500, "currency": "UZS"}}],
    } | overrides


def changes(external_id):
    """Return the changes of the status of an ad: time, old and new status."""
    events = ListingEvent.objects.filter(listing__external_id=external_id, kind="status")
    ordered = events.order_by("recorded_at")
    return list(ordered.values_list("recorded_at", "old_status", "new_status"))


class TestMissing:
    @pytest.fixture
    def load(self, tmp_path):
        def load(at, numbers):
            path = tmp_path / f"{at}.json"
            path.write_bytes(orjson.dumps({"data": [ad(n) for n in numbers]}))
            return ingest("olx", [str(path)], observed_at=day(at), full_listing="shop")

        return load

    def test_a_missing_ad_is_removed(self, load):
        load(0, ALL)

        summary = load(1, BUT_ONE)

        missing = Listing.objects.get(external_id="10")
        assert (summary.missing, missing.status, missing.price) == (1, "removed", 500)
        assert changes("10") == [(day(1), "active", "removed")]
        assert ListingEvent.objects.filter(kind="price").count() == 0
        assert Listing.objects.filter(status="active").count() == 9

    def test_an_ad_that_is_listed_again_is_active(self, load):
        load(0, ALL)
        load(1, BUT_ONE)

        load(2, ALL)

        assert Listing.objects.get(external_id="10").status == "active"
        assert changes("10") == [(day(1), "active", "removed"), (day(2), "removed", "active")]

    def test_a_replay_keeps_it_removed(self, load):
        load(0, ALL)
        load(1, BUT_ONE)

        replay("olx")

        assert Listing.objects.get(external_id="10").status == "removed"
        assert changes("10") == [(day(1), "active", "removed")]


class TestExpiry:
    ENDS = day(2) + timedelta(hours=3)

    def load(self, at, number=1, **overrides):
        overrides = {"valid_to_time": self.ENDS.isoformat()} | overrides
        load_documents("olx", [ad(number, **overrides)], observed_at=day(at))

    def status(self):
        return Listing.objects.get(external_id="1").status

    def test_ends_an_ad_at_its_date(self):
        self.load(0)

        assert expire("classifieds", "olx", day(3)) == 1

        assert self.status() == "expired"
        assert changes("1") == [(self.ENDS, "active", "expired")]

    def test_keeps_an_ad_before_its_date(self):
        self.load(0)

        assert expire("classifieds", "olx", day(2)) == 0

        assert (self.status(), changes("1")) == ("active", [])

    def test_keeps_an_ad_that_was_seen_after_its_date(self):
        self.load(0)
        self.load(3)

        assert expire("classifieds", "olx", day(4)) == 0

        assert (self.status(), changes("1")) == ("active", [])

    def test_happens_once(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        assert expire("classifieds", "olx", day(4)) == 0

        assert len(changes("1")) == 1

    def test_happens_when_other_ads_are_loaded(self):
        self.load(0)

        self.load(3, number=2)

        assert self.status() == "expired"
        assert Listing.objects.get(external_id="2").status == "active"

    def test_a_later_observation_makes_it_active_again(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        self.load(4)

        assert self.status() == "active"
        assert changes("1") == [
            (self.ENDS, "active", "expired"),
            (day(4), "expired", "active"),
        ]

    def test_is_kept_by_a_replay(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        replay("olx")

        assert self.status() == "expired"
        assert changes("1") == [(self.ENDS, "active", "expired")]

    def test_an_older_observation_does_not_make_it_active(self):
        self.load(1)
        expire("classifieds", "olx", day(3))

        self.load(0)

        assert self.status() == "expired"
