"""Price history against a model that keeps every observation and compares neighbours."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ecommerce.models import Offer, PricePoint
from marketplace.loading.ingest import load_documents
from marketplace.loading.values import TASHKENT

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

START = datetime(2026, 1, 30, 23, tzinfo=TASHKENT)


def expected(observations):
    """The points of a history: (time, price, old price, availability, change)."""
    points, last, available = [], None, None
    for moment, price, old_price, told in observations:
        known = available if told is None else told
        if last is None or (price, old_price, known) != (*last, available):
            change = None if last is None else price - last[0]
            points.append((moment, price, old_price, known, change))
        last, available = (price, old_price), known
    return points


def stored():
    points = PricePoint.objects.order_by("recorded_at")
    names = ("recorded_at", "price", "old_price", "is_available", "price_change")
    return [tuple(getattr(point, name) for name in names) for point in points]


def document(price, old_price, told):
    """A product as the API tells it; without an availability, as a card tells it."""
    full_price = old_price or price
    if told is None:
        card = {"productId": 1, "title": "T", "minSellPrice": price, "minFullPrice": full_price}
        return card | {"skuList": [{"id": 10, "sellPrice": price}]}
    sku = {"id": 10, "purchasePrice": price, "fullPrice": full_price}
    return {"data": {"id": 1, "title": "T", "skuList": [sku | {"availableAmount": int(told)}]}}


def sequence(generator):
    """Random observations in the order of time, over a turn of the month."""
    moment, found = START, []
    for _ in range(generator.randint(2, 12)):
        moment += timedelta(hours=generator.randint(1, 40))
        price = Decimal(generator.choice([900, 1000, 1100]))
        old_price = generator.choice([None, None, Decimal(1200)])
        found.append((moment, price, old_price, generator.choice([True, True, False, None])))
    return found


def load(observations):
    for moment, *told in observations:
        price, old_price, available = told
        payload = document(int(price), old_price and int(old_price), available)
        load_documents("uzum", [payload], observed_at=moment)


class TestHistory:
    @pytest.mark.parametrize("seed", range(25))
    def test_in_the_order_of_time_it_is_that_of_the_model(self, seed):
        observations = sequence(random.Random(seed))

        load(observations)

        assert stored() == expected(observations)
        assert Offer.objects.get().price == observations[-1][1]

    @pytest.mark.parametrize("seed", range(10))
    def test_repeats_add_nothing(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)
        load(observations)
        history = stored()

        load(generator.sample(observations, len(observations)))

        assert stored() == history

    @pytest.mark.parametrize("seed", range(25, 50))
    def test_in_any_order_it_is_the_same(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)

        load(generator.sample(observations, len(observations)))

        assert stored() == expected(observations)
        assert Offer.objects.get().price == observations[-1][1]
