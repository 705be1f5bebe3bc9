"""Lost connections at any statement of a load: the load continues and does nothing twice.

The connection is lost at a statement or commit, either before the server executes it or before the
client receives the response. Not all statements are tried, but every 23rd, or every 4th in `make
soak`.
"""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from django.apps import apps
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg2.sql import SQL, Identifier

from ecommerce.models import LoadChunk, LoadRun, LoadSource
from marketplace.exceptions import SourceError
from marketplace.loading import retry
from marketplace.loading.ingest import ingest, resume
from marketplace.loading.replay import replay
from marketplace.loading.runs import Run
from marketplace.postgresql import locks
from tests.content import content, differences

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


class Saboteur:
    """Count the statements of a connection, and terminate its session at one of them.

    :param number: the number of this statement
    :param is_done: whether the server executes the statement, so that only the answer is lost
    """

    def __init__(self, number=-1, is_done=False):
        self.number, self.is_done = number, is_done
        self.count = 0

    def __call__(self, session, work):
        self.count += 1
        if self.count != self.number:
            return work()
        if self.is_done:
            work()
        _terminate(session)
        if self.is_done:
            raise psycopg2.OperationalError("the answer is lost")
        return work()


def _terminate(session):
    """Terminate a session from another one, and wait until it has ended."""
    with connections["ecommerce"].copy().cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": session.info.backend_pid}
        )
        assert cursor.fetchone() == (True,)
    cursor.db.close()


@pytest.fixture
def sabotage(monkeypatch):
    """A function that starts a new saboteur for the database."""
    saboteurs = [Saboteur()]
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0)

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, *arguments):
            return saboteurs[-1](self.connection, lambda: super(Cursor, self).execute(*arguments))

        def copy_expert(self, *arguments, **options):
            return saboteurs[-1](
                self.connection, lambda: super(Cursor, self).copy_expert(*arguments, **options)
            )

    def create_cursor(wrapper, name=None):
        if wrapper is not connections["ecommerce"]:
            return wrapper.connection.cursor()
        if name:
            return wrapper.connection.cursor(name, scrollable=False, withhold=wrapper.autocommit)
        return wrapper.connection.cursor(cursor_factory=Cursor)

    def commit(wrapper):
        if wrapper.connection is not None:
            with wrapper.wrap_database_errors:
                saboteurs[-1](wrapper.connection, wrapper.connection.commit)

    monkeypatch.setattr(DatabaseWrapper, "create_cursor", create_cursor)
    monkeypatch.setattr(DatabaseWrapper, "_commit", commit)

    def watch(*arguments):
        saboteurs.append(Saboteur(*arguments))
        return saboteurs[-1]

    return watch


def empty():
    tables = [model._meta.db_table for model in apps.get_app_config("ecommerce").get_models()]
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(
            SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(
                SQL(", ").join(map(Identifier, tables))
            )
        )


def stored_content():
    """Return the content of the tables, and the state of the runs."""
    with connections["ecommerce"].cursor() as cursor:
        stored = content(cursor)
    runs = LoadRun.objects.order_by("pk")
    names = ["status", "error", "read_count", "created_count", "updated_count", "unchanged_count"]
    names += ["rejected_count", "held_count", "price_point_count"]
    sources = LoadSource.objects.order_by("pk")
    chunks = LoadChunk.objects.order_by("pk")
    stored["runs"] = dict(enumerate(runs.values(*names), 1))
    columns = ("run_id", "path", "batch_count", "checkpoint", "is_complete")
    stored["sources"] = dict(enumerate(sources.values(*columns), 1))
    stored["chunks"] = {
        n: {"run": chunk.run_id, "sequence": chunk.sequence, "size": len(chunk.body)}
        for n, chunk in enumerate(chunks, 1)
    }
    return stored


def card(number, price):
    """Return a product of the only shop."""
    sku = {"id": number * 10, "purchasePrice": price, "availableAmount": 1}
    shop = {"id": 7, "title": "Malika Savdo"}
    return {"data": {"id": number, "title": f"Choynak {number}", "seller": shop, "skuList": [sku]}}


