"""Loading what was pushed."""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from django.apps import apps
from django.db import InternalError, OperationalError, connections

from marketplace.loading import ingest, run_lock
from marketplace.loading.ingest import Summary
from marketplace.postgresql import embedded
from marketplace.push import inbox, worker
from marketplace.push.worker import Worker
from tests import factories
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ALIASES = {"uzum": "ecommerce", "ozon": "ecommerce", "olx": "classifieds"}
NOW = datetime(2026, 6, 2, tzinfo=UTC)

#: What the command says where there is nothing to do.
IDLE = ("Nothing was waiting.\n", "", 0)


def product(number, price=1000):
    return {
        "payload": {
            "data": {
                "id": number,
                "title": f"Choynak {number}",
                "seller": {"id": 1, "title": "Malika Savdo"},
                "category": {"id": 1, "title": "Idishlar"},
                "skuList": [{"id": number * 10, "purchasePrice": price, "availableAmount": 1}],
            }
        },
        "timestamp": "2026-06-01T10:00:00",
    }


def queue(*documents, platform="uzum", observed_at=NOW):
    """Push documents; return the number of their run."""
    called = {"options": {}, "observed_at": observed_at.isoformat(), "columns": None}
    push = inbox.Push(platform, None, called | {"full_listing": "", "paths": []}, {}, NOW)
    lines = [json.dumps(document).encode() if document else b"" for document in documents]
    return inbox.store(ALIASES[platform], push, lines, patience=5).run_id


def get(pk, alias="ecommerce"):
    return apps.get_model(alias, "LoadRun").objects.get(pk=pk)


def titles():
    return set(apps.get_model("ecommerce", "Product").objects.values_list("external_id", flat=True))


@pytest.fixture
def resumed(monkeypatch):
    """Replace the loading: it notes what it is called with, and does what a test wants."""
    calls = []

    def resume(alias, pk, *, progress):
        calls.append((alias, pk))
        return resume.act(alias, pk, progress)

    def succeed(alias, pk, progress):
        objects = apps.get_model(alias, "LoadRun").objects.filter(pk=pk)
        objects.update(status="completed")
        apps.get_model(alias, "LoadChunk").objects.filter(run_id=pk).delete()
        return Summary(objects.get().platform, pk, read=1)

    resume.act, resume.calls, resume.succeed = succeed, calls, succeed
    monkeypatch.setattr(ingest, "resume", resume)
    return resume


class TestLoading:
    def test_loads_what_was_pushed(self):
        first = queue(product(1), product(2))
        second = queue(product(2, price=900), product(3))

        outcome = run("ingest_queue")

        assert outcome.out == (
            f"uzum-{first}: read 2, created 2, updated 0, unchanged 0, rejected 0, held 0, "
            "price points 2\n"
            f"uzum-{second}: read 2, created 1, updated 0, unchanged 1, rejected 0, held 0, "
            "price points 1\n"
        )
        assert (outcome.err, outcome.code) == ("", 0)
        assert titles() == {"1", "2", "3"}
        assert get(first).status == get(second).status == "completed"
        assert not apps.get_model("ecommerce", "LoadChunk").objects.exists()

    def test_what_tells_no_time_was_observed_when_it_was_pushed(self):
        document = product(1)
        del document["timestamp"]
        queue(document)

        run("ingest_queue")

        [found] = apps.get_model("ecommerce", "Product").objects.all()
        assert found.last_seen_at == NOW

    def test_has_nothing_to_do(self):
        assert run("ingest_queue") == IDLE

    def test_quarantines_a_record_with_the_line_it_was_on(self):
        pk = queue(product(1), None, {"payload": {"data": {"id": None}}}, product(2))

        run("ingest_queue")

        [record] = apps.get_model("ecommerce", "QuarantinedRecord").objects.all()
        assert record.source.endswith("line 3")
        assert record.run_id == pk
        assert (get(pk).created_count, get(pk).rejected_count) == (2, 1)

    def test_a_run_of_which_nothing_can_be_loaded_fails_for_good(self):
        pk = queue({"strange": 1}, {"strange": 2})

        outcome = run("ingest_queue")
        again = run("ingest_queue")

        assert f"uzum-{pk}: No record could be loaded (2 read)" in outcome.err
        assert outcome.err.endswith("1 run failed or held; the lines above say why.\n")
        assert (outcome.code, again) == (1, IDLE)
        assert get(pk).status == "failed"

    def test_loads_the_runs_of_a_platform_in_their_order(self, resumed):
        pks = [queue(product(1), platform=name) for name in ("uzum", "ozon", "uzum", "olx")]

        run("ingest_queue")

        loaded = [pk for alias, pk in resumed.calls if alias == "ecommerce"]
        assert [pk for pk in loaded if pk in (pks[0], pks[2])] == [pks[0], pks[2]]
        assert sorted(loaded) == sorted(pks[:3])
        assert ("classifieds", pks[3]) in resumed.calls

    def test_works_on_the_database_that_is_named(self, resumed):
        queue(product(1))
        pk = queue({"id": 1}, platform="olx")

        run("ingest_queue", "--database", "classifieds")

        assert resumed.calls == [("classifieds", pk)]

    def test_goes_on_when_a_server_is_unreachable(self, resumed, move):
        pk = queue({"id": 1}, platform="olx")
        move("ecommerce", 1)

        outcome = run("ingest_queue")

        assert resumed.calls == [("classifieds", pk)]
        assert outcome.err.startswith("ECOMMERCE: connection to server at")
        assert outcome.err.endswith("CommandError: 1 of 3 databases failed: ecommerce\n")
        assert outcome.code == 1


