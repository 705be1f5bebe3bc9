"""The migration state of a database: read it, apply migrations, undo them."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from django.db.migrations.exceptions import IrreversibleError, MigrationSchemaMissing
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from psycopg2 import errorcodes

from marketplace.databases.names import database_name
from marketplace.exceptions import DatabaseUnavailableError, MarketplaceError
from marketplace.humanize import counted
from marketplace.postgresql import locks
from marketplace.postgresql.errors import error_code, first_line
from marketplace.registry import ALIASES, CONTROL
from marketplace.routers import database_of

#: Seconds that a migration waits for a locked table. While it waits, all later queries of that
#: table queue behind it.
LOCK_TIMEOUT = 10

#: Seconds to wait while another process migrates the same database.
MIGRATION_LOCK_TIMEOUT = 600

Key = tuple[str, str]


class Revision(NamedTuple):
    """The migration state of a database."""

    #: "head", the last applied migration, or "none".
    current: str
    #: Names of the migrations that are not applied, in order.
    pending: tuple[str, ...]
    #: Names of applied migrations that the code does not contain.
    unknown: tuple[str, ...]


class Rollback(NamedTuple):
    """The migrations that a rollback undid, or would undo."""

    #: Names of the migrations, in the order in which they are undone.
    unapplied: tuple[str, ...]
    #: The last migration that remains applied, or "none".
    current: str


def get_revision(alias: str) -> Revision:
    """Return the migration state of the database's own apps."""
    applied = MigrationRecorder(connections[alias]).applied_migrations()
    return compare(alias, MigrationLoader(None, ignore_no_migrations=True), applied.keys())


def compare(alias: str, loader: MigrationLoader, done: Collection[Key]) -> Revision:
    """Return the migration state of a database.

    :param loader: the migrations of the code
    :param done: the keys of the applied migrations
    """
    migrations = loader.disk_migrations
    replaced = {key for migration in migrations.values() for key in migration.replaces}
    keys = _chain(loader, alias)
    applied = [key for key in keys if key in done or _is_replaced(migrations[key], done)]
    pending = tuple(_label(key) for key in keys if key not in applied)
    known = replaced | migrations.keys()
    unknown = [key for key in done if database_of(key[0]) == alias and key not in known]
    current = _last(applied) if pending else "head"
    return Revision(current, pending, tuple(_label(key) for key in sorted(unknown)))


def _is_replaced(migration: Migration, done: Collection[Key]) -> bool:
    """Return whether all migrations that a squashed one replaces were applied."""
    return bool(migration.replaces) and all(key in done for key in migration.replaces)


def get_compatible_revision(alias: str) -> Revision:
    """Return the migration state of a database that this version of the code can migrate.

    :raises MarketplaceError: if the database was migrated by a version with other migrations. A
        database that is only ahead of the code, without pending migrations, is compatible.
    """
    revision = get_revision(alias)
    if reason := describe_incompatibility(alias, revision):
        raise MarketplaceError(reason)
    return revision


