"""Loads that pass the gates: ordinary days, in any order, and days that were loaded before."""

import random

import pytest

from ecommerce.models import LoadRun, Offer, QuarantinedRecord
from tests.marketplace.loading.days import (
    SIZE,
    card,
    content,
    day,
    load,
    load_history,
    missing_prices,
    other_platform,
    rolled_back,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


@pytest.fixture(autouse=True)
def _small_batches(settings):
    """Load batches of a hundred records."""
    settings.INGEST_BATCH_SIZE = 100


class TestPassing:
    def test_a_day_that_was_loaded_before(self):
        load_history()
        before = content()

        summary = load(day(3), 3)

        assert (summary.hold_reasons, summary.created, summary.updated) == ([], 0, 0)
        assert content() == before

    def test_the_same_cards_twice_in_one_load(self):
        load_history()

        summary = load(day(4) + day(4), 4)

        assert summary.hold_reasons == []
        assert Offer.objects.count() == 2 * SIZE

    def test_any_first_load(self):
        assert load(missing_prices(), 0).hold_reasons == []

    def test_a_sale(self):
        load_history()

        assert load(day(4, factor=0.6), 4).hold_reasons == []

    def test_a_tenth_of_the_prices_missing(self):
        load_history()
        cards = day(4)
        for number in range(0, SIZE, 10):
            cards[number] = card(number + 1, None)

        assert load(cards, 4).hold_reasons == []

    def test_a_few_records_of_another_platform_which_go_to_quarantine(self):
        load_history()

        summary = load(day(4) + other_platform()[:20], 4)

        assert (summary.hold_reasons, summary.rejected) == ([], 20)
        assert "it looks like OLX-API of olx" in QuarantinedRecord.objects.first().reason

    def test_days_of_ordinary_prices(self):
        generator = random.Random(3)
        prices = {number: 1000 + generator.randint(0, 10**6) for number in range(1, SIZE + 1)}
        causes = []
        for at in range(12):
            for number in generator.sample(sorted(prices), SIZE // 10):
                prices[number] = round(prices[number] * generator.uniform(0.6, 1.6))
            cards = [card(n, price) for n, price in prices.items() if generator.random() > 0.1]
            causes += load(cards, at).hold_reasons

        assert causes == []


def repeating(number):
    """Return a day on which two of five cards are repeated with other titles."""
    return day(number, size=60) + day(number, size=40, title="Choynak, sariq")


class TestOrderOfDays:
    """Three days with repeated cards, followed by four days without."""

    DAYS = [*[(repeating(n), n) for n in range(3)], *[(day(n, size=60), n) for n in range(3, 7)]]

    @pytest.fixture(autouse=True)
    def _one_batch_a_day(self, settings):
        settings.INGEST_BATCH_SIZE = 1000
        settings.INGEST_GATES = {"default": {"runs": 3}}

    def load_all(self, days):
        summaries = [load(cards, at) for cards, at in days]
        assert [cause for summary in summaries for cause in summary.hold_reasons] == []
        return [(summary.created, summary.updated, summary.held) for summary in summaries]

    def test_does_not_matter(self):
        with rolled_back():
            self.load_all(self.DAYS)
            expected = content()

        self.load_all(reversed(self.DAYS))

        assert content() == expected

    def test_loading_again_holds_and_changes_nothing(self):
        self.load_all(self.DAYS)
        before = content()

        assert set(self.load_all(self.DAYS)) == {(0, 0, 0)}
        assert set(self.load_all(reversed(self.DAYS))) == {(0, 0, 0)}

        assert content() == before

    def test_runs_without_times_are_recognized_by_their_payloads(self):
        self.load_all(self.DAYS)
        for run in LoadRun.objects.all():
            run.quality_metrics = {
                k: v for k, v in run.quality_metrics.items() if k not in ("since", "until")
            }
            run.save()

        assert set(self.load_all(self.DAYS[:3])) == {(0, 0, 0)}

    def test_new_items_among_known_ones_are_judged(self):
        self.load_all(self.DAYS)
        missing = [card(n, None) for n in range(1001, 1081)]

        summary = load(day(2, size=60)[:20] + missing, 2)

        assert "price is missing in 80% of 100 records" in summary.hold_reasons[0]
        assert summary.held == 100

    def test_a_late_day_is_compared_with_earlier_days(self):
        self.load_all(self.DAYS[:2] + self.DAYS[3:])

        assert load([card(n, None) for n in range(1, 61)], 2).hold_reasons != []
        assert load(repeating(2), 2).hold_reasons == []

    def test_a_day_with_repeats_after_days_without_is_held(self):
        self.load_all(self.DAYS)

        assert "repeat an id with other content" in load(repeating(7), 7).hold_reasons[0]
