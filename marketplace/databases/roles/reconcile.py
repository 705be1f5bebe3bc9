"""Reconcile the roles of a database and their privileges with their definition."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from django.apps import AppConfig
from django.core.management.base import OutputWrapper
from django.db import Error, OperationalError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2 import errorcodes
from psycopg2.sql import SQL, Identifier

from marketplace.databases.revisions import LOCK_TIMEOUT
from marketplace.databases.roles.accounts import MISSING, Difference
from marketplace.databases.roles.definitions import owner_of, roles_of
from marketplace.databases.roles.inspection import Inspection, inspect
from marketplace.databases.roles.passwords import require_strong
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.exceptions import DatabaseUnavailableError
from marketplace.postgresql import locks
from marketplace.postgresql.errors import error_code, first_line

#: Seconds to wait for another process that changes roles.
_ROLES_LOCK_TIMEOUT = 60

# The first pass creates the roles, the second grants privileges on existing objects. The others
# cover objects that another process creates in the meantime.
_PASSES = 4

# Conflicts with a concurrent session, which the next pass resolves.
_COLLISIONS = (
    errorcodes.INTERNAL_ERROR,  # tuple concurrently updated
    errorcodes.DUPLICATE_OBJECT,
    errorcodes.UNIQUE_VIOLATION,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.UNDEFINED_TABLE,
    errorcodes.UNDEFINED_FUNCTION,
)


class Unresolved(NamedTuple):
    """A difference that could not be repaired, and the reason."""

    difference: Difference
    reason: str


class Reconciliation(NamedTuple):
    """The result of reconciling the roles of a database."""

    #: Names of the roles that were created.
    created: tuple[str, ...] = ()
    repaired: tuple[Difference, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    #: Password variables of created roles that are not set: these roles cannot log in.
    unset_variables: tuple[str, ...] = ()

    @property
    def is_without_roles(self) -> bool:
        """Return whether roles are still missing."""
        return any(item.difference.problem == MISSING for item in self.unresolved)


def inspect_roles(alias: str, database_name: str | None = None) -> Inspection:
    """Return the privileges of the database's roles and the differences from their definition.

    :param database_name: another database of the same server with the same roles, such as a copy
    :raises OperationalError: if the database cannot be reached
    """
    with _cursor(alias, database_name) as cursor:
        return inspect(cursor, alias)


def missing_roles(alias: str) -> tuple[str, ...]:
    """Return the names of the database's roles that do not exist; the database need not exist."""
    names = [role.name for role in roles_of(alias)]
    with connect_to_database(alias, MAINTENANCE_DATABASE) as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s)", {"names": names}
        )
        existing = {name for (name,) in cursor.fetchall()}
    return tuple(name for name in names if name not in existing)


def reconcile(alias: str, database_name: str | None = None) -> Reconciliation:
    """Create the database's roles, grant missing privileges and revoke extra ones.

    Changes for which the connected role lacks the privilege, and changes of objects that stay
    locked, are returned as unresolved. Safe to run repeatedly and concurrently. Must be called
    outside of a transaction.

    :param database_name: another database of the same server with the same roles, such as a
        restored one: a dump does not contain the privileges on the database itself
    :raises OperationalError: if the database cannot be reached
    :raises MarketplaceError: if a password is easy to guess
    """
    require_strong(roles_of(alias))
    with _cursor(alias, database_name) as cursor:
        inspection = inspect(cursor, alias)
        if not inspection.differences:
            return Reconciliation()
        with _roles_lock(alias), _lock_timeout(cursor):
            return _reconcile(cursor, alias)


def revoke_public_functions(alias: str, database_name: str) -> None:
    """Revoke from PUBLIC, in a rebuilt database, the functions that can exhaust the server.

    A dump does not contain these revocations if it is older than they are. Without the privilege
    to revoke, nothing changes.

    :raises OperationalError: if the database cannot be reached
    """
    with connect_to_database(alias, database_name) as cursor:
        for difference in inspect(cursor, alias).differences:
            if any(label.startswith("system function") for label in difference.objects):
                _repair(cursor, difference)


def reconcile_after_migration(
    sender: AppConfig,
    using: str,
    plan: Sequence[object] = (),
    stdout: OutputWrapper | None = None,
    **_: object,
) -> None:
    """Transfer new objects to the owner role, if roles exist. Receiver of `post_migrate`.

    `migrate` may be run by another role, whose new tables the loader could not write. `flush` sends
    the signal too, without a plan.
    """
    if sender.name == "marketplace" and plan:
        for item in reconcile_if_present(using).unresolved:
            (stdout or OutputWrapper(sys.stderr)).write(f"{item.difference}: {item.reason}")


def reconcile_if_present(alias: str) -> Reconciliation:
    """Repair the roles of a database after its objects changed, if roles exist.

    Nothing is repaired within a transaction, which may be rolled back.
    """
    if connections[alias].in_atomic_block or owner_of(alias) not in inspect_roles(alias).logins:
        return Reconciliation()
    return reconcile(alias)


