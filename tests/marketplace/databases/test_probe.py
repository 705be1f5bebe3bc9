"""Queries with a hard time limit."""

import threading
from threading import Event

import psycopg2
import pytest
from psycopg2 import sql

from marketplace.databases.probe import (
    CachedProbe,
    ProbeTimeoutError,
    connect_probe,
    query_each,
)

pytestmark = pytest.mark.django_db(databases=["classifieds"], transaction=True)

SLEEP = sql.SQL("SELECT pg_sleep(60)")
ONE = sql.SQL("SELECT 1")
ABSENT = sql.SQL("SELECT * FROM no_such_table")


class TestProbeConnection:
    def test_returns_rows(self):
        with connect_probe("classifieds", 5) as connection:
            assert connection.query(ONE) == [(1,)]

    def test_connecting_to_a_silent_server_times_out(self, set_port, mute_port):
        set_port("classifieds", mute_port)

        with pytest.raises(ProbeTimeoutError):
            connect_probe("classifieds", 0.2)

    def test_a_query_times_out(self):
        with connect_probe("classifieds", 0.5) as connection, pytest.raises(ProbeTimeoutError):
            connection.query(SLEEP)

    def test_sets_a_limit_on_the_server(self):
        setting = sql.SQL("SHOW statement_timeout")

        with connect_probe("classifieds", 5) as connection:
            assert connection.query(setting) == [("3s",)]

    def test_continues_after_a_failed_query(self):
        queries = [("absent", ABSENT), ("one", ONE)]

        with connect_probe("classifieds", 5) as connection:
            assert query_each(connection, queries) == {"one": [(1,)]}

    def test_reports_why_connecting_failed(self, set_port):
        set_port("classifieds", 1)

        with pytest.raises(psycopg2.OperationalError, match="refused"):
            connect_probe("classifieds", 5)


class Slow:
    """A function that blocks until a test releases it, and records its calls."""

    def __init__(self):
        self.may_return = Event()
        self.calls = []

    def __call__(self, alias):
        self.calls.append(alias)
        self.may_return.wait(30)
        return f"{alias} {len(self.calls)}"


class TestCachedProbe:
    def test_omits_late_results(self):
        slow = Slow()
        probe = CachedProbe(lambda alias: slow(alias) if alias == "slow" else alias, keep=0)

        results = probe.results(["slow", "quick"], seconds=0.2)
        slow.may_return.set()

        assert results == {"quick": "quick"}

    def test_raises_the_error_of_a_call(self):
        probe = CachedProbe(lambda alias: 1 // 0)

        with pytest.raises(ZeroDivisionError):
            probe.results(["a"], seconds=5)

    def test_runs_one_call_for_many_callers(self):
        slow = Slow()
        probe = CachedProbe(slow, keep=60)
        before = threading.active_count()

        for _ in range(20):
            probe.results(["slow"], seconds=0)
        while_waiting = threading.active_count()
        slow.may_return.set()
        results = probe.results(["slow"], seconds=30)

        assert while_waiting <= before + 1
        assert (results, slow.calls) == ({"slow": "slow 1"}, ["slow"])

    def test_caches_a_result(self):
        calls = []
        probe = CachedProbe(calls.append, keep=60)

        probe.results(["one"], seconds=30)
        probe.results(["one"], seconds=30)
        probe.forget()
        probe.results(["one"], seconds=30)

        assert calls == ["one", "one"]

    def test_repeats_an_outdated_call(self):
        calls = []
        probe = CachedProbe(calls.append, keep=-1)

        probe.results(["one"], seconds=30)
        probe.results(["one"], seconds=30)

        assert calls == ["one", "one"]
