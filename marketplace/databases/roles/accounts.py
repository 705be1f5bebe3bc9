"""The attributes of roles: logins, connection limits, settings and memberships."""

import re
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier, Literal

from marketplace.databases.roles.definitions import BOUNDS, PUBLIC, Role, database_connection_limit
from marketplace.databases.roles.passwords import is_password, verifier
from marketplace.humanize import counted

#: The problem of a role that does not exist.
MISSING = "is missing"

#: Maximum number of objects that a message lists; the others are counted.
_MAX_NAMED = 3

_ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")

# The spellings of true that PostgreSQL accepts and stores in a setting.
_YES = ("on", "true", "tru", "tr", "t", "yes", "ye", "y", "1")

_ROLES = """
SELECT
    r.rolname,
    r.rolcanlogin,
    array[r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls],
    nullif(r.rolvaliduntil, 'infinity')::text,
    coalesce(r.rolvaliduntil <= now(), false),
    r.rolconnlimit,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true), '0')::integer,
    d.datconnlimit,
    array(
        SELECT bound FROM unnest(%(bounds)s) AS bound WHERE has_parameter_privilege(bound, 'SET')
    ),
    coalesce(r.rolconfig, '{}'),
    coalesce(here.setconfig, '{}'),
    d.datname
FROM pg_roles AS r
JOIN pg_database AS d ON d.datname = current_database()
LEFT JOIN pg_db_role_setting AS here ON here.setrole = r.oid AND here.setdatabase = d.oid
WHERE r.rolname = ANY(%(names)s)
"""

_MEMBERSHIPS = """
SELECT pg_get_userbyid(m.member), pg_get_userbyid(m.roleid), pg_get_userbyid(m.grantor)
FROM pg_auth_members AS m
WHERE pg_get_userbyid(m.member) = ANY(%(names)s)
ORDER BY 1, 2
"""


class Difference(NamedTuple):
    """A difference between a role and its definition, with the statements that repair it."""

    role: str
    #: For example "lacks SELECT on".
    problem: str
    #: For example "table ecommerce_offers".
    objects: tuple[str, ...]
    statements: tuple[Composed, ...]

    def __str__(self) -> str:
        """Return a sentence that lists some of the objects, with the number of others."""
        named, more = self.objects[:_MAX_NAMED], len(self.objects) - _MAX_NAMED
        names = ", ".join(named) + (f" and {more} more" if more > 0 else "")
        return f"{self.role} {self.problem} {names}".rstrip()


class Account(NamedTuple):
    """The attributes of a role on the server."""

    can_login: bool
    #: Whether the role has each attribute of `_ATTRIBUTES`.
    flags: tuple[bool, ...]
    #: When the password expires, as text; None: never.
    valid_until: str | None
    is_expired: bool
    #: Maximum number of concurrent connections; -1: unlimited.
    connection_limit: int
    #: Number of the server's connections that are not reserved.
    available: int
    #: Maximum number of concurrent connections to the database; -1: unlimited.
    database_limit: int
    #: The superuser parameters that the connected role may set.
    settable: Sequence[str]
    #: Settings of the role's sessions in all databases, and in this one, which take precedence.
    settings: dict[str, str]
    settings_here: dict[str, str]
    database: str

    @property
    def is_login_blocked(self) -> bool:
        """Return whether a limit blocks logins even with the right password."""
        return self.is_expired or self.connection_limit == 0

    @property
    def limits(self) -> tuple[str, ...]:
        """Return the limits that an administrator set, which are not differences."""
        until = f"until {self.valid_until}" if self.valid_until and not self.is_expired else ""
        maximum = (
            f"at most {counted(self.connection_limit, 'connection')} at once"
            if self.connection_limit > 0
            else ""
        )
        return tuple(limit for limit in (until, maximum) if limit)


def read_accounts(cursor: CursorWrapper, names: Sequence[str]) -> dict[str, Account]:
    """Return the accounts of the roles that exist, by name."""
    cursor.execute(_ROLES, {"names": list(names), "bounds": [*BOUNDS]})
    return {
        name: Account._make([*state, _settings(everywhere), _settings(here), database])
        for name, *state, everywhere, here, database in cursor.fetchall()
    }


def _settings(texts: Sequence[str]) -> dict[str, str]:
    """Parse settings that PostgreSQL stores as name=value."""
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def missing_role(role: Role) -> Difference:
    """Return the difference of a role that does not exist."""
    login = SQL("LOGIN" if role.is_trusted else "NOLOGIN")
    statement = SQL("CREATE ROLE {} {}").format(Identifier(role.name), login)
    return Difference(role.name, MISSING, (), (statement,))


def find_account_differences(
    cursor: CursorWrapper, alias: str, role: Role, account: Account
) -> Iterator[Difference]:
    """Find differences of the role's attributes, password, limits and settings."""
    name = Identifier(role.name)
    for attribute in compress(_ATTRIBUTES, account.flags):
        statement = SQL("ALTER ROLE {} {}").format(name, SQL(f"NO{attribute}"))
        yield Difference(role.name, f"has {attribute}", (), (statement,))
    if role.password:
        yield from _login(cursor, alias, role, account.can_login)
    yield from _login_limits(role, account)
    yield from _conflicting_settings(role, account)
    yield from _missing_settings(role, account, role.settings)
    yield from find_excess_role_connections(role, account)
    settable = [bound for bound in role.bounds if bound[0] in account.settable]
    yield from _missing_settings(role, account, settable)


