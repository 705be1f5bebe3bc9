"""Held records: what the gates hold, and what becomes of it."""

from datetime import timedelta

import orjson
import pytest

from ecommerce.models import LoadChunk, LoadRun, QuarantinedRecord
from marketplace.loading import chunks
from marketplace.loading.ingest import ingest, resume
from tests import factories
from tests.marketplace.loading.days import (
    SIZE,
    START,
    content,
    day,
    load,
    load_history,
    missing_prices,
    missing_titles,
    other_platform,
    repeated_ids,
    rescaled_prices,
    rolled_back,
)
from tests.marketplace.loading.reviewing import discard

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


DATE = START.isoformat()


@pytest.fixture(autouse=True)
def _small_batches(settings):
    """Load batches of a hundred records."""
    settings.INGEST_BATCH_SIZE = 100


def without_gates(settings, bad, at):
    """Return the content after a load with disabled gates, which is rolled back."""
    with rolled_back():
        settings.INGEST_GATES = {"default": {"is_enabled": False}}
        assert load(bad, at).hold_reasons == []
        settings.INGEST_GATES = {}
        return content()


#: Name → function that returns a faulty day, records loaded before the fault, reported cause.
FAULTS = {
    "missing prices": (
        missing_prices,
        100,
        "price is missing in 100% of 100 records of UZ-GQL-CARD (usually 0%, limit 20%)",
    ),
    "another unit": (
        rescaled_prices,
        0,
        "100% of 200 prices moved by a factor of 10, 100 or 1,000 (usually 0%, limit 5%): "
        "another unit?",
    ),
    "missing titles": (
        missing_titles,
        0,
        "title is missing in 100% of 100 records of UZ-GQL-CARD (usually 0%, limit 20%)",
    ),
    "mixed up ids": (
        repeated_ids,
        0,
        "95% of 100 records of UZ-GQL-CARD repeat an id with other content (usually 0%, limit 30%)",
    ),
    "another platform": (
        other_platform,
        0,
        "records cannot be read (usually 0%, limit 50%): not a known shape of uzum (keys: "
        "created_time, params, url, id, title); it looks like OLX-API of olx",
    ),
}


@pytest.fixture(params=FAULTS)
def fault(request):
    return FAULTS[request.param]


class TestFaultyDay:
    def test_is_held_with_its_cause(self, fault):
        make_day, loaded, cause = fault
        load_history()
        before = content()

        summary = load(make_day(), 4)

        run = LoadRun.objects.get(pk=summary.run_id)
        (reported,) = summary.hold_reasons
        assert cause in reported
        assert (run.status, run.error) == (LoadRun.Status.HELD, reported)
        assert (run.read_count, run.held_count) == (loaded, SIZE - loaded)
        assert run.chunks.exists()
        assert not QuarantinedRecord.objects.exists()
        if not loaded:
            assert content() == before

    def test_is_loaded_as_without_gates_when_released(self, fault, settings):
        make_day, _, _ = fault
        load_history()
        expected = without_gates(settings, make_day(), 4)
        summary = load(make_day(), 4)

        resume("ecommerce", summary.run_id)

        run = LoadRun.objects.get(pk=summary.run_id)
        assert content() == expected
        assert run.read_count == SIZE
        assert not run.chunks.exists()

    @pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"mixed up ids"}))
    def test_goes_to_its_place_in_the_history_when_released_late(self, name, settings):
        make_day, _, _ = FAULTS[name]
        load_history()
        with rolled_back():
            settings.INGEST_GATES = {"default": {"is_enabled": False}}
            load(make_day(), 4)
            load(day(5), 5)
            expected = content()
        settings.INGEST_GATES = {}
        summary = load(make_day(), 4)
        assert load(day(5), 5).hold_reasons == []

        resume("ecommerce", summary.run_id)

        assert content() == expected

    def test_leaves_no_trace_when_discarded(self, fault):
        make_day, loaded, _ = fault
        load_history()
        before = content()
        summary = load(make_day(), 4)

        discarded = discard("uzum", summary.run_id)

        run = LoadRun.objects.get(pk=summary.run_id)
        assert discarded.text == f"Discarded {SIZE - loaded} records of run uzum-{run.pk}."
        assert (run.status, run.chunks.count()) == (LoadRun.Status.DISCARDED, 0)
        if not loaded:
            assert content() == before

    def test_does_not_hold_the_next_ordinary_day(self, fault):
        make_day, _, _ = fault
        load_history()
        load(make_day(), 4)

        summary = load(day(5), 5)

        assert (summary.hold_reasons, summary.read) == ([], SIZE)

    @pytest.mark.parametrize("name", ["missing prices", "missing titles", "mixed up ids"])
    def test_passes_the_next_time_after_a_release(self, name):
        make_day, _, _ = FAULTS[name]
        load_history()
        resume("ecommerce", load(make_day(), 4).run_id)

        assert load(make_day(), 5).hold_reasons == []


