"""Failed runs: they do not stop other runs, and are resumed, released or discarded."""

import json
import os
import random
import signal
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import InternalError, OperationalError

from ecommerce.models import LoadRun, Product
from marketplace.loading import ingest
from marketplace.loading.reader import Reader
from marketplace.push import inbox
from marketplace.registry import ALIASES, get_platform
from tests import factories
from tests.commands import run
from tests.mutation import mutate
from tests.samples import sample

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

NOW = datetime(2026, 6, 2, tzinfo=UTC)


def card(number):
    sku = {"id": number * 10, "sellPrice": 1000}
    return {"productId": number, "title": "Choynak", "minSellPrice": 1000, "skuList": [sku]}


def queue(*documents, platform="uzum"):
    """Push documents, and return the run."""
    alias = get_platform(platform).database
    options = {"options": {}, "observed_at": None, "columns": None, "full_listing": "", "paths": []}
    push = inbox.Push(platform, None, options, {}, NOW)
    lines = [json.dumps(document).encode() for document in documents]
    pk = inbox.store(alias, push, lines, lock_timeout=5).run_id
    return apps.get_model(alias, "LoadRun").objects.get(pk=pk)


def interrupted(platform="uzum", pushed=()):
    """Create a run that was interrupted before it had loaded any record."""
    run = queue(*(pushed or [card(1)]), platform=platform)
    run.status, run.error, run.finished_at = "failed", "Interrupted: by a person", NOW
    run.options["push"]["attempts"] = inbox.MAX_ATTEMPTS
    run.save()
    return run


def chunk_counts():
    """Return the number of chunks in each database."""
    return [apps.get_model(alias, "LoadChunk").objects.count() for alias in ALIASES]


@pytest.fixture
def fail(monkeypatch):
    """Make the loading of one run raise an error."""

    def fail(failing, error):
        resume = ingest.resume

        def raise_or_resume(alias, pk, **options):
            if (alias, pk) == (failing._meta.app_label, failing.pk):
                raise error
            return resume(alias, pk, **options)

        monkeypatch.setattr(ingest, "resume", raise_or_resume)

    return fail


class TestResuming:
    @pytest.mark.parametrize(
        "error",
        [
            RecursionError("maximum recursion depth exceeded"),
            MemoryError(),
            KeyError("id\0\ud800"),
            InternalError("cache lookup failed"),
            OperationalError("server closed the connection unexpectedly"),
        ],
    )
    def test_error_of_one_run_does_not_stop_others(self, fail, error):
        bad, good = interrupted(), interrupted()
        others = [interrupted("ozon"), interrupted("olx")]
        fail(bad, error)

        outcome = run("ingest", "--resume")

        assert outcome.code == 1
        assert LoadRun.objects.get(pk=good.pk).status == "completed"
        # The document is not valid for these platforms, but the runs have finished.
        assert all(type(other).objects.get(pk=other.pk).rejected_count == 1 for other in others)
        assert LoadRun.objects.get(pk=bad.pk).chunks.exists()
        assert f"uzum-{bad.pk}: {type(error).__name__}" in outcome.err or str(error) in outcome.err
        assert "3 of 4 runs failed: " in outcome.err
        assert outcome.err.endswith(
            f"See why: python manage.py ingest_review show run uzum-{bad.pk}. Correct the cause "
            "and resume again, or discard the run: python manage.py ingest_review discard run "
            f"uzum-{bad.pk}\n"
        )

    def test_unreachable_database_does_not_stop_others(self, set_port):
        olx_run = interrupted("olx")
        set_port("ecommerce", 1)

        outcome = run("ingest", "--resume")

        assert "ecommerce: " in outcome.err
        assert type(olx_run).objects.get(pk=olx_run.pk).read_count == 1

    def test_killed_reader_process_fails_only_its_run(self, monkeypatch):
        bad, good = interrupted("uzum"), interrupted("olx")
        read_all, parent = Reader.read_all, os.getpid()

        def die(reader):
            if reader.job.platform == "uzum" and os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return read_all(reader)

        monkeypatch.setattr(Reader, "read_all", die)
        outcome = run("ingest", "--resume")

        bad.refresh_from_db()
        assert f"uzum-{bad.pk}: The process that reads the sources (pid " in outcome.err
        assert "SIGKILL, possibly because the machine ran out of memory. Com" in outcome.err
        assert (bad.status, bad.chunks.count()) == ("failed", 1)
        assert type(good).objects.get(pk=good.pk).read_count == 1

        monkeypatch.undo()
        assert f"uzum-{bad.pk}" not in run("ingest", "--resume").err
        assert Product.objects.count() == 1


