"""The command `ingest`: its output, its options and the arguments that it refuses."""

import io
import json
from pathlib import Path

import pytest

from ecommerce.models import LoadRun, Offer, Product
from tests.commands import run
from tests.marketplace.loading.test_mutations import uzum as product

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


@pytest.fixture
def file(tmp_path):
    """Return the path of a file with two products and a record that is not a product."""
    path = tmp_path / "two.jsonl"
    path.write_text("\n".join(map(json.dumps, (product(1), product(2), {"id": 3}))))
    return str(path)


class TestLoading:
    def test_prints_the_counts_and_the_reasons_of_rejects(self, file):
        outcome = run("ingest", "uzum", file)

        assert outcome.code == 0
        assert "uzum: read 3, created 2, updated 0, unchanged 0, rejected 1" in outcome.out
        assert outcome.err == (
            "quarantined 1: not a known shape of uzum (keys: id)\n"
            "See: python manage.py ingest_review list --platform uzum\n"
        )
        assert Product.objects.count() == 2

    @pytest.mark.parametrize("is_terminal", [True, False])
    def test_shows_the_progress_on_a_terminal_only(self, file, monkeypatch, capsys, is_terminal):
        monkeypatch.setenv("FORCE_COLOR" if is_terminal else "NO_COLOR", "1")

        run("ingest", "uzum", file)

        assert ("3 read, 2 created, 0 updated" in capsys.readouterr().err) == is_terminal

    def test_prints_json(self, file):
        summary = json.loads(run("ingest", "uzum", file, "--format", "json").out)

        assert (summary["platform"], summary["created"], summary["rejected"]) == ("uzum", 2, 1)

    def test_reads_standard_input(self, file, monkeypatch):
        with open(file, "rb") as stream:
            content = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stream.read())))
        monkeypatch.setattr("sys.stdin", content)

        assert run("ingest", "uzum", "-").code == 0
        assert Product.objects.count() == 2

    def test_uses_the_stated_time_of_observation(self, file):
        run("ingest", "uzum", file, "--observed-at", "2026-05-01T12:00:00")

        times = {offer.scraped_at.isoformat() for offer in Offer.objects.all()}
        assert times == {"2026-05-01T07:00:00+00:00"}

    @pytest.mark.parametrize("option", ["--full-listing", "--snapshot"])
    def test_full_listing_has_the_alias_snapshot(self, file, option):
        run("ingest", "uzum", file, option, "shop")

        assert LoadRun.objects.get().options["full_listing"] == "shop"

    def test_an_empty_file_is_a_failure(self, tmp_path):
        (tmp_path / "empty.jsonl").write_text("")

        outcome = run("ingest", "uzum", str(tmp_path))

        assert (outcome.code, outcome.err) == (1, "empty.jsonl is empty.\n")


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ((), "Specify a PLATFORM and at least one PATH"),
            (("uzum",), "Specify a PLATFORM and at least one PATH"),
            (("uzmu", "x.json"), 'Unknown platform "uzmu". Use one of: uzum, yandex'),
            (("uzum", "x.json", "--resume"), "--resume and --replay take no PATH"),
            (("--replay",), "--replay needs a PLATFORM"),
            (("uzum", "--resume", "--replay"), "Use --resume or --replay, not both."),
            (("uzum", "x.json", "--observed-at", "yesterday"), "--observed-at"),
            (
                ("uzum", "x.json", "--observed-at", "2096-01-01"),
                "2096-01-01 00:00+05:00, is more than a day in the future",
            ),
        ],
    )
    def test_report_the_error(self, arguments, reason):
        outcome = run("ingest", *arguments)

        assert (outcome.code, reason in outcome.err) == (1, True)
        assert not LoadRun.objects.exists()

    def test_a_missing_file_does_not_affect_the_others(self, file, tmp_path):
        missing = str(tmp_path / "none.jsonl")

        outcome = run("ingest", "uzum", missing, file)

        assert (outcome.code, missing in outcome.err) == (1, True)
        assert Product.objects.count() == 2


class TestResuming:
    def test_reports_that_there_is_nothing_to_resume(self):
        outcome = run("ingest", "--resume")

        assert (outcome.code, outcome.err) == (0, "No run was interrupted: nothing to resume.\n")

    def test_resumes_an_interrupted_run(self, file):
        run("ingest", "uzum", file)
        LoadRun.objects.update(status="failed", error="Interrupted: by a person.")
        LoadRun.objects.get().sources.update(is_complete=False, checkpoint=0)

        outcome = run("ingest", "uzum", "--resume")

        assert outcome.code == 0
        assert "created 0, updated 0, unchanged 2" in outcome.out
        assert LoadRun.objects.get().status == "completed"

    def test_files_that_are_missing_must_be_loaded_again(self, file):
        run("ingest", "uzum", file)
        LoadRun.objects.update(status="failed", error="Interrupted: by a person.")
        LoadRun.objects.get().sources.update(is_complete=False, checkpoint=0)
        Path(file).unlink()

        outcome = run("ingest", "uzum", "--resume")

        assert outcome.code == 1
        assert outcome.err.endswith(
            f"See why: python manage.py ingest_review show run uzum-{LoadRun.objects.get().pk}. "
            "Correct the cause, and load the files again: python manage.py ingest uzum FILE…\n"
        )
