"""The worker: loads the runs that were pushed, those of each platform one by one and in order.

Any number of workers can run, on any number of machines. A lock in the database ensures that only
one of them loads runs of a platform. If a worker is killed, the next one resumes its run.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connections
from django.utils import timezone

from marketplace.exceptions import DatabaseUnavailableError, MarketplaceError
from marketplace.loading import ingest
from marketplace.loading.formats import json_text
from marketplace.loading.ingest import Summary
from marketplace.loading.models import LoadRun, loading_models
from marketplace.postgresql import embedded, locks
from marketplace.postgresql.errors import error_code, explain, is_disconnect
from marketplace.push import inbox

#: Seconds between two polls of the databases.
INTERVAL = 1.0

#: Seconds until a database or platform that failed is tried again: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

#: Classes of SQLSTATE codes of temporary errors, which are independent of the data.
_TEMPORARY = ("08", "25", "40", "53", "55", "57")

#: Correction of the attempts after a temporary error, which is charged as a tenth of an attempt. It
#: is not free because the run may be its cause: it may crash the server, or always exceed the
#: statement timeout.
_TEMPORARY_STEP = -0.9

# A lock of the transaction, because behind a connection pooler a session may serve other clients.
# The transaction has no snapshot, so it does not prevent vacuum from removing rows.
_TRY_LOCK = """
SELECT
    set_config('idle_in_transaction_session_timeout', '0', true),
    pg_try_advisory_xact_lock(%(kind)s, hashtext(%(platform)s))
