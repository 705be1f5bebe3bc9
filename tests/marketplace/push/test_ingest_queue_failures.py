"""The command ingest_queue: runs that fail, and databases that go away."""

import pytest
from django.apps import apps
from django.db import InternalError, OperationalError

from marketplace.loading.ingest import Summary
from marketplace.push import inbox
from tests.commands import run
from tests.marketplace.push.queued_runs import get_run, product, queue

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class TestFailures:
    def load(self):
        return run("ingest_queue", "--database", "ecommerce")

    @pytest.mark.parametrize("error", [KeyError("id"), InternalError("cache lookup failed")])
    def test_number_of_attempts_is_bounded(self, resume, error):
        pk, next_pk = queue(product(1)), queue(product(2))

        def fail(alias, number, progress):
            if number == pk:
                raise error
            return resume.succeed(alias, number, progress)

        resume.action = fail
        outcome = self.load()

        numbers = [number for _, number in resume.calls]
        assert numbers == [pk] * inbox.MAX_ATTEMPTS + [next_pk]
        assert get_run(pk).status == "failed"
        assert str(error) in get_run(pk).error
        assert outcome.err.count(f"uzum-{pk}: ") == inbox.MAX_ATTEMPTS
        assert outcome.code == 1
        # The lines are kept.
        assert get_run(pk).chunks.exists()
        assert not inbox.is_waiting("ecommerce", get_run(pk))

    def test_run_that_was_read_to_its_end_is_not_repeated(self, resume):
        pk = queue(product(1))

        def fail(alias, number, progress):
            apps.get_model(alias, "LoadRun").objects.filter(pk=number).update(status="failed")
            return Summary("uzum", number, source_errors=["It is not known whose shop it is."])

        resume.action = fail
        outcome = self.load()

        assert resume.calls == [("ecommerce", pk)]
        assert f"uzum-{pk}: It is not known whose shop it is." in outcome.err
        assert not inbox.is_waiting("ecommerce", get_run(pk))

    def test_run_whose_process_is_killed_repeatedly_fails(self, resume):
        pk = queue(product(1))
        for _ in range(inbox.MAX_ATTEMPTS):
            inbox.count_attempt("ecommerce", get_run(pk))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status="running")

        self.load()

        assert resume.calls == []
        assert get_run(pk).status == "failed"
        assert "ended 5 times before the run finished" in get_run(pk).error

    def test_run_that_is_queued_again_is_loaded(self, resume):
        pk = queue(product(1))
        for _ in range(inbox.MAX_ATTEMPTS):
            inbox.count_attempt("ecommerce", get_run(pk))

        self.load()

        assert resume.calls == [("ecommerce", pk)]

    def test_temporary_errors_use_up_few_attempts(self, resume):
        pk = queue(product(1))

        def fail(alias, number, progress):
            raise OperationalError("server closed the connection unexpectedly")

        resume.action = fail
        for _ in range(inbox.MAX_ATTEMPTS + 2):
            outcome = self.load()
        resume.action = resume.succeed
        self.load()

        assert "ECOMMERCE: server closed the connection" in outcome.err
        assert get_run(pk).status == "completed"
        # Each worker tries again with a new session before it reports the error.
        assert len(resume.calls) == 2 * (inbox.MAX_ATTEMPTS + 2) + 1

    def test_run_that_disappears_in_a_restore_is_skipped(self, resume):
        pk, next_pk = queue(product(1)), queue(product(2))

        def restore(alias, number, progress):
            if number == pk:
                apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).delete()
                raise OperationalError("server closed the connection unexpectedly")
            return resume.succeed(alias, number, progress)

        resume.action = restore
        outcome = self.load()

        assert (outcome.err, outcome.code) == ("", 0)
        assert [number for _, number in resume.calls] == [pk, next_pk]
