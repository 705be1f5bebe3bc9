"""Where the roles and rights of a database differ from what they should be."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.databases.roles.accounts import (
    Account,
    Difference,
    find_creation,
    find_database_excess,
    find_excess_connections,
    find_faults,
    find_lacking_bounds,
    find_memberships,
    read_accounts,
)
from marketplace.databases.roles.definitions import PUBLIC, Role, analysts, foreign_roles, roles_of
from marketplace.databases.roles.objects import EVERYWHERE, SYSTEM, Object, read_objects

_HEIRS = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%(names)s) AND rolname <> %(owner)s
    AND NOT rolsuper AND NOT pg_has_role(rolname, %(owner)s, 'USAGE')
"""

# What was promised to other roles on tables that a creator who is not the owner makes later.
_PROMISES = """
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END,
    pg_get_userbyid(a.grantee), a.privilege_type
FROM pg_default_acl AS d
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
WHERE d.defaclnamespace IN (0, 'public'::regnamespace) AND d.defaclobjtype IN ('r', 'S')
    AND a.grantee NOT IN (0, d.defaclrole)
    AND pg_get_userbyid(d.defaclrole) <> %(owner)s
    AND pg_get_userbyid(a.grantee) <> ALL(%(known)s)
"""

_USERS = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"


class Inspection(NamedTuple):
    """What the roles of a database have, and what is wrong with that."""

    roles: tuple[Role, ...]
    #: Of each role; those that are missing are not here.
    accounts: dict[str, Account]
    objects: tuple[Object, ...]
    differences: tuple[Difference, ...]

    @property
    def logins(self) -> dict[str, bool]:
        """Return, of each role that there is, whether it may log in."""
        return {name: account.can_login for name, account in self.accounts.items()}

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the roles that there are not."""
        return tuple(role.name for role in self.roles if role.name not in self.accounts)


def inspect(cursor: CursorWrapper, alias: str) -> Inspection:
    """Compare the roles and rights in the cursor's database with what they should be.

    :param alias: whose roles; the database may be another than its own, such as a restored copy
    """
    roles = roles_of(alias)
    accounts = read_accounts(cursor, [role.name for role in roles])
    objects = tuple(read_objects(cursor, roles[0].name))
    present = [role for role in roles if role.name in accounts]
    found = [
        *(find_creation(role) for role in roles if role.name not in accounts),
        *(
            item
            for role in present
            for item in find_faults(cursor, alias, role, accounts[role.name])
        ),
        *find_memberships(cursor, [role.name for role in present]),
        *(_ownership(cursor, objects, roles[0].name) if roles[0].name in accounts else ()),
        *_search_paths(objects, roles[0].name),
        *_database_excess(present, accounts),
        *_lacks(objects, present, alias),
        *_bereaved(cursor, objects, roles, alias),
        *_excesses(objects, roles, alias),
        *_promises(cursor, objects, roles, alias),
    ]
    return Inspection(roles, accounts, objects, tuple(found))


def find_missing_limits(cursor: CursorWrapper, alias: str) -> list[Difference]:
    """Return the missing limits with which a role could exhaust the server; none without roles.

    The limits that the connected role cannot set are included.

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
            for find in (find_excess_connections, find_lacking_bounds)
            for item in find(role, accounts[role.name])
        ),
        *_database_excess(present, accounts),
        *_lacks(objects, present, alias),
        *_excesses(objects, roles, alias),
    ]


# What they own and may do


def _ownership(
    cursor: CursorWrapper, objects: Sequence[Object], owner: str
) -> Iterator[Difference]:
    yield from _heirs(cursor, objects, owner)
    for item in objects:
        # A database's owner owns this schema by its membership in a role of the server.
        keepers = {owner, "pg_database_owner"} if item.kind == "SCHEMA" else {owner}
        if item.is_linked or item.owner in keepers:
            continue
        kind = "ROUTINE" if item.kind == "FUNCTION" else item.kind
        target = "pg_database_owner" if item.kind == "SCHEMA" else owner
        statement = SQL("ALTER {} {} OWNER TO {}").format(
            SQL(kind), SQL(item.identity), Identifier(target)
        )
        label = f"{item.label} ({item.owner} does)"
        yield Difference(owner, "does not own", (label,), (statement,))


