"""Questions to databases that always end, however their server hangs.

A server that is stopped, or lost behind a network, keeps a usual connection waiting for ever. Here
the client itself gives up, by the clock; and of each question to each database at most one is on
its way in a process, so that being asked often makes neither threads nor connections.
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

# Parts of one message, hence of one transaction, so that they hold behind a pooler too. They end a
# question at the server whose asker has gone.
_LIMITS = sql.SQL("SET LOCAL statement_timeout = '3s'; SET LOCAL lock_timeout = '500ms'; ")

Row = tuple[Any, ...]
T = TypeVar("T")


class ProbeTimeoutError(psycopg2.OperationalError):
    """Raised if a database has not answered in time."""


class Question(NamedTuple):
    """A query and its values."""

    text: sql.Composable
    values: dict[str, Any] = {}


class ProbeConnection:
    """A connection of its own to a database, which ends in time whatever the server does.

    Each question is a transaction. The embedded server is not started by it.

    :param seconds: for all questions together, connecting included
    :raises psycopg2.Error: if it cannot connect; `ProbeTimeoutError` if that takes too long
    """

    def __init__(self, parameters: dict[str, Any], seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        # The server's answers are awaited here, not in libpq, which waits for ever.
        known = {k: v for k, v in parameters.items() if k != "cursor_factory"}
        self._connection = psycopg2.connect(**known, async_=True)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ProbeConnection":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End it, without waiting for the server."""
        self._connection.close()

    def ask(self, question: Question) -> list[Row]:
        """Return the rows that answer a question.

        :raises psycopg2.Error: if it fails; `ProbeTimeoutError` if there is no answer in time
        """
        with self._connection.cursor() as cursor:
            cursor.execute(_LIMITS + question.text, question.values)
            self._wait()
            rows: list[Row] = cursor.fetchall()
            return rows

    def ask_named(self, text: sql.Composable) -> list[dict[str, Any]]:
        """Return rows as column → value, asked without limits at the server: it is a pooler."""
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


def converse(alias: str, seconds: float) -> ProbeConnection:
    """Connect to a database as the project does.

    :raises psycopg2.Error: as `ProbeConnection` does
    """
    return ProbeConnection(connections[alias].get_connection_params(), seconds)


class _Call(NamedTuple):
    started_at: float
    answer: "Future[tuple[float, Any]]"


class CachedProbe(Generic[T]):
    """A function of an alias that may take long, called in a thread of its own.

    Its answer is remembered for a while. While a call is on its way no other is begun for the same
    alias, whoever asks. Safe to use from several threads.

    :param function: raises nothing
    :param keep: seconds for which an answer is good
    """

    def __init__(self, function: Callable[[str], T], *, keep: float) -> None:
        self._function = function
        self._keep = keep
        self._calls: dict[str, _Call] = {}
        #: The newest answers, however old they are.
        self._answers: dict[str, T] = {}
        self._lock = Lock()

    def ask(self, aliases: Sequence[str], *, seconds: float) -> dict[str, T]:
        """Return the answers by alias; what has not answered in time is left out.

        :param seconds: from the beginning of a call, which may be earlier than this one
        """
        calls = {alias: self._call(alias) for alias in aliases}
        ends = [call.started_at for call in calls.values()]
        left = max(0.0, max(ends, default=0.0) + seconds - time.monotonic())
        done, _ = wait([call.answer for call in calls.values()], timeout=left)
        return {
            alias: call.answer.result()[1] for alias, call in calls.items() if call.answer in done
        }

    def last(self, alias: str) -> T | None:
        """Return the newest answer without waiting; None if there is none. Asks if it is old."""
        self._call(alias)
        return self._answers.get(alias)

    def forget(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._calls.clear()
            self._answers.clear()

    def _call(self, alias: str) -> _Call:
        now = time.monotonic()
        with self._lock:
            call = self._calls.get(alias)
            if call and not (call.answer.done() and call.answer.result()[0] + self._keep < now):
                return call
            call = _Call(now, Future())
            # A daemon, because a thread that waits must not delay the end of the process.
            Thread(target=self._answer, args=(alias, call), daemon=True).start()
            self._calls[alias] = call
        return call

    def _answer(self, alias: str, call: _Call) -> None:
        try:
            answer = self._function(alias)
        except BaseException as error:
            # Whoever waits gets it; the next one asks again.
            with self._lock:
                self._calls.pop(alias, None)
            call.answer.set_exception(error)
            raise
        self._answers[alias] = answer
        call.answer.set_result((time.monotonic(), answer))


def ask_each(
    conversation: ProbeConnection, questions: Iterable[tuple[str, Question]]
) -> dict[str, list[Row]]:
    """Return the answers by name; a question that fails, as where its table is locked, has none.

    :raises ProbeTimeoutError: if the server does not answer in time
    """
    answers = {}
    for name, question in questions:
        try:
            answers[name] = conversation.ask(question)
        except ProbeTimeoutError:
            raise
        except psycopg2.Error:
            continue
    return answers
