"""Late arrivals, and histories that are rebuilt."""

import random
from decimal import Decimal

import pytest
from django.db import connections

from ecommerce import history
from ecommerce.loading import observations_of
from ecommerce.models import Offer, PayloadObservation, PricePoint, RawPayload
from ecommerce.records import Offer as OfferRecord
from ecommerce.records import PricePoint as PointRecord
from tests import factories
from tests.ecommerce import price_model
from tests.ecommerce.observing import HOUR, OFFER, START, load, rebuild, seen, staged
from tests.ecommerce.price_model import Seen
from tests.ecommerce.price_sequences import prices, sequence
from tests.repetitions import repeated

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestLateArrivals:
    def test_first_stored_state_of_a_time_is_kept(self):
        load([seen(0, 100), seen(4, 120)])
        # The payload with the price 100 is older than that with 120, but 120 was stored first here.
        load([seen(4, 100)])

        load([seen(2, 110)])

        assert prices() == [(0, 100), (2, 110), (4, 120)]

    def test_availability_of_a_late_arrival_applies_to_the_offer(self):
        load([seen(0, 100, available=True), seen(4, 100), seen(2, 100, available=False)])
        assert Offer.objects.get().is_available is False

        load([seen(5, 100, available=False)])

        assert [point.at for point in price_model.stored()] == [START, START + 2 * HOUR]

    def test_unchanged_points_keep_their_ids_and_are_not_written(self):
        load([seen(0, 100), seen(3, 120), seen(6, 130)])
        before = self.places()

        load([seen(4, 125)])

        after = self.places()
        assert [after[hour] for hour in (0, 3)] == [before[hour] for hour in (0, 3)]
        assert after[6][0] == before[6][0]

    def places(self):
        """Return hour → id and ctid of its point."""
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SELECT recorded_at, id, ctid FROM ecommerce_price_history")
            return {round((at - START) / HOUR): place for at, *place in cursor.fetchall()}

    def test_only_contradictions_cause_a_rebuild(self):
        load([seen(0, 100, available=True), seen(6, 130)])

        assert self.find_late(seen(3, 100)) == []
        assert self.find_late(seen(3, 100, available=True)) == []
        assert self.find_late(seen(3, 100, available=False)) == [OFFER]
        assert self.find_late(seen(3, 101)) == [OFFER]
        assert self.find_late(seen(-1, 100)) == [OFFER]
        assert self.find_late(seen(0, 101)) == []
        assert self.find_late(seen(6, 101)) == []

    def test_repetition_of_an_outlier_causes_a_rebuild(self):
        load([seen(0, 100), seen(2, 1), seen(6, 100)])

        assert self.find_late(seen(3, 1)) == [OFFER]

    def find_late(self, observation):
        """Return the products that an observation contradicts, once it is merged."""
        with staged({OFFER: observation}) as cursor:
            return history.find_late(cursor, "yandex")


class TestRebuild:
    @pytest.mark.parametrize("seed", repeated(8, 30))
    def test_observations_replace_stored_points(self, seed):
        generator = random.Random(seed)
        load(sequence(generator))
        moments = [point.at for point in price_model.stored()]
        # As after a change of the parser: the same times and more, with other prices.
        better = [
            observation
            for observation in sequence(generator)
            if observation.at < Offer.objects.get().scraped_at
        ]
        better += [seen(0, generator.choice([100, 1000]))._replace(at=at) for at in moments]
        newest = load_state()

        rebuild({OFFER: better})

        assert price_model.stored() == price_model.history([*better, newest])

    def test_time_without_a_payload_keeps_its_point(self):
        load([seen(0, 100), seen(4, 120), seen(8, 140)])
        forget_payloads()

        load([seen(2, 110)])

        assert prices() == [(0, 100), (2, 110), (4, 120), (8, 140)]

    def test_newest_time_without_a_payload_keeps_the_state_of_the_offer(self):
        load([seen(0, 100), seen(8, 100)])
        forget_payloads()

        load([seen(4, 90)])

        assert prices() == [(0, 100), (4, 90), (8, 100)]

    def test_other_offers_are_unchanged(self):
        load([seen(0, 100), seen(1, 120)])
        other = factories.price_point(offer=factories.offer(), price=5)
        twin = factories.price_point(offer=other.offer, price=5, recorded_at=START)

        rebuild({OFFER: [seen(0, 90)]})

        assert PricePoint.objects.filter(pk__in=[other.pk, twin.pk]).count() == 2

    def test_unknown_offer_is_ignored(self):
        assert rebuild({OFFER: [seen(0, 100)]}) == 0

    def test_second_rebuild_writes_nothing(self):
        observations = [seen(0, 100), seen(1, 1), seen(2, 100), seen(3, 120)]
        load(observations)
        before = TestLateArrivals().places()

        assert rebuild({OFFER: observations}) == 0
        assert TestLateArrivals().places() == before

    def test_former_product_of_an_offer_is_rebuilt(self):
        load([seen(0, 100), seen(6, 130)])
        moved = factories.product(platform="yandex", external_id="shop:2")
        Offer.objects.update(product=moved)

        with staged({OFFER: seen(3, 110)}) as cursor:
            assert sorted(history.find_late(cursor, "yandex")) == [OFFER, "shop:2"]


def load_state():
    """Return the newest observation of the first offer."""
    offer = Offer.objects.get()
    names = "scraped_at price old_price currency is_available stock_quantity"
    return Seen(*(getattr(offer, name) for name in names.split()))


def forget_payloads():
    PayloadObservation.objects.all().delete()
    RawPayload.objects.all().delete()


class TestObservationsOf:
    def test_current_price_wins_and_future_prices_are_ignored(self):
        records = [
            PointRecord("1", START, Decimal(7), "UZS"),
            PointRecord("1", START - HOUR, Decimal(8), "UZS"),
            PointRecord("1", START - HOUR, Decimal(9), "UZS"),
            PointRecord("1", START + HOUR, Decimal(10), "UZS"),
            OfferRecord("1", "1", Decimal(5), "UZS", stock_quantity=2),
        ]

        assert observations_of(records, START) == [
            PointRecord("1", START, Decimal(5), "UZS", available_amount=2),
            PointRecord("1", START - HOUR, Decimal(9), "UZS"),
        ]

    def test_two_records_of_an_offer_complete_each_other(self):
        records = [
            OfferRecord("1", "1", Decimal(5), "UZS", old_price=Decimal(9), is_available=True),
            OfferRecord("1", "1", Decimal(6), "UZS", is_available=False),
        ]

        [point] = observations_of(records, START)

        assert (point.price, point.old_price, point.is_available) == (6, 9, False)
