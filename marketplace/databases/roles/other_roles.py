"""The privileges of roles that are not the databases' own, such as those of `db_grants ROLE`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import Error
from django.db.backends.utils import CursorWrapper

from marketplace.databases.roles.definitions import PUBLIC, foreign_roles, owner_of, roles_of
from marketplace.databases.roles.inspection import compose_statement
from marketplace.databases.roles.objects import Object, read_objects
from marketplace.databases.server import connect_to_database
from marketplace.postgresql.errors import first_line

# A database's own privileges are not part of its dump either: a restore sets them.
_CARRIED_KINDS = ("SCHEMA", "TABLE", "SEQUENCE", "FUNCTION", "SYSTEM FUNCTION")

#: Kind of object → kind of the default privileges that such an object gets when it is created.
_FUTURE_KINDS = {"TABLE": "TABLES", "SEQUENCE": "SEQUENCES"}

_DEFAULT_PRIVILEGES = """
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END,
    pg_get_userbyid(d.defaclrole), pg_get_userbyid(a.grantee), a.privilege_type, a.is_grantable
FROM pg_default_acl AS d
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
WHERE d.defaclnamespace = 'public'::regnamespace AND d.defaclobjtype IN ('r', 'S')
    AND a.grantee NOT IN (0, d.defaclrole)
"""


class CarriedOver(NamedTuple):
    """The result of carrying privileges over to another database."""

    #: Roles that got the privileges that they lacked.
    roles: tuple[str, ...] = ()
    #: Role → the privileges that it still lacks, and the reason.
    failed: dict[str, str] = {}
    #: All roles that may insert into a table of the source; empty if no role lacks a privilege.
    writers: frozenset[str] = frozenset()


def read_privileges(cursor: CursorWrapper, alias: str, role: str) -> set[tuple[str, ...]]:
    """Return the role's privileges as (kind, object, creator of future objects, privilege)."""
    return {
        (*key, privilege)
        for key, item in _read(cursor, alias).items()
        for privilege in item.whole_privileges(role)
    }


def carry_over(alias: str, source: str, target: str) -> CarriedOver:
    """Grant other roles the privileges in a database that they have in another one.

    An object that only the target has gets the default privileges of the source. Privileges to
    create objects, and grant options, are not carried over.

    :param source: name of a database on the alias's server
    :param target: name of the database whose privileges are changed
    :raises Error: if a database cannot be read
    """
    with connect_to_database(alias, source) as cursor:
        before = _read(cursor, alias)
    with connect_to_database(alias, target) as cursor:
        lacking = list(_lacking(alias, before, _read(cursor, alias)))
        if not lacking:
            return CarriedOver()
        reasons: dict[str, str] = {}
        for role, privileges, items in lacking:
            try:
                cursor.execute(compose_statement("GRANT", privileges, items, role))
            except Error as error:
                if not cursor.db.is_usable():
                    raise
                reasons.setdefault(role, first_line(error))
        failed: dict[str, str] = {}
        for role, privileges, items in _lacking(alias, before, _read(cursor, alias)):
            # PostgreSQL only warns if the connected role may not grant a privilege.
            reason = reasons.get(role, "the connected role may not grant it")
            failed.setdefault(role, f"lacks {privileges} on {items[0].label}: {reason}")
    roles = sorted({role for role, _, _ in lacking} - failed.keys())
    writers = {role for item in before.values() for role in item.grants if _may_write(item, role)}
    return CarriedOver(tuple(roles), failed, frozenset(writers))


def _may_write(item: Object, role: str) -> bool:
    return item.kind == "TABLE" and "INSERT" in item.grants.get(role, {})


def _read(cursor: CursorWrapper, alias: str) -> dict[tuple[str, str, str], Object]:
    """Return the objects, and the default privileges of each creator, by kind and name."""
    objects = {
        (item.kind, item.identity, ""): item
        for item in read_objects(cursor, owner_of(alias))
        if item.identity
    }
    cursor.execute(_DEFAULT_PRIVILEGES)
    for kind, creator, grantee, privilege, is_grantable in cursor.fetchall():
        new = Object(kind, "future objects", "", creator, True, True, True, {}, {})
        item = objects.setdefault((kind, "", creator), new)
        item.grants.setdefault(grantee, {})[privilege] = is_grantable
    return objects


def _lacking(
    alias: str,
    source: dict[tuple[str, str, str], Object],
    target: dict[tuple[str, str, str], Object],
) -> Iterator[tuple[str, str, list[Object]]]:
    """Find the privileges that roles have in the source only: role, privileges, objects."""
    excluded = {role.name for role in roles_of(alias)} | foreign_roles(alias) | {PUBLIC}
    groups: dict[tuple[str, str, str, str], list[Object]] = defaultdict(list)
    for before, after in _pairs(source, target):
        for role in before.grants.keys() - excluded - {before.owner, after.owner}:
            present = after.whole_privileges(role)
            if after.is_system:
                # Only a superuser can revoke these from PUBLIC, and grant them to the role.
                present |= after.whole_privileges(PUBLIC)
            privileges = ", ".join(sorted(before.whole_privileges(role) - present - {"CREATE"}))
            if privileges:
                creator = "" if after.identity else after.owner
                groups[role, after.kind, creator, privileges].append(after)
    for (role, _, _, privileges), items in sorted(groups.items()):
        yield role, privileges, items


def _pairs(
    source: dict[tuple[str, str, str], Object], target: dict[tuple[str, str, str], Object]
) -> Iterator[tuple[Object, Object]]:
    """Return each object of the target with the object that has the privileges that it should."""
    for key, item in target.items():
        if item.kind in _CARRIED_KINDS:
            before = source.get(key) or _future(source.values(), item)
            if before is not None:
                yield before, item
    for key, item in source.items():
        if not item.identity:
            yield item, target.get(key, item._replace(grants={}))


def _future(source: Iterable[Object], item: Object) -> Object | None:
    """Return the default privileges that the source would give to an object that it lacks."""
    kind = _FUTURE_KINDS.get(item.kind)
    creators = [future for future in source if not future.identity and future.kind == kind]
    return next((future for future in creators if future.owner == item.owner), None)
