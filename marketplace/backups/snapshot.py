"""An exported snapshot of a database, shared by pg_dump and the counting of rows."""

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

#: Seconds to wait for a table that another session has locked, such as a migration.
LOCK_TIMEOUT = 60

#: Attempts, because tables may be created or dropped between listing and locking them.
_ATTEMPTS = 10

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Snapshot(NamedTuple):
    """An open transaction and the identifier of its exported snapshot, for pg_dump."""

    cursor: CursorWrapper
    identifier: str
    started_at: datetime


@contextmanager
def held_snapshot(alias: str) -> Iterator[Snapshot]:
    """Hold a snapshot of the database, with all of its tables locked against dropping.

    :raises OperationalError: if the database cannot be reached
    :raises BackupError: if a table stays locked, or tables are created or dropped in each attempt
    """
    with target_databases.session(alias, database_name(alias)) as cursor:
        for _ in range(_ATTEMPTS):
            snapshot = _attempt(cursor)
            if snapshot:
                yield snapshot
                return
            cursor.execute("ROLLBACK")
    raise BackupError(
        f"Tables of {alias} were created or dropped in each of {_ATTEMPTS} attempts to take a "
        "snapshot. Run this again when these changes have ended."
    )


def _attempt(cursor: CursorWrapper) -> Snapshot | None:
    tables = content.tables(cursor)
    cursor.execute(_BEGIN)
    if not _lock(cursor, tables):
        return None
    cursor.execute("SELECT pg_export_snapshot(), statement_timestamp()")
    identifier, started_at = cursor.fetchone()
    # A table that is not locked may be dropped before pg_dump reads it.
    is_complete = set(content.tables(cursor)) == set(tables)
    return Snapshot(cursor, identifier, started_at) if is_complete else None


def _lock(cursor: CursorWrapper, tables: list[content.Table]) -> bool:
    """Lock the tables; return False if one no longer exists.

    The locks come before the snapshot, which the first query of the transaction takes.
    """
    if not tables:
        return True
    names = SQL(", ").join(SQL("ONLY {}").format(Identifier(*table)) for table in tables)
    try:
        # Unlike SELECT, SET takes no snapshot.
        cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(f"{LOCK_TIMEOUT}s")))
        cursor.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
    except Error as error:
        if error_code(error) == errorcodes.UNDEFINED_TABLE:
            return False
        if error_code(error) == errorcodes.LOCK_NOT_AVAILABLE:
            raise BackupError(
                f"A table stayed locked for {LOCK_TIMEOUT} seconds, possibly by a migration: see "
                "pg_stat_activity. Run this again when that session has ended."
            ) from error
        raise
    return True
