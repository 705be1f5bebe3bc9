"""Putting the roles of a database in order."""

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
from marketplace.databases.roles.accounts import Difference
from marketplace.databases.roles.definitions import owner_of, roles_of
from marketplace.databases.roles.inspection import Inspection, inspect
from marketplace.databases.roles.passwords import require_strong
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.exceptions import DatabaseUnavailableError
from marketplace.postgresql.errors import error_code

#: Seconds to wait for another process that changes roles.
_TURN_TIMEOUT = 60

# Creating the roles, giving them what there is, and what another process made meanwhile.
_PASSES = 4

# What another session did at the same time, and a second attempt settles.
_COLLISIONS = (
    errorcodes.INTERNAL_ERROR,  # tuple concurrently updated
    errorcodes.DUPLICATE_OBJECT,
    errorcodes.UNIQUE_VIOLATION,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.UNDEFINED_TABLE,
    errorcodes.UNDEFINED_FUNCTION,
)


class Left(NamedTuple):
    """A difference that could not be mended, and why."""

    difference: Difference
    reason: str


class Reconciliation(NamedTuple):
    """What putting the roles in order did."""

    #: Names of the roles that it created.
    made: tuple[str, ...] = ()
    mended: tuple[Difference, ...] = ()
    left: tuple[Left, ...] = ()
    #: Variables of passwords that are not set, and without which a new role cannot log in.
    unset: tuple[str, ...] = ()

    @property
    def is_without_roles(self) -> bool:
        """Return whether roles are missing, and with them everything else."""
        return any(left.difference.problem == "is missing" for left in self.left)


def inspect_roles(alias: str, database_name: str | None = None) -> Inspection:
    """Return what the database's roles may do, and what differs from what they should.

    :param database_name: another database of the same server, with the same roles: a copy
    :raises OperationalError: if it cannot be reached
    """
    with _cursor(alias, database_name) as cursor:
        return inspect(cursor, alias)


def missing_roles(alias: str) -> tuple[str, ...]:
    """Return which of the database's roles there are not, whether or not it exists itself."""
    names = [role.name for role in roles_of(alias)]
    with connect_to_database(alias, MAINTENANCE_DATABASE) as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s)", {"names": names}
        )
        present = {name for (name,) in cursor.fetchall()}
    return tuple(name for name in names if name not in present)


def reconcile(alias: str, database_name: str | None = None) -> Reconciliation:
    """Create the database's roles, and give each what it should have and no more.

    What the connected role may not do, or what is locked for too long, is left, with the reason.
    Safe to run twice and at once. To be called outside of a transaction.

    :param database_name: another database of the same server, with the same roles, such as one
        that was restored: rights on a database as a whole are in no dump of it
    :raises OperationalError: if it cannot be reached
    :raises MarketplaceError: if a password can be guessed
    """
    require_strong(roles_of(alias))
    with _cursor(alias, database_name) as cursor:
        found = inspect(cursor, alias)
        if not found.differences:
            return Reconciliation()
        with _turn(alias), _patience(cursor):
            return _repair(cursor, alias)


def revoke_public_functions(alias: str, database_name: str) -> None:
    """Revoke from PUBLIC, in a rebuilt database, the functions that can exhaust the server.

    A dump of an earlier version lacks this. Without the right to revoke them, nothing changes.

    :raises OperationalError: if it cannot be reached
    """
    with connect_to_database(alias, database_name) as cursor:
        for difference in inspect(cursor, alias).differences:
            if any(label.startswith("system function") for label in difference.objects):
                _mend(cursor, difference)


def reconcile_after_migration(
    sender: AppConfig,
    using: str,
    plan: Sequence[object] = (),
    stdout: OutputWrapper | None = None,
    **_: object,
) -> None:
    """Let what a migration created belong to the owner, once there are roles. A signal's receiver.

    Who runs `migrate` may be another role, whose new tables no loader could write. `flush` sends
    the signal too, without a plan.
    """
    if sender.name != "marketplace" or not plan or connections[using].in_atomic_block:
        return
    if owner_of(using) in inspect_roles(using).logins:
        for left in reconcile(using).left:
            (stdout or OutputWrapper(sys.stderr)).write(f"{left.difference}: {left.reason}")


# Details


def _repair(cursor: CursorWrapper, alias: str) -> Reconciliation:
    """Mend what differs until nothing does, or nothing more can be done."""
    done: dict[str, Difference] = {}
    reasons: dict[str, str] = {}
    for _ in range(_PASSES):
        differences = [item for item in _next(cursor, alias) if str(item) not in reasons]
        if not differences:
            break
        for item in differences:
            reason = _mend(cursor, item)
            if reason:
                reasons[str(item)] = reason
            else:
                done[str(item)] = item
    return _outcome(inspect(cursor, alias), done, reasons, _user(cursor))


