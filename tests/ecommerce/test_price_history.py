"""The history of prices against a model, whatever the order in which observations come."""

import os
import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections

from ecommerce import history
from ecommerce.loading import observations_of
from ecommerce.models import Offer, PayloadObservation, PricePoint, RawPayload
from ecommerce.platforms import yandex
from ecommerce.records import Offer as OfferRecord
from ecommerce.records import PricePoint as PointRecord
from marketplace.loading.adapters import Adapter, Source
from marketplace.loading.formats.documents import read
from marketplace.loading.ingest import ingest, load_documents
from tests import factories, payloads
from tests.ecommerce import price_model
from tests.ecommerce.observing import HOUR, OFFER, START, load, rebuild, seen, sold_out, staged
from tests.ecommerce.price_model import Point, Seen

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

COLUMNS = ("offer__external_id", *price_model.COLUMNS)


def prices():
    return [(round((point.at - START) / HOUR), int(point.price)) for point in price_model.stored()]


def sequence(generator, length=12):
    """Return random observations in the order of time, over a turn of the month."""
    found, hour = [], -20
    for _ in range(generator.randint(2, length)):
        hour += generator.randint(1, 12)
        if generator.random() < 0.15:
            found.append(sold_out(hour))
            continue
        price = generator.choice([1, 95, 100, 100, 100, 100, 104, 900, 1000, 1040, 10_000])
        available = generator.choice([None, None, True, False])
        told = {
            "currency": generator.choice(["UZS"] * 9 + ["USD"]),
            "available": available,
            "amount": None if available is None else generator.randint(1, 9) * available,
        }
        found.append(seen(hour, price, generator.choice([None, None, None, 20_000]), **told))
    return found


def with_rivals(generator, observations):
    """Give some moments two states, neither of which is that of another moment."""
    found = list(observations)
    for index in generator.sample(range(len(found)), generator.randint(0, 2)):
        found[index] = found[index]._replace(price=Decimal(6000 + index))
        found.append(seen(0, 5000 + index)._replace(at=found[index].at))
    return found


class TestOfASetOfObservations:
    @pytest.mark.parametrize("seed", range(60))
    def test_it_is_that_of_the_model_in_any_order(self, seed):
        generator = random.Random(seed)
        observations = with_rivals(generator, sequence(generator))
        generator.shuffle(observations)

        load(observations)

        assert price_model.stored() == price_model.history(observations)

    @pytest.mark.parametrize("seed", range(60, 80))
    def test_the_offer_is_what_the_newest_says(self, seed):
        generator = random.Random(seed)
        observations = generator.sample(known := sequence(generator), len(known))

        load(observations)

        states = price_model.states(observations)
        if not states:
            assert not Offer.objects.exists()
            return
        offer, newest = Offer.objects.get(), states[-1]
        assert (offer.scraped_at, offer.price, offer.old_price, offer.currency) == newest[:4]
        assert offer.is_available == price_model.availability(observations)

    @pytest.mark.parametrize("seed", range(80, 100))
    def test_repeats_change_nothing(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)
        load(observations)
        before = list(PricePoint.objects.order_by("id").values())

        count = load(generator.sample(observations, len(observations)))

        assert count == 0
        assert list(PricePoint.objects.order_by("id").values()) == before

    @pytest.mark.parametrize("seed", range(100, 120))
    def test_new_points_are_counted(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)

        for each in generator.sample(observations, len(observations)):
            before = PricePoint.objects.count()
            made = load([each])
            # Points that are none any more may go at the same time.
            assert made >= PricePoint.objects.count() - before


class TestOffersThatComeAndGo:
    """A product is observed with some of its offers: of the others, nothing is known then."""

    @pytest.mark.parametrize("seed", range(25))
    def test_each_has_the_history_of_its_own_observations(self, seed):
        generator = random.Random(seed)
        days = []
        for day in range(generator.randint(3, 8)):
            # Without any of them, all are out of stock.
            shown = generator.sample([1, 2, 3], generator.randint(0, 3))
            at = START + day * timedelta(days=1)
            days.append((at, {number: self.see(generator, at) for number in shown}))
        generator.shuffle(days)

        for at, offers in days:
            load_documents("uzum", [self.product(offers)], observed_at=at)

        for number in (1, 2, 3):
            observations = [
                offers.get(number, Seen(at, None))
                for at, offers in days
                if number in offers or not offers
            ]
            found = price_model.stored(external_id=str(number))
            assert found == price_model.history(observations)

    def see(self, generator, at):
        price, amount = Decimal(generator.choice([10, 100, 100])), generator.choice([0, 3])
        if not amount and generator.random() < 0.5:
            return Seen(at, None)
        return Seen(at, price, available=amount > 0, amount=amount)

    def product(self, offers):
        skus = [
            {
                "id": number,
                "purchasePrice": each.price and int(each.price),
                "availableAmount": each.amount or 0,
            }
            for number, each in offers.items()
        ]
        return {"payload": {"data": {"id": 7, "title": "Choynak", "skuList": skus}}}


