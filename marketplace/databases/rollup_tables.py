"""Creates the tables of rollups, and drops those of rollups that no longer exist."""

import sys

from django.apps import AppConfig
from django.core.management.base import OutputWrapper
from django.db import DatabaseError, connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier, Literal

from marketplace.databases.roles.reconcile import reconcile_if_present
from marketplace.exceptions import RollupError
from marketplace.postgresql import locks
from marketplace.postgresql.errors import first_line
from marketplace.registry import ALIASES
from marketplace.rollups.definition import Rollup, rollups_of, table_prefix
from marketplace.rollups.states import states_of

# The digest of the file is the comment of the table.
_TABLES = """
SELECT c.relname, obj_description(c.oid, 'pg_class')
FROM pg_class AS c
WHERE
    c.relnamespace = current_schema()::regnamespace
    AND c.relkind = 'r'
    AND starts_with(c.relname, %(prefix)s)
"""


def create_after_migration(
    sender: AppConfig, using: str, stdout: OutputWrapper | None = None, **_: object
) -> None:
    """Create the tables of new and changed rollups. Receiver of `post_migrate`."""
    if sender.name != "marketplace" or using not in ALIASES:
        return
    for error in create_tables(using):
        (stdout or OutputWrapper(sys.stderr)).write(str(error))


def create_tables(alias: str) -> list[RollupError]:
    """Create the tables of new and changed rollups, without rows.

    Tables of rollups that no longer exist are dropped.

    :return: the rollups whose SQL is not valid
    """
    errors: list[RollupError] = []
    rollups = {rollup.table: rollup for rollup in rollups_of(alias).values()}
    states = states_of(alias)
    with connections[alias].cursor() as cursor:
        if states.model._meta.db_table not in connections[alias].introspection.table_names(cursor):
            return errors  # The database is migrated to an earlier state.
        if not _differences(cursor, alias, rollups):
            return errors
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        locks.lock_transaction(cursor, locks.ROLLUPS)
        for table in _differences(cursor, alias, rollups):
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(table)))
            states.filter(name=table.removeprefix(table_prefix(alias))).delete()
            if table in rollups:
                try:
                    with transaction.atomic(using=alias):
                        _create(cursor, rollups[table])
                except DatabaseError as error:
                    reason = f"{rollups[table].path}: The SQL is not valid: {first_line(error)}"
                    errors.append(RollupError(reason))
    reconcile_if_present(alias)
    return errors


def _differences(cursor: CursorWrapper, alias: str, rollups: dict[str, Rollup]) -> list[str]:
    """Return the tables that do not exist, are outdated, or belong to no rollup."""
    cursor.execute(_TABLES, {"prefix": table_prefix(alias)})
    existing = dict(cursor.fetchall())
    wanted = {table: rollup.digest for table, rollup in rollups.items()}
    return [
        table for table in sorted(existing | wanted) if existing.get(table) != wanted.get(table)
    ]


def _create(cursor: CursorWrapper, rollup: Rollup) -> None:
    table = Identifier(rollup.table)
    cursor.execute(SQL("CREATE TABLE {} AS {} WITH NO DATA").format(table, SQL(rollup.sql)))
    for columns in rollup.indexes:
        names = SQL(", ").join(map(Identifier, columns))
        cursor.execute(SQL("CREATE INDEX ON {} ({})").format(table, names))
    cursor.execute(SQL("COMMENT ON TABLE {} IS {}").format(table, Literal(rollup.digest)))
