"""The roles of a database themselves: how they log in, and what their sessions start with."""

import re
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier, Literal

from marketplace.databases.roles.definitions import BOUNDS, PUBLIC, Role, database_connection_limit
from marketplace.databases.roles.passwords import is_password, verifier
from marketplace.humanize import counted

#: Objects that a sentence names before it only counts them.
_FEW = 3

_ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")

# What PostgreSQL takes for yes, as `SET` keeps it.
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
    """Something about a role that is not as it should be."""

    role: str
    #: As "lacks SELECT on".
    problem: str
    #: As "table ecommerce_offers".
    objects: tuple[str, ...]
    statements: tuple[Composed, ...]

    def __str__(self) -> str:
        """Return it as a sentence, which counts objects where there are many."""
        few, more = self.objects[:_FEW], len(self.objects) - _FEW
        names = ", ".join(few) + (f" and {more} more" if more > 0 else "")
        return f"{self.role} {self.problem} {names}".rstrip()


class Account(NamedTuple):
    """What the server has of a role."""

    can_login: bool
    #: Whether it has each of the attributes.
    flags: tuple[bool, ...]
    #: When its password expires, as the server writes it; None: never.
    valid_until: str | None
    is_expired: bool
    #: Connections it may have at once; -1: any number.
    connection_limit: int
    #: Connections of the server that are not reserved.
    available: int
    #: Connections that its database may have at once; -1: any number.
    database_limit: int
    #: Superusers' parameters that the connected role may set.
    settable: Sequence[str]
    #: What its sessions start with: everywhere, and in this database, which wins.
    settings: dict[str, str]
    settings_here: dict[str, str]
    database: str

    @property
    def is_kept_out(self) -> bool:
        """Return whether a limit keeps it from logging in with its password."""
        return self.is_expired or self.connection_limit == 0

    @property
    def limits(self) -> tuple[str, ...]:
        """Return what an administrator set to its logins, and is no difference."""
        until = f"until {self.valid_until}" if self.valid_until and not self.is_expired else ""
        at_once = (
            f"at most {counted(self.connection_limit, 'connection')} at once"
            if self.connection_limit > 0
            else ""
        )
        return tuple(limit for limit in (until, at_once) if limit)


def read_accounts(cursor: CursorWrapper, names: Sequence[str]) -> dict[str, Account]:
    """Return, by name, those of the roles that there are."""
    cursor.execute(_ROLES, {"names": list(names), "bounds": [*BOUNDS]})
    return {
        name: Account._make([*state, _settings(everywhere), _settings(here), database])
        for name, *state, everywhere, here, database in cursor.fetchall()
    }


def _settings(texts: Sequence[str]) -> dict[str, str]:
    """Return the settings that PostgreSQL keeps as name=value."""
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def find_creation(role: Role) -> Difference:
    """Return that a role is missing."""
    login = SQL("LOGIN" if role.is_trusted else "NOLOGIN")
    statement = SQL("CREATE ROLE {} {}").format(Identifier(role.name), login)
    return Difference(role.name, "is missing", (), (statement,))


def find_faults(
    cursor: CursorWrapper, alias: str, role: Role, account: Account
) -> Iterator[Difference]:
    """Find what a role is, cannot do or starts with, against what it should."""
    name = Identifier(role.name)
    for attribute in compress(_ATTRIBUTES, account.flags):
        statement = SQL("ALTER ROLE {} {}").format(name, SQL(f"NO{attribute}"))
        yield Difference(role.name, f"has {attribute}", (), (statement,))
    if role.password:
        yield from _login(cursor, alias, role, account.can_login)
    yield from _limits(role, account)
    yield from _contradictions(role, account)
    yield from _lacking(role, account, role.settings)
    yield from find_excess_connections(role, account)
    settable = [bound for bound in role.bounds if bound[0] in account.settable]
    yield from _lacking(role, account, settable)