class TestPricesOfThePast:
    """Wildberries tells weeks of history with each card."""

    @pytest.mark.parametrize("seed", range(30))
    def test_they_are_observations_like_others(self, seed):
        generator = random.Random(seed)
        weeks = [
            Seen(START + week * timedelta(weeks=1), Decimal(generator.choice([1, 10, 10, 11, 100])))
            for week in range(12)
        ]
        told = [weeks[max(0, end - generator.randint(1, 5)) : end] for end in range(1, 13)]
        told = generator.sample(told, generator.randint(1, 8))

        for history_of_card in told:
            assert load_documents("wildberries", [self.card(history_of_card)]).rejected == 0

        observed = {each._replace(currency="RUB") for part in told for each in part}
        assert price_model.stored() == price_model.history(observed)

    def card(self, weeks):
        entries = [
            {"dt": int(each.at.timestamp()), "price": {"RUB": int(each.price * 100)}}
            for each in weeks
        ]
        card = {"nm_id": 5, "imt_id": 6, "imt_name": "Choynak"}
        return {"product_response": card, "price_history_response": entries}


class TestWhatIsAPoint:
    def test_an_availability_that_becomes_known(self):
        load([seen(0, 100), seen(1, 100, available=True), seen(2, 100)])

        found = [(point.at, point.available) for point in price_model.stored()]
        assert found == [(START, None), (START + HOUR, True)]

    def test_another_currency_has_no_change(self):
        load([seen(0, 100), seen(1, 90, currency="USD"), seen(2, 80, currency="USD")])

        found = [(point.change, point.percent) for point in price_model.stored()]
        assert found == [(None, None), (None, None), (-10, Decimal("-11.11"))]

    def test_a_price_of_nothing_has_no_percent(self):
        # No platform's 0 is a price: only a table may tell one.
        load([seen(0, 5)])

        rebuild({OFFER: [seen(0, 0), seen(1, 90)]})

        assert price_model.stored()[1][6:8] == (90, None)

    def test_a_outlier_does_not_hide_the_change_back(self):
        load([seen(0, 100), seen(1, 1000), seen(2, 100)])

        assert [point.change for point in price_model.stored()] == [None, 900, -900]


class TestWhatCameLate:
    def test_a_moment_stays_that_of_what_was_stored_first(self):
        load([seen(0, 100), seen(4, 120)])
        # Its payload is older than that of 120, but was not what was seen then.
        load([seen(4, 100)])

        load([seen(2, 110)])

        assert prices() == [(0, 100), (2, 110), (4, 120)]

    def test_an_availability_that_was_told_before_the_newest_observation_is_the_offers(self):
        load([seen(0, 100, available=True), seen(4, 100), seen(2, 100, available=False)])
        assert Offer.objects.get().is_available is False

        load([seen(5, 100, available=False)])

        assert [point.at for point in price_model.stored()] == [START, START + 2 * HOUR]

    def test_points_that_stay_keep_their_ids_and_are_not_written(self):
        load([seen(0, 100), seen(3, 120), seen(6, 130)])
        before = self.places()

        load([seen(4, 125)])

        after = self.places()
        assert [after[hour] for hour in (0, 3)] == [before[hour] for hour in (0, 3)]
        assert after[6][0] == before[6][0]

    def places(self):
        """Return hour → the id of its point, and where the row is."""
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SELECT recorded_at, id, ctid FROM ecommerce_price_history")
            return {round((at - START) / HOUR): place for at, *place in cursor.fetchall()}

    def test_what_the_history_says_already_makes_nothing_anew(self):
        load([seen(0, 100, available=True), seen(6, 130)])

        assert self.find_late(seen(3, 100)) == []
        assert self.find_late(seen(3, 100, available=True)) == []
        assert self.find_late(seen(3, 100, available=False)) == [OFFER]
        assert self.find_late(seen(3, 101)) == [OFFER]
        assert self.find_late(seen(-1, 100)) == [OFFER]
        assert self.find_late(seen(0, 101)) == []
        assert self.find_late(seen(6, 101)) == []

    def test_a_repeat_of_a_outlier_is_looked_at(self):
        load([seen(0, 100), seen(2, 1), seen(6, 100)])

        assert self.find_late(seen(3, 1)) == [OFFER]

    def find_late(self, observation):
        """Return the products that an observation contradicts, once it is merged."""
        with staged({OFFER: observation}) as cursor:
            return history.find_late(cursor, "yandex")