class TestCounts:
    def test_items_loaded_before_are_counted_although_the_rest_is_held(self, tmp_path):
        known = [
            {"payload": {"data": {"id": n, "title": "Choynak", "skuList": []}}, "timestamp": DATE}
            for n in range(1, 51)
        ]
        paths = [tmp_path / "known.jsonl", tmp_path / "all.jsonl"]
        for path, documents in zip(paths, (known, [*known, *other_platform()]), strict=True):
            path.write_bytes(b"\n".join(map(orjson.dumps, documents)))
        ingest("uzum", [str(paths[0])])

        summary = ingest("uzum", [str(paths[1])])

        run = LoadRun.objects.latest("pk")
        assert (summary.read, summary.unchanged, summary.held) == (50, 50, SIZE)
        assert (run.read_count, run.unchanged_count, run.held_count) == (50, 50, SIZE)


class TestPushes:
    def push(self, cards):
        """Queue pushed cards and return their run."""
        lines = [orjson.dumps(document) for document in cards]
        moment = (START + timedelta(days=4)).isoformat()
        queued = factories.load_run(
            "ecommerce",
            platform="uzum",
            status="queued",
            options={"observed_at": moment, "options": {}, "columns": None, "paths": []},
            read_count=0,
            created_count=0,
            unchanged_count=0,
            finished_at=None,
        )
        LoadChunk.objects.create(run=queued, sequence=1, body=chunks.pack(lines))
        return queued

    def test_are_held_and_released_like_files(self, settings):
        load_history()
        expected = without_gates(settings, missing_prices(), 4)
        queued = self.push(missing_prices())

        held = resume("ecommerce", queued.pk)
        queued.refresh_from_db()
        assert (queued.status, held.held) == (LoadRun.Status.HELD, 200)

        released = resume("ecommerce", queued.pk)
        queued.refresh_from_db()
        assert (queued.status, released.read) == (LoadRun.Status.COMPLETED, 200)
        assert content() == expected

    def test_leave_no_trace_when_discarded(self):
        load_history()
        before = content()
        queued = self.push(rescaled_prices())
        resume("ecommerce", queued.pk)

        discarded = discard("uzum", queued.pk)

        assert discarded.text == f"Discarded {SIZE} records of run uzum-{queued.pk}."
        assert not LoadChunk.objects.exists()
        assert content() == before


class TestThresholds:
    def test_of_the_platform_override_the_defaults(self, settings):
        load_history()
        settings.INGEST_GATES = {"default": {"missing": 0.001}, "uzum": {"missing": 1.0}}

        assert load(missing_prices(), 4).hold_reasons == []

    def test_disabled_gates_still_store_metrics(self, settings):
        settings.INGEST_GATES = {"uzum": {"is_enabled": False}}
        load_history()

        assert load(rescaled_prices(), 4).hold_reasons == []
        assert LoadRun.objects.filter(quality_metrics=None).count() == 0