class TestHolding:
    def day(self, number, price=1000):
        """Return cards of one day, of which every tenth price changes from day to day."""
        cards = []
        for n in range(300):
            told = price and price + 13 * ((n + number) // 10)
            card = {"productId": n + 1, "title": f"Choynak {n}", "minSellPrice": told}
            skus = [{"id": n * 10 + 1, "sellPrice": told}]
            cards.append(card | {"skuList": skus, "ordersQuantity": number})
        return cards

    def test_what_a_gate_holds_waits_for_a_person_and_not_for_a_worker(self, settings):
        settings.INGEST_BATCH_SIZE = 100
        for number in range(4):
            queue(*self.day(number), observed_at=NOW + timedelta(days=number))
        run("ingest_queue")
        pk = queue(*self.day(4, price=None), observed_at=NOW + timedelta(days=4))

        first = run("ingest_queue")
        second = run("ingest_queue")
        held = get(pk)
        released = ingest.resume("ecommerce", pk)

        assert f"uzum-{pk}: read 0" in first.out
        assert "held 300" in first.out
        assert f"uzum-{pk}: " in first.err
        assert (held.status, held.held_count) == ("held", 300)
        assert second == IDLE
        assert (released.read, get(pk).status) == (300, "completed")
        assert not get(pk).chunks.exists()


class TestTaking:
    def work(self):
        return run("ingest_queue", "--database", "ecommerce")

    def test_leaves_what_was_not_pushed(self, resumed):
        for status in ("queued", "running", "failed", "held"):
            factories.load_run("ecommerce", platform="uzum", status=status)

        self.work()

        assert resumed.calls == []

    @pytest.mark.parametrize("status", ["held", "discarded", "completed"])
    def test_leaves_what_is_not_its_to_load(self, resumed, status):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status=status)

        self.work()

        assert resumed.calls == []

    @pytest.mark.parametrize("status", ["running", "failed"])
    def test_goes_on_with_what_a_worker_was_at_when_it_was_killed(self, resumed, status):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status=status)

        self.work()

        assert resumed.calls == [("ecommerce", pk)]

    def test_leaves_a_platform_of_which_another_worker_loads(self, resumed):
        queue(product(1))
        ozon = queue(product(1), platform="ozon")

        with worker._turn("ecommerce", "uzum") as is_ours:
            self.work()

        assert is_ours
        assert resumed.calls == [("ecommerce", ozon)]

    def test_leaves_a_run_that_a_person_loads(self, resumed):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status="running")
        other = connections["ecommerce"].copy()

        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [run_lock.LOCK, pk])
            self.work()
        other.close()

        assert resumed.calls == []
        assert get(pk).status == "running"