def day(number, factor=1):
    return [card(n, (1000 + 7 * n + 13 * ((n + number) // 10)) * factor) for n in range(1, 61)]


def _write(path, cards):
    path.write_text("\n".join(map(json.dumps, cards)))
    return str(path)


@pytest.fixture
def loads(tmp_path, settings):
    """Name → functions that prepare and load; the first day has a record that is rejected."""
    settings.INGEST_BATCH_SIZE = 20
    damaged = [*day(0)[:30], {"data": {"skuList": []}}, *day(0)[30:]]
    first = _write(tmp_path / "first.jsonl", damaged)
    second = _write(tmp_path / "second.jsonl", day(1))
    rescaled = _write(tmp_path / "rescaled.jsonl", [*day(2)[:20], *day(2, factor=100)[20:]])

    def load(path, number):
        return ingest("uzum", [path], observed_at=START + timedelta(days=number))

    def fill():
        for number in range(2):
            load((first, second)[number], number)

    def files():
        ingest("uzum", [first, second], observed_at=START)

    def hold():
        assert load(rescaled, 3).hold_reasons

    def prepare_release():
        fill()
        hold()

    def release():
        resume("ecommerce", LoadRun.objects.latest("pk").pk)

    def full_listing():
        listing = _write(tmp_path / "full-listing.jsonl", day(1)[:55])
        time = START + timedelta(days=3)
        assert ingest("uzum", [listing], observed_at=time, full_listing="shop").missing == 5

    return {
        "paths": [first, second],
        "files": (empty, files),
        "hold": (fill, hold),
        "release": (prepare_release, release),
        "full-listing": (fill, full_listing),
        "replay": (fill, lambda: replay("uzum")),
    }


def beginning(counter, load):
    """Return the number of statements of a load before its first source."""
    seen = []

    def start(run, source):
        seen.append(counter.count)
        return begin(run, source)

    begin, Run.start_source = Run.start_source, start
    try:
        load()
    finally:
        Run.start_source = begin
    return seen[0]


@pytest.mark.parametrize("step", [23, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_done", [False, True], ids=["statement", "answer"])
@pytest.mark.parametrize("name", ["files", "hold", "release", "full-listing", "replay"])
def test_a_lost_connection_changes_nothing(loads, sabotage, name, is_done, step):
    prepare, load = loads[name]
    empty()
    prepare()
    counter = sabotage()
    first = beginning(counter, load) + 1
    expected, last = stored_content(), counter.count

    faults = []
    for number in range(first, last + 1, step):
        sabotage()
        empty()
        prepare()
        sabotage(number, is_done)
        try:
            load()
        except Exception as error:  # noqa: BLE001 # any error is a fault
            faults.append(f"{number} of {last}: {error!r}")
            connections["ecommerce"].close()
            continue
        sabotage()
        faults += [
            f"{number} of {last}: {difference}"
            for difference in differences(expected, stored_content())[:2]
        ]

    assert not faults, "\n".join(faults)


@contextmanager
def another_session():
    other = connections["ecommerce"].copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


def take_lock(cursor, run_id):
    """Take the lock of a run; return whether it was free."""
    values = {"kind": locks.RUN, "run": run_id}
    cursor.execute("SELECT pg_try_advisory_lock(%(kind)s, %(run)s)", values)
    return cursor.fetchone()[0]


class TestLockAfterALostConnection:
    """Only one process loads a run, even after its connection was lost."""

    def test_is_taken_again(self, loads, sabotage):
        paths = loads["paths"]
        first = beginning(sabotage(), lambda: ingest("uzum", paths)) + 1
        free = []

        def try_lock(summary):
            with another_session() as cursor:
                free.append(take_lock(cursor, summary.run_id))

        for number in range(first, first + 40, 5):
            sabotage(number)
            ingest("uzum", paths, progress=try_lock)

        assert set(free) == {False}

    def test_taken_by_another_process_ends_the_load(self, loads):
        with another_session() as cursor:

            def take(summary):
                if summary.read == 20:
                    _terminate(connections["ecommerce"].connection)
                    assert take_lock(cursor, summary.run_id)

            with pytest.raises(SourceError, match=r"Another process took over run uzum-"):
                ingest("uzum", loads["paths"], progress=take)

        run = LoadRun.objects.get()
        assert (run.status, run.read_count) == (LoadRun.Status.RUNNING, 20)

    def test_held_by_a_session_without_a_client_is_taken_over(self, loads):
        def lose(summary):
            if summary.read == 20:
                # As after a network failure: the server still waits for the next statement.
                lost.append(connections["ecommerce"].connection)
                connections["ecommerce"].connection = None

        lost = []

        summary = ingest("uzum", loads["paths"], progress=lose)

        assert (summary.read, LoadRun.objects.get().status) == (121, LoadRun.Status.COMPLETED)
        with pytest.raises(psycopg2.OperationalError):
            lost[0].cursor().execute("SELECT 1")
