"""A database as it is in one moment, for pg_dump and for our own counting alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.db import Error
from django.db.backends.utils import CursorWrapper
from psycopg2 import errorcodes
from psycopg2.sql import SQL, Identifier, Literal

from marketplace.backups import content, target_databases
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError
from marketplace.postgresql.errors import error_code

#: Seconds for which a table that a migration holds is waited for.
LOCK_TIMEOUT = 60

#: How often to begin again because tables came or went between looking for them and locking them.
_ATTEMPTS = 10

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Snapshot(NamedTuple):
    """A transaction that goes on, and its snapshot, which pg_dump can take."""

    cursor: CursorWrapper
    identifier: str
    started_at: datetime


@contextmanager
def frozen(alias: str) -> Iterator[Snapshot]:
    """Hold a snapshot of the database, with all of its tables locked against being dropped.

    :raises OperationalError: if the database cannot be reached
    :raises BackupError: if a table stays locked, or its tables change all the time
    """
    with target_databases.session(alias, database_name(alias)) as cursor:
        for _ in range(_ATTEMPTS):
            snapshot = _attempt(cursor)
            if snapshot:
                yield snapshot
                return
            cursor.execute("ROLLBACK")
    raise BackupError(
        f"The tables of {alias} were created or dropped {_ATTEMPTS} times in a row while a "
        "snapshot was to be taken. Run this again when that has ended."
    )


def _attempt(cursor: CursorWrapper) -> Snapshot | None:
    tables = content.tables(cursor)
    cursor.execute(_BEGIN)
    if not _lock(cursor, tables):
        return None
    cursor.execute("SELECT pg_export_snapshot(), statement_timestamp()")
    identifier, moment = cursor.fetchone()
    # What is not locked may be gone before pg_dump comes to it.
    is_whole = set(content.tables(cursor)) == set(tables)
    return Snapshot(cursor, identifier, moment) if is_whole else None


def _lock(cursor: CursorWrapper, tables: list[content.Table]) -> bool:
    """Lock the tables before the snapshot is taken, as it is by the first query."""
    if not tables:
        return True
    names = SQL(", ").join(SQL("ONLY {}").format(Identifier(*table)) for table in tables)
    try:
        # SET takes no snapshot, a SELECT would.
        cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(f"{LOCK_TIMEOUT}s")))
        cursor.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
    except Error as error:
        if error_code(error) == errorcodes.UNDEFINED_TABLE:
            return False
        if error_code(error) == errorcodes.LOCK_NOT_AVAILABLE:
            raise BackupError(
                f"A table is being changed: it stayed locked for {LOCK_TIMEOUT} seconds. Run this "
                "again when the migration has ended (pg_stat_activity lists it)."
            ) from error
        raise
    return True
