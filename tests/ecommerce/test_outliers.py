"""Marking of outliers."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections

from ecommerce.models import PricePoint
from tests import factories
from tests.ecommerce import price_model
from tests.ecommerce.observing import (
    OFFER,
    START,
    append,
    load,
    marked,
    observe,
    one_by_one,
    rebuild,
    seen,
)
from tests.ecommerce.price_model import Seen
from tests.repetitions import repeated

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

# Case → hourly prices, and the hours of the outliers.
SERIES = {
    "nothing": ([100, 0, 100], [1]),
    "ten times as much": ([100, 1000, 100], [1]),
    "about ten times as much": ([100, 1040, 98], [1]),
    "a hundred times as much": ([100, 10_000, 100], [1]),
    "a tenth": ([100, 10, 100], [1]),
    "a hundredth": ([100, 1, 100], [1]),
    "a low": ([100, 50, 100], [1]),
    "a low beside a price that moved a little": ([100, 47, 95], [1]),
    "less than half off": ([100, 51, 100], []),
    "half of one neighbor only": ([100, 49, 96], []),
    "a high": ([100, 500, 100], []),
    "between ten and a hundred times": ([100, 3000, 100], []),
    "a price that did not come back": ([100, 1000, 106], []),
    "what may last": ([100, 1000], []),
    "what lasted": ([100, 1000, 1000, 100], []),
    "a sale": ([100, 40, 40, 100], []),
    "a sale in steps": ([100, 40, 35, 100], []),
    "the first price": ([1000, 100, 100], []),
    "two at different times": ([100, 1, 100, 100, 1000, 100], [1, 4]),
    "two in a row": ([100, 1000, 10, 100], []),
    "there and back and there": ([1000, 100, 1000, 100, 1000], [1, 3]),
    "after a price of nothing": ([0, 1000, 0], []),
}


def at_once(observations):
    product = factories.product(platform="yandex", external_id=OFFER)
    newest = max(observations)
    state = {"price": newest.price, "currency": newest.currency, "scraped_at": newest.at}
    factories.offer(platform="yandex", external_id=OFFER, product=product, **state)
    rebuild({OFFER: observations})


class TestMarking:
    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("name", SERIES)
    def test_marks_single_prices_that_differ_from_both_neighbors(self, name, load_all):
        prices, wrong = SERIES[name]

        load_all(observe(*prices))

        assert marked() == wrong

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("other", range(3))
    def test_neighbors_in_another_currency_do_not_count(self, load_all, other):
        observations = observe(100, 1, 100)
        observations[other] = observations[other]._replace(currency="USD")

        load_all(observations)

        assert marked() == []

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    def test_prices_without_a_currency_are_comparable(self, load_all):
        load_all(observe(100, 1, 100, currency=None))

        assert marked() == [1]

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    def test_availability_may_change_with_the_outlier(self, load_all):
        availability = [True, False, True]
        pairs = zip(observe(100, 0, 100), availability, strict=True)

        load_all([observation._replace(available=available) for observation, available in pairs])

        assert marked() == [1]

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("seed", repeated(8, 40))
    def test_marks_agree_with_the_model(self, seed, load_all):
        generator = random.Random(seed)
        prices = [generator.choice([0, 10, 100, 100, 104, 1000]) for _ in range(12)]

        load_all(observations := observe(*prices))

        assert price_model.stored() == price_model.history(observations)


class TestLateArrivals:
    def test_late_repetition_removes_the_mark(self):
        load([seen(0, 100), seen(2, 1), seen(4, 100)])
        assert marked() == [2]

        load([seen(3, 1)])

        assert marked() == []

    def test_late_return_sets_the_mark(self):
        load([seen(0, 100), seen(2, 1), seen(4, 200)])
        assert marked() == []

        load([seen(3, 100)])

        assert marked() == [2]

    def test_point_without_payloads_is_not_marked_later(self):
        one_by_one(observe(100, 1, 1, 100, 120))

        rebuild({OFFER: [seen(4, 130)]})

        assert marked() == []


class TestSeeded:
    """200 wrong prices among the prices of 2,000 offers over two weeks."""

    OFFERS, WRONG, DAYS = 2000, 200, 14

    @pytest.fixture
    def market(self):
        """Return offer → observations, and the keys of wrong observations."""
        generator = random.Random(2026)
        market = {f"shop:{number}": self.days(generator) for number in range(self.OFFERS)}
        chosen = generator.sample(sorted(market), self.WRONG)
        wrong = {self.spoil(generator, key, market[key], n) for n, key in enumerate(chosen)}
        for key in market:
            factories.product(platform="yandex", external_id=key)
        return market, wrong

    def days(self, generator):
        """Return the observations of an offer on some days, with typical price changes."""
        usual, observations, sale = Decimal(generator.randint(10_000, 9_000_000)), [], 0
        for day in range(self.DAYS):
            chance = generator.random()
            if chance < 0.08:
                usual = round(usual * Decimal(generator.uniform(0.75, 1.3)), 2)
            elif chance < 0.11 and not sale:
                sale, share = generator.randint(2, 4), Decimal(generator.uniform(0.3, 0.9))
            price, dip = usual, generator.random()
            if sale:
                price, sale = round(usual * share, 2), sale - 1
            elif dip < 0.03:
                price = round(usual * Decimal(generator.uniform(0.55, 0.97)), 2)
            elif dip < 0.04:
                price = round(usual * Decimal(generator.uniform(1.1, 5)), 2)
            if generator.random() < 0.95 or not day:
                available = generator.choice([None, True, True, True, False])
                observations.append(Seen(START + timedelta(days=day), price, available=available))
        return observations

    def spoil(self, generator, key, days, number):
        """Make one observation wrong where the price is constant; return its key."""
        place = generator.randrange(1, len(days) - 1)
        price = days[place - 1].price
        days[place + 1] = days[place + 1]._replace(price=price)
        factors = [
            0,
            generator.choice(["10", "0.1"]),
            generator.choice(["100", "0.01"]),
            generator.uniform(0.1, 0.5),
        ]
        wrong = round(price * Decimal(factors[number % 4]), 2)
        days[place] = days[place]._replace(price=wrong)
        return key, days[place].at

    def found(self):
        points = PricePoint.objects.filter(is_outlier=True)
        return set(points.values_list("offer__external_id", "recorded_at"))

    def test_marks_almost_all_wrong_prices_and_almost_no_others(self, market):
        market, wrong = market
        for day in range(self.DAYS):
            at = START + timedelta(days=day)
            append({key: seen for key, days in market.items() for seen in days if seen.at == at})

        marked = self.found()

        assert len(wrong) == self.WRONG
        assert len(marked & wrong) >= 0.95 * self.WRONG
        assert len(marked - wrong) <= 0.01 * (PricePoint.objects.count() - self.WRONG)

        # All at once, in any order, they are the same.
        history = list(PricePoint.objects.order_by("id").values())
        generator = random.Random(1)
        keys = generator.sample(sorted(market), len(market))
        rebuild({key: generator.sample(market[key], len(market[key])) for key in keys})
        assert list(PricePoint.objects.order_by("id").values()) == history


class TestDatabaseFunction:
    @pytest.mark.parametrize("price", [None, 0, 1, 50, 51, 949, 950, 1050, 1051, 9500, 10_500])
    def test_function_agrees_with_the_model(self, price):
        for before, after in ((100, 100), (100, 105), (105, 100), (100, 106), (0, 0), (None, 1)):
            with connections["ecommerce"].cursor() as cursor:
                cursor.execute("SELECT ecommerce_is_outlier(%s, %s, %s)", (price, before, after))
                [result] = cursor.fetchone()

            known = price is not None and before is not None
            assert result is (known and price_model.is_outlier(price, before, after))
