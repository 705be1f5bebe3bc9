"""The databases as such: create, initialize, drop; and ask several of them at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from datetime import date
from importlib import import_module
from threading import Thread
from types import ModuleType
from typing import NamedTuple, TypeVar

from django.apps import apps
from django.db import Error, InterfaceError, OperationalError, connections
from django.db.backends.utils import CursorWrapper
from django.utils.module_loading import module_has_submodule
from psycopg2 import errorcodes, sql

from marketplace.databases.migration_loader import delete_foreign_records, foreign_records
from marketplace.databases.revisions import (
    all_migrations,
    error_code,
    exclusive,
    get_revision,
    migrate,
)
from marketplace.databases.roles.definitions import MAINTENANCE, roles_of
from marketplace.databases.roles.passwords import require_strong
from marketplace.databases.roles.reconcile import Repair, look, missing, other_database, repair
from marketplace.doctor.statements import enable
from marketplace.exceptions import MarketplaceError
from marketplace.groups import GROUPS, ensure_groups, missing_groups
from marketplace.registry import ALIASES, CONTROL

#: All databases, in the order in which they are created: the admin's first.
ALL_ALIASES = (CONTROL, *ALIASES)

T = TypeVar("T")


class Changes(NamedTuple):
    """What initializing a database did, or would do."""

    is_dropped: bool
    is_created: bool
    migrations: tuple[str, ...]
    partitions: tuple[str, ...]
    #: What became of the database's roles and their rights.
    roles: Repair = Repair()
    #: Records of migrations of other databases' apps, which earlier versions made.
    foreign_records: int = 0
    #: Groups of accounts that were created, or got permissions.
    groups: tuple[str, ...] = ()


# Existence


def database_name(alias: str) -> str:
    """Return the database's name on its server."""
    return str(connections[alias].settings_dict["NAME"])


def database_exists(alias: str) -> bool:
    """Return whether the server has the database.

    :raises OperationalError: if the server cannot be reached
    """
    with _maintenance(alias) as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_database WHERE datname = %(name)s", {"name": database_name(alias)}
        )
        return cursor.fetchone() is not None


def create_database(alias: str) -> bool:
    """Create the database if it is absent; return whether it was. Safe to run twice and at once.

    :raises OperationalError: if the server cannot be reached
    :raises MarketplaceError: if the role may not create databases
    """
    # A role that may use its database, but not the maintenance one, needs nothing here.
    if _is_reachable(alias) or database_exists(alias):
        return False
    # Nobody is ever connected to template0, and it allows any encoding.
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
    with _maintenance(alias) as cursor:
        try:
            cursor.execute(statement.format(sql.Identifier(database_name(alias))))
        except Error as error:
            if error_code(error) in (errorcodes.DUPLICATE_DATABASE, errorcodes.UNIQUE_VIOLATION):
                return False
            if error_code(error) == errorcodes.INSUFFICIENT_PRIVILEGE:
                raise MarketplaceError(_may_not_create(alias)) from error
            raise
    return True


def drop_database(alias: str) -> bool:
    """Drop the database with all its data, ending its connections; return whether it existed.

    :raises OperationalError: if the server cannot be reached
    """
    if not database_exists(alias):
        return False
    connections[alias].close()
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with _maintenance(alias) as cursor:
        cursor.execute(statement.format(sql.Identifier(database_name(alias))))
    return True


# Initialization


def initialize(alias: str, today: date, *, drop_first: bool = False) -> Changes:
    """Create the database if it is absent, migrate it, make its partitions ahead, and its roles.

    Roles that the connected one may not make are left out: everything else works without them.
    Safe to run twice and at once.

    :param drop_first: whether to drop the database, with all its data, before
    :raises OperationalError: if the server cannot be reached
    :raises MarketplaceError: as `create_database` and `migrate` do; before anything is done, if a
        password of its roles can be guessed
    """
    require_strong(roles_of(alias))
    # Evaluated in this order.
    changes = Changes(
        is_dropped=drop_first and drop_database(alias),
        is_created=create_database(alias),
        foreign_records=delete_foreign_records(connections[alias]),
        migrations=tuple(migrate(alias)),
        partitions=tuple(ensure_partitions(alias, today)),
        groups=tuple(ensure_groups()) if alias == CONTROL else (),
        roles=repair(alias),
    )
    # For db_slow and db_doctor: where the role may not, they say what to do.
    enable(alias)
    return changes


