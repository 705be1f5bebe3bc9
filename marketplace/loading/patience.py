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

from marketplace.exceptions import EmbeddedServerError, MarketplaceError

_Result = TypeVar("_Result")

#: Seconds between two attempts to connect: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

#: How often work is tried that a concurrent loader made fail.
_TRIES = 8

logger = logging.getLogger(__name__)


class Conflict(MarketplaceError):
    """Raised if another loader came between two steps of some work, which must begin anew."""


def patiently(alias: str, work: Callable[[], _Result]) -> _Result:
    """Return what some work returns; if the connection is lost, wait for it and do it anew.

    The work must be safe to do twice: whether it had reached the database may not be known.

    :raises django.db.Error: what the work raises while the connection is sound, and the loss of
        the connection after settings.INGEST_PATIENCE seconds
    """
    deadline, pause = 0.0, _FIRST_PAUSE
    while True:
        session = None
        try:
            connections[alias].ensure_connection()
            session = connections[alias].connection
            return work()
        except (Error, EmbeddedServerError) as error:
            if not _is_lost(alias, session):
                raise
            connections[alias].close()
            deadline = deadline or time.monotonic() + settings.INGEST_PATIENCE
            if time.monotonic() + pause > deadline:
                raise
            reason = (str(error).strip().splitlines() or ["connection lost"])[0]
            logger.warning("%s does not answer (%s). Waiting for it…", alias, reason)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _is_lost(alias: str, session: Any) -> bool:
    """Return whether a session is gone; not in a transaction that goes on, as it cannot."""
    connection = connections[alias]
    if connection.in_atomic_block:
        return False
    # A transaction that fails may have connected anew already.
    return connection.connection is not session or not connection.is_usable()


def insistently(work: Callable[[], _Result], note: Callable[[], None]) -> _Result:
    """Return what a transaction returns; if it collides with another one, do it anew.

    :param note: called before each further attempt
    :raises django.db.OperationalError: if it is still chosen to end a deadlock
    :raises Conflict: if others still come between
    """
    for attempt in range(1, _TRIES):
        try:
            return work()
        except (OperationalError, Conflict) as error:
            if not _is_conflict(error):
                raise
        note()
        # Loaders that collided must not collide again at once.
        time.sleep(random.uniform(0, 0.05 * 2**attempt))
    return work()


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, Conflict) or isinstance(
        error.__cause__, errors.DeadlockDetected | errors.SerializationFailure
    )