class TestRebuild:
    @pytest.mark.parametrize("seed", range(30))
    def test_what_is_given_replaces_what_is_stored(self, seed):
        generator = random.Random(seed)
        load(sequence(generator))
        moments = [point.at for point in price_model.stored()]
        # As a better parser would: the same moments, and more of them, with other prices.
        better = [each for each in sequence(generator) if each.at < Offer.objects.get().scraped_at]
        better += [seen(0, generator.choice([100, 1000]))._replace(at=at) for at in moments]
        newest = load_state()

        rebuild({OFFER: better})

        assert price_model.stored() == price_model.history([*better, newest])

    def test_a_moment_without_a_payload_has_the_state_of_its_point(self):
        load([seen(0, 100), seen(4, 120), seen(8, 140)])
        forget_payloads()

        load([seen(2, 110)])

        assert prices() == [(0, 100), (2, 110), (4, 120), (8, 140)]

    def test_the_newest_moment_without_a_payload_has_the_state_of_the_offer(self):
        load([seen(0, 100), seen(8, 100)])
        forget_payloads()

        load([seen(4, 90)])

        assert prices() == [(0, 100), (4, 90), (8, 100)]

    def test_offers_that_are_not_given_are_left_alone(self):
        load([seen(0, 100), seen(1, 120)])
        other = factories.price_point(offer=factories.offer(), price=5)
        twin = factories.price_point(offer=other.offer, price=5, recorded_at=START)

        rebuild({OFFER: [seen(0, 90)]})

        assert PricePoint.objects.filter(pk__in=[other.pk, twin.pk]).count() == 2

    def test_one_without_any_offer_is_nothing(self):
        assert rebuild({OFFER: [seen(0, 100)]}) == 0

    def test_again_it_writes_nothing(self):
        observations = [seen(0, 100), seen(1, 1), seen(2, 100), seen(3, 120)]
        load(observations)
        before = TestWhatCameLate().places()

        assert rebuild({OFFER: observations}) == 0
        assert TestWhatCameLate().places() == before

    def test_a_product_that_an_offer_left_is_told_of_too(self):
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


class TestPointsOf:
    def test_the_current_price_counts_more_than_the_past_and_the_future_is_none(self):
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


@pytest.fixture(scope="module")
def days():
    return sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())


@pytest.fixture(scope="module")
def expected(days):
    """Return external_id → the points that its history must have after all days."""
    adapter, observed = Adapter("yandex", yandex.SHAPES), {}
    for path in days:
        # Of two records of a batch about one thing, the later counts.
        for entry in reversed(list(read(str(path), 1 << 24))):
            for item in adapter.split(entry.document, Source(path.name, {})):
                for point in observations_of(adapter.parse(item).records, item.observed_at):
                    told = (*point[1:3], point.old_price, point.currency, *point[5:])
                    observed.setdefault(point.offer_external_id, []).append(Seen(*told))
    return {external_id: price_model.history(each) for external_id, each in observed.items()}


class TestRealSnapshots:
    """The price list of a shop on 26 days of a month; ORDERS is the number of orders of arrival."""

    @pytest.mark.parametrize("seed", range(int(os.environ.get("ORDERS", "4"))))
    def test_in_any_order_the_history_is_the_same(self, days, expected, seed):
        paths = [str(path) for path in random.Random(seed).sample(days, len(days))]

        summary = ingest("yandex", paths)

        assert (summary.rejected, summary.held, summary.failures) == (0, 0, [])
        found = {external_id: [] for external_id in expected}
        rows = PricePoint.objects.order_by("recorded_at").values_list(*COLUMNS)
        for external_id, *row in rows:
            found[external_id].append(Point(*row))
        assert found == expected
