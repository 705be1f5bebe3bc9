"""Locks between processes: files for those of one machine, advisory locks for those of a database.

All keys of advisory locks are listed here. Two SQL statements contain their keys themselves:
'ecommerce category paths ' with the platform, and 'ecommerce_price_history' for new months.
"""

import fcntl
from typing import IO

from django.db.backends.utils import CursorWrapper

#: Held in the database while it is migrated.
MIGRATIONS = "marketplace migrations"

#: Held in the database while its rollups are computed, or their tables are created.
ROLLUPS = "marketplace rollups"

#: Held in the maintenance database: for changes of roles, and for an operation on a database.
ROLES = "marketplace roles"
RESTORE_OF = "marketplace restore of "
DRILL_OF = "marketplace drill of "

#: The first of two numbers: the run with the id of the second number is being loaded.
RUN = 0x10AD

#: The first of two numbers: a worker loads runs of the platform whose hash is the second number.
PLATFORM = 0x10AE

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%(key)s, 0))"
_TRY_LOCK_TRANSACTION = "SELECT pg_try_advisory_xact_lock(hashtextextended(%(key)s, 0))"
_LOCK_TRANSACTION = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
_IS_LOCKED = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory' AND classid = %(kind)s AND objid = %(number)s AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


def try_lock(cursor: CursorWrapper, key: str) -> bool:
    """Take a lock until the session ends; return False if another session holds it."""
    cursor.execute(_TRY_LOCK, {"key": key})
    return bool(cursor.fetchone()[0])


def try_lock_transaction(cursor: CursorWrapper, key: str) -> bool:
    """Take a lock until the transaction ends; return False if another session holds it."""
    cursor.execute(_TRY_LOCK_TRANSACTION, {"key": key})
    return bool(cursor.fetchone()[0])


def lock_transaction(cursor: CursorWrapper, key: str) -> None:
    """Wait for a lock, and hold it until the transaction ends."""
    cursor.execute(_LOCK_TRANSACTION, {"key": key})


def is_locked(cursor: CursorWrapper, kind: int, number: int) -> bool:
    """Return whether a session of this database holds the lock of two numbers."""
    cursor.execute(_IS_LOCKED, {"kind": kind, "number": number})
    return bool(cursor.fetchone()[0])


def lock_file(file: IO[str] | IO[bytes], *, is_shared: bool = False, waits: bool = False) -> bool:
    """Lock an open file until it is closed; return False if another process has locked it.

    The operating system releases the lock when the process ends.
    """
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if waits else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
