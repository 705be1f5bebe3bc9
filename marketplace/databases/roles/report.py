"""Reports about the roles of a database: lines of text, and values for JSON."""

from collections import Counter
from typing import Any

from marketplace.databases.roles.definitions import PUBLIC, Role, foreign_roles
from marketplace.databases.roles.inspection import Inspection
from marketplace.databases.roles.objects import Object
from marketplace.databases.roles.reconcile import Reconciliation
from marketplace.humanize import counted

_KINDS = ("DATABASE", "SCHEMA", "TABLE", "SEQUENCE", "FUNCTION")

# All privileges of these kinds of objects, in the order in which a report lists them.
_PRIVILEGES = (
    *("CONNECT", "TEMPORARY", "CREATE", "USAGE", "EXECUTE"),
    *("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"),
)


def describe_role(inspection: Inspection, role: Role) -> str:
    """Return a line about the role's login, privileges and settings."""
    if role.name not in inspection.logins:
        return "is missing"
    parts = [_describe_login(inspection, role)]
    if role is inspection.roles[0]:
        owned = _count_owned(inspection, role)
        parts.append(f"owns {owned} of {len(_ownable_objects(inspection))} objects")
    else:
        parts += _describe_privileges(inspection, role.name)
    parts += [f"{key} {value}" for key, value in role.settings]
    return "; ".join(parts)


def describe_other_roles(inspection: Inspection) -> list[str]:
    """Return a line for each role with privileges that is not one of the database's own."""
    return [
        f"{name}  {'; '.join(_describe_privileges(inspection, name))}"
        for name in _other_roles(inspection)
    ]


def describe_roles_without_usage(inspection: Inspection, alias: str) -> list[str]:
    """Return a line for each other role that may connect but was not granted the schema.

    For such a role, PostgreSQL reports that tables do not exist.
    """
    (database,) = (item.grants for item in inspection.objects if item.kind == "DATABASE")
    users = {
        name
        for item in inspection.objects
        if item.kind == "SCHEMA"
        for name, privileges in item.grants.items()
        if "USAGE" in privileges
    }
    if PUBLIC in users:
        return []
    return [
        f"{name} may connect, but lacks USAGE on the schema: it finds no tables. Grant it access: "
        f"python manage.py db_grants {name}"
        f"{' --write' if 'TEMPORARY' in database[name] else ''} --database {alias}"
        for name in _other_roles(inspection)
        if "CONNECT" in database.get(name, {})
        and name not in users
        and name not in foreign_roles(alias)
    ]


def _other_roles(inspection: Inspection) -> list[str]:
    known_roles = {role.name for role in inspection.roles} | {PUBLIC}
    owners = {item.owner for item in inspection.objects}
    shown = [item for item in inspection.objects if item.kind in _KINDS]
    return sorted({name for item in shown for name in item.grants} - known_roles - owners)


def as_json(inspection: Inspection, result: Reconciliation) -> dict[str, Any]:
    """Return the inspection, and the result of a reconciliation before it, as JSON values."""
    reasons = {str(item.difference): item.reason for item in result.unresolved}
    return {
        "roles": {
            role.name: {
                "exists": role.name in inspection.logins,
                "can_log_in": _can_log_in(inspection, role.name),
                "limits": list(_limits(inspection, role.name)),
                "password_variable": role.variable,
                "owns": _count_owned(inspection, role),
                "rights": {
                    kind: dict(counts)
                    for kind, counts in _count_privileges(inspection, role.name).items()
                },
                "settings": dict(role.settings),
            }
            for role in inspection.roles
        },
        "created": list(result.created),
        "repaired": [str(difference) for difference in result.repaired],
        "differences": [
            {
                "role": item.role,
                "problem": item.problem,
                "objects": list(item.objects),
                "reason": reasons.get(str(item)),
            }
            for item in inspection.differences
        ],
    }


def _describe_login(inspection: Inspection, role: Role) -> str:
    if inspection.accounts[role.name].is_login_blocked:
        return "cannot log in: blocked by a limit"
    if inspection.logins[role.name]:
        return "; ".join(["logs in", *_limits(inspection, role.name)])
    return f"cannot log in ({role.variable} is not set)"


def _can_log_in(inspection: Inspection, name: str) -> bool:
    return inspection.logins.get(name, False) and not inspection.accounts[name].is_login_blocked


def _limits(inspection: Inspection, name: str) -> tuple[str, ...]:
    return inspection.accounts[name].limits if name in inspection.accounts else ()


def _count_owned(inspection: Inspection, role: Role) -> int:
    return sum(item.owner == role.name for item in _ownable_objects(inspection))


def _ownable_objects(inspection: Inspection) -> list[Object]:
    """Return the objects whose owner does not follow from another object."""
    return [
        item
        for item in inspection.objects
        if item.identity and item.kind != "SCHEMA" and not item.is_linked
    ]


def _describe_privileges(inspection: Inspection, name: str) -> list[str]:
    """Return the role's privileges as "SELECT on 20 tables", by kind of object."""
    counts = _count_privileges(inspection, name)
    return [
        f"{', '.join(sorted(privileges, key=_order))} on {_describe_objects(kind, count)}"
        for kind in _KINDS
        for count in sorted(set(counts.get(kind, {}).values()), reverse=True)
        if (privileges := [key for key, number in counts[kind].items() if number == count])
    ]


def _order(privilege: str) -> int:
    return _PRIVILEGES.index(privilege.split()[0])


def _describe_objects(kind: str, count: int) -> str:
    if kind in ("DATABASE", "SCHEMA"):
        return f"the {kind.lower()}"
    return counted(count, kind.lower())


def _count_privileges(inspection: Inspection, name: str) -> dict[str, Counter[str]]:
    """Return kind of object → privilege → number of objects on which the role has it."""
    counts: dict[str, Counter[str]] = {}
    for item in inspection.objects:
        if item.identity and name != item.owner and item.grants.get(name):
            whole = item.whole_privileges(name)
            partial = {f"{privilege} of columns" for privilege in item.columns.get(name, ())}
            counts.setdefault(item.kind, Counter()).update(whole | partial)
    return counts
