"""Single wrong prices: marked, left out of the figures, and let in again by a person."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections

from ecommerce import outliers
from ecommerce.models import Offer, PricePoint
from ecommerce.queries import PriceStatistics, price_statistics
from marketplace.exceptions import MarketplaceError
from tests import factories
from tests.ecommerce import price_model
from tests.ecommerce.observing import (
    HOUR,
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

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

# What was observed, hour by hour → the hours of what is wrong.
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


class TestWhatIsMarked:
    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("name", SERIES)
    def test_is_what_lasted_one_observation_came_back_and_was_wrong(self, name, load_all):
        prices, wrong = SERIES[name]

        load_all(observe(*prices))

        assert marked() == wrong

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("other", range(3))
    def test_none_is_beside_another_currency(self, load_all, other):
        observations = observe(100, 1, 100)
        observations[other] = observations[other]._replace(currency="USD")

        load_all(observations)

        assert marked() == []

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    def test_prices_without_a_currency_are_of_one(self, load_all):
        load_all(observe(100, 1, 100, currency=None))

        assert marked() == [1]

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    def test_its_availability_may_be_wrong_too(self, load_all):
        told = [True, False, True]
        pairs = zip(observe(100, 0, 100), told, strict=True)

        load_all([each._replace(available=available) for each, available in pairs])

        assert marked() == [1]

    @pytest.mark.parametrize("load_all", [one_by_one, at_once])
    @pytest.mark.parametrize("seed", range(40))
    def test_it_is_that_of_the_model(self, seed, load_all):
        generator = random.Random(seed)
        prices = [generator.choice([0, 10, 100, 100, 104, 1000]) for _ in range(12)]

        load_all(observations := observe(*prices))

        assert price_model.stored() == price_model.history(observations)


class TestWhatIsFoundOutLater:
    def test_a_late_observation_shows_that_it_lasted(self):
        load([seen(0, 100), seen(2, 1), seen(4, 100)])
        assert marked() == [2]

        load([seen(3, 1)])

        assert marked() == []

    def test_a_late_observation_shows_that_it_came_back(self):
        load([seen(0, 100), seen(2, 1), seen(4, 200)])
        assert marked() == []

        load([seen(3, 100)])

        assert marked() == [2]

    def test_one_that_was_confirmed_before_payloads_were_kept_is_not_marked_now(self):
        one_by_one(observe(100, 1, 1, 100, 120))

        rebuild({OFFER: [seen(4, 130)]})

        assert marked() == []


class TestSeeded:
    """200 wrong prices among the prices of 2,000 offers over two weeks."""

    OFFERS, WRONG, DAYS = 2000, 200, 14

    @pytest.fixture
    def market(self):
        """Return offer → observations, and the keys of those that are wrong."""
        generator = random.Random(2026)
        market = {f"shop:{number}": self.days(generator) for number in range(self.OFFERS)}
        chosen = generator.sample(sorted(market), self.WRONG)
        wrong = {self.spoil(generator, key, market[key], n) for n, key in enumerate(chosen)}
        for key in market:
            factories.product(platform="yandex", external_id=key)
        return market, wrong

    def days(self, generator):
        """Return the days on which an offer was seen, with what shops do."""
        usual, found, sale = Decimal(generator.randint(10_000, 9_000_000)), [], 0
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
                found.append(Seen(START + timedelta(days=day), price, available=available))
        return found

    def spoil(self, generator, key, days, number):
        """Make one observation wrong, where the price is steady; return its key."""
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

    def test_nearly_all_are_marked_and_nearly_nothing_else(self, market):
        market, wrong = market
        for day in range(self.DAYS):
            at = START + timedelta(days=day)
            append({key: each for key, days in market.items() for each in days if each.at == at})

        found = self.found()

        assert len(wrong) == self.WRONG
        assert len(found & wrong) >= 0.95 * self.WRONG
        assert len(found - wrong) <= 0.01 * (PricePoint.objects.count() - self.WRONG)

        # All at once, in any order, they are the same.
        history = list(PricePoint.objects.order_by("id").values())
        generator = random.Random(1)
        keys = generator.sample(sorted(market), len(market))
        rebuild({key: generator.sample(market[key], len(market[key])) for key in keys})
        assert list(PricePoint.objects.order_by("id").values()) == history


class TestStatistics:
    def of(self, observations):
        """Return the statistics of the model's points, which are all of one currency."""
        points = price_model.history(observations)
        kept = [point for point in points if not point.is_outlier]
        ends = [*(point.at for point in kept[1:]), max(observations).at]
        spans = [(end - point.at).total_seconds() for point, end in zip(kept, ends, strict=True)]
        pairs = list(zip(kept, spans, strict=True))
        if any(spans):
            mean = sum(point.price * Decimal(span) for point, span in pairs) / Decimal(sum(spans))
        else:
            mean = sum(point.price for point in kept) / len(kept)
        lowest = min(kept, key=lambda point: (point.price, point.at))
        return PriceStatistics(
            observations[0].currency,
            len(kept),
            len(points) - len(kept),
            lowest.price,
            max(point.price for point in kept),
            round(mean, 2),
            lowest.at,
            kept[0].at,
            kept[-1].at,
        )

    @pytest.mark.parametrize("seed", range(20))
    def test_they_are_those_of_the_points_that_are_not_marked(self, seed):
        generator = random.Random(seed)
        prices = [generator.choice([1, 99, 100, 100, 1000, 107]) for _ in range(12)]
        observations = generator.sample(observe(*prices), generator.randint(1, 12))

        one_by_one(sorted(observations))

        assert price_statistics(Offer.objects.get().pk) == self.of(observations)

    def test_each_price_weighs_as_long_as_it_held(self):
        one_by_one([seen(0, 100), seen(1, 400), seen(4, 400)])

        assert price_statistics(Offer.objects.get().pk).avg_price == 325

    def test_while_a_outlier_lasted_the_price_before_it_held(self):
        one_by_one([seen(0, 100), seen(1, 10_000), seen(4, 104), seen(8, 104)])

        assert price_statistics(Offer.objects.get().pk).avg_price == 102

    def test_prices_of_another_currency_are_left_out(self):
        one_by_one([seen(0, 1, currency="USD"), seen(1, 300), seen(3, 300)])

        found = price_statistics(Offer.objects.get().pk)
        assert (found.currency, found.point_count, found.min_price, found.avg_price) == (
            "UZS",
            1,
            300,
            300,
        )

    def test_an_offer_without_points_has_none(self):
        offer = factories.offer()

        assert price_statistics(offer.pk)[1:] == (0, 0, *[None] * 6)
        assert price_statistics(offer.pk + 1) is None