def _reconcile(cursor: CursorWrapper, alias: str) -> Reconciliation:
    """Repair differences until none are left or the remaining ones have failed."""
    done: dict[str, Difference] = {}
    reasons: dict[str, str] = {}
    for _ in range(_PASSES):
        differences = [item for item in _next(cursor, alias) if str(item) not in reasons]
        if not differences:
            break
        for item in differences:
            reason = _repair(cursor, item)
            if reason:
                reasons[str(item)] = reason
            else:
                done[str(item)] = item
    return _summarize(inspect(cursor, alias), done, reasons, _current_user(cursor))


def _next(cursor: CursorWrapper, alias: str) -> Sequence[Difference]:
    """Return the differences to repair next: missing roles first: others depend on them."""
    inspection = inspect(cursor, alias)
    if inspection.missing:
        return [item for item in inspection.differences if item.problem == MISSING]
    if inspection.differences:
        _join_owner(cursor, inspection)
    return inspection.differences


def _summarize(
    inspection: Inspection, done: dict[str, Difference], reasons: dict[str, str], user: str
) -> Reconciliation:
    """Return the result, given a new inspection.

    :param done: the differences whose statements succeeded
    :param reasons: the errors of the others
    """
    remaining = {str(item) for item in inspection.differences}
    repaired = [item for key, item in done.items() if key not in remaining]
    created = tuple(item.role for item in repaired if item.problem == MISSING)
    # PostgreSQL only warns if a role grants or revokes a privilege that it may not grant.
    no_effect = f"no effect: {user} lacks the privilege, or the change was reverted"
    return Reconciliation(
        created,
        tuple(item for item in repaired if item.problem != MISSING),
        tuple(
            Unresolved(item, reasons.get(str(item), no_effect)) for item in inspection.differences
        ),
        tuple(
            role.variable
            for role in inspection.roles
            if role.name in created and not inspection.logins.get(role.name)
        ),
    )


def _repair(cursor: CursorWrapper, difference: Difference) -> str:
    """Run the statements of a difference; return why that failed, or an empty string."""
    try:
        if difference.role == _current_user(cursor) and difference.problem.startswith("has "):
            return "this is the connected role: use another one"
        for statement in difference.statements:
            cursor.execute(statement)
    except Error as error:
        if not cursor.db.is_usable():
            raise
        return _reason(cursor, error)
    return ""


def _reason(cursor: CursorWrapper, error: Error) -> str:
    code = error_code(error)
    if code in _COLLISIONS:
        return ""
    if code == errorcodes.LOCK_NOT_AVAILABLE:
        return f"in use: still locked after {LOCK_TIMEOUT} seconds. Run this again"
    return f"{first_line(error)} (as {_current_user(cursor)})"


def _current_user(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT current_user")
    (user,) = cursor.fetchone()
    return str(user)


def _join_owner(cursor: CursorWrapper, inspection: Inspection) -> None:
    """Make the connected role a member of the owner, so that it can transfer tables to it.

    Superusers do not need the membership. The database's own roles must not have it.
    """
    owner = inspection.roles[0].name
    cursor.execute("SELECT current_user, pg_has_role(%(owner)s, 'USAGE')", {"owner": owner})
    user, is_member = cursor.fetchone()
    if is_member or user in inspection.logins:
        return
    statement = SQL("GRANT {} TO {}").format(Identifier(owner), Identifier(user))
    # If this fails, the statements that depend on it report the error.
    _repair(cursor, Difference(user, "is not a member of", (), (statement,)))


@contextmanager
def _cursor(alias: str, database_name: str | None) -> Iterator[CursorWrapper]:
    """Connect to the alias's database, or to another database of its server."""
    if database_name is not None:
        with connect_to_database(alias, database_name) as cursor:
            yield cursor
        return
    with connections[alias].cursor() as cursor:
        yield cursor


@contextmanager
def _roles_lock(alias: str) -> Iterator[None]:
    """Hold the lock of the server's roles.

    Roles belong to the server, but advisory locks are local to a database. Therefore all processes
    take the lock in the maintenance database.
    """
    with ExitStack() as stack:
        # A role that may not connect there runs without the lock: collisions are retried.
        with suppress(OperationalError):
            _acquire_roles_lock(
                stack.enter_context(connect_to_database(alias, MAINTENANCE_DATABASE))
            )
        yield


def _acquire_roles_lock(cursor: CursorWrapper) -> None:
    # The lock is held until the end of the transaction, which ends with the connection.
    cursor.db.set_autocommit(False)
    cursor.execute(
        "SELECT set_config('lock_timeout', %(timeout)s, true)",
        {"timeout": f"{_ROLES_LOCK_TIMEOUT}s"},
    )
    try:
        locks.lock_transaction(cursor, locks.ROLES)
    except OperationalError as error:
        raise DatabaseUnavailableError(
            "Roles are being changed by another process; gave up after waiting "
            f"{_ROLES_LOCK_TIMEOUT} seconds. Wait for the process to end, and run this again."
        ) from error


@contextmanager
def _lock_timeout(cursor: CursorWrapper) -> Iterator[None]:
    """Limit the wait for locked tables: queries of a table queue behind a waiting statement."""
    cursor.execute("SHOW lock_timeout")
    (before,) = cursor.fetchone()
    query = "SELECT set_config('lock_timeout', %(value)s, false)"
    cursor.execute(query, {"value": f"{LOCK_TIMEOUT}s"})
    try:
        yield
    finally:
        if cursor.db.connection is not None and cursor.db.is_usable():
            cursor.execute(query, {"value": before})
