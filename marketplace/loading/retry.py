"""Doing work anew that failed for reasons that pass.

A database went away in the middle of it, restarted or failed over; or another loader came between.
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

#: Seconds between two attempts to connect: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

#: How often work is tried that a concurrent loader made fail.
_TRIES = 8

#: What to do about a load that ended because there was no room.
_RESUME = "Committed batches are kept. Resume the load: python manage.py ingest --resume"

logger = logging.getLogger(__name__)


class ConflictError(MarketplaceError):
    """Raised if another loader came between two steps of some work, which must begin anew."""


def retry_on_disconnect(alias: str, work: Callable[[], _Result]) -> _Result:
    """Return the result of some work; if the connection is lost, wait for it and do the work again.

    The same if the server's disk is full. The reason for waiting is logged once. The work must be
    safe to do twice: whether it had reached the database may not be known.

    :raises django.db.Error: what the work raises while the connection is sound, and the loss of
        the connection after settings.INGEST_PATIENCE seconds
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
            is_full = is_disk_full(error)
            if _is_lost(alias, session):
                connections[alias].close()
            elif not is_full or connections[alias].in_atomic_block:
                raise
            deadline = deadline or time.monotonic() + settings.INGEST_PATIENCE
            if time.monotonic() + pause > deadline:
                if is_full:
                    raise DiskFullError(f"{_full_disk(alias, error)} {_RESUME}") from error
                raise
            if waits_for != (waits_for := "room" if is_full else "an answer"):
                _announce(alias, error)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _announce(alias: str, error: Exception) -> None:
    """Say what a load waits for."""
    if is_disk_full(error):
        logger.warning(
            "%s The load waits for room for up to %s seconds.",
            _full_disk(alias, error),
            settings.INGEST_PATIENCE,
        )
    else:
        logger.warning("%s does not answer (%s). Waiting for it…", alias, _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["connection lost"])[0]


def _full_disk(alias: str, error: Exception) -> str:
    """Return that the disk is full, and what to do; an error of the embedded server says so."""
    if isinstance(error, DiskFullError):
        return str(error)
    return (
        f"The disk of the server of {alias} is full: {_first_line(error)}. Make room: "
        'docs/operations.md, "Disk full".'
    )


def _is_lost(alias: str, session: Any) -> bool:
    """Return whether a session is gone; not in a transaction that goes on, as it cannot."""
    connection = connections[alias]
    if connection.in_atomic_block:
        return False
    # A transaction that fails may have connected anew already.
    return connection.connection is not session or not connection.is_usable()


def retry_on_conflict(work: Callable[[], _Result], note: Callable[[], None]) -> _Result:
    """Return what a transaction returns; if it collides with another one, do it anew.

    :param note: called before each further attempt
    :raises django.db.OperationalError: if it is still chosen to end a deadlock
    :raises ConflictError: if others still come between
    """
    for attempt in range(1, _TRIES):
        try:
            return work()
        except (OperationalError, ConflictError) as error:
            if not _is_conflict(error):
                raise
        note()
        # Loaders that collided must not collide again at once.
        time.sleep(random.uniform(0, 0.05 * 2**attempt))
    return work()


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ConflictError) or isinstance(
        error.__cause__, errors.DeadlockDetected | errors.SerializationFailure
    )
