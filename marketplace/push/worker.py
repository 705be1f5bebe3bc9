"""The worker: loads what was pushed, each platform's runs in their order, one at a time.

Any number of workers may be at work, on any number of machines. Of a platform's runs one worker
loads at a time. If a worker is killed, the next one resumes its run.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connections
from django.utils import timezone

from marketplace.exceptions import DatabaseUnavailableError, MarketplaceError
from marketplace.loading import ingest, run_lock
from marketplace.loading.formats import json_text
from marketplace.loading.ingest import Summary
from marketplace.postgresql import embedded
from marketplace.postgresql.errors import error_code, explain, is_disconnect
from marketplace.push import inbox

#: Seconds between two looks at the databases.
INTERVAL = 1.0

#: Seconds after which a database, or platform, that failed is tried again: the first time, and at
#: most.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

#: Classes of PostgreSQL's codes that speak of the server and its moment, not of what is loaded.
_PASSING = ("08", "25", "40", "53", "55", "57")

#: Correction of the count of attempts: one that such an error ended counts as a tenth, because the
#: run itself may have ended the server's process, or may take longer than a statement may.
_PASSING_STEP = -0.9

#: The first half of the key of the lock of a platform's turn; any number that nothing else uses.
_TURN = 0x10AE

# A lock of a transaction, because behind a pooler a session belongs to nobody. It sees no data, so
# however long it is open it keeps no row from being cleaned up.
_TAKE_TURN = """
SELECT
    set_config('idle_in_transaction_session_timeout', '0', true),
    pg_try_advisory_xact_lock(%(kind)s, hashtext(%(platform)s))
