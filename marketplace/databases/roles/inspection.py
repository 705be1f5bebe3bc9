"""Compare the roles and privileges of a database with their definition."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.databases.roles.accounts import (
    Account,
    Difference,
    find_account_differences,
    find_excess_database_connections,
    find_excess_role_connections,
    find_memberships,
    find_missing_bounds,
    missing_role,
    read_accounts,
)
from marketplace.databases.roles.definitions import PUBLIC, Role, analysts, foreign_roles, roles_of
from marketplace.databases.roles.objects import ANY_SCHEMA, SYSTEM, Object, read_objects

_FORMER_OWNERS = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%(names)s) AND rolname <> %(owner)s
    AND NOT rolsuper AND NOT pg_has_role(rolname, %(owner)s, 'USAGE')
"""

# Default privileges of other roles on future objects of creators other than the owner.
_DEFAULT_PRIVILEGES = """
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END,
    pg_get_userbyid(a.grantee), a.privilege_type
FROM pg_default_acl AS d
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
WHERE d.defaclnamespace IN (0, 'public'::regnamespace) AND d.defaclobjtype IN ('r', 'S')
    AND a.grantee NOT IN (0, d.defaclrole)
    AND pg_get_userbyid(d.defaclrole) <> %(owner)s
    AND pg_get_userbyid(a.grantee) <> ALL(%(known)s)
"""

#: The problem of a privilege that a role may grant to others.
_GRANT_OPTION = "should not have GRANT OPTION for"

_USERS = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"


class Inspection(NamedTuple):
    """The roles and objects of a database, and the differences from the definition."""

    roles: tuple[Role, ...]
    #: By role name; roles that do not exist are left out.
    accounts: dict[str, Account]
    objects: tuple[Object, ...]
    differences: tuple[Difference, ...]

    @property
    def logins(self) -> dict[str, bool]:
        """Return whether each existing role may log in, by name."""
        return {name: account.can_login for name, account in self.accounts.items()}

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the roles that do not exist."""
        return tuple(role.name for role in self.roles if role.name not in self.accounts)


def inspect(cursor: CursorWrapper, alias: str) -> Inspection:
    """Compare the roles and privileges in the cursor's database with their definition.

    :param alias: of the roles; the cursor's database may be another one, such as a restored copy
    """
    roles = roles_of(alias)
    accounts = read_accounts(cursor, [role.name for role in roles])
    objects = tuple(read_objects(cursor, roles[0].name))
    present = [role for role in roles if role.name in accounts]
    differences = [
        *(missing_role(role) for role in roles if role.name not in accounts),
        *(
            item
            for role in present
            for item in find_account_differences(cursor, alias, role, accounts[role.name])
        ),
        *find_memberships(cursor, [role.name for role in present]),
        *(_ownership(cursor, objects, roles[0].name) if roles[0].name in accounts else ()),
        *_search_paths(objects, roles[0].name),
        *_excess_database_connections(present, accounts),
        *_missing_grants(objects, present, alias),
        *_public_dependents(cursor, objects, roles, alias),
        *_extra_grants(objects, roles, alias),
        *_missing_default_privileges(cursor, objects, roles, alias),
    ]
    return Inspection(roles, accounts, objects, tuple(differences))


def find_missing_limits(cursor: CursorWrapper, alias: str) -> list[Difference]:
    """Return the missing limits without which a role can exhaust the server.

    Limits that the connected role cannot set are included. Without roles the list is empty.

    :param alias: of the cursor's database
    """
    roles = roles_of(alias)
    accounts = read_accounts(cursor, [role.name for role in roles])
    present = [role for role in roles if role.name in accounts]
    if not present:
        return []
    objects = [
        item._replace(is_guarded=True)
        for item in read_objects(cursor, roles[0].name)
        if item.is_system
    ]
    return [
        *(
            item
            for role in present
            for find in (find_excess_role_connections, find_missing_bounds)
            for item in find(role, accounts[role.name])
        ),
        *_excess_database_connections(present, accounts),
        *_missing_grants(objects, present, alias),
        *_extra_grants(objects, roles, alias),
    ]


def _ownership(
    cursor: CursorWrapper, objects: Sequence[Object], owner: str
) -> Iterator[Difference]:
    yield from _former_owners(cursor, objects, owner)
    for item in objects:
        # The database's owner owns the schema through the predefined role pg_database_owner.
        expected = {owner, "pg_database_owner"} if item.kind == "SCHEMA" else {owner}
        if item.is_linked or item.owner in expected:
            continue
        kind = "ROUTINE" if item.kind == "FUNCTION" else item.kind
        target = "pg_database_owner" if item.kind == "SCHEMA" else owner
        statement = SQL("ALTER {} {} OWNER TO {}").format(
            SQL(kind), SQL(item.identity), Identifier(target)
        )
        label = f"{item.label} (owned by {item.owner})"
        yield Difference(owner, "does not own", (label,), (statement,))


def _former_owners(
    cursor: CursorWrapper, objects: Iterable[Object], owner: str
) -> Iterator[Difference]:
    """Find former owners, as which the app may still connect: they need the owner's privileges."""
    names = [
        item.owner
        for item in objects
        if item.kind == "DATABASE" or (item.kind, item.name) == ("TABLE", "django_migrations")
    ]
    cursor.execute(_FORMER_OWNERS, {"names": names, "owner": owner})
    for (name,) in cursor.fetchall():
        statement = SQL("GRANT {} TO {}").format(Identifier(owner), Identifier(name))
        yield Difference(name, "was the owner and is not a member of", (owner,), (statement,))


