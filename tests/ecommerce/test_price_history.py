"""The price history agrees with a model, in any order of arrival."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from ecommerce.loading import observations_of
from ecommerce.models import Offer, PricePoint
from ecommerce.platforms import yandex
from marketplace.loading.adapters import Adapter, Source
from marketplace.loading.formats.documents import read
from marketplace.loading.ingest import ingest, load_documents
from tests import payloads
from tests.ecommerce import price_model
from tests.ecommerce.observing import HOUR, OFFER, START, load, rebuild, seen
from tests.ecommerce.price_model import Point, Seen
from tests.ecommerce.price_sequences import sequence
from tests.repetitions import repeated

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

COLUMNS = ("offer__external_id", *price_model.COLUMNS)


def with_rivals(generator, observations):
    """Add second states to some times. All these states are unique."""
    found = list(observations)
    for index in generator.sample(range(len(found)), generator.randint(0, 2)):
        found[index] = found[index]._replace(price=Decimal(6000 + index))
        found.append(seen(0, 5000 + index)._replace(at=found[index].at))
    return found


class TestHistoryOfObservations:
    @pytest.mark.parametrize("seed", repeated(15, 60))
    def test_history_agrees_with_the_model_in_any_order(self, seed):
        generator = random.Random(seed)
        observations = with_rivals(generator, sequence(generator))
        generator.shuffle(observations)

        load(observations)

        assert price_model.stored() == price_model.history(observations)

    @pytest.mark.parametrize("seed", repeated(5, 20))
    def test_offer_has_the_state_of_the_newest_observation(self, seed):
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

    @pytest.mark.parametrize("seed", repeated(5, 20))
    def test_repeats_change_nothing(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)
        load(observations)
        before = list(PricePoint.objects.order_by("id").values())

        count = load(generator.sample(observations, len(observations)))

        assert count == 0
        assert list(PricePoint.objects.order_by("id").values()) == before

    @pytest.mark.parametrize("seed", repeated(5, 20))
    def test_new_points_are_counted(self, seed):
        generator = random.Random(seed)
        observations = sequence(generator)

        for observation in generator.sample(observations, len(observations)):
            before = PricePoint.objects.count()
            new_points = load([observation])
            # Points that are none any more may go at the same time.
            assert new_points >= PricePoint.objects.count() - before


class TestPartialObservations:
    """A product is observed with some of its offers; the other offers are not observed."""

    @pytest.mark.parametrize("seed", repeated(6, 25))
    def test_each_offer_has_its_own_history(self, seed):
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


class TestPastPrices:
    """Wildberries publishes weeks of history with each product."""

    @pytest.mark.parametrize("seed", repeated(6, 30))
    def test_past_prices_are_observations(self, seed):
        generator = random.Random(seed)
        weeks = [
            Seen(START + week * timedelta(weeks=1), Decimal(generator.choice([1, 10, 10, 11, 100])))
            for week in range(12)
        ]
        cards = [weeks[max(0, end - generator.randint(1, 5)) : end] for end in range(1, 13)]
        cards = generator.sample(cards, generator.randint(1, 8))

        for history_of_card in cards:
            assert load_documents("wildberries", [self.card(history_of_card)]).rejected == 0

        observed = {each._replace(currency="RUB") for part in cards for each in part}
        assert price_model.stored() == price_model.history(observed)

    def card(self, weeks):
        entries = [
            {"dt": int(week.at.timestamp()), "price": {"RUB": int(week.price * 100)}}
            for week in weeks
        ]
        card = {"nm_id": 5, "imt_id": 6, "imt_name": "Choynak"}
        return {"product_response": card, "price_history_response": entries}


class TestPoints:
    def test_known_availability_makes_a_point(self):
        load([seen(0, 100), seen(1, 100, available=True), seen(2, 100)])

        found = [(point.at, point.available) for point in price_model.stored()]
        assert found == [(START, None), (START + HOUR, True)]

    def test_change_of_currency_has_no_price_change(self):
        load([seen(0, 100), seen(1, 90, currency="USD"), seen(2, 80, currency="USD")])

        found = [(point.change, point.percent) for point in price_model.stored()]
        assert found == [(None, None), (None, None), (-10, Decimal("-11.11"))]

    def test_price_of_zero_has_no_percentage(self):
        # No platform's 0 is a price: only a table may tell one.
        load([seen(0, 5)])

        rebuild({OFFER: [seen(0, 0), seen(1, 90)]})

        assert price_model.stored()[1][6:8] == (90, None)

    def test_outlier_does_not_hide_the_change_back(self):
        load([seen(0, 100), seen(1, 1000), seen(2, 100)])

        assert [point.change for point in price_model.stored()] == [None, 900, -900]


@pytest.fixture(scope="module")
def days():
    return sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())


@pytest.fixture(scope="module")
def expected(days):
    """Return external_id → the points that its history must have after all days."""
    adapter, observed = Adapter("yandex", yandex.SHAPES), {}
    for path in days:
        # Of two records of an offer in a batch, the later counts.
        for entry in reversed(list(read(str(path)))):
            for item in adapter.split(entry.document, Source(path.name, {})):
                for point in observations_of(adapter.parse(item).records, item.observed_at):
                    values = (*point[1:3], point.old_price, point.currency, *point[5:])
                    observed.setdefault(point.offer_external_id, []).append(Seen(*values))
    return {external_id: price_model.history(each) for external_id, each in observed.items()}


class TestRealPriceLists:
    """The price list of a shop on 26 days of a month, in random orders of arrival."""

    @pytest.mark.parametrize("seed", repeated(0, 10))
    def test_history_does_not_depend_on_the_order(self, days, expected, seed):
        paths = [str(path) for path in random.Random(seed).sample(days, len(days))]

        summary = ingest("yandex", paths)

        assert (summary.rejected, summary.held, summary.source_errors) == (0, 0, [])
        found = {external_id: [] for external_id in expected}
        rows = PricePoint.objects.order_by("recorded_at").values_list(*COLUMNS)
        for external_id, *row in rows:
            found[external_id].append(Point(*row))
        assert found == expected
