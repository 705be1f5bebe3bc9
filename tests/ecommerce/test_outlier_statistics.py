"""Statistics of prices without outliers, and the decisions of a person about outliers."""

import random
from decimal import Decimal

import pytest

from ecommerce.models import Offer, PricePoint
from ecommerce.outliers import Outliers
from ecommerce.queries import PriceStatistics, price_statistics
from marketplace.exceptions import MarketplaceError
from marketplace.loading.review.entries import Selection
from tests import factories
from tests.ecommerce import price_model
from tests.ecommerce.observing import (
    HOUR,
    OFFER,
    START,
    load,
    marked,
    observe,
    one_by_one,
    rebuild,
    seen,
)
from tests.repetitions import repeated

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestStatistics:
    def of(self, observations):
        """Return the statistics of the model's points, which all have one currency."""
        points = price_model.history(observations)
        regular = [point for point in points if not point.is_outlier]
        ends = [*(point.at for point in regular[1:]), max(observations).at]
        spans = [(end - point.at).total_seconds() for point, end in zip(regular, ends, strict=True)]
        pairs = list(zip(regular, spans, strict=True))
        if any(spans):
            mean = sum(point.price * Decimal(span) for point, span in pairs) / Decimal(sum(spans))
        else:
            mean = sum(point.price for point in regular) / len(regular)
        lowest = min(regular, key=lambda point: (point.price, point.at))
        return PriceStatistics(
            observations[0].currency,
            len(regular),
            len(points) - len(regular),
            lowest.price,
            max(point.price for point in regular),
            round(mean, 2),
            lowest.at,
            regular[0].at,
            regular[-1].at,
        )

    @pytest.mark.parametrize("seed", repeated(5, 20))
    def test_statistics_exclude_outliers(self, seed):
        generator = random.Random(seed)
        prices = [generator.choice([1, 99, 100, 100, 1000, 107]) for _ in range(12)]
        observations = generator.sample(observe(*prices), generator.randint(1, 12))

        one_by_one(sorted(observations))

        assert price_statistics(Offer.objects.get().pk) == self.of(observations)

    def test_prices_are_weighted_by_time(self):
        one_by_one([seen(0, 100), seen(1, 400), seen(4, 400)])

        assert price_statistics(Offer.objects.get().pk).avg_price == 325

    def test_price_before_an_outlier_remains_in_effect(self):
        one_by_one([seen(0, 100), seen(1, 10_000), seen(4, 104), seen(8, 104)])

        assert price_statistics(Offer.objects.get().pk).avg_price == 102

    def test_prices_in_another_currency_are_excluded(self):
        one_by_one([seen(0, 1, currency="USD"), seen(1, 300), seen(3, 300)])

        statistics = price_statistics(Offer.objects.get().pk)
        assert (
            statistics.currency,
            statistics.point_count,
            statistics.min_price,
            statistics.avg_price,
        ) == (
            "UZS",
            1,
            300,
            300,
        )

    def test_offer_without_points_has_no_statistics(self):
        offer = factories.offer()

        assert price_statistics(offer.pk)[1:] == (0, 0, *[None] * 6)
        assert price_statistics(offer.pk + 1) is None


def decide(action, pk):
    """Release or restore an outlier."""
    selection = Selection("outlier", "ecommerce", "yandex", (pk,))
    return Outliers("ecommerce").act(action, selection)


class TestDecisions:
    def point(self):
        return PricePoint.objects.get(recorded_at=START + 2 * HOUR)

    def load(self):
        """Load an outlier; return the statistics as if it was not marked."""
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

        decide("release", self.point().pk)

        assert price_statistics(offer) == without
        decide("restore", self.point().pk)
        assert price_statistics(offer) == with_mark

    def test_released_price_is_not_marked_again(self):
        self.load()
        released = self.point().pk
        decide("release", released)

        # In order, late, and all anew.
        load([seen(8, 1), seen(9, 100), seen(3, 90), seen(5, 120)])
        rebuild({OFFER: [seen(0, 100), seen(2, 1), seen(3, 100)]})

        assert (self.point().pk, self.point().is_outlier) == (released, False)
        assert marked() == [8]

    def test_decision_does_not_affect_other_points(self):
        one_by_one(observations := observe(1000, 100, 1000, 100, 1000))
        decide("release", PricePoint.objects.get(recorded_at=START + HOUR).pk)
        assert marked() == [3]

        rebuild({OFFER: observations})

        assert marked() == [3]

    def test_only_outliers_can_be_released(self):
        self.load()
        first = PricePoint.objects.get(recorded_at=START)

        with pytest.raises(MarketplaceError, match=rf"Price point {first.pk} is not marked as a"):
            decide("release", first.pk)
        with pytest.raises(MarketplaceError, match="is not a released outlier"):
            decide("restore", self.point().pk)
        with pytest.raises(
            MarketplaceError, match="The price point 999 does not exist in ecommerce"
        ):
            decide("release", 999)

    def test_newest_outliers_are_listed_first(self):
        load([seen(0, 100), seen(2, 1), seen(4, 100), seen(6, 1000), seen(8, 100)])

        (section,) = Outliers("ecommerce").sections("yandex", show_all=False)

        assert section.total == 2
        assert [(entry.source, entry.reasons) for entry in section.entries] == [
            (f"offer {OFFER}", ["1,000.00 UZS (previously 100.00)"]),
            (f"offer {OFFER}", ["1.00 UZS (previously 100.00)"]),
        ]
        (other,) = Outliers("ecommerce").sections("uzum", show_all=False)
        assert (other.total, other.entries) == (0, [])