def _search_paths(objects: Iterable[Object], owner: str) -> Iterator[Difference]:
    for item in objects:
        if not item.is_pinned:
            statement = SQL("ALTER ROUTINE {} SET search_path = pg_catalog, public, pg_temp")
            problem = "owns a SECURITY DEFINER function without a search_path:"
            yield Difference(owner, problem, (item.label,), (statement.format(SQL(item.identity)),))


def _excess_database_connections(
    present: Sequence[Role], accounts: dict[str, Account]
) -> Iterator[Difference]:
    if present:
        yield from find_excess_database_connections(accounts[present[0].name])


def _missing_grants(
    objects: Iterable[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    groups: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
    for item in objects:
        # Default privileges for the schema public are sufficient; others are not required.
        for role in roles if item.is_guarded and not item.is_for_any_schema else ():
            expected = role.privileges_on(item.kind, item.name, alias)
            lacking = sorted(expected - item.whole_privileges(role.name))
            if lacking:
                groups[role.name, item.kind, ", ".join(lacking)].append(item)
    for (role_name, _, privileges), items in groups.items():
        statement = compose_statement("GRANT", privileges, items, role_name)
        labels = tuple(item.label for item in items)
        yield Difference(role_name, f"lacks {privileges} on", labels, (statement,))


def _public_dependents(
    cursor: CursorWrapper, objects: Sequence[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    """Find other roles whose access depends on privileges of PUBLIC that will be revoked.

    These are roles with privileges on tables and, for the server's databases, all roles that can
    log in and are not analysts, because administrators and tools connect there.
    """
    known_roles = {role.name for role in roles} | foreign_roles(alias) | {PUBLIC}
    readers: set[str] = set()
    writers: set[str] = set()
    for item in objects:
        if item.kind == "TABLE":
            for grantee in item.grants.keys() - known_roles - {item.owner}:
                readers.add(grantee)
                writers |= {grantee} if "INSERT" in item.grants[grantee] else set()
    cursor.execute(_USERS)
    users = {name for (name,) in cursor.fetchall()} - analysts() - {role.name for role in roles}
    owner = roles[0]
    for names, privilege, kind in (
        (readers, "CONNECT", "DATABASE"),
        (writers, "TEMPORARY", "DATABASE"),
        (writers, "EXECUTE", "SYSTEM FUNCTION"),
        (users, "CONNECT", "SYSTEM DATABASE"),
    ):
        # Of the server's objects, only those that the owner needs.
        items = [
            item
            for item in objects
            if item.kind == kind
            and (not item.is_system or owner.privileges_on(kind, item.name, alias))
        ]
        for name in sorted(names):
            losing = [item for item in items if _has_through_public(item, name, privilege)]
            if losing:
                yield Difference(
                    name,
                    f"has only through PUBLIC {privilege} on",
                    tuple(item.label for item in losing),
                    (compose_statement("GRANT", privilege, losing, name),),
                )


def _has_through_public(item: Object, name: str, privilege: str) -> bool:
    """Return whether a role has a privilege only through PUBLIC."""
    is_public = item.is_guarded and privilege in item.grants.get(PUBLIC, {})
    return is_public and name != item.owner and privilege not in item.grants.get(name, {})


def _extra_grants(
    objects: Iterable[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    """Find privileges and grant options that roles have and should not have."""
    groups: dict[tuple[str, str, str, str], list[Object]] = defaultdict(list)
    foreign, own = foreign_roles(alias), {role.name: role for role in roles}
    for item in objects:
        for grantee, privileges in item.grants.items() if item.is_guarded else ():
            if grantee in (item.owner, roles[0].name):
                continue
            extra = _extra_privileges(item, grantee, set(privileges), own, foreign, alias)
            grantable = {name for name, is_grantable in privileges.items() if is_grantable} - extra
            if extra:
                key = (grantee, "should not have", item.kind, ", ".join(sorted(extra)))
                groups[key].append(item)
            if grantable and grantee in own:
                key = (grantee, _GRANT_OPTION, item.kind, ", ".join(sorted(grantable)))
                groups[key].append(item)
    for (grantee, problem, _, names), items in groups.items():
        verb = "REVOKE GRANT OPTION FOR" if problem == _GRANT_OPTION else "REVOKE"
        statement = compose_statement(verb, names, items, grantee)
        labels = tuple(item.label for item in items)
        yield Difference(grantee, f"{problem} {names} on", labels, (statement,))


def _missing_default_privileges(
    cursor: CursorWrapper, objects: Iterable[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    """Find default privileges on the owner's future tables that roles of `db_grants ROLE` lack.

    They received them before the tables had their owner role.
    """
    known_roles = [*(role.name for role in roles), *foreign_roles(alias)]
    cursor.execute(_DEFAULT_PRIVILEGES, {"owner": roles[0].name, "known": known_roles})
    future = {item.kind: item for item in objects if not item.identity}
    for kind, role, privilege in sorted(set(cursor.fetchall())):
        if kind in future and privilege not in future[kind].grants.get(role, {}):
            statement = compose_statement("GRANT", privilege, [future[kind]], role)
            yield Difference(role, f"lacks {privilege} on", (future[kind].label,), (statement,))


def _extra_privileges(
    item: Object,
    grantee: str,
    privileges: set[str],
    own: dict[str, Role],
    foreign: set[str],
    alias: str,
) -> set[str]:
    """Return the privileges that a role has and should not have."""
    if grantee in own:
        return privileges - own[grantee].privileges_on(item.kind, item.name, alias)
    # The definition of another database's role covers the server's databases.
    if grantee == PUBLIC or (grantee in foreign and item.kind != "SYSTEM DATABASE"):
        return privileges
    # Privileges of the user's own roles are not checked, except for creating objects.
    return privileges & {"CREATE"} if item.kind in ("DATABASE", "SCHEMA") else set()


def compose_statement(
    verb: str, privileges: str, items: Sequence[Object], grantee: str
) -> Composed:
    """Return the statement that grants or revokes privileges on objects of one kind."""
    parts = {
        "verb": SQL(verb),
        "privileges": SQL(privileges),
        "kind": SQL(
            items[0]
            .kind.replace("FUNCTION", "ROUTINE")
            .removeprefix(ANY_SCHEMA)
            .removeprefix(SYSTEM)
        ),
        "role": SQL(PUBLIC) if grantee == PUBLIC else Identifier(grantee),
        "owner": Identifier(items[0].owner),
        "names": SQL(", ").join([SQL(item.identity) for item in items]),
    }
    text = "{verb} {privileges} ON {kind} {names} "
    if not items[0].identity:
        place = "" if items[0].is_for_any_schema else "IN SCHEMA public "
        text = (
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} " + place + "{verb} {privileges} ON {kind} "
        )
    return SQL(text + ("TO {role}" if verb == "GRANT" else "FROM {role} CASCADE")).format(**parts)
