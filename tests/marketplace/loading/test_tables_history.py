"""Tables of past prices: group_by, times of observation, and later files."""

import json
from datetime import UTC, datetime

import pytest

from classifieds.models import Listing
from ecommerce.models import (
    Offer,
    PricePoint,
    QuarantinedRecord,
)
from tests.marketplace.loading.table_samples import ADS, HISTORY, MORE, counts

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


class TestHistory:
    ROWS = "id,day,price\n7,2024-09-15,110\n7,2024-09-08,100\n7,2024-09-22,110\n8,2024-09-08,5\n"

    def test_rows_with_the_same_key_are_one_item(self, load):
        summary = load(self.ROWS, HISTORY)

        assert counts(summary) == (2, 2, 0, 0, 0)
        points = PricePoint.objects.filter(offer__external_id="nm:7").order_by("recorded_at")
        assert [(point.recorded_at.day, point.price) for point in points] == [(8, 100), (15, 110)]

    def test_the_offer_has_the_values_of_the_newest_row(self, load):
        load(self.ROWS, HISTORY)

        offer = Offer.objects.get(external_id="nm:7")
        assert (offer.price, offer.scraped_at) == (110, datetime(2024, 9, 22, tzinfo=UTC))

    def test_loading_again_adds_nothing(self, load):
        load(self.ROWS, HISTORY)

        again = load(self.ROWS, HISTORY)

        assert counts(again) == (2, 0, 0, 2, 0)
        assert again.price_points == 0
        # The rows state their times, so reading the same file again is not a newer observation.
        assert Offer.objects.get(external_id="nm:7").last_seen_at.day == 22

    def test_a_newer_row_counts_after_loading_twice(self, load):
        load(self.ROWS, HISTORY)
        load(self.ROWS, HISTORY)

        load(self.ROWS.replace("8,2024", "7,2024-09-29,130\n8,2024"), HISTORY)

        offer = Offer.objects.get(external_id="nm:7")
        assert (offer.price, offer.scraped_at.day) == (130, 29)
        points = PricePoint.objects.filter(offer=offer).order_by("recorded_at")
        assert [(point.recorded_at.day, point.price) for point in points] == [
            (8, 100),
            (15, 110),
            (29, 130),
        ]

    def test_an_invalid_row_is_rejected_alone(self, load):
        summary = load("id,day,price\n7,2024-09-08,100\n7,8 Sep,90\n7,2024-09-15,110\n", HISTORY)

        assert counts(summary) == (2, 1, 0, 0, 1)
        assert PricePoint.objects.count() == 2
        assert QuarantinedRecord.objects.get().reason == '"8 Sep" is not a time'


class TestSameTime:
    COLUMNS = """
[table]
observed_at = { column = "t", zone = "UTC" }

[product]
external_id = "id"

[offer]
external_id = { column = "id", prefix = "nm:" }
price = "price"
currency = { constant = "RUB" }
"""
    NOON, BEFORE = "2026-06-01 12:00", "2026-06-01 11:00"

    @pytest.mark.parametrize("between", [[], [(120, BEFORE)], [(120, "2026-06-01 11:30")] * 2])
    def test_the_later_of_two_rows_in_a_batch_counts(self, load, between):
        rows = [(110, self.NOON), *between, (130, self.NOON)]
        text = "id,price,t\n" + "".join(f"7,{price},{at}\n" for price, at in rows)

        load(text, self.COLUMNS)

        assert Offer.objects.get().price == 130
        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [*{price for price, _ in between}, 130]

    @pytest.mark.parametrize("between", [[], [(120, BEFORE)]])
    def test_the_later_row_counts_after_a_late_arrival(self, load, between):
        rows = [(110, self.NOON), *between, (130, self.NOON)]
        text = "id,price,t\n" + "".join(f"7,{price},{at}\n" for price, at in rows)
        load(text, self.COLUMNS)
        load("id,price,t\n7,100,2026-05-01 10:00\n", self.COLUMNS)

        assert Offer.objects.get().price == 130
        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [100, *{price for price, _ in between}, 130]


class TestSecondFile:
    CARD = {"updated": "2026-06-01 12:00", "ads": [{"id": 1, "title": "A", "price": "500"}]}

    @pytest.mark.parametrize("day", [datetime(2026, 5, 1, tzinfo=UTC), None])
    def test_adds_to_the_same_records_and_keeps_the_price(self, load, day):
        load(json.dumps(self.CARD), ADS, platform="olx")

        summary = load("id,rooms\n1,2\n", MORE, platform="olx", observed_at=day)

        listing = Listing.objects.get()
        assert counts(summary) == (1, 0, 1, 0, 0)
        assert (listing.title, listing.price, listing.currency) == ("A", 500, "PLN")
        assert listing.rooms == 2

    def test_with_the_same_layout_removes_a_price(self, load):
        load(json.dumps(self.CARD), ADS, platform="olx")
        later = {"updated": "2026-06-02 12:00", "ads": [{"id": 1, "title": "A", "price": ""}]}

        load(json.dumps(later), ADS, platform="olx")

        assert Listing.objects.get().price is None
