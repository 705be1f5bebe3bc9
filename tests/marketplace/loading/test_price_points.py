"""Price points: one for each change of a price, at the right place in the history."""

from datetime import datetime, timedelta

import pytest

from ecommerce.models import Offer, PricePoint
from marketplace.loading.ingest import load_documents
from marketplace.loading.values import TASHKENT
from tests.marketplace.loading.cards import NOON, card, load, product

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


def history(number=10):
    """Return hour, price and change of the points of an offer."""
    points = PricePoint.objects.filter(offer__external_id=str(number)).order_by("recorded_at")
    return [(p.recorded_at.astimezone(TASHKENT).hour, p.price, p.price_change) for p in points]


class TestPriceHistory:
    def test_each_change_is_one_point(self):
        for hour, price in enumerate([1000, 1000, 900, 900, 1200]):
            load(card(1, price=price), at=NOON + timedelta(hours=hour))

        assert history() == [(12, 1000, None), (14, 900, -100), (16, 1200, 300)]

    def test_percent_is_relative_to_the_previous_price(self):
        load(card(1, price=1000))
        load(card(1, price=750), at=NOON + timedelta(hours=1))

        assert PricePoint.objects.order_by("recorded_at").last().price_change_percent == -25

    def test_a_change_of_the_old_price_is_a_point(self):
        load(card(1, price=800))
        load(card(1, price=800, full_price=1000), at=NOON + timedelta(hours=1))

        assert history() == [(12, 800, None), (13, 800, 0)]

    def test_a_late_observation_is_inserted_at_its_place(self):
        load(card(1, price=1000))
        load(card(1, price=700), at=NOON + timedelta(hours=2))

        summary = load(card(1, price=900), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 900, -100), (14, 700, -200)]
        assert summary.price_points == 1
        assert Offer.objects.get().price == 700

    def test_a_late_observation_that_brings_a_change_forward_moves_it(self):
        load(card(1, price=1000))
        load(card(1, price=700), at=NOON + timedelta(hours=2))

        load(card(1, price=700), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 700, -300)]

    def test_a_late_observation_before_the_first_becomes_the_first(self):
        load(card(1, price=1000))

        load(card(1, price=1100), at=NOON - timedelta(hours=2))

        assert history() == [(10, 1100, None), (12, 1000, -100)]

    def test_a_late_dip_adds_a_point_for_the_return(self):
        load(card(1, price=1000))
        load(card(1, price=1000), at=NOON + timedelta(hours=2))

        load(card(1, price=900), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 900, -100), (14, 1000, 100)]

    def test_each_state_in_one_run_has_a_point(self):
        days = [
            {"payload": {"data": product(price)}, "timestamp": f"2026-06-0{day}T00:00:00"}
            for day, price in enumerate([1000, 900, 1000], 1)
        ]

        load_documents("uzum", days)

        assert [price for _, price, _ in history(10)] == [1000, 900, 1000]

    def test_months_are_created_on_demand(self):
        # The first hours of a month in Tashkent are the last of the month before in UTC.
        load(card(1), at=datetime(2019, 4, 1, 2, tzinfo=TASHKENT))
        load(card(1, price=5), at=datetime(2019, 4, 1, 12, tzinfo=TASHKENT))

        assert PricePoint.objects.count() == 2