class TestFailing:
    def work(self):
        return run("ingest_queue", "--database", "ecommerce")

    @pytest.mark.parametrize("error", [KeyError("id"), InternalError("cache lookup failed")])
    def test_gives_a_run_up_that_fails_again_and_again(self, resumed, error):
        pk, next_pk = queue(product(1)), queue(product(2))

        def fail(alias, number, progress):
            if number == pk:
                raise error
            return resumed.succeed(alias, number, progress)

        resumed.act = fail
        outcome = self.work()

        numbers = [number for _, number in resumed.calls]
        assert numbers == [pk] * inbox.MAX_ATTEMPTS + [next_pk]
        assert get(pk).status == "failed"
        assert str(error) in get(pk).error
        assert outcome.err.count(f"uzum-{pk}: ") == inbox.MAX_ATTEMPTS
        assert outcome.code == 1
        # What it was to load is kept.
        assert get(pk).chunks.exists()
        assert not inbox.is_waiting("ecommerce", get(pk))

    def test_gives_a_run_up_at_once_that_was_read_to_a_bad_end(self, resumed):
        pk = queue(product(1))

        def fail(alias, number, progress):
            apps.get_model(alias, "LoadRun").objects.filter(pk=number).update(status="failed")
            return Summary("uzum", number, failures=["It is not known whose shop it is."])

        resumed.act = fail
        outcome = self.work()

        assert resumed.calls == [("ecommerce", pk)]
        assert f"uzum-{pk}: It is not known whose shop it is." in outcome.err
        assert not inbox.is_waiting("ecommerce", get(pk))

    def test_closes_a_run_whose_process_was_killed_again_and_again(self, resumed):
        pk = queue(product(1))
        for _ in range(inbox.MAX_ATTEMPTS):
            inbox.note_attempt("ecommerce", get(pk))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status="running")

        self.work()

        assert resumed.calls == []
        assert get(pk).status == "failed"
        assert "ended 5 times before it was done" in get(pk).error

    def test_one_that_a_person_queues_again_is_tried_again(self, resumed):
        pk = queue(product(1))
        for _ in range(inbox.MAX_ATTEMPTS):
            inbox.note_attempt("ecommerce", get(pk))

        self.work()

        assert resumed.calls == [("ecommerce", pk)]

    def test_a_database_that_goes_away_is_not_the_fault_of_the_run(self, resumed):
        pk = queue(product(1))

        def fail(alias, number, progress):
            raise OperationalError("server closed the connection unexpectedly")

        resumed.act = fail
        for _ in range(inbox.MAX_ATTEMPTS + 2):
            outcome = self.work()
        resumed.act = resumed.succeed
        self.work()

        assert "ECOMMERCE: server closed the connection" in outcome.err
        assert get(pk).status == "completed"
        # Each worker tries once more with a new session before it says so.
        assert len(resumed.calls) == 2 * (inbox.MAX_ATTEMPTS + 2) + 1

    def test_a_run_that_is_gone_with_its_database_is_left(self, resumed):
        pk, next_pk = queue(product(1)), queue(product(2))

        def restore(alias, number, progress):
            if number == pk:
                apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).delete()
                raise OperationalError("server closed the connection unexpectedly")
            return resumed.succeed(alias, number, progress)

        resumed.act = restore
        outcome = self.work()

        assert (outcome.err, outcome.code) == ("", 0)
        assert [number for _, number in resumed.calls] == [pk, next_pk]


