"""Retries of database work that failed for a temporary reason.

The decorator `retry` waits for a database that restarts, fails over or has a full disk, and repeats
a transaction that collided with another loader.
"""

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import Error, OperationalError, connections
from psycopg2 import errors

from marketplace.exceptions import DatabaseUnavailableError, DiskFullError, MarketplaceError
from marketplace.postgresql.errors import first_line, is_disk_full

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

#: Seconds between two attempts: the first pause, and the longest one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

#: Minimum attempts for a transaction that conflicts with another loader.
_ATTEMPTS = 8

#: The next step after a load failed on a full disk.
_RESUME = "Committed batches are kept. Resume the load: python manage.py ingest --resume"

logger = logging.getLogger(__name__)


class ConflictError(MarketplaceError):
    """Raised if another loader changed rows between two steps: the transaction must be repeated."""


def retry(work: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Decorate a function that uses a database, so that temporary failures are retried.

    The first argument of the function is the alias of the database, or an object with the attribute
    `alias`. If the object has a method `count_retry`, it is called before a transaction that
    collided with another one is repeated. The function must be safe to call twice, because it may
    be unknown whether the lost attempt was committed. Within a transaction, nothing is retried.

    The decorated function raises:

    - `django.db.Error` if the function raises it on a working connection, or if the connection is
      not restored within settings.INGEST_PATIENCE seconds;
    - `DiskFullError` if the disk is still full after that time;
    - `OperationalError` or `ConflictError` if the transaction still collides with another one after
      that time and several attempts.
    """

    @wraps(work)
    def repeat(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        owner = args[0]
        alias = owner if isinstance(owner, str) else owner.alias  # type: ignore[attr-defined]
        failures = _Failures(alias)
        while True:
            session = None
            try:
                connections[alias].ensure_connection()
                session = connections[alias].connection
                return work(*args, **kwargs)
            except (Error, DatabaseUnavailableError, ConflictError) as error:
                is_conflict = failures.handle(error, session)
            if is_conflict and hasattr(owner, "count_retry"):
                owner.count_retry()
            failures.pause()

    return repeat


class _Failures:
    """The failed attempts of one call."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.deadline = 0.0
        self.conflicts = 0
        self.next_pause = 0.0
        self.longest_pause = _FIRST_PAUSE
        self.waits_for = ""

    def handle(self, error: Exception, session: Any) -> bool:
        """Prepare another attempt; return whether the attempt collided with another transaction.

        :param session: the connection of the failed attempt
        :raises Exception: the error, if another attempt would not help
        """
        connection = connections[self.alias]
        if connection.in_atomic_block:
            raise error
        self.deadline = self.deadline or time.monotonic() + settings.INGEST_PATIENCE
        if _is_conflict(error):
            self.conflicts += 1
            if self.conflicts >= _ATTEMPTS and time.monotonic() > self.deadline:
                raise error
            # A random pause keeps loaders that collided from colliding again.
            self.next_pause = random.uniform(0, min(0.05 * 2**self.conflicts, _LONGEST_PAUSE))
            return True
        lacks_space = is_disk_full(error)
        # A failed transaction may have opened a new connection already.
        if connection.connection is not session or not connection.is_usable():
            connection.close()
        elif not lacks_space:
            raise error
        self.next_pause = self.longest_pause
        self.longest_pause = min(self.longest_pause * 2, _LONGEST_PAUSE)
        if time.monotonic() + self.next_pause > self.deadline:
            if lacks_space:
                raise DiskFullError(f"{_full_disk(self.alias, error)} {_RESUME}") from error
            raise error
        if self.waits_for != (waits_for := "free space" if lacks_space else "an answer"):
            self.waits_for = waits_for
            _announce(self.alias, error)
        return False

    def pause(self) -> None:
        """Wait before the next attempt."""
        time.sleep(self.next_pause)


def _announce(alias: str, error: Exception) -> None:
    """Log the reason why the load waits."""
    if is_disk_full(error):
        logger.warning(
            "%s The load retries for up to %s seconds.",
            _full_disk(alias, error),
            settings.INGEST_PATIENCE,
        )
    else:
        logger.warning(
            "%s does not answer (%s). Waiting for it…",
            alias,
            first_line(error) or "connection lost",
        )


def _full_disk(alias: str, error: Exception) -> str:
    """Return a message for a full disk. A `DiskFullError` already is such a message."""
    if isinstance(error, DiskFullError):
        return str(error)
    return (
        f"The server of {alias} has no free disk space: {first_line(error)}. Free some space: "
        'docs/operations.md, "Disk full".'
    )


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ConflictError) or (
        isinstance(error, OperationalError)
        and isinstance(error.__cause__, errors.DeadlockDetected | errors.SerializationFailure)
    )
