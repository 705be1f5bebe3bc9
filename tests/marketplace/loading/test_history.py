"""Price history, compared with a model that stores every observation."""

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
    """Return the points of a history: (time, price, old price, availability, change)."""
    points, last, available = [], None, None
    for moment, price, old_price, stated in observations:
        current = available if stated is None else stated
        if last is None or (price, old_price, current) != (*last, available):
            change = None if last is None else price - last[0]
            points.append((moment, price, old_price, current, change))
        last, available = (price, old_price), current
    return points


def stored():
    points = PricePoint.objects.order_by("recorded_at")
    names = ("recorded_at", "price", "old_price", "is_available", "price_change")
    return [tuple(getattr(point, name) for name in names) for point in points]


def document(price, old_price, available):
    """Return a product page, or a card if the availability is None."""
    full_price = old_price or price
    if available is None:
        card = {"productId": 1, "title": "T", "minSellPrice": price, "minFullPrice": full_price}
        return card | {"skuList": [{"id": 10, "sellPrice": price}]}
    sku = {"id": 10, "purchasePrice": price, "fullPrice": full_price}
    return {"data": {"id": 1, "title": "T", "skuList": [sku | {"availableAmount": int(available)}]}}


def sequence(generator):
    """Return random observations in the order of time, across the end of a month."""
    moment, observations = START, []
    for _ in range(generator.randint(2, 12)):
        moment += timedelta(hours=generator.randint(1, 40))
        price = Decimal(generator.choice([900, 1000, 1100]))
        old_price = generator.choice([None, None, Decimal(1200)])
        observations.append((moment, price, old_price, generator.choice([True, True, False, None])))
    return observations


def load(observations):
    for moment, price, old_price, available in observations:
        payload = document(int(price), old_price and int(old_price), available)
        load_documents("uzum", [payload], observed_at=moment)


class TestHistory:
    @pytest.mark.parametrize("seed", range(25))
    def test_equals_the_model_for_observations_in_order(self, seed):
        observations = sequence(random.Random(seed))

        load(observations)

        assert stored() == expected(observations)
        assert Offer.objects.get().price == observations[-1][1]

    @pytest.mark.parametrize("seed", range(10))
    def test_is_not_changed_by_repeats(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)
        load(observations)
        history = stored()

        load(generator.sample(observations, len(observations)))

        assert stored() == history

    @pytest.mark.parametrize("seed", range(25, 50))
    def test_equals_the_model_for_observations_in_any_order(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)

        load(generator.sample(observations, len(observations)))

        assert stored() == expected(observations)
        assert Offer.objects.get().price == observations[-1][1]