class TestAPersonsWord:
    def point(self):
        return PricePoint.objects.get(recorded_at=START + 2 * HOUR)

    def load(self):
        """Load a outlier; return the statistics as if it was none."""
        load([seen(0, 100), seen(2, 1), seen(4, 100), seen(6, 100)])
        offer = Offer.objects.get()
        PricePoint.objects.filter(is_outlier=True).update(is_outlier=None)
        without = price_statistics(offer.pk)
        PricePoint.objects.filter(pk=self.point().pk).update(is_outlier=True)
        return without

    def test_a_release_restores_the_statistics_exactly(self):
        without = self.load()
        offer = Offer.objects.get().pk
        with_mark = price_statistics(offer)
        assert (with_mark.min_price, with_mark.outlier_count) == (100, 1)

        outliers.release("ecommerce", self.point().pk)

        assert price_statistics(offer) == without
        outliers.restore("ecommerce", self.point().pk)
        assert price_statistics(offer) == with_mark

    def test_what_was_released_is_not_marked_again(self):
        self.load()
        released = self.point().pk
        outliers.release("ecommerce", released)

        # In order, late, and all anew.
        load([seen(8, 1), seen(9, 100), seen(3, 90), seen(5, 120)])
        rebuild({OFFER: [seen(0, 100), seen(2, 1), seen(3, 100)]})

        assert (self.point().pk, self.point().is_outlier) == (released, False)
        assert marked() == [8]

    def test_a_word_on_one_changes_the_verdict_on_no_other(self):
        one_by_one(observations := observe(1000, 100, 1000, 100, 1000))
        outliers.release("ecommerce", PricePoint.objects.get(recorded_at=START + HOUR).pk)
        assert marked() == [3]

        rebuild({OFFER: observations})

        assert marked() == [3]

    def test_only_what_is_marked_can_be_released(self):
        self.load()
        first = PricePoint.objects.get(recorded_at=START)

        with pytest.raises(MarketplaceError, match=rf"Price point {first.pk} is not marked as a"):
            outliers.release("ecommerce", first.pk)
        with pytest.raises(MarketplaceError, match="is not a released outlier"):
            outliers.restore("ecommerce", self.point().pk)
        with pytest.raises(MarketplaceError, match="There is no price point 999 in ecommerce"):
            outliers.release("ecommerce", 999)

    def test_the_newest_wait_first(self):
        load([seen(0, 100), seen(2, 1), seen(4, 100), seen(6, 1000), seen(8, 100)])

        found = outliers.waiting("ecommerce", "yandex", 10)

        assert [(each.offer, each.title, each.price, each.price_before) for each in found] == [
            (OFFER, "Choynak", 1000, 100),
            (OFFER, "Choynak", 1, 100),
        ]
        assert found[:1] == outliers.waiting("ecommerce", "yandex", 1)
        assert outliers.waiting("ecommerce", "uzum", 10) == []


class TestInTheDatabase:
    @pytest.mark.parametrize("price", [None, 0, 1, 50, 51, 949, 950, 1050, 1051, 9500, 10_500])
    def test_its_rule_is_that_of_the_model(self, price):
        for before, after in ((100, 100), (100, 105), (105, 100), (100, 106), (0, 0), (None, 1)):
            with connections["ecommerce"].cursor() as cursor:
                cursor.execute("SELECT ecommerce_is_outlier(%s, %s, %s)", (price, before, after))
                [found] = cursor.fetchone()

            known = price is not None and before is not None
            assert found is (known and price_model.is_outlier(price, before, after))