def all_migrations(alias: str) -> tuple[str, ...]:
    """Return the migration names of the database's own apps, without connecting."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return tuple(_label(key) for key in _chain(loader, alias))


def migrate(alias: str) -> list[str]:
    """Apply the pending migrations of the database's own apps; return their names.

    Safe to run repeatedly and concurrently: one process migrates while the others wait.

    :raises MarketplaceError: if a table stays locked, the role lacks the privilege to create
        tables, or another version of the code migrated the database
    """
    with migration_lock(alias):
        pending = get_compatible_revision(alias).pending
        # The database `default` stores the permissions of all apps, which migrations of other
        # databases may change.
        if pending or alias == CONTROL:
            _run_migrate(alias)
    return list(pending)


def rollback(alias: str, steps: int, *, dry_run: bool = False) -> Rollback:
    """Undo the last `steps` migrations of the app that owns the database.

    :param dry_run: whether only to return the result
    :raises MarketplaceError: if fewer migrations are applied, one is irreversible or missing from
        the code, or a table stays locked
    """
    with migration_lock(alias):
        if unknown := get_revision(alias).unknown:
            raise MarketplaceError(
                f"{alias} has migrations that this code does not contain: {', '.join(unknown)}. "
                "Roll back with the version of the code that contains them."
            )
        loader = MigrationLoader(connections[alias])
        applied = [key for key in _chain(loader, alias) if key in loader.applied_migrations]
        if not 1 <= steps <= len(applied):
            raise MarketplaceError(
                f"Cannot undo {steps} migrations: {alias} has {len(applied)} applied. "
                f"List them: python manage.py showmigrations {alias} --database={alias}."
            )
        kept, undone = applied[:-steps], applied[-steps:]
        if not dry_run:
            _run_migrate(alias, alias, kept[-1][1] if kept else "zero")
    return Rollback(tuple(_label(key) for key in reversed(undone)), _last(kept))


@contextmanager
def migration_lock(alias: str) -> Iterator[None]:
    """Hold the migration lock of the database, with `LOCK_TIMEOUT` for tables in the block."""
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            _acquire_lock(cursor, alias)
            cursor.execute(
                "SELECT set_config('lock_timeout', %(timeout)s, false)",
                {"timeout": f"{LOCK_TIMEOUT}s"},
            )
        yield
    except OperationalError as error:
        if error_code(error) != errorcodes.LOCK_NOT_AVAILABLE:
            raise
        raise MarketplaceError(
            f"A table is in use: a migration waited {LOCK_TIMEOUT} seconds for it. Migrations "
            "that were applied before are kept. Wait for the session that uses the table to end, "
            "or end it (pg_stat_activity lists the sessions), and run this again."
        ) from error
    finally:
        # Closing the session releases the lock and resets the timeout.
        connection.close()


def _acquire_lock(cursor: CursorWrapper, alias: str) -> None:
    # Polls, because a statement that waits for the lock would hold an MVCC snapshot, for which the
    # CREATE INDEX CONCURRENTLY of the other process would wait in turn.
    deadline = time.monotonic() + MIGRATION_LOCK_TIMEOUT
    while not locks.try_lock(cursor, locks.MIGRATIONS):
        if time.monotonic() > deadline:
            raise DatabaseUnavailableError(
                f"{alias} is being migrated by another process; gave up after waiting "
                f"{MIGRATION_LOCK_TIMEOUT} seconds. Wait for the migration to end, and run this "
                "again."
            )
        time.sleep(0.2)


def _run_migrate(alias: str, *arguments: str) -> None:
    try:
        call_command(
            "migrate", *arguments, database=alias, verbosity=0, interactive=False, skip_checks=True
        )
    except IrreversibleError as error:
        raise MarketplaceError(f"{error}. Restore a backup instead.") from error
    except MigrationSchemaMissing as error:
        reason = first_line(error.__context__ or error)
        raise MarketplaceError(
            f"The first table cannot be created: {reason}. If a privilege is missing, run as "
            "the database's owner: GRANT CREATE ON SCHEMA public TO "
            f"{connections[alias].settings_dict['USER']};"
        ) from error
    except ProgrammingError as error:
        if error_code(error) != errorcodes.INSUFFICIENT_PRIVILEGE:
            raise
        raise MarketplaceError(
            f"{first_line(error)}. Run this, or create the extension, as the owner of "
            f"{connections[alias].settings_dict['NAME']} or as a superuser, and run this again."
        ) from error


def describe_incompatibility(alias: str, revision: Revision) -> str:
    """Return why this version of the code cannot migrate the database; empty if it can."""
    unknown = revision.unknown
    if not (alias in ALIASES and revision.pending and unknown):
        return ""
    others = f" and {counted(len(unknown) - 1, 'other')}" if len(unknown) > 1 else ""
    return (
        f"The database {database_name(alias)} was created by another version of this project, "
        f"with migrations that do not exist in this one ({unknown[0]}{others}). To keep its data, "
        f"use the version that created it. To delete its data and create it again: python "
        f"manage.py init_all --drop-first --database {alias}"
    )


def _chain(loader: MigrationLoader, alias: str) -> list[Key]:
    """Return the migrations of the database's own apps, in the order of their application."""
    leaves = [leaf for leaf in loader.graph.leaf_nodes() if database_of(leaf[0]) == alias]
    keys = [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]
    return list(dict.fromkeys(key for key in keys if database_of(key[0]) == alias))


def _label(key: Key) -> str:
    """Return the migration's name, prefixed with the app if the database has several apps."""
    app, name = key
    return name if app in ALIASES else f"{app}.{name}"


def _last(keys: Sequence[Key]) -> str:
    return _label(keys[-1]) if keys else "none"
