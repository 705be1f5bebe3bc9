"""Waiting for a database that went away in the middle of a load: restarted, or failed over."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error, connections

from marketplace.exceptions import EmbeddedServerError

_Result = TypeVar("_Result")

#: Seconds between two attempts to connect: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

logger = logging.getLogger(__name__)


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
