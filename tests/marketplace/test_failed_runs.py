"""A run that fails, whatever with, stops no other; what it keeps is loaded again or discarded."""

import json
import os
import signal
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import InternalError, OperationalError

from ecommerce.models import LoadRun, Product
from marketplace.loading import inbox, ingest
from marketplace.loading.reader import Reader
from marketplace.registry import get_platform
from tests.commands import run

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
    options = {"options": {}, "observed_at": None, "columns": None, "snapshot": "", "paths": []}
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
        assert "was ended by SIGKILL: is memory short?" in outcome.err
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
        fail(bad, ValueError("bad text: \0 \ud800"))

        outcome = run("ingest_queue", "--database", "ecommerce")

        assert outcome.code == 1
        assert "bad text:" in LoadRun.objects.get(pk=bad.pk).error
