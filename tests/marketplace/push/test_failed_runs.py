"""A run that fails with any error stops no other; its records are loaded again or discarded."""

import json
import os
import random
import re
import signal
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import InternalError, OperationalError
from django.utils.html import strip_tags

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
    """Push documents; return the run."""
    alias = get_platform(platform).database
    options = {"options": {}, "observed_at": None, "columns": None, "full_listing": "", "paths": []}
    push = inbox.Push(platform, None, options, {}, NOW)
    lines = [json.dumps(document).encode() for document in documents]
    pk = inbox.store(alias, push, lines, patience=5).run_id
    return apps.get_model(alias, "LoadRun").objects.get(pk=pk)


def interrupted(platform="uzum", pushed=()):
    """Make a run that was interrupted before it had loaded anything."""
    made = queue(*(pushed or [card(1)]), platform=platform)
    made.status, made.error, made.finished_at = "failed", "Interrupted: by a person", NOW
    made.options["push"]["attempts"] = inbox.MAX_ATTEMPTS
    made.save()
    return made


def chunks():
    return [apps.get_model(alias, "LoadChunk").objects.count() for alias in ALIASES]


@pytest.fixture
def fail(monkeypatch):
    """Make the loading of one run raise an error; others are loaded."""

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
    def test_goes_on_after_an_error_of_one_run(self, fail, error):
        bad, good = interrupted(), interrupted()
        others = [interrupted("ozon"), interrupted("olx")]
        fail(bad, error)

        outcome = run("ingest", "--resume")

        assert outcome.code == 1
        assert LoadRun.objects.get(pk=good.pk).status == "completed"
        # Of these platforms the document is none: the runs ended all the same.
        assert all(type(each).objects.get(pk=each.pk).rejected_count == 1 for each in others)
        assert LoadRun.objects.get(pk=bad.pk).chunks.exists()
        assert f"uzum-{bad.pk}: {type(error).__name__}" in outcome.err or str(error) in outcome.err
        assert "3 of 4 runs failed: " in outcome.err
        assert outcome.err.endswith(
            f"See why: python manage.py ingest_review show run uzum-{bad.pk}. Correct the cause "
            "and resume again, or give the run up: python manage.py ingest_review discard run "
            f"uzum-{bad.pk}\n"
        )

    def test_goes_on_after_a_database_that_is_down(self, move):
        made = interrupted("olx")
        move("ecommerce", 1)

        outcome = run("ingest", "--resume")

        assert "ecommerce: " in outcome.err
        assert type(made).objects.get(pk=made.pk).read_count == 1

    def test_a_reader_process_that_is_killed_fails_its_run_alone(self, monkeypatch):
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
        assert "SIGKILL, probably because the machine ran out of memory. Com" in outcome.err
        assert (bad.status, bad.chunks.count()) == ("failed", 1)
        assert type(good).objects.get(pk=good.pk).read_count == 1

        monkeypatch.undo()
        assert f"uzum-{bad.pk}" not in run("ingest", "--resume").err
        assert Product.objects.count() == 1


class TestWorker:
    def test_a_platform_whose_run_fails_with_its_database_delays_no_other(self, fail):
        bad, behind = queue(card(1)), queue(card(2))
        others = [queue(card(3), platform="ozon"), queue(card(4), platform="ozon")]
        fail(bad, OperationalError("canceling statement due to statement timeout"))

        outcome = run("ingest_queue", "--database", "ecommerce")

        assert outcome.err.startswith("ECOMMERCE: canceling statement")
        assert [LoadRun.objects.get(pk=each.pk).read_count for each in others] == [1, 1]
        # It is the platform's next one: what is behind it keeps its place.
        assert LoadRun.objects.get(pk=behind.pk).status == "queued"

    def test_such_a_run_is_given_up_in_the_end(self, fail):
        bad, behind = queue(card(1)), queue(card(2))
        bad.options["push"]["attempts"] = inbox.MAX_ATTEMPTS - 0.1
        bad.status = "running"
        bad.save()
        fail(bad, OperationalError("canceling statement due to statement timeout"))

        run("ingest_queue", "--database", "ecommerce")
        run("ingest_queue", "--database", "ecommerce")

        assert LoadRun.objects.get(pk=bad.pk).status == "failed"
        assert LoadRun.objects.get(pk=behind.pk).status == "completed"

    def test_an_error_that_cannot_be_stored_as_it_is(self, fail):
        bad = queue(card(1))
        fail(bad, ValueError("bad text: \0"))

        outcome = run("ingest_queue", "--database", "ecommerce")

        assert outcome.code == 1
        assert "bad text:" in LoadRun.objects.get(pk=bad.pk).error