class TestWatching:
    @pytest.fixture
    def troubles(self):
        return []

    @pytest.fixture
    def watcher(self, troubles, monkeypatch):
        monkeypatch.setattr(worker, "INTERVAL", 0)
        loaded = []
        watcher = Worker(
            ["ecommerce"],
            on_loaded=lambda each: loaded.append(each.name),
            on_trouble=lambda alias, reason: troubles.append(reason),
        )
        watcher.loaded = loaded
        return watcher

    def watch(self, watcher, *, rounds, before=lambda: None):
        """Let the watcher look for work so many times, each time after something happened."""
        with pytest.MonkeyPatch.context() as patched:
            left = iter([watcher.aliases] * rounds)
            patched.setattr(watcher, "_load_each", lambda: self.look(watcher, left, before))
            watcher.watch()
        watcher.is_stopping = False

    def look(self, watcher, left, before):
        if next(left, None) is None:
            watcher.stop()
            return False
        before()
        return Worker._load_each(watcher)

    def test_loads_what_comes_while_it_watches(self, watcher, resumed):
        pks = []

        self.watch(watcher, rounds=3, before=lambda: pks.append(queue(product(len(pks)))))

        assert watcher.loaded == [f"uzum-{pk}" for pk in pks]
        assert len(pks) == 3

    def test_stops_within_a_run_and_keeps_it(self, watcher, resumed):
        pk, _ = queue(product(1)), queue(product(2))

        def stop(alias, number, progress):
            watcher.stop()
            progress(Summary("uzum"))
            raise AssertionError("it did not stop")

        resumed.act = stop
        watcher.watch()

        assert resumed.calls == [("ecommerce", pk)]
        assert watcher.loaded == []
        assert get(pk).options["push"]["attempts"] == 0
        assert inbox.is_waiting("ecommerce", get(pk))

    def test_waits_for_a_database_that_is_down_and_says_so_once(
        self, watcher, resumed, troubles, monkeypatch
    ):
        pk = queue(product(1))
        monkeypatch.setattr(worker, "_FIRST_PAUSE", 0.0)
        with monkeypatch.context() as patched:
            patched.setitem(connections["ecommerce"].settings_dict, "HOST", "127.0.0.1")
            patched.setitem(connections["ecommerce"].settings_dict, "PORT", "1")
            connections["ecommerce"].close()
            self.watch(watcher, rounds=5)

        self.watch(watcher, rounds=2)

        assert len(troubles) == 1
        assert "Connection refused" in troubles[0]
        assert watcher.loaded == [f"uzum-{pk}"]

    def test_does_not_start_a_server_that_was_stopped(self, watcher, settings, monkeypatch):
        self.watch(watcher, rounds=1)
        connections["ecommerce"].close()
        monkeypatch.setattr(embedded, "is_accepting", lambda data_dir: False)
        monkeypatch.setattr(embedded, "start", lambda *arguments: pytest.fail("it was started"))

        self.watch(watcher, rounds=3)

        assert connections["ecommerce"].connection is None

    def test_ends_with_its_parent(self, watcher, resumed, monkeypatch):
        pk = queue(product(1))

        watcher.watch(parent=os.getpid())
        assert watcher.loaded == []

        monkeypatch.setattr(watcher, "on_loaded", lambda each: watcher.stop())
        watcher.watch(parent=os.getppid())
        assert resumed.calls == [("ecommerce", pk)]

    def test_gives_signals_back(self, resumed):
        before = signal.getsignal(signal.SIGTERM)

        run("ingest_queue")

        assert signal.getsignal(signal.SIGTERM) is before


class TestProcesses:
    """Workers as processes, on a machine of their own."""

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
        """Queue products from the machine's own command line."""
        code = (
            "import json; from datetime import datetime, UTC\n"
            "from marketplace.loading import inbox\n"
            "from tests.marketplace.push.test_command_ingest_queue import product\n"
            "options = {'options': {}, 'observed_at': None, 'columns': None, 'paths': []}\n"
            "push = inbox.Push('uzum', None, options, {}, datetime.now(UTC))\n"
            f"lines = (json.dumps(product(n)).encode() for n in range({first}, {last}))\n"
            "inbox.store('ecommerce', push, lines, patience=5)\n"
        )
        done = machine("shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stderr

    def test_one_that_is_killed_is_followed_by_another_that_goes_on(self, machine):
        done = machine("init_all", "--database", "ecommerce")
        assert done.returncode == 0, done.stderr
        self.push(machine, 1, 4001)
        self.push(machine, 4001, 4501)
        killed = machine.start("ingest_queue", "--watch", "--database", "ecommerce")
        self.wait_for(machine, "SELECT count(*) FROM ecommerce_products")
        killed.kill()
        killed.communicate(timeout=30)
        at_once = [
            machine.start("ingest_queue", "--watch", "--database", "ecommerce") for _ in range(2)
        ]
        self.wait_for(
            machine,
            "SELECT count(*) = 2 FROM ecommerce_load_runs WHERE status = 'completed'",
        )

        for process in at_once:
            process.send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=30)[0] for process in at_once]

        assert [process.returncode for process in at_once] == [0, 0], outputs
        loaded = [line.split(":")[0] for line in "".join(outputs).splitlines()]
        assert sorted(loaded) == ["uzum-1", "uzum-2"], outputs
        assert self.count(machine, "SELECT count(*) FROM ecommerce_products") == 4500
        assert self.count(machine, "SELECT sum(created_count) FROM ecommerce_load_runs") == 4500
        assert self.count(machine, "SELECT count(*) FROM ecommerce_price_history") == 4500
        assert self.count(machine, "SELECT count(*) FROM ecommerce_load_chunks") == 0
