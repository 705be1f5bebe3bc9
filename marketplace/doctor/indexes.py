"""Checks of unused and duplicate indexes."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import permutations

from django.apps import apps
from django.db.models import Model

from marketplace.doctor.checks import ENOUGH_DAYS, Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.doctor.size_history import first_recorded
from marketplace.humanize import file_size, format_time
from marketplace.registry import CONTROL_APPS

MIB = 1024 * 1024

#: Columns of `sql/indexes.sql` that are equal for indexes of which one replaces the other, and
#: lists with one value per column of the index.
_COMMON_PROPERTIES = ("table_oid", "method", "expressions", "predicate", "storage")
_COLUMN_PROPERTIES = ("columns", "classes", "collations", "options")

#: The suffix of the indexes that Django creates for fields.
_FIELD_SUFFIX = re.compile(r"_[0-9a-f]{8}(_like)?$")

_COST = "Writes to the table also update the index, which takes space on disk and in memory"


def _unused(context: CheckContext) -> Iterator[Finding]:
    """Find indexes that no query used during a sufficiently long time."""
    unused = [row for row in context.read("indexes") if _is_unused(row)]
    if not unused:
        return
    if context.days < ENOUGH_DAYS:
        context.report_insufficient_data("unused indexes", _age_of_statistics(context))
        return
    recorded = first_recorded(context.alias, context.server_info["server"])
    limit = context.now - timedelta(days=ENOUGH_DAYS)
    old = [row for row in unused if row["oid"] in recorded and recorded[row["oid"]] <= limit]
    if len(old) < len(unused):
        context.report_insufficient_data(
            "unused indexes",
            f"{len(unused) - len(old)} of them may be younger than {ENOUGH_DAYS} days, as the size "
            "history has no older record of them: run db_record_sizes every day",
        )
    for row in old:
        yield _unused_finding(context, row)


def _is_unused(row: Row) -> bool:
    can_be_dropped = not row["is_protected"] and not _belongs_to_django(row)
    return can_be_dropped and row["is_valid"] and not row["scans"]


def _age_of_statistics(context: CheckContext) -> str:
    if context.since is None:
        return "the time since which the server has collected statistics is unknown"
    return (
        f"the server has collected statistics since {format_time(context.since)} "
        f"({context.days:.0f} days; {ENOUGH_DAYS} are needed)"
    )


def _unused_finding(context: CheckContext, row: Row) -> Finding:
    is_costly = row["bytes"] >= MIB and not row["has_expressions"]
    why = f"{_COST}. Queries on standby servers are not included: check their statistics, too."
    if row["has_expressions"]:
        why += " The planner may still use the statistics of the index's expression."
    return Finding(
        code="index-unused",
        severity=Severity.WARNING if is_costly else Severity.INFO,
        subject=row["path"],
        what=f"No query used the index in {context.days:.0f} days ({file_size(row['bytes'])}).",
        why=why,
        fix=_drop(row),
        evidence={"scans": 0, "bytes": row["bytes"], "definition": row["definition"]},
        since=context.since,
    )


def _drop(row: Row) -> str:
    """Return the command that drops an index; a migration if a model declares it."""
    model = _model(row)
    if model and row["name"] in {index.name for index in model._meta.indexes}:
        return _migration(model, f"removing {row['name']} from the indexes")
    if model and _FIELD_SUFFIX.search(row["name"]):
        return _migration(model, f"setting db_index=False on the field of {row['name']}")
    # A partitioned index cannot be dropped concurrently.
    command = "DROP INDEX" if row["is_partitioned"] else "DROP INDEX CONCURRENTLY"
    return f"{command} {row['path']};"


def _migration(model: type[Model], change: str) -> str:
    label = model._meta.app_label
    return (
        f"python manage.py makemigrations {label}  # after {change} in the model {model.__name__}; "
        f"then db_migrate --database {label}"
    )


def _model(row: Row) -> type[Model] | None:
    models = apps.get_models(include_auto_created=True)
    return next((model for model in models if model._meta.db_table == row["table_name"]), None)


def _belongs_to_django(row: Row) -> bool:
    """Return whether the index belongs to one of Django's own models, and so must be kept."""
    model = _model(row)
    is_django = model is not None and model._meta.app_label in CONTROL_APPS
    return is_django and _FIELD_SUFFIX.search(row["name"]) is not None


def _duplicate(context: CheckContext) -> Iterator[Finding]:
    """Find indexes that another index of the same table makes redundant."""
    rows = [row for row in context.read("indexes") if row["is_valid"]]
    reported: set[int] = set()
    for row, other in permutations(sorted(rows, key=_priority), 2):
        if row["is_protected"] or _belongs_to_django(row) or reported & {row["oid"], other["oid"]}:
            continue
        if _is_same(row, other):
            reported.add(row["oid"])
            yield _replaceable(row, other, "index-duplicate", Severity.WARNING, "the same as")
        elif _is_prefix(row, other):
            reported.add(row["oid"])
            yield _replaceable(row, other, "index-redundant", Severity.INFO, "a prefix of")


def _priority(row: Row) -> tuple[bool, int, str]:
    """Return a sort key: indexes that are worth keeping, protected or used ones, come last."""
    return (row["is_protected"], row["scans"], row["name"])


def _is_same(row: Row, other: Row) -> bool:
    names = (*_COMMON_PROPERTIES, *_COLUMN_PROPERTIES, "key_count")
    return all(row[name] == other[name] for name in names)


def _is_prefix(row: Row, other: Row) -> bool:
    count = row["key_count"]
    return (
        row["method"] == "btree"
        and not row["expressions"]
        and not other["expressions"]
        # An index with included columns is not redundant.
        and len(row["columns"]) == count < other["key_count"]
        and all(row[name] == other[name] for name in _COMMON_PROPERTIES)
        and all(row[name] == other[name][:count] for name in _COLUMN_PROPERTIES)
    )


def _replaceable(row: Row, other: Row, code: str, severity: Severity, relation: str) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=row["path"],
        what=f"The index is {relation} {other['path']} ({file_size(row['bytes'])}).",
        why=f"{_COST}. The other index serves the same queries.",
        fix=_drop(row),
        evidence={"bytes": row["bytes"], "scans": row["scans"], "kept": other["definition"]},
    )


CHECKS: Iterable[Check] = (
    Check("unused indexes", ("index-unused",), _unused),
    Check("duplicate indexes", ("index-duplicate", "index-redundant"), _duplicate),
)
