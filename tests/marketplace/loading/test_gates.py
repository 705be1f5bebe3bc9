"""Gates: which batches and full listings are held, compared with recent runs."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ecommerce.models import LoadRun
from marketplace.loading.gates.gate import Baseline, Gate, judge, judge_volume
from marketplace.loading.gates.quality_metrics import QualityMetrics
from tests import factories
from tests.marketplace.loading.gate_metrics import LIMITS, NOON, USUAL, batch, recent, run

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestCoverage:
    def test_missing_prices_are_reported(self):
        assert judge(batch(price=970), recent(*USUAL), LIMITS) == [
            "price is missing in 97% of 1,000 records of UZ-API (usually 2%, limit 22%)"
        ]

    def test_usual_shares_pass(self):
        assert judge(batch(price=25, category=150), recent(*USUAL), LIMITS) == []

    def test_the_limit_itself_passes(self):
        assert judge(batch(price=220), recent(*USUAL), LIMITS) == []
        assert judge(batch(price=221), recent(*USUAL), LIMITS) != []

    def test_unchanged_items_have_no_errors(self):
        assert judge(batch(300, price=200, recognized=700), recent(*USUAL), LIMITS) == []

    def test_runs_without_new_records_do_not_enter_the_baseline(self):
        rich = [run(batch(category=600)), *[run(batch(0, recognized=1000))] * 9]

        assert judge(batch(category=600), recent(*rich), LIMITS) == []

    def test_half_of_a_rare_field_is_too_few(self):
        usual = [run(batch(category=750))] * 3

        assert judge(batch(category=870), recent(*usual), LIMITS) == []
        assert judge(batch(category=880), recent(*usual), LIMITS) != []

    def test_a_field_that_hardly_any_record_has_is_not_judged(self):
        usual = [run(batch(category=980))] * 3

        assert judge(batch(category=1000), recent(*usual), LIMITS) == []

    def test_other_fields_than_the_essential_need_three_runs(self):
        lost = batch(price=1000, title=1000, category=1000)

        def fields(runs):
            causes = judge(lost, recent(*runs), LIMITS)
            return [cause.split()[0] for cause in causes]

        assert fields(USUAL[:0]) == []
        assert fields(USUAL[:1]) == ["price", "title"]
        assert fields(USUAL[:2]) == ["price", "title"]
        assert fields(USUAL[:3]) == ["price", "title", "category"]

    def test_one_unusual_run_does_not_become_usual(self):
        runs = [*USUAL, run(batch(price=600))]

        assert judge(batch(price=300), recent(*runs), LIMITS) == []
        (cause,) = judge(batch(price=660), recent(*runs), LIMITS)
        assert cause.endswith("(usually 2%, limit 65%)")

    def test_a_batch_like_one_of_a_recent_run_passes(self):
        # Services have no price, and are returned together.
        mixed = [run(batch(), batch(price=1000), batch())] * 3

        assert judge(batch(price=1000), recent(*mixed), LIMITS) == []

    def test_ten_runs_count(self):
        runs = [run(batch(price=1000)), *[run(batch())] * 10]

        assert judge(batch(price=900), recent(*runs), LIMITS) != []
        assert judge(batch(price=900), recent(*runs[:10]), LIMITS) == []

    def test_another_shape_is_not_compared(self):
        assert judge(batch(shape="UZ-CATS", price=1000), recent(*USUAL), LIMITS) == []


class TestSmallBatches:
    def test_a_tiny_one_is_not_judged(self):
        assert judge(batch(49, price=49), recent(*USUAL), LIMITS) == []
        assert judge(batch(50, price=50), recent(*USUAL), LIMITS) != []

    def test_several_tiny_ones_are_judged_together(self):
        gate = Gate("ecommerce", "uzum")
        gate.recent = recent(*USUAL)

        def push(**faults):
            metrics = batch(20, **faults)
            causes = gate.judge(metrics)
            if not causes:
                gate.admit(metrics)
            return causes

        assert [push(price=20), push(price=20)] == [[], []]
        assert push(price=20) == [
            "price is missing in 100% of 60 records of UZ-API (usually 2%, limit 22%)"
        ]
        # A sound batch is not held because of earlier ones.
        assert push() == []

    def test_tiny_runs_count_together(self):
        tiny = [run(batch(20, price=1)) for _ in range(15)]

        baseline = recent(*tiny)

        assert [tally.count for tally in baseline.tallies["UZ-API"]] == [60] * 5
        assert judge(batch(price=900), baseline, LIMITS) != []

    def test_the_newest_tiny_runs_are_judged_with_the_next_batch(self):
        baseline = recent(*USUAL, *[run(batch(20, price=20))] * 2)

        assert baseline.tail.rows == 40
        assert judge(batch(20, price=20), baseline, LIMITS) != []
        assert judge(batch(20, price=0), baseline, LIMITS) == []

    def test_a_large_run_is_not_judged_with_the_next_batch(self):
        baseline = recent(run(batch(20, price=20)), run(batch()))

        assert baseline.tail.rows == 0


class TestPrices:
    def test_price_scale_errors_do_not_require_history(self):
        causes = judge(batch(prices=(900, 900, 880, 0)), Baseline(), LIMITS)

        assert causes == [
            "98% of 900 prices moved by a factor of 10, 100 or 1,000 (limit 5%): another unit?"
        ]

    def test_small_share_of_price_scale_errors_passes(self):
        assert judge(batch(prices=(900, 45, 45, 0)), Baseline(), LIMITS) == []
        assert judge(batch(prices=(900, 46, 46, 0)), Baseline(), LIMITS) != []

    def test_few_price_scale_errors_pass_whatever_their_share(self):
        assert judge(batch(9, prices=(9, 9, 9, 0)), Baseline(), LIMITS) == []
        assert judge(batch(10, prices=(10, 10, 10, 0)), Baseline(), LIMITS) != []

    def test_price_scale_errors_among_unchanged_items_pass(self):
        assert judge(batch(40, recognized=960, prices=(40, 40, 40, 0)), Baseline(), LIMITS) == []

    def test_another_currency(self):
        causes = judge(batch(prices=(1000, 0, 0, 1000)), Baseline(), LIMITS)

        assert causes == ["100% of 1,000 prices changed their currency (limit 5%): another unit?"]

    def test_moved_prices_are_compared_with_recent_runs(self):
        calm = [run(batch(prices=(1000, 10, 0, 0)))] * 3

        assert judge(batch(prices=(1000, 450, 0, 0)), Baseline(), LIMITS) == []
        assert judge(batch(prices=(1000, 450, 0, 0)), recent(*calm), LIMITS) == [
            "45% of 1,000 prices moved by more than a factor of 2 (usually 1%, limit 31%)"
        ]
        assert judge(batch(prices=(1000, 510, 0, 0)), Baseline(), LIMITS) != []

    def test_no_compared_prices_pass(self):
        assert judge(batch(prices=(0, 0, 0, 0)), recent(*USUAL), LIMITS) == []


class TestOtherPayloads:
    def test_unreadable_records_are_reported_with_a_reason(self):
        metrics = batch(400)
        for number in range(600):
            reason = "not a baseline shape of uzum (keys: id); it looks like OLX-STATE of olx"
            metrics.count_reject(reason if number % 3 else f"is not JSON: {number}")

        assert judge(metrics, Baseline(), LIMITS) == [
            "60% of 1,000 records cannot be read (limit 50%): "
            "not a baseline shape of uzum (keys: id); it looks like OLX-STATE of olx"
        ]

    def test_few_unreadable_records_pass(self):
        metrics = QualityMetrics()
        for _ in range(49):
            metrics.count_reject("is not JSON")

        assert judge(metrics, Baseline(), LIMITS) == []
        metrics.count_reject("is not JSON")
        assert judge(metrics, Baseline(), LIMITS) != []

    def test_repeated_ids(self):
        calm = [run(batch(repeated=200))] * 3

        assert judge(batch(repeated=700), Baseline(), LIMITS) == []
        assert judge(batch(repeated=999), Baseline(), LIMITS) != []
        assert judge(batch(repeated=510), recent(*calm), LIMITS) == [
            "51% of 1,000 records of UZ-API repeat an id with other content "
            "(usually 20%, limit 50%)"
        ]


class TestPassing:
    @pytest.mark.parametrize("baseline", [Baseline(), recent(*USUAL)])
    @pytest.mark.parametrize("metrics", [QualityMetrics(), batch(), batch(0, recognized=1000)])
    def test_valid_batches(self, metrics, baseline):
        assert judge(metrics, baseline, LIMITS) == []

    def test_disabled_gates(self):
        off = replace(LIMITS, is_enabled=False)

        assert judge(batch(price=1000), recent(*USUAL), off) == []
        assert judge_volume(1, [1000], off) == []

    def test_a_thousand_ordinary_batches(self):
        generator = random.Random(7)
        runs, alarms = [], 0
        for _ in range(1000):
            missing = sum(generator.random() < 0.1 for _ in range(200))
            moved = sum(generator.random() < 0.05 for _ in range(200))
            metrics = batch(200, price=missing, prices=(200, moved, 0, 0))
            alarms += bool(judge(metrics, recent(*runs[-10:]), LIMITS))
            runs.append(run(metrics))

        assert alarms == 0


class TestVolume:
    def test_half_of_the_usual_rows_is_reported(self):
        assert judge_volume(480, [920, 1000, 900], LIMITS) == [
            "the full listing has 480 rows, 52% of the usual 920 (limit 70%): was it read to its "
            "end?"
        ]

    def test_enough_rows_pass(self):
        assert judge_volume(644, [920, 1000, 900], LIMITS) == []
        assert judge_volume(5000, [920], LIMITS) == []

    def test_the_first_full_listing_passes_and_the_second_is_compared_with_it(self):
        assert judge_volume(3, [], LIMITS) == []
        assert judge_volume(500, [1000], LIMITS) != []

    def test_full_listings_without_rows(self):
        assert judge_volume(0, [1000], LIMITS) != []
        assert judge_volume(0, [0, 0], LIMITS) == []

    def test_ten_full_listings_count(self):
        assert judge_volume(500, [500] * 10 + [9000] * 50, LIMITS) == []


class TestGate:
    def store(self, *runs, **overrides):
        for metrics in runs:
            factories.load_run(
                "ecommerce", platform="uzum", quality_metrics=metrics.to_dict(), **overrides
            )

    def test_compares_with_the_completed_runs_of_the_platform(self):
        self.store(*USUAL)
        factories.load_run("ecommerce", platform="uzum")
        wrong = run(batch(price=1000))
        for status in ("failed", "held", "discarded", "running"):
            self.store(wrong, status=status)
        factories.load_run("ecommerce", platform="ozon", quality_metrics=wrong.to_dict())

        baseline = Gate("ecommerce", "uzum").recent

        assert len(baseline.tallies["UZ-API"]) == 5
        assert Gate("ecommerce", "uzum").judge(batch(price=970)) != []
        assert Gate("ecommerce", "yandex").judge(batch(price=970)) == []

    def test_an_open_gate_holds_nothing_and_measures_everything(self):
        self.store(*USUAL)
        gate = Gate("ecommerce", "uzum", is_open=True)

        assert gate.judge(batch(price=970)) == []
        gate.admit(batch(price=970))
        assert gate.judge_volume("lg", 4) == []
        assert gate.total.volumes == {"lg": 4}
        assert gate.total.is_released

    def test_released_metrics_pass_the_next_time(self):
        self.store(*USUAL)
        gate = Gate("ecommerce", "uzum", is_open=True)
        gate.admit(batch(price=970))

        self.store(gate.total)

        assert Gate("ecommerce", "uzum").judge(batch(price=970)) == []

    def test_continues_with_stored_metrics(self):
        gate = Gate("ecommerce", "uzum", measured=run(batch(price=20)).to_dict())

        gate.admit(batch(price=30))

        assert gate.total.tallies["UZ-API"].count == 2000
        assert gate.total.tallies["UZ-API"].faults == {"price": 50}

    def test_a_full_listing_is_compared_with_those_of_its_scope(self):
        self.store(*[QualityMetrics(volumes={"lg": 400, "mi": 90})] * 3)

        gate = Gate("ecommerce", "uzum")

        assert gate.judge_volume("lg", 200) != []
        assert gate.judge_volume("mi", 80) == []
        assert gate.judge_volume("new", 1) == []
        assert gate.total.volumes == {"mi": 80, "new": 1}

    def test_compares_with_earlier_observations(self):
        for at, price in [(9, 700), (8, 700), (7, 700), (1, 20), (2, 20), (3, 20)]:
            metrics = batch(price=price)
            metrics.set_times([NOON + timedelta(days=at)])
            self.store(run(metrics))
        gate = Gate("ecommerce", "uzum")

        def judge(at, price):
            metrics = batch(price=price)
            metrics.set_times([NOON + timedelta(days=at)])
            return gate.judge(metrics)

        assert judge(10, 700) == judge(0, 970) == []
        assert judge(4, 700) == [
            "price is missing in 70% of 1,000 records of UZ-API (usually 2%, limit 22%)"
        ]

    def test_a_full_listing_is_compared_with_earlier_ones(self):
        for at, rows in [(9, 400), (8, 400), (1, 150)]:
            self.store(QualityMetrics(volumes={"lg": rows}, since={"lg": at}, until=at))
        gate = Gate("ecommerce", "uzum")

        def judge(at, rows):
            return gate.judge_volume("lg", rows, datetime.fromtimestamp(at, UTC))

        assert judge(2, 140) == judge(0, 7) == []
        assert judge(10, 140) != []

    def test_later_full_listings_are_compared_with_a_released_one(self):
        self.store(*[QualityMetrics(volumes={"lg": 400})] * 3)
        self.store(QualityMetrics(volumes={"lg": 150}, is_released=True))

        assert Gate("ecommerce", "uzum").judge_volume("lg", 140) == []

    def test_uses_the_thresholds_of_its_platform(self, settings):
        settings.INGEST_GATES = {"default": {"missing": 0.99}, "ozon": {"missing": 0.01}}
        assert Gate("ecommerce", "uzum").limits.missing == 0.99
        assert Gate("ecommerce", "ozon").limits.missing == 0.01

    def test_stored_metrics_can_be_read(self):
        self.store(run(batch(price=20)))

        stored = LoadRun.objects.get().quality_metrics

        assert QualityMetrics.from_json(stored).tallies["UZ-API"].faults == {"price": 20}
