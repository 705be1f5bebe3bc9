"""Read-only transactions with short timeouts, in which the checks run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic

from marketplace.postgresql.sql_files import read_sql

#: These settings apply to one transaction, so that they also work with PgBouncer's transaction
#: pooling.
LIMITS = """
SELECT
    set_config('transaction_read_only', 'on', true),
    set_config('statement_timeout', '20s', true),
    set_config('lock_timeout', '1s', true),
    set_config('application_name', 'marketplace-doctor', true)
"""

Row = dict[str, Any]


@contextmanager
def reading(alias: str) -> Iterator[CursorWrapper]:
    """Open a read-only transaction with short timeouts."""
    with atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(LIMITS)
        yield cursor


def read(alias: str, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    """Return the rows of the statement in `sql/<name>.sql`."""
    with reading(alias) as cursor:
        cursor.execute(read_sql(__file__, name), dict(parameters or {}))
        return rows(cursor)


def rows(cursor: CursorWrapper) -> list[Row]:
    """Return the remaining rows of a cursor as dicts: column name → value."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