def _heirs(cursor: CursorWrapper, objects: Iterable[Object], owner: str) -> Iterator[Difference]:
    """Find whoever ran the database so far, as whom the app may connect: it must stay able to."""
    names = [
        item.owner
        for item in objects
        if item.kind == "DATABASE" or (item.kind, item.name) == ("TABLE", "django_migrations")
    ]
    cursor.execute(_HEIRS, {"names": names, "owner": owner})
    for (name,) in cursor.fetchall():
        statement = SQL("GRANT {} TO {}").format(Identifier(owner), Identifier(name))
        yield Difference(name, "owned it so far, and is no member of", (owner,), (statement,))


def _search_paths(objects: Iterable[Object], owner: str) -> Iterator[Difference]:
    for item in objects:
        if not item.is_pinned:
            statement = SQL("ALTER ROUTINE {} SET search_path = pg_catalog, public, pg_temp")
            problem = "lends its rights to a function without a search_path of its own:"
            yield Difference(owner, problem, (item.label,), (statement.format(SQL(item.identity)),))


def _database_excess(present: Sequence[Role], accounts: dict[str, Account]) -> Iterator[Difference]:
    if present:
        yield from find_database_excess(accounts[present[0].name])


def _lacks(objects: Iterable[Object], roles: Sequence[Role], alias: str) -> Iterator[Difference]:
    groups: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
    for item in objects:
        # Later tables of any schema: those of ours have what is said of theirs.
        for role in roles if item.is_guarded and not item.is_everywhere else ():
            wanted = role.wanted(item.kind, item.name, alias)
            lacking = sorted(wanted - item.whole(role.name))
            if lacking:
                groups[role.name, item.kind, ", ".join(lacking)].append(item)
    for (role_name, _, rights), items in groups.items():
        statement = _change("GRANT", rights, items, role_name)
        labels = tuple(item.label for item in items)
        yield Difference(role_name, f"lacks {rights} on", labels, (statement,))