def find_excess_connections(role: Role, account: Account) -> Iterator[Difference]:
    """Find that a role may take more connections than it should; fewer are allowed."""
    limit = role.limit(account.available)
    # Zero keeps the role out, which is another difference.
    if account.connection_limit < 0 or account.connection_limit > limit:
        statement = _connection_limit(role, limit)
        problem = f"may have more than {counted(limit, 'connection')} at once"
        yield Difference(role.name, problem, (), (statement,))


def find_database_excess(account: Account) -> Iterator[Difference]:
    """Find that the roles of a database together may take the connections of the others."""
    limit = database_connection_limit(account.available)
    if account.database_limit < 0 or account.database_limit > limit:
        statement = SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            Identifier(account.database), Literal(limit)
        )
        problem = f"may have more than {counted(limit, 'connection')} at once to"
        yield Difference(PUBLIC, problem, (f"database {account.database}",), (statement,))


def find_lacking_bounds(role: Role, account: Account) -> Iterator[Difference]:
    """Find the settings that a role cannot change, and does not have."""
    yield from _lacking(role, account, role.bounds)


def _lacking(
    role: Role, account: Account, settings: Sequence[tuple[str, str]]
) -> Iterator[Difference]:
    for key, value in settings:
        if account.settings.get(key) != value:
            statement = SQL("ALTER ROLE {} SET {} = {}").format(
                Identifier(role.name), Identifier(key), Literal(value)
            )
            yield Difference(role.name, f"lacks the setting {key} = {value}", (), (statement,))


def _limits(role: Role, account: Account) -> Iterator[Difference]:
    """Find what keeps a role out; a limit that leaves it in is an administrator's choice."""
    name = Identifier(role.name)
    if account.is_expired:
        statement = SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(name)
        problem = f"cannot log in any more: VALID UNTIL {account.valid_until}"
        yield Difference(role.name, problem, (), (statement,))
    if account.connection_limit == 0:
        statement = _connection_limit(role, role.limit(account.available))
        yield Difference(role.name, "may open no connection: CONNECTION LIMIT 0", (), (statement,))


def _connection_limit(role: Role, limit: int) -> Composed:
    return SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(Identifier(role.name), Literal(limit))


def _contradictions(role: Role, account: Account) -> Iterator[Difference]:
    """Find settings of the role's sessions that go against what it is for."""
    name, wanted = Identifier(role.name), dict((*role.settings, *role.bounds))
    for key, value in account.settings.items():
        if key not in wanted and _contradicts(role, key, value):
            statement = SQL("ALTER ROLE {} RESET {}").format(name, Identifier(key))
            yield Difference(role.name, f"starts with {key} = {value}", (), (statement,))
    # Those of one database win over those of the role.
    for key, value in account.settings_here.items():
        if wanted.get(key, value) != value or (
            key not in wanted and _contradicts(role, key, value)
        ):
            statement = SQL("ALTER ROLE {} IN DATABASE {} RESET {}").format(
                name, Identifier(account.database), Identifier(key)
            )
            place = (f"database {account.database}",)
            yield Difference(role.name, f"starts with {key} = {value} in", place, (statement,))


def _contradicts(role: Role, key: str, value: str) -> bool:
    """Return whether a setting keeps the role from its work, or makes it another role."""
    text = value.lower()
    match key:
        case "default_transaction_read_only":
            # The owner migrates; who only reads is told by its own settings.
            return not role.is_reader and text in _YES
        case "search_path":
            return "public" not in re.split(r'[\s,"]+', text)
        case "role":
            return text not in ("none", role.name)
        case "session_replication_role":
            # Without it, what only adds could be changed: triggers and foreign keys are off.
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
    """Find what our roles inherit: each has its own rights, and no others."""
    cursor.execute(_MEMBERSHIPS, {"names": list(names)})
    connection: Any = cursor.connection
    # Before version 16 there is no choice, and the grantor may have been dropped.
    names_grantor = connection.server_version >= 160000
    for member, role, grantor in cursor.fetchall():
        statement = SQL("REVOKE {} FROM {}").format(Identifier(role), Identifier(member))
        if names_grantor:
            statement += SQL(" GRANTED BY {}").format(Identifier(grantor))
        yield Difference(member, f"is a member of {role}", (), (statement,))
