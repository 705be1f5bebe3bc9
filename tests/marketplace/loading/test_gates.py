"""What gates measure, what they compare it to, and what they object to."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connections, transaction

from ecommerce.models import LoadRun, PricePoint
from ecommerce.models import Offer as StoredOffer
from ecommerce.records import Category, Offer, Product
from marketplace.loading import merge, staging
from marketplace.loading.adapters import Item, Parsed
from marketplace.loading.gates import (
    Baseline,
    Gate,
    get_baseline,
    judge,
    judge_volume,
    summarize,
)
from marketplace.loading.ingest import load_documents
from marketplace.loading.quality_metrics import (
    PriceComparison,
    QualityMetrics,
    Tally,
    compare_prices,
    measure,
)
from marketplace.loading.targets import get_plan
from marketplace.loading.thresholds import Thresholds
from tests import factories

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

LIMITS = Thresholds()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAN = SimpleNamespace(
    coverage={
        "price": (Offer, "price"),
        "title": (Product, "title"),
        "category": (Product, "category_external_id"),
    }
)


def item(shape="UZ-API", content="1", context=None, is_counted=True):
    return SimpleNamespace(
        shape=shape, context=context or {}, is_counted=is_counted, content_hash=content
    )


def said(external_id="1", *, price=1000, title="Choynak", category="7"):
    records = [Product(external_id, title, category_external_id=category)]
    if price is not None:
        records.append(Offer(external_id, external_id, Decimal(price), "UZS"))
    return Parsed(external_id, records)


def stretch(count=1000, *, recognized=0, shape="UZ-API", prices=None, **faults):
    """QualityMetrics of a stretch, by how many of its records have which fault."""
    measures = QualityMetrics(recognized=recognized)
    measures.tally("records").count = count
    if count:
        measures.tallies[shape] = Tally(count, {k: n for k, n in faults.items() if n})
    if prices:
        PriceComparison(*prices).note(measures)
    return measures


def run(*stretches):
    """What a run keeps of its stretches, after a turn through JSON."""
    total = QualityMetrics()
    for each in stretches:
        total.add(each, LIMITS.rows)
    return QualityMetrics.from_json(json.loads(json.dumps(total.as_json())))


def recent(*runs, limits=LIMITS):
    """The baseline of some runs, the oldest first."""
    return summarize(reversed(runs), limits)


USUAL = [run(stretch(price=20, category=100)) for _ in range(5)]


class TestObserve:
    def test_counts_what_is_missing_in_all_records_of_an_item(self):
        items = [
            (item(), said("1")),
            (item(), said("2", price=None)),
            (item(), said("3", title=None, category=None)),
        ]

        measures = measure(PLAN, items)

        assert measures.tallies["UZ-API"].count == measures.tallies["records"].count == 3
        assert measures.tallies["UZ-API"].faults == {"price": 1, "title": 1, "category": 1}

    def test_one_record_with_the_field_is_enough(self):
        parsed = said("1", price=None)
        parsed.records.append(Product("2"))
        parsed.records.append(Offer("9", "1", Decimal(5), "UZS"))

        assert measure(PLAN, [(item(), parsed)]).tallies["UZ-API"].faults == {}

    def test_keeps_shapes_shops_and_tables_apart(self):
        items = [
            (item("YML", context={"shop": "lg"}), said("1")),
            (item("YML", context={"shop": "mi", "currency": "KZT"}), said("2", title=None)),
            (item("TABLE", context={"columns": "prices.toml"}), said("3")),
            (item("YM-PAGE", context={"url": "x"}), said("4")),
        ]

        tallies = measure(PLAN, items).tallies

        assert tallies.keys() == {
            *("YML of lg", "YML of mi", "TABLE of prices.toml", "YM-PAGE", "records")
        }
        assert tallies["YML of mi"].faults == {"title": 1}

    def test_what_accompanies_the_records_is_not_counted(self):
        measures = measure(PLAN, [(item(is_counted=False), Parsed("7", [Category("7")]))])

        assert (measures.rows, measures.tallies) == (0, {})

    def test_what_says_nothing_was_recognized(self):
        measures = measure(PLAN, [(item(), Parsed("1", [])), (item(), said("2"))])

        assert (measures.recognized, measures.rows) == (1, 2)
        assert measures.tallies["UZ-API"].count == 1

    def test_the_same_id_with_other_content_is_a_repeat(self):
        items = [
            (item(content="a"), said("1")),
            (item(content="a"), said("1")),
            (item(content="b"), said("1", price=5)),
            (item(content="c"), said("2")),
            (item("UZ-GQL-MAIN", content="d"), said("1")),
        ]

        tallies = measure(PLAN, items).tallies

        assert tallies["UZ-API"].faults == {"repeated": 1}
        assert tallies["UZ-GQL-MAIN"].faults == {}

    def test_takes_items_as_adapters_return_them(self):
        given = Item("UZ-API", {}, {"shop": "lg"})
        given = SimpleNamespace(**given._asdict(), content_hash="1")

        assert "UZ-API of lg" in measure(PLAN, [(given, said())]).tallies

    def test_nothing_is_nothing(self):
        assert measure(PLAN, []) == QualityMetrics()


class TestMeasures:
    def test_add_up(self):
        total = run(stretch(1000, price=20), stretch(500, price=250, recognized=500))

        assert (total.recognized, total.rows) == (500, 2000)
        assert total.tallies["UZ-API"].count == 1500
        assert total.tallies["UZ-API"].faults == {"price": 270}

    def test_remember_the_worst_stretch(self):
        total = run(stretch(1000, price=20), stretch(500, price=250), stretch(9, price=9))

        assert total.tallies["UZ-API"].worst == {"price": 0.5}

    def test_remember_when_things_were_observed(self):
        early, late = stretch(shape="OLD"), stretch()
        early.date([NOON, NOON + timedelta(hours=1)])
        late.date([NOON + timedelta(hours=2), NOON + timedelta(hours=3)])

        total = run(late, early)

        noon = NOON.timestamp()
        assert total.since == {"records": noon, "OLD": noon, "UZ-API": noon + 7200}
        assert total.until == noon + 10800
        assert total.before(noon + 3600).tallies.keys() == {"records", "OLD"}

    def test_keep_no_reasons(self):
        measures = QualityMetrics()
        measures.refuse("is not JSON")

        assert measures.reasons == {"is not JSON": 1}
        assert "reasons" not in measures.as_json()

    def test_a_run_that_measured_nothing(self):
        assert QualityMetrics.from_json(None) == QualityMetrics() == QualityMetrics.from_json({})

    def test_a_stretch_that_is_tried_again_is_not_counted_twice(self):
        measures = stretch()
        for _ in range(3):
            PriceComparison(100, 7, 2, 1).note(measures)

        assert measures.tallies["prices"].count == 100
        assert measures.tallies["prices"].faults == {"moved": 7, "slipped": 2, "currency": 1}


class TestCoverage:
    def test_nulled_prices_are_named(self):
        assert judge(stretch(price=970), recent(*USUAL), LIMITS) == [
            "price is missing in 97% of 1,000 records of UZ-API (usually 2%, limit 22%)"
        ]

    def test_what_is_usual_passes(self):
        assert judge(stretch(price=25, category=150), recent(*USUAL), LIMITS) == []

    def test_the_limit_itself_passes(self):
        assert judge(stretch(price=220), recent(*USUAL), LIMITS) == []
        assert judge(stretch(price=221), recent(*USUAL), LIMITS) != []

    def test_what_is_recognized_is_good(self):
        assert judge(stretch(300, price=200, recognized=700), recent(*USUAL), LIMITS) == []

    def test_runs_that_found_nothing_new_say_nothing_of_what_is_usual(self):
        rich = [run(stretch(category=600)), *[run(stretch(0, recognized=1000))] * 9]

        assert judge(stretch(category=600), recent(*rich), LIMITS) == []

    def test_half_of_what_few_usually_have_is_too_little(self):
        usual = [run(stretch(category=750))] * 3

        assert judge(stretch(category=870), recent(*usual), LIMITS) == []
        assert judge(stretch(category=880), recent(*usual), LIMITS) != []

    def test_what_hardly_any_have_is_not_judged(self):
        usual = [run(stretch(category=980))] * 3

        assert judge(stretch(category=1000), recent(*usual), LIMITS) == []

    def test_other_fields_than_the_essential_need_three_runs(self):
        lost = stretch(price=1000, title=1000, category=1000)

        def fields(runs):
            causes = judge(lost, recent(*runs), LIMITS)
            return [cause.split()[0] for cause in causes]

        assert fields(USUAL[:0]) == []
        assert fields(USUAL[:1]) == ["price", "title"]
        assert fields(USUAL[:2]) == ["price", "title"]
        assert fields(USUAL[:3]) == ["price", "title", "category"]

    def test_one_odd_run_is_not_usual(self):
        runs = [*USUAL, run(stretch(price=600))]

        assert judge(stretch(price=300), recent(*runs), LIMITS) == []
        (cause,) = judge(stretch(price=660), recent(*runs), LIMITS)
        assert cause.endswith("(usually 2%, limit 65%)")

    def test_a_stretch_like_one_of_a_recent_run_passes(self):
        # Services have no price, and come together.
        mixed = [run(stretch(), stretch(price=1000), stretch())] * 3

        assert judge(stretch(price=1000), recent(*mixed), LIMITS) == []

    def test_ten_runs_count(self):
        runs = [run(stretch(price=1000)), *[run(stretch())] * 10]

        assert judge(stretch(price=900), recent(*runs), LIMITS) != []
        assert judge(stretch(price=900), recent(*runs[:10]), LIMITS) == []

    def test_another_shape_is_not_compared(self):
        assert judge(stretch(shape="UZ-CATS", price=1000), recent(*USUAL), LIMITS) == []


class TestSmallStretches:
    def test_a_tiny_one_is_not_judged(self):
        assert judge(stretch(49, price=49), recent(*USUAL), LIMITS) == []
        assert judge(stretch(50, price=50), recent(*USUAL), LIMITS) != []

    def test_several_tiny_ones_are_judged_together(self):
        gate = Gate("ecommerce", "uzum")
        gate.recent = recent(*USUAL)

        def push(**faults):
            told = stretch(20, **faults)
            causes = gate.judge(told)
            if not causes:
                gate.admit(told)
            return causes

        assert [push(price=20), push(price=20)] == [[], []]
        assert push(price=20) == [
            "price is missing in 100% of 60 records of UZ-API (usually 2%, limit 22%)"
        ]
        # What came before is no reason to hold what is sound.
        assert push() == []

    def test_tiny_runs_count_together(self):
        tiny = [run(stretch(20, price=1)) for _ in range(15)]

        known = recent(*tiny)

        assert [tally.count for tally in known.tallies["UZ-API"]] == [60] * 5
        assert judge(stretch(price=900), known, LIMITS) != []

    def test_the_newest_tiny_runs_are_what_came_before(self):
        known = recent(*USUAL, *[run(stretch(20, price=20))] * 2)

        assert known.tail.rows == 40
        assert judge(stretch(20, price=20), known, LIMITS) != []
        assert judge(stretch(20, price=0), known, LIMITS) == []

    def test_a_large_run_ends_what_came_before(self):
        known = recent(run(stretch(20, price=20)), run(stretch()))

        assert known.tail.rows == 0


class TestPrices:
    def test_a_unit_slip_needs_no_history(self):
        causes = judge(stretch(prices=(900, 900, 880, 0)), Baseline(), LIMITS)

        assert causes == [
            "98% of 900 prices moved by a factor of 10, 100 or 1,000 (limit 5%): another unit?"
        ]

    def test_a_small_share_of_slips_passes(self):
        assert judge(stretch(prices=(900, 45, 45, 0)), Baseline(), LIMITS) == []
        assert judge(stretch(prices=(900, 46, 46, 0)), Baseline(), LIMITS) != []

    def test_a_few_slips_pass_whatever_their_share(self):
        assert judge(stretch(9, prices=(9, 9, 9, 0)), Baseline(), LIMITS) == []
        assert judge(stretch(10, prices=(10, 10, 10, 0)), Baseline(), LIMITS) != []

    def test_slips_among_what_is_recognized(self):
        assert judge(stretch(40, recognized=960, prices=(40, 40, 40, 0)), Baseline(), LIMITS) == []

    def test_another_currency(self):
        causes = judge(stretch(prices=(1000, 0, 0, 1000)), Baseline(), LIMITS)

        assert causes == ["100% of 1,000 prices changed their currency (limit 5%): another unit?"]

    def test_moves_are_compared_to_those_of_recent_runs(self):
        calm = [run(stretch(prices=(1000, 10, 0, 0)))] * 3

        assert judge(stretch(prices=(1000, 450, 0, 0)), Baseline(), LIMITS) == []
        assert judge(stretch(prices=(1000, 450, 0, 0)), recent(*calm), LIMITS) == [
            "45% of 1,000 prices moved by more than a factor of 2 (usually 1%, limit 31%)"
        ]
        assert judge(stretch(prices=(1000, 510, 0, 0)), Baseline(), LIMITS) != []

    def test_nothing_to_compare(self):
        assert judge(stretch(prices=(0, 0, 0, 0)), recent(*USUAL), LIMITS) == []


class TestOtherPayloads:
    def test_what_cannot_be_read_is_explained(self):
        measures = stretch(400)
        for number in range(600):
            reason = "not a known shape of uzum (keys: id); it looks like OLX-STATE of olx"
            measures.refuse(reason if number % 3 else f"is not JSON: {number}")

        assert judge(measures, Baseline(), LIMITS) == [
            "60% of 1,000 records cannot be read (limit 50%): "
            "not a known shape of uzum (keys: id); it looks like OLX-STATE of olx"
        ]

    def test_a_few_are_for_the_quarantine(self):
        measures = QualityMetrics()
        for _ in range(49):
            measures.refuse("is not JSON")

        assert judge(measures, Baseline(), LIMITS) == []
        measures.refuse("is not JSON")
        assert judge(measures, Baseline(), LIMITS) != []

    def test_mixed_up_ids(self):
        calm = [run(stretch(repeated=200))] * 3

        assert judge(stretch(repeated=700), Baseline(), LIMITS) == []
        assert judge(stretch(repeated=999), Baseline(), LIMITS) != []
        assert judge(stretch(repeated=510), recent(*calm), LIMITS) == [
            "51% of 1,000 records of UZ-API repeat an id with other content "
            "(usually 20%, limit 50%)"
        ]


class TestNothingToObject:
    @pytest.mark.parametrize("known", [Baseline(), recent(*USUAL)])
    @pytest.mark.parametrize("told", [QualityMetrics(), stretch(), stretch(0, recognized=1000)])
    def test_sound_stretches(self, told, known):
        assert judge(told, known, LIMITS) == []

    def test_gates_that_are_off(self):
        off = replace(LIMITS, is_enabled=False)

        assert judge(stretch(price=1000), recent(*USUAL), off) == []
        assert judge_volume(1, [1000], off) == []

    def test_a_thousand_ordinary_stretches(self):
        generator = random.Random(7)
        runs, alarms = [], 0
        for _ in range(1000):
            missing = sum(generator.random() < 0.1 for _ in range(200))
            moved = sum(generator.random() < 0.05 for _ in range(200))
            told = stretch(200, price=missing, prices=(200, moved, 0, 0))
            alarms += bool(judge(told, recent(*runs[-10:]), LIMITS))
            runs.append(run(told))

        assert alarms == 0


class TestVolume:
    def test_half_of_the_usual_is_named(self):
        assert judge_volume(480, [920, 1000, 900], LIMITS) == [
            "the full listing has 480 rows, 52% of the usual 920 (limit 70%): was it read to its "
            "end?"
        ]

    def test_enough_rows_pass(self):
        assert judge_volume(644, [920, 1000, 900], LIMITS) == []
        assert judge_volume(5000, [920], LIMITS) == []

    def test_the_first_full_listing_passes_and_the_second_is_compared_to_it(self):
        assert judge_volume(3, [], LIMITS) == []
        assert judge_volume(500, [1000], LIMITS) != []

    def test_full_listings_without_rows(self):
        assert judge_volume(0, [1000], LIMITS) != []
        assert judge_volume(0, [0, 0], LIMITS) == []

    def test_ten_full_listings_count(self):
        assert judge_volume(500, [500] * 10 + [9000] * 50, LIMITS) == []


class TestGate:
    def store(self, *runs, **overrides):
        for measures in runs:
            factories.load_run(
                "ecommerce", platform="uzum", quality_metrics=measures.as_json(), **overrides
            )

    def test_compares_to_the_completed_runs_of_the_platform(self):
        self.store(*USUAL)
        factories.load_run("ecommerce", platform="uzum")
        wrong = run(stretch(price=1000))
        for status in ("failed", "held", "discarded", "running"):
            self.store(wrong, status=status)
        factories.load_run("ecommerce", platform="ozon", quality_metrics=wrong.as_json())

        known = get_baseline("ecommerce", "uzum")

        assert len(known.tallies["UZ-API"]) == 5
        assert Gate("ecommerce", "uzum").judge(stretch(price=970)) != []
        assert Gate("ecommerce", "yandex").judge(stretch(price=970)) == []

    def test_one_that_is_open_holds_nothing_and_measures_all(self):
        self.store(*USUAL)
        gate = Gate("ecommerce", "uzum", is_open=True)

        assert gate.judge(stretch(price=970)) == []
        gate.admit(stretch(price=970))
        assert gate.judge_volume("lg", 4) == []
        assert gate.total.volumes == {"lg": 4}
        assert gate.total.is_released

    def test_what_a_person_released_passes_the_next_time(self):
        self.store(*USUAL)
        gate = Gate("ecommerce", "uzum", is_open=True)
        gate.admit(stretch(price=970))

        self.store(gate.total)

        assert Gate("ecommerce", "uzum").judge(stretch(price=970)) == []

    def test_goes_on_with_what_was_measured(self):
        gate = Gate("ecommerce", "uzum", measured=run(stretch(price=20)).as_json())

        gate.admit(stretch(price=30))

        assert gate.total.tallies["UZ-API"].count == 2000
        assert gate.total.tallies["UZ-API"].faults == {"price": 50}

    def test_a_full_listing_is_compared_to_those_of_its_scope(self):
        self.store(*[QualityMetrics(volumes={"lg": 400, "mi": 90})] * 3)

        gate = Gate("ecommerce", "uzum")

        assert gate.judge_volume("lg", 200) != []
        assert gate.judge_volume("mi", 80) == []
        assert gate.judge_volume("new", 1) == []
        assert gate.total.volumes == {"mi": 80, "new": 1}

    def test_compares_to_what_was_observed_before(self):
        for at, price in [(9, 700), (8, 700), (7, 700), (1, 20), (2, 20), (3, 20)]:
            measures = stretch(price=price)
            measures.date([NOON + timedelta(days=at)])
            self.store(run(measures))
        gate = Gate("ecommerce", "uzum")

        def judge(at, price):
            told = stretch(price=price)
            told.date([NOON + timedelta(days=at)])
            return gate.judge(told)

        assert judge(10, 700) == judge(0, 970) == []
        assert judge(4, 700) == [
            "price is missing in 70% of 1,000 records of UZ-API (usually 2%, limit 22%)"
        ]

    def test_a_full_listing_is_compared_to_earlier_ones(self):
        for at, rows in [(9, 400), (8, 400), (1, 150)]:
            self.store(QualityMetrics(volumes={"lg": rows}, since={"lg": at}, until=at))
        gate = Gate("ecommerce", "uzum")

        def judge(at, rows):
            return gate.judge_volume("lg", rows, datetime.fromtimestamp(at, UTC))

        assert judge(2, 140) == judge(0, 7) == []
        assert judge(10, 140) != []

    def test_a_full_listing_that_was_released_is_the_new_measure(self):
        self.store(*[QualityMetrics(volumes={"lg": 400})] * 3)
        self.store(QualityMetrics(volumes={"lg": 150}, is_released=True))

        assert Gate("ecommerce", "uzum").judge_volume("lg", 140) == []

    def test_takes_the_thresholds_of_its_platform(self, settings):
        settings.INGEST_GATES = {"default": {"missing": 0.99}, "ozon": {"missing": 0.01}}
        assert Gate("ecommerce", "uzum").limits.missing == 0.99
        assert Gate("ecommerce", "ozon").limits.missing == 0.01

    def test_a_run_stores_what_later_ones_read(self):
        self.store(run(stretch(price=20)))

        stored = LoadRun.objects.get().quality_metrics

        assert QualityMetrics.from_json(stored).tallies["UZ-API"].faults == {"price": 20}


class TestComparePrices:
    TARGET = next(each for each in get_plan("ecommerce").targets if each.record is Offer)

    def compare(self, *rows, factor=2.0):
        """Stage offers, as (id, price, currency, hours after noon), and compare them."""
        names = ("external_id", "price", "currency", "last_seen_at")
        types = dict(merge.stage_columns(self.TARGET))
        with transaction.atomic(using="ecommerce"), connections["ecommerce"].cursor() as cursor:
            definition = [(name, types[name]) for name in names]
            cursor.execute(staging.definition(self.TARGET.stage_table, definition))
            lines = [
                (key, price, unit, NOON + timedelta(hours=at)) for key, price, unit, at in rows
            ]
            text = "".join(map(staging.encode, lines)).encode()
            staging.copy_lines(cursor, self.TARGET.stage_table, names, text)
            found = compare_prices(cursor, "uzum", self.TARGET, factor)
            staging.clear(cursor, [self.TARGET.stage_table])
        return tuple(found)

    def offer(self, number, price=1000, currency="UZS", **overrides):
        factories.offer(
            external_id=str(number),
            price=Decimal(price),
            currency=currency,
            last_seen_at=NOON,
            **overrides,
        )

    @pytest.mark.parametrize(
        ("price", "moved", "slipped"),
        [
            ("1000", 0, 0),
            ("2000", 0, 0),
            ("2001", 1, 0),
            ("499", 1, 0),
            ("9499", 1, 0),
            ("9500", 1, 1),
            ("10500", 1, 1),
            ("10501", 1, 0),
            ("100000", 1, 1),
            ("1000000", 1, 1),
            ("100", 1, 1),
            ("10", 1, 1),
            ("1.02", 1, 1),
            ("10000000", 1, 0),
        ],
    )
    def test_moves_and_slips(self, price, moved, slipped):
        self.offer(1)

        assert self.compare(("1", Decimal(price), "UZS", 1)) == (1, moved, slipped, 0)

    def test_a_price_in_another_currency_is_not_compared(self):
        self.offer(1)
        self.offer(2)

        found = self.compare(("1", Decimal(100), "USD", 1), ("2", Decimal(1000), None, 1))

        assert found == (2, 0, 0, 2)

    def test_a_currency_that_becomes_known_is_no_change(self):
        self.offer(1, currency=None)

        assert self.compare(("1", Decimal(100000), "UZS", 1)) == (1, 1, 1, 0)

    def test_only_what_is_newer_is_compared(self):
        self.offer(1)
        self.offer(2)

        found = self.compare(("1", Decimal(9), "UZS", 0), ("2", Decimal(9), "UZS", -1))

        assert found == (0, 0, 0, 0)

    def test_what_is_late_is_compared_with_the_price_of_its_time(self):
        self.offer(1, price=5)
        offer = StoredOffer.objects.get()
        for hours, price in ((-6, 1000), (-4, 10), (-1, 5)):
            at = NOON + timedelta(hours=hours)
            factories.price_point(offer=offer, price=price, recorded_at=at)

        def compare(price, at, currency="UZS"):
            return self.compare(("1", Decimal(price), currency, at))

        assert compare(1000, -5) == (1, 0, 0, 0)
        assert compare(10, -5) == (1, 1, 1, 0)
        assert compare(10, -2) == (1, 0, 0, 0)
        assert compare(1000, -2) == (1, 1, 1, 0)
        assert compare(1000, -2, "USD") == (1, 0, 0, 1)
        # There is no price before it, so it is compared with the one after it.
        assert compare(1000, -9) == (1, 0, 0, 0)
        assert compare(10, -9) == (1, 1, 1, 0)

    def test_a_outlier_is_no_price_to_compare_with(self):
        self.offer(1)
        offer = StoredOffer.objects.get()
        for hours, price in ((-6, 1000), (-4, 100)):
            at = NOON + timedelta(hours=hours)
            is_outlier = True if price == 100 else None
            factories.price_point(offer=offer, price=price, recorded_at=at, is_outlier=is_outlier)

        assert self.compare(("1", Decimal(1000), "UZS", -2)) == (1, 0, 0, 0)

    def test_what_is_new_has_nothing_to_compare_to(self):
        self.offer(1, platform="ozon")

        assert self.compare(("1", Decimal(9), "UZS", 1), ("2", Decimal(9), "UZS", 1)) == (0,) * 4

    def test_no_price_and_none_before(self):
        self.offer(1, price=0)
        self.offer(2)

        found = self.compare(("1", Decimal(9), "UZS", 1), ("2", Decimal(0), "UZS", 1))

        assert found == (0, 0, 0, 0)


class TestPricesThatComeLate:
    """A day of a price list with other prices is held whenever it arrives."""

    def load(self, day, factor=1):
        offers = [
            {
                "yml_catalog": {"name": "Shop"},
                "offer": {
                    "@id": str(number),
                    "name": [f"Choynak {number}"],
                    "price": [str((1000 + number) * factor)],
                    "currencyId": ["UZS"],
                },
            }
            for number in range(200)
        ]
        return load_documents("yandex", offers, observed_at=NOON + timedelta(days=day))

    @pytest.mark.parametrize("bad", [0, 4])
    def test_it_is_held(self, bad):
        for day in (1, 2, 3, 6, 7):
            assert self.load(day).held == 0

        summary = self.load(bad, 100)

        assert summary.held == 200
        assert summary.causes == [
            "100% of 200 prices moved by a factor of 10, 100 or 1,000 (limit 5%): another unit?"
        ]
        assert not PricePoint.objects.filter(price__gte=100_000).exists()

    def test_a_sound_day_passes(self):
        for day in (1, 2, 6, 3, 0):
            assert self.load(day).held == 0
