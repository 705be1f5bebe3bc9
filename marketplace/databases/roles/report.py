"""The roles of a database in words, and for a program to read."""

from collections import Counter
from typing import Any

from marketplace.databases.roles.definitions import PUBLIC, Role
from marketplace.databases.roles.inspection import Inspection
from marketplace.databases.roles.objects import Object
from marketplace.databases.roles.reconcile import Reconciliation
from marketplace.humanize import counted

_KINDS = ("DATABASE", "SCHEMA", "TABLE", "SEQUENCE", "FUNCTION")

# All that PostgreSQL has for them, in the order in which they are read most easily.
_RIGHTS = (
    *("CONNECT", "TEMPORARY", "CREATE", "USAGE", "EXECUTE"),
    *("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"),
)


def sentence(found: Inspection, role: Role) -> str:
    """Return what a role may do, in one line."""
    if role.name not in found.logins:
        return "is missing"
    parts = [_login(found, role)]
    if role is found.roles[0]:
        parts.append(f"owns {_owned_count(found, role)} of {_real_count(found)} objects")
    else:
        parts += _rights(found, role.name)
    parts += [f"{key} {value}" for key, value in role.settings]
    return "; ".join(parts)


def others(found: Inspection) -> list[str]:
    """Return what roles that are not the database's own were given there, a line for each."""
    ours = {role.name for role in found.roles} | {PUBLIC}
    owners = {item.owner for item in found.objects}
    shown = [item for item in found.objects if item.kind in _KINDS]
    names = {name for item in shown for name in item.grants} - ours - owners
    return [f"{name}  {'; '.join(_rights(found, name))}" for name in sorted(names)]


def describe(found: Inspection, done: Reconciliation) -> dict[str, Any]:
    """Return the same for JSON."""
    reasons = {str(left.difference): left.reason for left in done.left}
    return {
        "roles": {
            role.name: {
                "exists": role.name in found.logins,
                "can_log_in": _can_log_in(found, role.name),
                "limits": list(_limits(found, role.name)),
                "password_variable": role.variable,
                "owns": _owned_count(found, role),
                "rights": {
                    kind: dict(counts) for kind, counts in _counts(found, role.name).items()
                },
                "settings": dict(role.settings),
            }
            for role in found.roles
        },
        "created": list(done.made),
        "mended": [str(difference) for difference in done.mended],
        "differences": [
            {
                "role": item.role,
                "problem": item.problem,
                "objects": list(item.objects),
                "reason": reasons.get(str(item)),
            }
            for item in found.differences
        ],
    }


def _login(found: Inspection, role: Role) -> str:
    if found.accounts[role.name].is_kept_out:
        return "is kept from logging in"
    if found.logins[role.name]:
        return "; ".join(["logs in", *_limits(found, role.name)])
    return f"cannot log in ({role.variable} is not set)"


def _can_log_in(found: Inspection, name: str) -> bool:
    return found.logins.get(name, False) and not found.accounts[name].is_kept_out


def _limits(found: Inspection, name: str) -> tuple[str, ...]:
    return found.accounts[name].limits if name in found.accounts else ()


def _owned_count(found: Inspection, role: Role) -> int:
    return sum(item.owner == role.name for item in _real(found))


def _real_count(found: Inspection) -> int:
    return len(_real(found))


def _real(found: Inspection) -> list[Object]:
    """Return what has an owner of its own."""
    return [
        item
        for item in found.objects
        if item.identity and item.kind != "SCHEMA" and not item.is_linked
    ]


def _rights(found: Inspection, name: str) -> list[str]:
    """Return what a role may do, as "SELECT on 20 tables", the whole before its parts."""
    counts = _counts(found, name)
    return [
        f"{', '.join(sorted(rights, key=_order))} on {_places(kind, count)}"
        for kind in _KINDS
        for count in sorted(set(counts.get(kind, {}).values()), reverse=True)
        if (rights := [right for right, number in counts[kind].items() if number == count])
    ]


def _order(right: str) -> int:
    return _RIGHTS.index(right.split()[0])


def _places(kind: str, count: int) -> str:
    if kind in ("DATABASE", "SCHEMA"):
        return f"the {kind.lower()}"
    return counted(count, kind.lower())


def _counts(found: Inspection, name: str) -> dict[str, Counter[str]]:
    """Return, by kind of object, on how many of them the role has which right."""
    counts: dict[str, Counter[str]] = {}
    for item in found.objects:
        if item.identity and name != item.owner and item.grants.get(name):
            rights = item.whole(name)
            partial = {f"{right} of columns" for right in item.columns.get(name, ())}
            counts.setdefault(item.kind, Counter()).update(rights | partial)
    return counts
