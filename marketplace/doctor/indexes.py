"""Indexes that cost and do not serve, and those that are lacking."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import permutations

from django.apps import apps
from django.db.models import Model

from marketplace.doctor.examination import ENOUGH_DAYS, Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.doctor.size_history import first_seen
from marketplace.humanize import counted, file_size, format_time
from marketplace.registry import CONTROL_APPS

MIB = 1024 * 1024

#: Rows of a table below which reading all of it is no trouble.
_SMALL_TABLE = 10_000

_ALIKE = ("table_oid", "method", "expressions", "predicate", "storage")
_BY_COLUMN = ("columns", "classes", "collations", "options")

#: How Django ends the names of indexes that it makes for fields.
_OF_FIELD = re.compile(r"_[0-9a-f]{8}(_like)?$")

_COST = "Each write to the table maintains it, and it takes room on disk and in memory"


def _unused(examination: Examination) -> Iterator[Finding]:
    """Find indexes that no query used for so long that this says something."""
    idle = [row for row in examination.read("indexes") if _is_idle(row)]
    if not idle:
        return
    if examination.days < ENOUGH_DAYS:
        examination.doubt("unused indexes", _too_young(examination))
        return
    seen = first_seen(examination.alias, examination.facts["server"])
    enough = examination.now - timedelta(days=ENOUGH_DAYS)
    known = [row for row in idle if row["oid"] in seen and seen[row["oid"]] <= enough]
    if len(known) < len(idle):
        examination.doubt(
            "unused indexes",
            f"{len(idle) - len(known)} may be younger than {ENOUGH_DAYS} days, of which there is "
            "no older snapshot: let db_snapshot run every day",
        )
    for row in known:
        yield _unused_finding(examination, row)


def _is_idle(row: Row) -> bool:
    is_free = not row["is_protected"] and not _is_given(row)
    return is_free and row["is_valid"] and not row["scans"]


def _too_young(examination: Examination) -> str:
    if examination.since is None:
        return "the server does not say since when its statistics count"
    return (
        f"the statistics count since {format_time(examination.since)} "
        f"({examination.days:.0f} days; {ENOUGH_DAYS} are needed)"
    )


def _unused_finding(examination: Examination, row: Row) -> Finding:
    is_costly = row["bytes"] >= MIB and not row["has_expressions"]
    why = f"{_COST}. Queries on standby servers are not counted here: ask those too."
    if row["has_expressions"]:
        why += " Statistics of its expression may still help the planner."
    return Finding(
        code="index-unused",
        severity=Severity.WARNING if is_costly else Severity.INFO,
        subject=row["path"],
        what=f"No query used the index in {examination.days:.0f} days ({file_size(row['bytes'])}).",
        why=why,
        fix=_drop(row),
        evidence={"scans": 0, "bytes": row["bytes"], "definition": row["definition"]},
        since=examination.since,
    )


def _drop(row: Row) -> str:
    """Return how to drop an index: where a model declares it, by a migration."""
    model = _model(row)
    if model and row["name"] in {index.name for index in model._meta.indexes}:
        return _migration(model, f"taking {row['name']} out of the indexes")
    if model and _OF_FIELD.search(row["name"]):
        return _migration(model, f"setting db_index=False on the field of {row['name']}")
    # A partitioned index cannot be dropped concurrently.
    how = "DROP INDEX" if row["is_partitioned"] else "DROP INDEX CONCURRENTLY"
    return f"{how} {row['path']};"


def _migration(model: type[Model], change: str) -> str:
    label = model._meta.app_label
    return (
        f"python manage.py makemigrations {label}  # after {change} in the model {model.__name__}; "
        f"then db_migrate --database {label}"
    )


def _model(row: Row) -> type[Model] | None:
    models = apps.get_models(include_auto_created=True)
    return next((each for each in models if each._meta.db_table == row["table_name"]), None)


def _is_given(row: Row) -> bool:
    """Return whether it is an index of Django's own tables, which nobody here can leave out."""
    model = _model(row)
    is_django = model is not None and model._meta.app_label in CONTROL_APPS
    return is_django and _OF_FIELD.search(row["name"]) is not None


def _duplicate(examination: Examination) -> Iterator[Finding]:
    """Find indexes that another one of the same table replaces in whole."""
    rows = [row for row in examination.read("indexes") if row["is_valid"]]
    gone: set[int] = set()
    for row, other in permutations(sorted(rows, key=_worth), 2):
        if row["is_protected"] or _is_given(row) or gone & {row["oid"], other["oid"]}:
            continue
        if _is_same(row, other):
            gone.add(row["oid"])
            yield _replaced(row, other, "index-duplicate", Severity.WARNING, "the same as")
        elif _is_prefix(row, other):
            gone.add(row["oid"])
            yield _replaced(row, other, "index-redundant", Severity.INFO, "the beginning of")


