"""How far a database's migrations are applied: look, go forward, go back."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from django.db.migrations.exceptions import IrreversibleError, MigrationSchemaMissing
from django.db.migrations.loader import MigrationLoader
from psycopg2 import errorcodes

from marketplace.exceptions import DatabaseUnavailableError, MarketplaceError
from marketplace.postgresql.errors import error_code
from marketplace.registry import ALIASES, CONTROL
from marketplace.routers import database_of

#: Seconds that a migration waits for a table in use. While it waits, all later queries of that
#: table queue behind it.
LOCK_TIMEOUT = 10

#: Seconds to wait while another process migrates the same database.
TURN_TIMEOUT = 600

Key = tuple[str, str]


class Revision(NamedTuple):
    """How far a database's own migrations are applied."""

    #: "head", the last applied migration, or "none".
    current: str
    #: Names of the migrations to apply, in order.
    pending: tuple[str, ...]
    #: Names of applied migrations that the code does not have.
    unknown: tuple[str, ...]


class Rollback(NamedTuple):
    """What going back undid, or would undo."""

    #: Names of the migrations, in the order of undoing.
    unapplied: tuple[str, ...]
    #: The last migration still applied, or "none".
    current: str


def get_revision(alias: str) -> Revision:
    """Return how far the migrations of the database's own apps are applied."""
    loader = MigrationLoader(connections[alias])
    keys, done = _chain(loader, alias), loader.applied_migrations
    applied = [key for key in keys if key in done]
    pending = tuple(_label(key) for key in keys if key not in done)
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    known = replaced | loader.disk_migrations.keys()
    unknown = [key for key in done if database_of(key[0]) == alias and key not in known]
    current = _last(applied) if pending else "head"
    return Revision(current, pending, tuple(_label(key) for key in sorted(unknown)))


def all_migrations(alias: str) -> tuple[str, ...]:
    """Return the names of the migrations of the database's own apps, without connecting."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return tuple(_label(key) for key in _chain(loader, alias))


def migrate(alias: str) -> list[str]:
    """Apply the pending migrations of the database's own apps; return their names.

    Safe to run twice and at once: one process migrates, the others wait and find nothing to do.

    :raises MarketplaceError: if a table stays locked, or the role may not create tables
    """
    with exclusive(alias):
        pending = get_revision(alias).pending
        # The control database has the permissions of all apps, which a migration of another
        # database may change.
        if pending or alias == CONTROL:
            _call_migrate(alias)
    return list(pending)


def rollback(alias: str, steps: int, *, dry_run: bool = False) -> Rollback:
    """Undo the last migrations of the app that owns the database; return what that undid.

    :raises MarketplaceError: if fewer are applied, one cannot be undone, the code lacks one of
        them, or a table stays locked
    """
    with exclusive(alias):
        if unknown := get_revision(alias).unknown:
            raise MarketplaceError(
                f"{alias} has migrations that this code does not know: {', '.join(unknown)}. "
                "Go back with the code that has them."
            )
        loader = MigrationLoader(connections[alias])
        applied = [key for key in _chain(loader, alias) if key in loader.applied_migrations]
        if not 1 <= steps <= len(applied):
            raise MarketplaceError(
                f"Cannot go back {steps} migrations: {alias} has {len(applied)} applied. "
                f"See them with: python manage.py showmigrations {alias} --database={alias}."
            )
        kept, undone = applied[:-steps], applied[-steps:]
        if not dry_run:
            _call_migrate(alias, alias, kept[-1][1] if kept else "zero")
    return Rollback(tuple(_label(key) for key in reversed(undone)), _last(kept))


@contextmanager
def exclusive(alias: str) -> Iterator[None]:
    """Hold the lock of migrations on the database; wait for tables only so long."""
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            _take_turn(cursor, alias)
            cursor.execute(
                "SELECT set_config('lock_timeout', %(timeout)s, false)",
                {"timeout": f"{LOCK_TIMEOUT}s"},
            )
        yield
    except OperationalError as error:
        if error_code(error) != errorcodes.LOCK_NOT_AVAILABLE:
            raise
        raise MarketplaceError(
            f"A table is in use: a migration waited {LOCK_TIMEOUT} seconds for it. What was "
            "applied before stays. Wait for the long query to end, or end it (pg_stat_activity "
            "lists it), and run this again."
        ) from error
    finally:
        # Ends the session, and with it the lock and the timeout, however the block ended.
        connection.close()


def _take_turn(cursor: CursorWrapper, alias: str) -> None:
    # Asks again and again: a statement that waits for the lock would hold a snapshot, for which
    # the other process's CREATE INDEX CONCURRENTLY would wait in turn.
    deadline = time.monotonic() + TURN_TIMEOUT
    query = "SELECT pg_try_advisory_lock(hashtextextended('marketplace migrations', 0))"
    while True:
        cursor.execute(query)
        if cursor.fetchone() == (True,):
            return
        if time.monotonic() > deadline:
            raise DatabaseUnavailableError(
                f"Another process has been migrating {alias} for {TURN_TIMEOUT} seconds. "
                "Wait for it to end, and run this again."
            )
        time.sleep(0.2)


def _call_migrate(alias: str, *arguments: str) -> None:
    try:
        call_command(
            "migrate", *arguments, database=alias, verbosity=0, interactive=False, skip_checks=True
        )
    except IrreversibleError as error:
        raise MarketplaceError(f"{error}. Restore a backup instead.") from error
    except MigrationSchemaMissing as error:
        reason = str(error.__context__ or error).splitlines()[0]
        raise MarketplaceError(
            f"The first table cannot be created: {reason}. If it is a privilege, run as the "
            "database's owner: GRANT CREATE ON SCHEMA public TO "
            f"{connections[alias].settings_dict['USER']};"
        ) from error
    except ProgrammingError as error:
        if error_code(error) != errorcodes.INSUFFICIENT_PRIVILEGE:
            raise
        raise MarketplaceError(
            f"{str(error).splitlines()[0]}. Run this, or create the extension, as the owner of "
            f"{connections[alias].settings_dict['NAME']} or as a superuser, and run this again."
        ) from error


def _chain(loader: MigrationLoader, alias: str) -> list[Key]:
    """Return the migrations of the database's own apps, in the order of applying."""
    leaves = [leaf for leaf in loader.graph.leaf_nodes() if database_of(leaf[0]) == alias]
    keys = [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]
    return list(dict.fromkeys(key for key in keys if database_of(key[0]) == alias))


def _label(key: Key) -> str:
    """Return the migration's name, with its app's where the database has several apps."""
    app, name = key
    return name if app in ALIASES else f"{app}.{name}"


def _last(keys: Sequence[Key]) -> str:
    return _label(keys[-1]) if keys else "none"