def plan_initialization(alias: str, today: date, *, drop_first: bool = False) -> Changes:
    """Return what `initialize` would do, and do nothing."""
    require_strong(roles_of(alias))
    exists, module = database_exists(alias), _partitions(alias)
    names = module.names_ahead(today) if module else []
    if exists and not drop_first:
        names = [name for name in names if not _has_table(alias, name)]
        return Changes(
            is_dropped=False,
            is_created=False,
            migrations=get_revision(alias).pending,
            partitions=tuple(names),
            roles=_plan_roles(alias),
            foreign_records=len(foreign_records(connections[alias])),
            groups=tuple(_missing_groups(alias)),
        )
    return Changes(
        is_dropped=exists,
        is_created=True,
        migrations=all_migrations(alias),
        partitions=tuple(names),
        roles=Repair(made=missing(alias)),
        groups=tuple(GROUPS) if alias == CONTROL else (),
    )


def ensure_partitions(alias: str, today: date) -> list[str]:
    """Create the partitions that the app wants ahead of time; return the names of the new ones.

    An app that has some says so by a module `partitions` with `names_ahead(today)` and
    `ensure_ahead(alias, today)`, both of which return names of tables.
    """
    module = _partitions(alias)
    if module is None:
        return []
    with exclusive(alias):
        return list(module.ensure_ahead(alias, today))


# Several at once


def ask_all(
    function: Callable[[str], T], aliases: Sequence[str], *, seconds: float
) -> dict[str, T]:
    """Call `function` with each alias, all at once; return its answers by alias.

    What has not answered in time is left out. Each call has connections of its own, which are
    closed after it. What a call raises is raised here.
    """
    futures = {alias: Future[T]() for alias in aliases}
    for alias, future in futures.items():
        # Daemons, because a thread that waits for a server which hangs must not delay our exit.
        Thread(target=_answer, args=(function, alias, future), daemon=True).start()
    done, _ = wait(futures.values(), timeout=seconds)
    return {alias: future.result() for alias, future in futures.items() if future in done}


# Details


def _answer(function: Callable[[str], T], alias: str, future: Future[T]) -> None:
    try:
        try:
            answer = function(alias)
        finally:
            connections.close_all()
        future.set_result(answer)
    except Exception as error:  # noqa: BLE001 # the caller's thread gets it
        future.set_exception(error)


def _maintenance(alias: str) -> AbstractContextManager[CursorWrapper]:
    """Connect to the server's maintenance database as the alias's own user."""
    return other_database(alias, MAINTENANCE)


def _missing_groups(alias: str) -> list[str]:
    if alias != CONTROL:
        return []
    return missing_groups() if _has_table(alias, "auth_permission") else list(GROUPS)


def _plan_roles(alias: str) -> Repair:
    """Return what `repair` would do, but for the rights of roles that it would create."""
    found = look(alias)
    return Repair(found.missing, () if found.missing else found.differences)


def _is_reachable(alias: str) -> bool:
    try:
        connections[alias].ensure_connection()
    except (OperationalError, InterfaceError):
        # PgBouncer refuses in a way of its own.
        return False
    return True


def _may_not_create(alias: str) -> str:
    name, user = database_name(alias), connections[alias].settings_dict["USER"]
    return (
        f"The role {user} may not create the database {name}. Create it as a superuser: "
        f"CREATE DATABASE {name} OWNER {user} TEMPLATE template0 ENCODING 'UTF8'; or allow it: "
        f"ALTER ROLE {user} CREATEDB;"
    )


def lacking_files(alias: str, cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Return what a database keeps in files outside of it that are not there, and the reason.

    :param cursor: of the database, or of a copy
    """
    partitions = _partitions(alias)
    if partitions is None:
        return []
    found: list[tuple[str, str]] = partitions.lacking_files(cursor)
    return found


def lost_months(alias: str) -> tuple[str, ...]:
    """Return the months of history that were declared lost, as 2025-06."""
    partitions = _partitions(alias)
    return tuple(partitions.lost()) if partitions else ()


def _partitions(alias: str) -> ModuleType | None:
    """Return the module `partitions` of the app that owns the database, if it has one."""
    if alias not in ALIASES:
        return None
    package = apps.get_app_config(alias).module
    if package is None or not module_has_submodule(package, "partitions"):
        return None
    return import_module(f"{alias}.partitions")


def _has_table(alias: str, name: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regclass(quote_ident(%(name)s)) IS NOT NULL", {"name": name})
        return bool(cursor.fetchone() == (True,))
