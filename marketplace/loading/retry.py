"""Retries of database work that failed for a temporary reason.

`retry_on_disconnect` waits for a database that restarts, fails over or has a full disk.
`retry_on_conflict` repeats a transaction that collided with another loader.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error, OperationalError, connections
from psycopg2 import errors

from marketplace.exceptions import DatabaseUnavailableError, DiskFullError, MarketplaceError
from marketplace.postgresql.errors import is_disk_full

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


def retry_on_disconnect(alias: str, work: Callable[[], _Result]) -> _Result:
    """Call `work` and return its result; retry if the connection is lost or the disk is full.

    The reason for waiting is logged once. `work` must be safe to call twice, because it may be
    unknown whether the lost attempt was committed.

    :raises django.db.Error: if `work` raises it on a working connection, or if the connection is
        not restored within settings.INGEST_PATIENCE seconds
    :raises DiskFullError: if the disk is still full after that time
    """
    deadline, pause, waits_for = 0.0, _FIRST_PAUSE, ""
    while True:
        session = None
        try:
            connections[alias].ensure_connection()
            session = connections[alias].connection
            return work()
        except (Error, DatabaseUnavailableError) as error:
            lacks_space = is_disk_full(error)
            if _is_lost(alias, session):
                connections[alias].close()
            elif not lacks_space or connections[alias].in_atomic_block:
                raise
            deadline = deadline or time.monotonic() + settings.INGEST_PATIENCE
            if time.monotonic() + pause > deadline:
                if lacks_space:
                    raise DiskFullError(f"{_full_disk(alias, error)} {_RESUME}") from error
                raise
            if waits_for != (waits_for := "free space" if lacks_space else "an answer"):
                _announce(alias, error)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _announce(alias: str, error: Exception) -> None:
    """Log the reason why the load waits."""
    if is_disk_full(error):
        logger.warning(
            "%s The load retries for up to %s seconds.",
            _full_disk(alias, error),
            settings.INGEST_PATIENCE,
        )
    else:
        logger.warning("%s does not answer (%s). Waiting for it…", alias, _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["connection lost"])[0]


def _full_disk(alias: str, error: Exception) -> str:
    """Return a message for a full disk. A `DiskFullError` already is such a message."""
    if isinstance(error, DiskFullError):
        return str(error)
    return (
        f"The server of {alias} has no free disk space: {_first_line(error)}. Free some space: "
        'docs/operations.md, "Disk full".'
    )


def _is_lost(alias: str, session: Any) -> bool:
    """Return whether a session was lost and can be replaced: never within a transaction."""
    connection = connections[alias]
    if connection.in_atomic_block:
        return False
    # A failed transaction may have opened a new connection already.
    return connection.connection is not session or not connection.is_usable()


def retry_on_conflict(work: Callable[[], _Result], on_retry: Callable[[], None]) -> _Result:
    """Run a transaction and return its result; repeat it if it collides with another one.

    :param on_retry: called before each further attempt
    :raises django.db.OperationalError: if the transaction still ends in a deadlock or a
        serialization failure after settings.INGEST_PATIENCE seconds and several attempts
    :raises ConflictError: if it still collides with another loader after that time
    """
    attempt, deadline = 0, 0.0
    while True:
        attempt += 1
        try:
            return work()
        except (OperationalError, ConflictError) as error:
            deadline = deadline or time.monotonic() + settings.INGEST_PATIENCE
            if not _is_conflict(error) or (attempt >= _ATTEMPTS and time.monotonic() > deadline):
                raise
        on_retry()
        # A random pause keeps loaders that collided from colliding again.
        time.sleep(random.uniform(0, min(0.05 * 2**attempt, _LONGEST_PAUSE)))


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ConflictError) or isinstance(
        error.__cause__, errors.DeadlockDetected | errors.SerializationFailure
    )
