"""Warnings of runs: they are stored once, and do not make a run fail."""

from datetime import UTC, datetime

import pytest

from ecommerce.models import LoadRun, LoadSource
from marketplace.loading import sources
from marketplace.loading.formats.documents import Entry
from marketplace.loading.ingest import load_documents
from marketplace.loading.reader import Reader
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job
from marketplace.loading.summary import MAX_WARNINGS, merge_warnings, warnings_of
from marketplace.loading.writer import Writer

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def product(number):
    sku = {"id": number * 10, "purchasePrice": 1000, "availableAmount": 1}
    return {"payload": {"data": {"id": number, "title": "Choynak", "skuList": [sku]}}}


def load(entries, pk=None):
    """Load entries as one source; resume run `pk` if it is given."""
    job = Job("uzum", (), START, START)
    own = Reader(job)
    run = Run("ecommerce", "uzum", "choynak.json", START, {}, pk)
    writer = Writer(job, run, own, lambda summary: None)
    for message in own.batches(iter(entries), sources.get_state_in_memory(job, "choynak.json")):
        writer.take(message)
    writer.finish()
    return writer.summary


class TestMerge:
    def test_a_text_is_kept_once(self):
        assert merge_warnings(["a", "b"], ["b", "c", "c"]) == ["a", "b", "c"]

    def test_the_list_is_bounded_however_often_it_grows(self):
        warnings = []
        for number in range(100):
            warnings = merge_warnings(warnings, [f"warning {number}", f"warning {number}"])

        assert warnings[:2] == ["warning 0", "warning 1"]
        assert warnings[MAX_WARNINGS:] == ["There were further warnings, which are not listed."]
        assert merge_warnings(warnings, ["warning 3", "warning 99"]) == warnings


@pytest.mark.django_db(databases=["ecommerce"])
class TestRuns:
    def test_a_warning_is_stored_and_is_not_a_failure(self):
        summary = load([Entry("line 1", product(1)), Entry("line 2", warning="The end is odd.")])

        assert (summary.created, summary.needs_attention) == (1, False)
        assert summary.warnings == ["choynak.json: The end is odd."]
        assert warnings_of("ecommerce", LoadRun.objects.get().pk) == summary.warnings

    def test_a_warning_is_stored_without_any_record(self):
        assert load([Entry("line 1", warning="The end is odd.")]).warnings != []

    @pytest.mark.parametrize("size", [1, 2, 10])
    def test_a_warning_is_stored_once_if_its_source_is_read_again(self, settings, size):
        settings.INGEST_BATCH_SIZE = size
        entries = [Entry(f"line {n}", product(n), "", b"") for n in (1, 2)]
        entries.insert(1, Entry("line 2", warning="The end is odd."))
        pk = load(entries).run_id
        # As if the process had been killed before it stored the checkpoint.
        LoadSource.objects.update(checkpoint=0, is_complete=False)

        assert load(entries, pk).warnings == ["choynak.json: The end is odd."]

    def test_sources_with_the_same_warning_are_counted(self):
        load_documents("uzum", [product(1)], observed_at=START)
        run = LoadRun.objects.get()
        for name in ("1.json", "2.json", "3.json"):
            LoadSource.objects.create(
                run=run, name=name, observed_at=START, warnings=["Same.", *([name] * (name < "2"))]
            )

        assert warnings_of("ecommerce", run.pk) == [
            "1.json and 2 other sources: Same.",
            "1.json: 1.json",
        ]
