"""Workers that wait for runs, and workers as processes."""

import os
import signal
import time

import psycopg2
import pytest
from django.db import connections

from marketplace.loading.ingest import Summary
from marketplace.postgresql import embedded
from marketplace.push import inbox, worker
from marketplace.push.worker import Worker
from tests.commands import run
from tests.marketplace.push.queued_runs import get_run, product, queue

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class TestWatch:
    @pytest.fixture
    def errors(self):
        return []

    @pytest.fixture
    def watcher(self, errors, monkeypatch):
        monkeypatch.setattr(worker, "INTERVAL", 0)
        loaded = []
        watcher = Worker(
            ["ecommerce"],
            on_result=lambda result: loaded.append(result.name),
            on_error=lambda alias, reason: errors.append(reason),
        )
        watcher.loaded = loaded
        return watcher

    def watch(self, watcher, *, rounds, before=lambda: None):
        """Let the watcher poll for a number of rounds, and call `before` before each."""
        with pytest.MonkeyPatch.context() as patched:
            remaining = iter([watcher.aliases] * rounds)
            patched.setattr(
                watcher, "_load_next_runs", lambda: self.poll(watcher, remaining, before)
            )
            watcher.watch()
        watcher.is_stopping = False

    def poll(self, watcher, remaining, before):
        if next(remaining, None) is None:
            watcher.stop()
            return False
        before()
        return Worker._load_next_runs(watcher)

    def test_loads_runs_as_they_arrive(self, watcher, resume):
        pks = []

        self.watch(watcher, rounds=3, before=lambda: pks.append(queue(product(len(pks)))))

        assert watcher.loaded == [f"uzum-{pk}" for pk in pks]
        assert len(pks) == 3

    def test_stops_within_a_run_that_remains_queued(self, watcher, resume):
        pk, _ = queue(product(1)), queue(product(2))

        def stop(alias, number, progress):
            watcher.stop()
            progress(Summary("uzum"))
            raise AssertionError("it did not stop")

        resume.action = stop
        watcher.watch()

        assert resume.calls == [("ecommerce", pk)]
        assert watcher.loaded == []
        assert get_run(pk).options["push"]["attempts"] == 0
        assert inbox.is_waiting("ecommerce", get_run(pk))

    def test_reports_an_unreachable_database_once(self, watcher, resume, errors, monkeypatch):
        pk = queue(product(1))
        monkeypatch.setattr(worker, "_FIRST_PAUSE", 0.0)
        with monkeypatch.context() as patched:
            patched.setitem(connections["ecommerce"].settings_dict, "HOST", "127.0.0.1")
            patched.setitem(connections["ecommerce"].settings_dict, "PORT", "1")
            connections["ecommerce"].close()
            self.watch(watcher, rounds=5)

        self.watch(watcher, rounds=2)

        assert len(errors) == 1
        assert "Connection refused" in errors[0]
        assert watcher.loaded == [f"uzum-{pk}"]

    def test_does_not_start_a_server_that_was_stopped(self, watcher, settings, monkeypatch):
        self.watch(watcher, rounds=1)
        connections["ecommerce"].close()
        monkeypatch.setattr(embedded, "is_accepting", lambda data_dir: False)
        monkeypatch.setattr(embedded, "start", lambda *arguments: pytest.fail("it was started"))

        self.watch(watcher, rounds=3)

        assert connections["ecommerce"].connection is None

    def test_ends_with_its_parent(self, watcher, resume, monkeypatch):
        pk = queue(product(1))

        watcher.watch(parent=os.getpid())
        assert watcher.loaded == []

        monkeypatch.setattr(watcher, "on_result", lambda result: watcher.stop())
        watcher.watch(parent=os.getppid())
        assert resume.calls == [("ecommerce", pk)]

    def test_restores_signal_handlers(self, resume):
        before = signal.getsignal(signal.SIGTERM)

        run("ingest_queue")

        assert signal.getsignal(signal.SIGTERM) is before


class TestProcesses:
    """Workers as processes, with a data directory and a server of their own."""

    def count(self, machine, statement):
        connection = psycopg2.connect(
            host=str(embedded.socket_directory(machine.data_dir)),
            user=embedded.SUPERUSER,
            dbname="ecommerce_db",
        )
        with connection.cursor() as cursor:
            cursor.execute(statement)
            [(count,)] = cursor.fetchall()
        connection.close()
        return count

    def wait_for(self, machine, statement):
        deadline = time.monotonic() + 60
        while not self.count(machine, statement):
            assert time.monotonic() < deadline, statement

    def push(self, machine, first, last):
        """Queue a run of products."""
        code = (
            "import json; from datetime import datetime, UTC\n"
            "from marketplace.push import inbox\n"
            "from tests.marketplace.push.queued_runs import product\n"
            "options = {'options': {}, 'observed_at': None, 'columns': None, 'paths': []}\n"
            "push = inbox.Push('uzum', None, options, {}, datetime.now(UTC))\n"
            f"lines = (json.dumps(product(n)).encode() for n in range({first}, {last}))\n"
            "inbox.store('ecommerce', push, lines, lock_timeout=5)\n"
        )
        result = machine("shell", "--no-imports", "-c", code)
        assert result.returncode == 0, result.stderr

    def test_run_of_a_killed_worker_is_resumed_by_one_of_two_others(self, initialized_machine):
        machine = initialized_machine
        self.push(machine, 1, 4001)
        self.push(machine, 4001, 4501)
        killed = machine.start("ingest_queue", "--watch", "--database", "ecommerce")
        self.wait_for(machine, "SELECT count(*) FROM ecommerce_products")
        killed.kill()
        killed.communicate(timeout=30)
        workers = [
            machine.start("ingest_queue", "--watch", "--database", "ecommerce") for _ in range(2)
        ]
        self.wait_for(
            machine,
            "SELECT count(*) = 2 FROM ecommerce_load_runs WHERE status = 'completed'",
        )

        for process in workers:
            process.send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=30)[0] for process in workers]

        assert [process.returncode for process in workers] == [0, 0], outputs
        loaded = [line.split(":")[0] for line in "".join(outputs).splitlines()]
        assert sorted(loaded) == ["uzum-1", "uzum-2"], outputs
        assert self.count(machine, "SELECT count(*) FROM ecommerce_products") == 4500
        assert self.count(machine, "SELECT sum(created_count) FROM ecommerce_load_runs") == 4500
        assert self.count(machine, "SELECT count(*) FROM ecommerce_price_history") == 4500
        assert self.count(machine, "SELECT count(*) FROM ecommerce_load_chunks") == 0