"""

_GIVEN_UP = (
    f"The process that loaded this run ended {inbox.MAX_ATTEMPTS} times before the run finished. "
    "Committed batches are kept. The log of the worker may have the reason."
)


class StoppedError(Exception):
    """Raised during a run if the worker must stop. The run is resumed later."""


class RunResult(NamedTuple):
    """The outcome of an attempt to load a run.

    :param name: such as uzum-17
    :param summary: None if the attempt failed
    :param error: why it failed
    """

    name: str
    summary: Summary | None
    error: str = ""


class Worker:
    """Loads the waiting runs of some databases.

    :param on_result: called with the outcome of each attempt to load a run
    :param on_error: called with the alias of a database that cannot be used, and the reason; once
        for each reason
    """

    def __init__(
        self,
        aliases: Sequence[str],
        *,
        on_result: Callable[[RunResult], None],
        on_error: Callable[[str, str], None],
    ) -> None:
        self.aliases = aliases
        self.is_stopping = False
        self.on_result = on_result
        self.on_error = on_error
        # The keys are alias and platform, so that a failure of one platform does not delay others.
        # An empty platform means the database as a whole.
        self._errors: dict[tuple[str, str], str] = {}
        self._pauses: dict[tuple[str, str], tuple[float, float]] = {}
        # Databases that have answered at least once.
        self._reached: set[str] = set()
        # Keys whose session was terminated, and that have not succeeded since.
        self._terminated: set[tuple[str, str]] = set()

    def stop(self) -> None:
        """Make the worker stop after the current batch. Can be called from a signal handler."""
        self.is_stopping = True

    def drain(self) -> list[str]:
        """Load all waiting runs; return the aliases of databases that failed."""
        with suppress(StoppedError):
            while self._load_next_runs():
                pass
        return list(dict.fromkeys(alias for alias, _ in self._errors))

    def watch(self, parent: int | None = None, on_idle: Callable[[], None] = lambda: None) -> None:
        """Load runs as they arrive, until the worker is stopped.

        :param parent: pid of the process that started this one; the worker ends after it
        :param on_idle: called after runs, when no more are waiting
        """
        is_idle = True
        with suppress(StoppedError):
            while not self.is_stopping and parent in (None, os.getppid()):
                if self._load_next_runs():
                    is_idle = False
                else:
                    if not is_idle:
                        on_idle()
                    is_idle = True
                    time.sleep(INTERVAL)

    def _load_next_runs(self) -> bool:
        """Load the next run of each platform; return whether there was any."""
        return sum(self._load_database(alias) for alias in self.aliases) > 0

    def _load_database(self, alias: str) -> bool:
        if alias in self._reached and _is_shut_down(alias):
            return False
        return self._attempt(alias, "", lambda: self._load_platforms(alias))

    def _load_platforms(self, alias: str) -> bool:
        platforms = dict.fromkeys(run.platform for run in _waiting_runs(alias))
        self._reached.add(alias)
        results = [
            self._attempt(alias, platform, partial(self._load_platform, alias, platform))
            for platform in platforms
        ]
        return any(results)

    def _attempt(self, alias: str, platform: str, load: Callable[[], bool]) -> bool:
        """Return the result of `load`; False if it fails or is paused after a failure."""
        key = (alias, platform)
        retry_at, pause = self._pauses.get(key, (0.0, _FIRST_PAUSE))
        if time.monotonic() < retry_at:
            return False
        try:
            result = load()
        except (Error, MarketplaceError) as error:
            connections[alias].close()
            if is_disconnect(error) and key not in self._terminated:
                # A restore has replaced the database. A new session connects to the new one.
                self._terminated.add(key)
                return True
            self._pauses[key] = (time.monotonic() + pause, min(pause * 2, _LONGEST_PAUSE))
            self._report_error(key, explain(error))
            return False
        self._pauses.pop(key, None)
        self._errors.pop(key, None)
        self._terminated.discard(key)
        return result

    def _report_error(self, key: tuple[str, str], reason: str) -> None:
        alias, _ = key
        reported = [text for (other, _), text in self._errors.items() if other == alias]
        self._errors[key] = reason
        if reason not in reported:
            self.on_error(alias, reason)

    def _load_platform(self, alias: str, platform: str) -> bool:
        """Load the platform's oldest run; return False if another worker has the lock.

        :raises StoppedError: if the worker must stop
        """
        if self.is_stopping:
            raise StoppedError
        with _platform_lock(alias, platform) as is_locked:
            if not is_locked:
                return False
            waiting = [run for run in _waiting_runs(alias) if run.platform == platform]
            if not waiting:
                return False
            self._load(alias, waiting[0])
        return True

    def _load(self, alias: str, run: Any) -> None:
        name = f"{run.platform}-{run.pk}"
        if not inbox.count_attempt(alias, run):
            return
        try:
            summary = ingest.resume(alias, run.pk, progress=self._check_stop)
        except Exception as error:
            is_stopped = isinstance(error, StoppedError)
            if is_stopped or _is_temporary(error):
                with suppress(Error, MarketplaceError):
                    connections[alias].close()
                    inbox.count_attempt(alias, run, -1 if is_stopped else _TEMPORARY_STEP)
                raise
            connections[alias].close()
            failure = ingest.name_failure(name, error)
            _fail_run(alias, run, failure)
            self.on_result(RunResult(name, None, failure))
        else:
            if summary.source_errors:
                # The run was read to its end. Another attempt would have the same result.
                inbox.count_attempt(alias, run, inbox.MAX_ATTEMPTS)
            self.on_result(RunResult(name, summary))

    def _check_stop(self, summary: Summary) -> None:
        if self.is_stopping:
            raise StoppedError


def _waiting_runs(alias: str) -> Iterator[Any]:
    """Yield the runs that wait for a worker, the oldest first.

    Runs without attempts left that are still marked as running are marked as failed.
    """
    for run in inbox.unfinished(alias):
        if run.status == LoadRun.Status.RUNNING and _is_being_loaded(alias, run):
            continue
        if not inbox.is_given_up(run):
            yield run
        elif run.status == LoadRun.Status.RUNNING:
            _fail_run(alias, run, _GIVEN_UP)


def _fail_run(alias: str, run: Any, reason: str) -> None:
    """Mark a run as failed, unless it already has a final status."""
    # In a database that was restored meanwhile, the key may belong to another run.
    runs = loading_models(alias).runs.in_progress()
    same_run = runs.filter(pk=run.pk, platform=run.platform, started_at=run.started_at)
    same_run.update(
        status=LoadRun.Status.FAILED, error=json_text.clean(reason), finished_at=timezone.now()
    )


@contextmanager
def _platform_lock(alias: str, platform: str) -> Iterator[bool]:
    """Try to take the lock of the platform; yield whether this worker has it."""
    # A connection of its own: the transaction with the lock lasts as long as the loading.
    connection = connections[alias].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute(_TRY_LOCK, {"kind": locks.PLATFORM, "platform": platform})
            is_locked = bool(cursor.fetchone()[1])
        yield is_locked
    finally:
        connection.close()


def _is_being_loaded(alias: str, run: Any) -> bool:
    """Return whether another process, such as the command `ingest`, is loading the run."""
    with connections[alias].cursor() as cursor:
        return locks.is_locked(cursor, locks.RUN, run.pk)


def _is_temporary(error: Exception) -> bool:
    """Return whether an error is independent of the data that were being loaded."""
    if isinstance(error, DatabaseUnavailableError | InterfaceError):
        return True
    code = error_code(error) if isinstance(error, OperationalError) else "failed"
    return code is None or code[:2] in _TEMPORARY


def _is_shut_down(alias: str) -> bool:
    """Return whether the embedded server was stopped: a poll must not start it again."""
    connection = connections[alias]
    if connection.settings_dict["HOST"] or connection.connection is not None:
        return False
    return not embedded.is_accepting(settings.DATA_DIR)