class TestWorker:
    def test_temporary_error_delays_only_its_platform(self, fail):
        bad, following = queue(card(1)), queue(card(2))
        others = [queue(card(3), platform="ozon"), queue(card(4), platform="ozon")]
        fail(bad, OperationalError("canceling statement due to statement timeout"))

        outcome = run("ingest_queue", "--database", "ecommerce")

        assert outcome.err.startswith("ECOMMERCE: canceling statement")
        assert [LoadRun.objects.get(pk=other.pk).read_count for other in others] == [1, 1]
        # The failed run is still the next one of its platform.
        assert LoadRun.objects.get(pk=following.pk).status == "queued"

    def test_temporary_errors_use_up_the_attempts_eventually(self, fail):
        bad, following = queue(card(1)), queue(card(2))
        bad.options["push"]["attempts"] = inbox.MAX_ATTEMPTS - 0.1
        bad.status = "running"
        bad.save()
        fail(bad, OperationalError("canceling statement due to statement timeout"))

        run("ingest_queue", "--database", "ecommerce")
        run("ingest_queue", "--database", "ecommerce")

        assert LoadRun.objects.get(pk=bad.pk).status == "failed"
        assert LoadRun.objects.get(pk=following.pk).status == "completed"

    def test_error_text_with_nul_character(self, fail):
        bad = queue(card(1))
        fail(bad, ValueError("bad text: \0"))

        outcome = run("ingest_queue", "--database", "ecommerce")

        assert outcome.code == 1
        assert "bad text:" in LoadRun.objects.get(pk=bad.pk).error


class TestReview:
    def test_failed_run_is_listed_and_shown(self):
        failed = interrupted(pushed=[card(1), card(2)])

        listed = run("ingest_review", "list", "--database", "ecommerce").out
        shown = run("ingest_review", "show", f"uzum-{failed.pk}").out

        assert (
            "   Held runs: 0\n   Failed runs: 1\n"
            f"      run uzum-{failed.pk}: 2 records of push, since 2026-06-02 05:00\n"
            "         Interrupted: by a person\n"
        ) in listed
        assert "status: failed\n" in shown
        assert 'received line 2:\n   {"productId": 2,' in shown

    def test_counts_records_that_are_not_loaded(self, settings):
        settings.INGEST_BATCH_SIZE = 2
        failed = interrupted(pushed=[card(number) for number in range(1, 6)])

        def stop(summary):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ingest.resume("ecommerce", failed.pk, progress=stop)
        outcome = run("ingest_review", "discard", "run", f"uzum-{failed.pk}", "--force")

        failed.refresh_from_db()
        assert outcome == (f"Discarded 3 records of run uzum-{failed.pk}.\n", "", 0)
        assert (failed.status, failed.created_count) == ("discarded", 2)
        assert chunk_counts() == [0, 0, 0]

    def test_discarded_run_is_not_resumed(self):
        failed = interrupted()
        run("ingest_review", "discard", "run", f"uzum-{failed.pk}", "--force")

        assert run("ingest", "--resume").err == "No run was interrupted: nothing to resume.\n"
        assert run("ingest_queue").out == "No runs are waiting.\n"
        assert not Product.objects.exists()

    def test_interrupted_run_of_files_can_be_discarded(self):
        file_run = factories.load_run(
            "ecommerce", platform="uzum", status="failed", error="Interrupted: MemoryError"
        )

        outcome = run("ingest_review", "discard", "run", f"uzum-{file_run.pk}", "--force")

        assert outcome.out == f"Discarded 0 records of run uzum-{file_run.pk}.\n"
        assert run("ingest", "--resume").code == 0

    def test_run_without_attempts_left_can_be_released(self):
        failed = interrupted()

        outcome = run("ingest_review", "release", "run", f"uzum-{failed.pk}")

        failed.refresh_from_db()
        assert outcome.out.startswith(f"Released 1 record of run uzum-{failed.pk}: created 1,")
        assert (failed.status, failed.chunks.count()) == ("completed", 0)

    def test_released_run_that_fails_again_keeps_its_lines(self, fail):
        failed = interrupted()
        fail(failed, RecursionError("too deep"))

        outcome = run("ingest_review", "release", "run", f"uzum-{failed.pk}")

        assert f"Run uzum-{failed.pk} failed: RecursionError: too deep." in outcome.err
        assert LoadRun.objects.get(pk=failed.pk).chunks.exists()

    def test_status_counts_failed_runs(self):
        interrupted()

        out = run("db_status", "--database", "ecommerce").out

        assert "   Failed: 1 run: python manage.py ingest_review list\n" in out
        assert "Queue:" not in out