"""

_IS_BEING_LOADED = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory' AND classid = %(kind)s AND objid = %(run)s AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


_GIVEN_UP = (
    f"The process that loaded it ended {inbox.MAX_ATTEMPTS} times before it was done. What was "
    "committed stays; the worker's log may say why."
)


class StoppedError(Exception):
    """Raised within a run if its worker is to end: it goes on later where it was."""


class Loaded(NamedTuple):
    """What became of a run that was taken.

    :param summary: None if it failed
    :param error: why it failed
    """

    name: str
    summary: Summary | None
    error: str = ""


class Worker:
    """What loads the runs that wait in some databases.

    :param on_loaded: told what became of each run
    :param on_trouble: told an alias and why its database cannot be worked on; once for each reason
    """

    def __init__(
        self,
        aliases: Sequence[str],
        *,
        on_loaded: Callable[[Loaded], None],
        on_trouble: Callable[[str, str], None],
    ) -> None:
        self.aliases = aliases
        self.is_stopping = False
        self.on_loaded = on_loaded
        self.on_trouble = on_trouble
        # The keys are alias and platform, so that a failure of one platform does not delay others.
        # An empty platform means the database as a whole.
        self._troubles: dict[tuple[str, str], str] = {}
        self._pauses: dict[tuple[str, str], tuple[float, float]] = {}
        #: The databases that have answered once.
        self._known: set[str] = set()
        #: Those of which a session was ended, and that have not answered since.
        self._cut: set[tuple[str, str]] = set()

    def stop(self) -> None:
        """Make the worker end after the batch that it is at. Safe to call from a signal handler."""
        self.is_stopping = True

    def drain(self) -> list[str]:
        """Load all that waits; return the aliases that could not be worked on."""
        with suppress(StoppedError):
            while self._load_each():
                pass
        return list(dict.fromkeys(alias for alias, _ in self._troubles))

    def watch(self, parent: int | None = None) -> None:
        """Load whatever comes, until the worker is stopped.

        :param parent: the process that started this one, and without which this one must not be
        """
        with suppress(StoppedError):
            while not self.is_stopping and parent in (None, os.getppid()):
                if not self._load_each():
                    time.sleep(INTERVAL)

    def _load_each(self) -> bool:
        """Load one run of each platform that has some; return whether there was any."""
        return sum(self._load_of(alias) for alias in self.aliases) > 0

    def _load_of(self, alias: str) -> bool:
        if alias in self._known and _is_shut_down(alias):
            return False
        return self._attempt(alias, "", lambda: self._load_platforms(alias))

    def _load_platforms(self, alias: str) -> bool:
        platforms = dict.fromkeys(run.platform for run in _takeable(alias))
        self._known.add(alias)
        done = [
            self._attempt(alias, platform, partial(self._load_next, alias, platform))
            for platform in platforms
        ]
        return any(done)

    def _attempt(self, alias: str, platform: str, work: Callable[[], bool]) -> bool:
        """Return what some work returns; False if it fails, or has failed a moment ago."""
        key = (alias, platform)
        again_at, pause = self._pauses.get(key, (0.0, _FIRST_PAUSE))
        if time.monotonic() < again_at:
            return False
        try:
            is_done = work()
        except (Error, MarketplaceError) as error:
            connections[alias].close()
            if is_disconnect(error) and key not in self._cut:
                # A restore has exchanged the database: a new session finds the other one.
                self._cut.add(key)
                return True
            self._pauses[key] = (time.monotonic() + pause, min(pause * 2, _LONGEST_PAUSE))
            self._note_trouble(key, explain(error))
            return False
        self._pauses.pop(key, None)
        self._troubles.pop(key, None)
        self._cut.discard(key)
        return is_done

    def _note_trouble(self, key: tuple[str, str], reason: str) -> None:
        alias, _ = key
        known = [text for (other, _), text in self._troubles.items() if other == alias]
        self._troubles[key] = reason
        if reason not in known:
            self.on_trouble(alias, reason)

    def _load_next(self, alias: str, platform: str) -> bool:
        """Load the platform's oldest run, unless another worker is at one; return whether it did.

        :raises StoppedError: if the worker is to end
        """
        if self.is_stopping:
            raise StoppedError
        with _turn(alias, platform) as is_ours:
            found = [run for run in _takeable(alias) if run.platform == platform] if is_ours else []
            if not found:
                return False
            self._load(alias, found[0])
        return True

    def _load(self, alias: str, run: Any) -> None:
        name = f"{run.platform}-{run.pk}"
        if not inbox.note_attempt(alias, run):
            return
        try:
            summary = ingest.resume(alias, run.pk, progress=self._check)
        except Exception as error:
            is_stopped = isinstance(error, StoppedError)
            if is_stopped or _is_passing(error):
                with suppress(Error, MarketplaceError):
                    connections[alias].close()
                    inbox.note_attempt(alias, run, -1 if is_stopped else _PASSING_STEP)
                raise
            connections[alias].close()
            failure = ingest.name_failure(name, error)
            _note_failure(alias, run, failure)
            self.on_loaded(Loaded(name, None, failure))
        else:
            if summary.failures:
                # All of it was read, to this end: there would be no other.
                inbox.note_attempt(alias, run, inbox.MAX_ATTEMPTS)
            self.on_loaded(Loaded(name, summary))

    def _check(self, summary: Summary) -> None:
        if self.is_stopping:
            raise StoppedError


def _takeable(alias: str) -> Iterator[Any]:
    """Yield the runs that wait for a worker, the oldest first; close those that were given up."""
    for run in inbox.unfinished(alias):
        if run.status == "running" and _is_being_loaded(alias, run):
            continue
        if not inbox.is_given_up(run):
            yield run
        elif run.status == "running":
            _note_failure(alias, run, _GIVEN_UP)


def _note_failure(alias: str, run: Any, reason: str) -> None:
    """Close a run that did not do so itself."""
    # In a database that was restored meanwhile, the number may be another run's.
    runs: Any = apps.get_model(alias, "LoadRun").objects
    left = runs.filter(pk=run.pk, platform=run.platform, started_at=run.started_at)
    left.filter(status__in=("queued", "running")).update(
        status="failed", error=json_text.clean(reason), finished_at=timezone.now()
    )


@contextmanager
def _turn(alias: str, platform: str) -> Iterator[bool]:
    """Take the platform's turn; yield whether it is ours."""
    # A connection of its own: the transaction that has the lock lasts as long as the loading.
    connection = connections[alias].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_TURN, {"kind": _TURN, "platform": platform})
            is_ours = bool(cursor.fetchone()[1])
        yield is_ours
    finally:
        connection.close()


def _is_being_loaded(alias: str, run: Any) -> bool:
    """Return whether a process is at the run that is no worker, such as a person's."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_IS_BEING_LOADED, {"kind": run_lock.LOCK, "run": run.pk})
        return bool(cursor.fetchone()[0])


def _is_passing(error: Exception) -> bool:
    """Return whether an error says nothing about what was being loaded."""
    if isinstance(error, DatabaseUnavailableError | InterfaceError):
        return True
    code = error_code(error) if isinstance(error, OperationalError) else "failed"
    return code is None or code[:2] in _PASSING


def _is_shut_down(alias: str) -> bool:
    """Return whether the embedded server was stopped: looking for work must not start it again."""
    connection = connections[alias]
    if connection.settings_dict["HOST"] or connection.connection is not None:
        return False
    return not embedded.is_accepting(settings.DATA_DIR)