class TestReview:
    def test_a_failed_run_is_listed_and_shown(self):
        failed = interrupted(pushed=[card(1), card(2)])

        listed = run("ingest_review", "list", "--database", "ecommerce").out
        shown = run("ingest_review", "show", f"uzum-{failed.pk}").out

        assert (
            "   Held runs: 0\n   Failed runs: 1\n"
            f"      run uzum-{failed.pk}: 2 records of push, since 2026-06-02 05:00\n"
            "         Interrupted: by a person\n"
        ) in listed
        assert "status: failed\n" in shown
        assert 'received line 2\n   {"productId": 2,' in shown

    def test_counts_what_is_not_loaded_yet(self, settings):
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
        assert chunks() == [0, 0, 0]

    def test_one_that_is_discarded_is_not_resumed(self):
        failed = interrupted()
        run("ingest_review", "discard", "run", f"uzum-{failed.pk}", "--force")

        assert run("ingest", "--resume").err == "No run was interrupted: nothing to resume.\n"
        assert run("ingest_queue").out == "Nothing was waiting.\n"
        assert not Product.objects.exists()

    def test_a_run_of_files_that_was_stopped_can_be_discarded(self):
        made = factories.load_run(
            "ecommerce", platform="uzum", status="failed", error="Interrupted: MemoryError"
        )

        outcome = run("ingest_review", "discard", "run", f"uzum-{made.pk}", "--force")

        assert outcome.out == f"Discarded 0 records of run uzum-{made.pk}.\n"
        assert run("ingest", "--resume").code == 0

    def test_one_that_was_given_up_is_loaded_again(self):
        failed = interrupted()

        outcome = run("ingest_review", "release", "run", f"uzum-{failed.pk}")

        failed.refresh_from_db()
        assert outcome.out.startswith(f"Released 1 record of run uzum-{failed.pk}: created 1,")
        assert (failed.status, failed.chunks.count()) == ("completed", 0)

    def test_one_that_fails_again_keeps_what_it_has(self, fail):
        failed = interrupted()
        fail(failed, RecursionError("too deep"))

        outcome = run("ingest_review", "release", "run", f"uzum-{failed.pk}")

        assert f"Run uzum-{failed.pk} failed: RecursionError: too deep." in outcome.err
        assert LoadRun.objects.get(pk=failed.pk).chunks.exists()

    def test_status_names_it(self):
        interrupted()

        out = run("db_status", "--database", "ecommerce").out

        assert "   Failed: 1 run: python manage.py ingest_review list\n" in out
        assert "Queue:" not in out

    def test_a_page_discards_it_and_does_not_load_it(self, admin_client):
        failed = interrupted()

        def act(action, **values):
            data = {"action": action, "_selected_action": [failed.pk]} | values
            answer = admin_client.post("/ecommerce/loadrun/", data, follow=True)
            return re.sub(r"\s+", " ", strip_tags(answer.content.decode()))

        released, question = act("release", confirmed="yes"), act("discard")
        discarded = act("discard", confirmed="yes")

        assert f"ingest_review release run uzum-{failed.pk}" in released
        assert "Delete 1 record of 1 run for good?" in question
        assert f"Discarded 1 record of run uzum-{failed.pk}." in discarded
        assert LoadRun.objects.get(pk=failed.pk).status == "discarded"


#: A form of documents of each platform.
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
    """Return a damaged line of a document: other values, nested deeply, or bytes lost or wrong."""
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

    def test_fifty_documents_among_good_ones_leave_nothing_stuck(self, push):
        generator = random.Random(14)
        documents = {name: sample(name, shape) for name, shape in SHAPES.items()}
        good = {name: json.dumps(document).encode() for name, document in documents.items()}

        answers = []
        for number in range(50):
            platform = NAMES[number % len(NAMES)]
            bad = damaged(documents[platform], generator)
            answers.append(push(platform, good[platform], bad, good[platform]))
        pushed = {name: push(name, line).json()["run"] for name, line in good.items()}
        run("ingest_queue")
        run("ingest", "--resume")

        assert {answer.status_code for answer in answers} == {202, 400}
        assert all("line" in each.json() for each in answers if each.status_code == 400)
        models = {alias: apps.get_model(alias, "LoadRun") for alias in ALIASES}
        ended = [each for model in models.values() for each in model.objects.all()]
        assert len(ended) == sum(each.status_code == 202 for each in answers) + len(NAMES)
        assert {each.status for each in ended} <= {"completed", "held", "failed"}
        assert all(each.error for each in ended if each.status != "completed")
        for name, address in pushed.items():
            last = models[get_platform(name).database].objects.get(pk=address.split("-")[1])
            assert (last.status, last.rejected_count) == ("completed", 0), name
            assert last.read_count > 0

        waiting = json.loads(run("ingest_review", "list", "--format=json").out)
        names = [each["id"] for alias in waiting for each in alias["runs"]]
        for name in names:
            assert run("ingest_review", "discard", "run", name, "--force").code == 0
        assert chunks() == [0, 0, 0]
        assert run("ingest_queue").out == "Nothing was waiting.\n"
        assert run("ingest", "--resume").code == 0