def _worth(row: Row) -> tuple[bool, int, str]:
    """Sort the index that is kept last: the protected, then the one that queries used."""
    return (row["is_protected"], row["scans"], row["name"])


def _is_same(row: Row, other: Row) -> bool:
    alike = (*_ALIKE, *_BY_COLUMN, "key_count")
    return all(row[name] == other[name] for name in alike)


def _is_prefix(row: Row, other: Row) -> bool:
    count = row["key_count"]
    return (
        row["method"] == "btree"
        and not row["expressions"]
        and not other["expressions"]
        # Included columns would be lost.
        and len(row["columns"]) == count < other["key_count"]
        and all(row[name] == other[name] for name in _ALIKE)
        and all(row[name] == other[name][:count] for name in _BY_COLUMN)
    )


def _replaced(row: Row, other: Row, code: str, severity: Severity, how: str) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=row["path"],
        what=f"The index is {how} {other['path']} ({file_size(row['bytes'])}).",
        why=f"{_COST}; the other answers the same queries.",
        fix=_drop(row),
        evidence={"bytes": row["bytes"], "scans": row["scans"], "kept": other["definition"]},
    )


def _invalid(examination: Examination) -> Iterator[Finding]:
    """Find indexes that a build left unfinished."""
    for row in examination.read("indexes"):
        if row["is_valid"] or row["is_being_built"]:
            continue
        is_leftover = "_ccnew" in row["name"] or "_ccold" in row["name"]
        can_drop = is_leftover and not row["is_protected"] and not row["is_unique"]
        rebuild = f"REINDEX INDEX CONCURRENTLY {row['path']};"
        yield Finding(
            code="index-invalid",
            severity=Severity.WARNING,
            subject=row["path"],
            what="The index is invalid: a CREATE INDEX CONCURRENTLY or REINDEX did not end.",
            why="No query uses it, while each write may still maintain it.",
            fix=f"DROP INDEX CONCURRENTLY {row['path']};" if can_drop else rebuild,
            evidence={"bytes": row["bytes"], "definition": row["definition"]},
        )


def _foreign_keys(examination: Examination) -> Iterator[Finding]:
    """Find foreign keys whose referencing side has no index."""
    for row in examination.read("foreign_keys"):
        if row["rows"] < _SMALL_TABLE:
            continue
        how = "CREATE INDEX" if row["is_partitioned"] else "CREATE INDEX CONCURRENTLY"
        yield Finding(
            code="index-missing-foreign-key",
            severity=Severity.WARNING,
            subject=row["path"],
            what=f"No index begins with the columns of the foreign key {row['name']} "
            f"(about {row['rows']:,} rows).",
            why=f"Each delete or change of a key in {row['referenced']} reads the whole table.",
            fix=f"{how} ON {row['path']} ({row['columns']});",
            evidence={"rows": row["rows"], "constraint": row["name"]},
        )


def _scans(examination: Examination) -> Iterator[Finding]:
    """Find large tables that are mostly read from end to end."""
    for row in examination.read("sequential_scans", small=_SMALL_TABLE):
        yield Finding(
            code="table-sequential-scans",
            severity=Severity.WARNING,
            subject=row["path"],
            what=f"The table of {row['rows']:,} rows ({file_size(row['bytes'])}) was read from end "
            f"to end {counted(row['scans'], 'time')}, by index "
            f"{counted(row['index_scans'], 'time')}.",
            why="Each such read takes time and pushes other data out of memory: an index may lack.",
            fix=f"python manage.py db_slow --database {examination.alias} --search "
            f"{row['name']}  # then EXPLAIN what it shows",
            evidence={"scans": row["scans"], "rows_read": row["rows_read"], "bytes": row["bytes"]},
            since=examination.since,
        )


CHECKS: Iterable[Check] = (
    Check("unused indexes", ("index-unused",), _unused),
    Check("duplicate indexes", ("index-duplicate", "index-redundant"), _duplicate),
    Check("invalid indexes", ("index-invalid",), _invalid),
    Check("foreign keys without an index", ("index-missing-foreign-key",), _foreign_keys),
    Check("large tables read from end to end", ("table-sequential-scans",), _scans),
)