def _next(cursor: CursorWrapper, alias: str) -> Sequence[Difference]:
    """Return what to mend next: first the roles, without which nothing is taken from others."""
    found = inspect(cursor, alias)
    if found.missing:
        return [item for item in found.differences if item.problem == "is missing"]
    if found.differences:
        _join(cursor, found)
    return found.differences


def _outcome(
    rest: Inspection, done: dict[str, Difference], reasons: dict[str, str], user: str
) -> Reconciliation:
    """Sum up, after another look.

    :param done: what statements were run for
    :param reasons: why others failed
    """
    still = {str(item) for item in rest.differences}
    mended = [item for key, item in done.items() if key not in still]
    made = tuple(item.role for item in mended if item.problem == "is missing")
    # PostgreSQL only warns where a right is not one's own to give.
    no_effect = f"it had no effect, as {user} may not do it, or somebody undid it"
    return Reconciliation(
        made,
        tuple(item for item in mended if item.problem != "is missing"),
        tuple(Left(item, reasons.get(str(item), no_effect)) for item in rest.differences),
        tuple(r.variable for r in rest.roles if r.name in made and not rest.logins.get(r.name)),
    )


def _mend(cursor: CursorWrapper, difference: Difference) -> str:
    """Run the statements of a difference; return why that failed, or nothing."""
    try:
        if difference.role == _user(cursor) and difference.problem.startswith("has "):
            return "it is the role that is connected: use another one"
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
        return f"it is in use: waited {LOCK_TIMEOUT} seconds. Run it again"
    return f"{str(error).splitlines()[0]} (as {_user(cursor)})"


def _user(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT current_user")
    (user,) = cursor.fetchone()
    return str(user)


def _join(cursor: CursorWrapper, found: Inspection) -> None:
    """Let the connected role, if it made the owner, act for it: else it could not give it tables.

    A superuser needs nothing, and the roles themselves get nothing.
    """
    cursor.execute(
        "SELECT current_user, pg_has_role(%(owner)s, 'USAGE')", {"owner": found.roles[0].name}
    )
    user, is_member = cursor.fetchone()
    if is_member or user in found.logins:
        return
    statement = SQL("GRANT {} TO {}").format(Identifier(found.roles[0].name), Identifier(user))
    # If it may not, the statements that need it say so.
    _mend(cursor, Difference(user, "is no member of", (), (statement,)))


@contextmanager
def _cursor(alias: str, database_name: str | None) -> Iterator[CursorWrapper]:
    """Connect to the alias's database, or to another one of its server."""
    if database_name is not None:
        with connect_to_database(alias, database_name) as cursor:
            yield cursor
        return
    with connections[alias].cursor() as cursor:
        yield cursor


@contextmanager
def _turn(alias: str) -> Iterator[None]:
    """Wait until no other process changes roles of the server.

    Roles are the server's: the lock is taken in the database that all have in common, as locks of
    one database are not seen in another.
    """
    with ExitStack() as stack:
        # Who may not enter it goes on without: what collides is tried again.
        with suppress(OperationalError):
            _wait(stack.enter_context(connect_to_database(alias, MAINTENANCE_DATABASE)))
        yield


def _wait(cursor: CursorWrapper) -> None:
    # Until the end of the transaction, which is that of the connection.
    cursor.db.set_autocommit(False)
    cursor.execute(
        "SELECT set_config('lock_timeout', %(timeout)s, true)", {"timeout": f"{_TURN_TIMEOUT}s"}
    )
    try:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('marketplace roles', 0))")
    except OperationalError as error:
        raise DatabaseUnavailableError(
            f"Another process has been changing roles for {_TURN_TIMEOUT} seconds. "
            "Wait for it to end, and run this again."
        ) from error


@contextmanager
def _patience(cursor: CursorWrapper) -> Iterator[None]:
    """Wait for a table in use only so long: behind who waits, all its readers would queue."""
    cursor.execute("SHOW lock_timeout")
    (before,) = cursor.fetchone()
    query = "SELECT set_config('lock_timeout', %(value)s, false)"
    cursor.execute(query, {"value": f"{LOCK_TIMEOUT}s"})
    try:
        yield
    finally:
        if cursor.db.connection is not None and cursor.db.is_usable():
            cursor.execute(query, {"value": before})