#: A shape of each platform.
SHAPES = {
    "uzum": "UZ-API",
    "wildberries": "WB-CARD",
    "ozon": "OZ-FEED",
    "yandex": "YML",
    "olx": "OLX-API",
    "uzex": "UZEX-DEAL",
}
NAMES = list(SHAPES)


def damaged(document, generator):
    """Return a line with changed values, deep nesting, or missing or wrong bytes."""
    line = bytearray(json.dumps(mutate(document, generator)).encode())
    kind = generator.randrange(5)
    if kind == 0:
        depth = generator.randrange(50, 1100)
        return b'{"deep": ' + b"[" * depth + b"]" * depth + b"}"
    if kind == 1:
        line[generator.randrange(len(line))] = generator.randrange(256)
    if kind == 2:
        del line[generator.randrange(len(line)) :]
    return bytes(line).replace(b"\n", b" ")


class TestDamaged:
    @pytest.fixture
    def push(self, client, settings):
        settings.INGEST_TOKENS = [(name, "token-of-the-tests-of-all") for name in NAMES]

        def push(platform, *lines):
            return client.generic(
                "POST",
                f"/api/ingest/{platform}?shop=Malika",
                b"\n".join(lines),
                headers={"Authorization": "Bearer token-of-the-tests-of-all"},
            )

        return push

    def test_no_run_of_damaged_documents_blocks_others(self, push):
        generator = random.Random(14)
        documents = {name: sample(name, shape) for name, shape in SHAPES.items()}
        good = {name: json.dumps(document).encode() for name, document in documents.items()}

        responses = []
        for number in range(50):
            platform = NAMES[number % len(NAMES)]
            bad = damaged(documents[platform], generator)
            responses.append(push(platform, good[platform], bad, good[platform]))
        pushed = {name: push(name, line).json()["run"] for name, line in good.items()}
        run("ingest_queue")
        run("ingest", "--resume")

        assert {response.status_code for response in responses} == {202, 400}
        assert all("line" in r.json() for r in responses if r.status_code == 400)
        models = {alias: apps.get_model(alias, "LoadRun") for alias in ALIASES}
        finished = [row for model in models.values() for row in model.objects.all()]
        assert len(finished) == sum(r.status_code == 202 for r in responses) + len(NAMES)
        assert {row.status for row in finished} <= {"completed", "held", "failed"}
        assert all(row.error for row in finished if row.status != "completed")
        for name, address in pushed.items():
            last = models[get_platform(name).database].objects.get(pk=address.split("-")[1])
            assert (last.status, last.rejected_count) == ("completed", 0), name
            assert last.read_count > 0

        waiting = json.loads(run("ingest_review", "list", "--format=json").out)
        names = [row["id"] for alias in waiting for row in alias["runs"]]
        for name in names:
            assert run("ingest_review", "discard", "run", name, "--force").code == 0
        assert chunk_counts() == [0, 0, 0]
        assert run("ingest_queue").out == "No runs are waiting.\n"
        assert run("ingest", "--resume").code == 0