def find_excess_role_connections(role: Role, account: Account) -> Iterator[Difference]:
    """Find a role whose connection limit is too high; a lower one is allowed."""
    limit = role.connection_limit(account.available)
    # Zero blocks logins, which `_login_limits` reports.
    if account.connection_limit < 0 or account.connection_limit > limit:
        statement = _connection_limit(role, limit)
        problem = f"may have more than {counted(limit, 'connection')} at once"
        yield Difference(role.name, problem, (), (statement,))


def find_excess_database_connections(account: Account) -> Iterator[Difference]:
    """Find a connection limit of the database that leaves too few to other databases."""
    limit = database_connection_limit(account.available)
    if account.database_limit < 0 or account.database_limit > limit:
        statement = SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            Identifier(account.database), Literal(limit)
        )
        problem = f"may have more than {counted(limit, 'connection')} at once to"
        yield Difference(PUBLIC, problem, (f"database {account.database}",), (statement,))


def find_missing_bounds(role: Role, account: Account) -> Iterator[Difference]:
    """Find missing settings among those that the role itself cannot change."""
    yield from _missing_settings(role, account, role.bounds)


def _missing_settings(
    role: Role, account: Account, settings: Sequence[tuple[str, str]]
) -> Iterator[Difference]:
    for key, value in settings:
        if account.settings.get(key) != value:
            statement = SQL("ALTER ROLE {} SET {} = {}").format(
                Identifier(role.name), Identifier(key), Literal(value)
            )
            yield Difference(role.name, f"lacks the setting {key} = {value}", (), (statement,))


def _login_limits(role: Role, account: Account) -> Iterator[Difference]:
    """Find limits that block all logins; other limits are the administrator's choice."""
    name = Identifier(role.name)
    if account.is_expired:
        statement = SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(name)
        problem = f"cannot log in: VALID UNTIL {account.valid_until}"
        yield Difference(role.name, problem, (), (statement,))
    if account.connection_limit == 0:
        statement = _connection_limit(role, role.connection_limit(account.available))
        yield Difference(role.name, "cannot connect: CONNECTION LIMIT 0", (), (statement,))


def _connection_limit(role: Role, limit: int) -> Composed:
    return SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(Identifier(role.name), Literal(limit))


def _conflicting_settings(role: Role, account: Account) -> Iterator[Difference]:
    """Find settings that contradict the role's purpose."""
    name, defined = Identifier(role.name), dict((*role.settings, *role.bounds))
    for key, value in account.settings.items():
        if key not in defined and _contradicts(role, key, value):
            statement = SQL("ALTER ROLE {} RESET {}").format(name, Identifier(key))
            yield Difference(role.name, f"has {key} = {value}", (), (statement,))
    # Settings for one database take precedence over those of the role.
    for key, value in account.settings_here.items():
        if defined.get(key, value) != value or (
            key not in defined and _contradicts(role, key, value)
        ):
            statement = SQL("ALTER ROLE {} IN DATABASE {} RESET {}").format(
                name, Identifier(account.database), Identifier(key)
            )
            place = (f"database {account.database}",)
            yield Difference(role.name, f"has {key} = {value} in", place, (statement,))


def _contradicts(role: Role, key: str, value: str) -> bool:
    """Return whether a setting prevents the role's work, or switches to another role."""
    text = value.lower()
    match key:
        case "default_transaction_read_only":
            # The analyst's definition has its own value for this setting.
            return not role.is_reader and text in _YES
        case "search_path":
            return "public" not in re.split(r'[\s,"]+', text)
        case "role":
            return text not in ("none", role.name)
        case "session_replication_role":
            # "replica" disables triggers and foreign keys, which protect append-only tables.
            return text == "replica"
    return False


def _login(cursor: CursorWrapper, alias: str, role: Role, can_login: bool) -> Iterator[Difference]:
    if can_login and is_password(cursor, alias, role.name, role.password):
        return
    statement = SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        Identifier(role.name), Literal(verifier(cursor, role.name, role.password))
    )
    yield Difference(role.name, f"does not log in with {role.variable}", (), (statement,))


def find_memberships(cursor: CursorWrapper, names: Sequence[str]) -> Iterator[Difference]:
    """Find memberships of the roles: each role has its own privileges only."""
    cursor.execute(_MEMBERSHIPS, {"names": list(names)})
    connection: Any = cursor.connection
    # Versions before 16 do not support GRANTED BY, and the grantor may have been dropped.
    names_grantor = connection.server_version >= 160000
    for member, role, grantor in cursor.fetchall():
        statement = SQL("REVOKE {} FROM {}").format(Identifier(role), Identifier(member))
        if names_grantor:
            statement += SQL(" GRANTED BY {}").format(Identifier(grantor))
        yield Difference(member, f"is a member of {role}", (), (statement,))
