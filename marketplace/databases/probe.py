"""Queries with a hard time limit, however the server hangs.

A regular connection blocks indefinitely if the server process is stopped or the network drops its
packets. A `ProbeConnection` enforces the limit in the client. A `CachedProbe` runs at most one call
per database at a time, so that frequent polling does not multiply threads or connections.
"""

import select
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from threading import Lock, Thread
from typing import Any, Generic, NamedTuple, TypeVar

import psycopg2
from django.db import connections
from psycopg2 import extensions, sql

# Sent in the same message as the query, hence in the same transaction, so that the limits also
# apply behind a pooler. They end the query on the server after the client has given up.
_LIMITS = sql.SQL("SET LOCAL statement_timeout = '3s'; SET LOCAL lock_timeout = '500ms'; ")

Row = tuple[Any, ...]
T = TypeVar("T")


class ProbeTimeoutError(psycopg2.OperationalError):
    """Raised if a database does not answer in time."""


class ProbeConnection:
    """A separate connection to a database, with one time limit for all its queries.

    Each query is a transaction of its own. The connection never starts the embedded server.

    :param seconds: the limit for connecting and all queries together
    :raises psycopg2.Error: if connecting fails; `ProbeTimeoutError` if it takes too long
    """

    def __init__(self, parameters: dict[str, Any], seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        # libpq would wait for the server without a limit, so this class waits itself.
        arguments = {k: v for k, v in parameters.items() if k != "cursor_factory"}
        self._connection = psycopg2.connect(**arguments, async_=True)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ProbeConnection":
        """Return the connection itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection without waiting for the server."""
        self._connection.close()

    def query(self, text: sql.Composable) -> list[Row]:
        """Run a query and return its rows.

        :raises psycopg2.Error: if the query fails; `ProbeTimeoutError` if the limit is exceeded
        """
        with self._connection.cursor() as cursor:
            cursor.execute(_LIMITS + text)
            self._wait()
            rows: list[Row] = cursor.fetchall()
            return rows

    def query_named(self, text: sql.Composable) -> list[dict[str, Any]]:
        """Run a statement of a pooler's console; return its rows as column → value.

        The statement is sent without the limits on the server, which a console does not accept.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(text)
            self._wait()
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _wait(self) -> None:
        poll = select.poll()
        while (state := self._connection.poll()) != extensions.POLL_OK:
            milliseconds = (self._deadline - time.monotonic()) * 1000
            events = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            poll.register(self._connection.fileno(), events)
            if milliseconds <= 0 or not poll.poll(milliseconds):
                raise ProbeTimeoutError("timeout expired")
            poll.unregister(self._connection.fileno())


def connect_probe(alias: str, seconds: float) -> ProbeConnection:
    """Connect to a database with the parameters of Django's settings.

    :raises psycopg2.Error: as `ProbeConnection` does
    """
    return ProbeConnection(connections[alias].get_connection_params(), seconds)


def query_each(
    connection: ProbeConnection, queries: Iterable[tuple[str, sql.Composable]]
) -> dict[str, list[Row]]:
    """Run several named queries; return the rows by name.

    A query that fails, for example because its table is locked, is left out.

    :raises ProbeTimeoutError: if the server does not answer in time
    """
    rows = {}
    for name, query in queries:
        try:
            rows[name] = connection.query(query)
        except ProbeTimeoutError:
            raise
        except psycopg2.Error:
            continue
    return rows


class _Call(NamedTuple):
    started_at: float
    #: The time when the call ended, and its result.
    outcome: "Future[tuple[float, Any]]"


class CachedProbe(Generic[T]):
    """A slow function of an alias, called in a background thread, with its results cached.

    At most one call per alias runs at a time, regardless of the number of callers. Each call has
    its own connections, which are closed afterwards. Thread-safe.

    :param keep: seconds for which a result is reused
    """

    def __init__(self, function: Callable[[str], T], *, keep: float = 0) -> None:
        self._function = function
        self._keep = keep
        self._calls: dict[str, _Call] = {}
        #: The newest results, regardless of their age.
        self._results: dict[str, T] = {}
        self._lock = Lock()

    def results(self, aliases: Sequence[str], *, seconds: float) -> dict[str, T]:
        """Return the results by alias; aliases without a result in time are left out.

        An exception of the function is raised here.

        :param seconds: the limit from the start of a call, which may have started earlier
        """
        calls = {alias: self._call(alias) for alias in aliases}
        starts = [call.started_at for call in calls.values()]
        remaining = max(0.0, max(starts, default=0.0) + seconds - time.monotonic())
        done, _ = wait([call.outcome for call in calls.values()], timeout=remaining)
        return {
            alias: call.outcome.result()[1] for alias, call in calls.items() if call.outcome in done
        }

    def latest(self, alias: str) -> T | None:
        """Return the newest result without waiting, or None; start a call if it is outdated."""
        self._call(alias)
        return self._results.get(alias)

    def forget(self) -> None:
        """Discard all cached results."""
        with self._lock:
            self._calls.clear()
            self._results.clear()

    def _call(self, alias: str) -> _Call:
        """Return the running or cached call, or start a new one."""
        now = time.monotonic()
        with self._lock:
            call = self._calls.get(alias)
            if call and not (call.outcome.done() and call.outcome.result()[0] + self._keep < now):
                return call
            call = _Call(now, Future())
            # A daemon thread: a call that hangs must not delay the exit of the process.
            Thread(target=self._run, args=(alias, call), daemon=True).start()
            self._calls[alias] = call
        return call

    def _run(self, alias: str, call: _Call) -> None:
        try:
            try:
                result = self._function(alias)
            finally:
                connections.close_all()
        except Exception as error:  # noqa: BLE001 # raised in the threads of the callers
            # The next caller starts a new call.
            with self._lock:
                self._calls.pop(alias, None)
            call.outcome.set_exception(error)
            return
        self._results[alias] = result
        call.outcome.set_result((time.monotonic(), result))