def _bereaved(
    cursor: CursorWrapper, objects: Sequence[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    """Find other roles whose access to the database depends on PUBLIC, which is about to lose it.

    These are roles that may read or write tables and, for the databases of the server, those that
    can log in and are not analysts: administrators and tools connect there.
    """
    known = {role.name for role in roles} | foreign_roles(alias) | {PUBLIC}
    readers: set[str] = set()
    writers: set[str] = set()
    for item in objects:
        if item.kind == "TABLE":
            for grantee in item.grants.keys() - known - {item.owner}:
                readers.add(grantee)
                writers |= {grantee} if "INSERT" in item.grants[grantee] else set()
    cursor.execute(_USERS)
    users = {name for (name,) in cursor.fetchall()} - analysts() - {role.name for role in roles}
    owner = roles[0]
    for names, right, kind in (
        (readers, "CONNECT", "DATABASE"),
        (writers, "TEMPORARY", "DATABASE"),
        (writers, "EXECUTE", "SYSTEM FUNCTION"),
        (users, "CONNECT", "SYSTEM DATABASE"),
    ):
        # Of the server's objects, those that our own writers need.
        items = [
            item
            for item in objects
            if item.kind == kind and (not item.is_system or owner.wanted(kind, item.name, alias))
        ]
        for name in sorted(names):
            losing = [item for item in items if _has_as_public(item, name, right)]
            if losing:
                yield Difference(
                    name,
                    f"has only as PUBLIC {right} on",
                    tuple(item.label for item in losing),
                    (_change("GRANT", right, losing, name),),
                )


def _has_as_public(item: Object, name: str, right: str) -> bool:
    """Return whether a role has a right only through PUBLIC, which will lose it."""
    as_public = item.is_guarded and right in item.grants.get(PUBLIC, {})
    return as_public and name != item.owner and right not in item.grants.get(name, {})


def _excesses(objects: Iterable[Object], roles: Sequence[Role], alias: str) -> Iterator[Difference]:
    groups: dict[tuple[str, str, str, str], list[Object]] = defaultdict(list)
    foreign, ours = foreign_roles(alias), {role.name: role for role in roles}
    for item in objects:
        for grantee, rights in item.grants.items() if item.is_guarded else ():
            if grantee in (item.owner, roles[0].name):
                continue
            excess = _excess(item, grantee, set(rights), ours, foreign, alias)
            passed = {right for right, may_pass in rights.items() if may_pass} - excess
            if excess:
                key = (grantee, "should not have", item.kind, ", ".join(sorted(excess)))
                groups[key].append(item)
            if passed and grantee in ours:
                key = (grantee, "may pass on", item.kind, ", ".join(sorted(passed)))
                groups[key].append(item)
    for (grantee, problem, _, names), items in groups.items():
        verb = "REVOKE" if problem == "should not have" else "REVOKE GRANT OPTION FOR"
        statement = _change(verb, names, items, grantee)
        labels = tuple(item.label for item in items)
        yield Difference(grantee, f"{problem} {names} on", labels, (statement,))


def _promises(
    cursor: CursorWrapper, objects: Iterable[Object], roles: Sequence[Role], alias: str
) -> Iterator[Difference]:
    """Find what `db_grants ROLE` promised before the tables had an owner of their own."""
    known = [*(role.name for role in roles), *foreign_roles(alias)]
    cursor.execute(_PROMISES, {"owner": roles[0].name, "known": known})
    later = {item.kind: item for item in objects if not item.identity}
    for kind, role, right in sorted(set(cursor.fetchall())):
        if kind in later and right not in later[kind].grants.get(role, {}):
            statement = _change("GRANT", right, [later[kind]], role)
            yield Difference(role, f"lacks {right} on", (later[kind].label,), (statement,))


def _excess(
    item: Object,
    grantee: str,
    rights: set[str],
    ours: dict[str, Role],
    foreign: set[str],
    alias: str,
) -> set[str]:
    """Return the rights that a role has and should not."""
    if grantee in ours:
        return rights - ours[grantee].wanted(item.kind, item.name, alias)
    # The other databases' roles have rights of their own on the server's databases.
    if grantee == PUBLIC or (grantee in foreign and item.kind != "SYSTEM DATABASE"):
        return rights
    # Other roles are the user's own affair, but for what belongs to the owner alone.
    return rights & {"CREATE"} if item.kind in ("DATABASE", "SCHEMA") else set()


def _change(verb: str, privileges: str, items: Sequence[Object], grantee: str) -> Composed:
    """Return the statement that grants or revokes rights on objects of one kind."""
    parts = {
        "verb": SQL(verb),
        "rights": SQL(privileges),
        "kind": SQL(
            items[0]
            .kind.replace("FUNCTION", "ROUTINE")
            .removeprefix(EVERYWHERE)
            .removeprefix(SYSTEM)
        ),
        "role": SQL(PUBLIC) if grantee == PUBLIC else Identifier(grantee),
        "owner": Identifier(items[0].owner),
        "names": SQL(", ").join([SQL(item.identity) for item in items]),
    }
    text = "{verb} {rights} ON {kind} {names} "
    if not items[0].identity:
        place = "" if items[0].is_everywhere else "IN SCHEMA public "
        text = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} " + place + "{verb} {rights} ON {kind} "
    return SQL(text + ("TO {role}" if verb == "GRANT" else "FROM {role} CASCADE")).format(**parts)
