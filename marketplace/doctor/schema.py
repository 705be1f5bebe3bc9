"""Checks of definitions: sequences, transaction ids, triggers, constraints, partitions."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from django.apps import apps
from django.db import connections
from django.utils.module_loading import module_has_submodule

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.registry import ALIASES

#: Used shares of a sequence's range for a warning and for a critical finding.
_WARNING_SHARE = 0.7
_CRITICAL_SHARE = 0.9

#: The server rejects writes when nearly this many transaction ids are in use.
_ALL_IDS = 2**31


def _sequences(context: CheckContext) -> Iterator[Finding]:
    """Find sequences that run out of numbers."""
    for row in context.read("sequences"):
        share = row["value"] / row["bound"] if row["bound"] else 0.0
        if share < _WARNING_SHARE:
            continue
        is_narrow = row["column_path"] and abs(row["bound"]) < 2**40
        fix = (
            f"-- Rewrites the table, which is locked during the rewrite.\n"
            f"ALTER TABLE {row['table_path']} ALTER COLUMN {row['column_name']} TYPE bigint;\n"
            f"ALTER SEQUENCE {row['path']} AS bigint;"
        )
        yield Finding(
            code="sequence-exhausted",
            severity=Severity.CRITICAL if share >= _CRITICAL_SHARE else Severity.WARNING,
            subject=row["path"],
            what=f"{share:.0%} of the sequence's numbers are used: {row['value']:,} of "
            f"{row['bound']:,}.",
            why=f"When no numbers are left, every insert into "
            f"{row['column_path'] or 'its table'} fails.",
            fix=fix if is_narrow else f"ALTER SEQUENCE {row['path']} AS bigint NO MAXVALUE;",
            evidence={"value": row["value"], "bound": row["bound"]},
        )


def _own_ages(context: CheckContext) -> Iterator[Finding]:
    """Find whether transaction ids run out because of this database."""
    for row in context.read("ages"):
        if row["is_current"]:
            yield from aged(row, is_of_server=False)


def _other_ages(context: CheckContext) -> Iterator[Finding]:
    """Find whether transaction ids run out because of another database of the server."""
    project_databases = {config["NAME"] for config in _databases()}
    for row in context.read("ages"):
        if not row["is_current"] and row["name"] not in project_databases:
            yield from aged(row, is_of_server=True)


def aged(row: Row, *, is_of_server: bool) -> Iterator[Finding]:
    """Find whether the transaction or multixact ids of a database run out.

    :param row: of `sql/ages.sql`
    """
    for kind in ("transaction", "multixact"):
        age, limit = row[f"{kind}_age"], row[f"{kind}_limit"]
        share = age / _ALL_IDS
        # Below this, autovacuum did not have to freeze yet.
        if age < max(limit * 1.5, _ALL_IDS * 0.2):
            continue
        yield Finding(
            code=f"{kind}-ids-exhausted",
            severity=Severity.CRITICAL if share >= 0.5 else Severity.WARNING,
            subject=row["name"],
            what=f"{share:.0%} of all {kind} ids are in use: the oldest is {age:,} old.",
            why="When the ids run out, the server rejects all writes until the tables are "
            "vacuumed. A long or prepared transaction or a replication slot may keep vacuum from "
            "freezing.",
            fix=f"vacuumdb --freeze --jobs 2 {row['name']}",
            evidence={"age": age, "limit": limit},
            is_of_server=is_of_server,
        )


def _databases() -> Iterable[Row]:
    return connections.settings.values()


def _definitions(context: CheckContext) -> Iterator[Finding]:
    """Find unlogged tables, disabled triggers, unvalidated constraints and outdated extensions."""
    for row in context.read("definitions"):
        yield _DESCRIBED[row["code"]](row)


def _unlogged(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.WARNING,
        subject=row["path"],
        what="The table is unlogged.",
        why="A crash empties the table, and neither standby servers nor WAL archives contain its "
        "rows.",
        fix=f"ALTER TABLE {row['path']} SET LOGGED;",
    )


def _disabled(row: Row) -> Finding:
    is_internal = row["kind"] == "internal"
    name = "ALL" if is_internal else row["name"]
    return Finding(
        code=row["code"],
        severity=Severity.CRITICAL if is_internal else Severity.WARNING,
        subject=f"{row['path']}.{row['name']}",
        what="The trigger is disabled"
        + (": a foreign key is not checked." if is_internal else "."),
        why="The trigger does not fire: rows written while it was disabled were not checked or "
        "recorded.",
        fix=f"ALTER TABLE {row['path']} ENABLE TRIGGER {name};",
    )


def _not_valid(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.WARNING,
        subject=f"{row['path']}.{row['name']}",
        what="The constraint was added NOT VALID, and existing rows were never checked.",
        why="Existing rows may violate the constraint, and a restore may fail because of them.",
        fix=f"ALTER TABLE {row['path']} VALIDATE CONSTRAINT {row['name']};",
    )


def _outdated(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.INFO,
        subject=row["path"],
        what=f"The extension has version {row['kind']}; the server provides {row['name']}.",
        why="The extension's functions are those of an older release, without later fixes.",
        fix=f"ALTER EXTENSION {row['path']} UPDATE;",
    )


_DESCRIBED = {
    "table-unlogged": _unlogged,
    "trigger-disabled": _disabled,
    "constraint-not-valid": _not_valid,
    "extension-outdated": _outdated,
}


def _partitions(context: CheckContext) -> Iterator[Finding]:
    """Find missing partitions of the current and the next months."""
    wanted = _names_ahead(context)
    if not wanted:
        return
    existing = {row["name"] for row in context.read("existing_partitions", names=wanted)}
    missing = [name for name in wanted if name not in existing]
    if missing:
        yield Finding(
            code="partition-missing",
            severity=Severity.CRITICAL if wanted[0] in missing else Severity.WARNING,
            subject=missing[0],
            what=f"{len(missing)} of {len(wanted)} partitions created in advance are missing: "
            f"{', '.join(missing)}.",
            why="Inserts into a month without a partition fail, unless the role may create it.",
            fix=f"python manage.py init_all --database {context.alias}",
            evidence={"missing": missing},
        )


def _names_ahead(context: CheckContext) -> list[str]:
    """Return the names of the partitions that the app of the database needs by now."""
    if context.alias not in ALIASES:
        return []
    package = apps.get_app_config(context.alias).module
    if package is None or not module_has_submodule(package, "partitions"):
        return []
    module = import_module(f"{context.alias}.partitions")
    return list(module.names_ahead(context.now.date()))


CHECKS: Iterable[Check] = (
    Check("sequences running out", ("sequence-exhausted",), _sequences),
    Check(
        "transaction ids running out",
        ("transaction-ids-exhausted", "multixact-ids-exhausted"),
        _own_ages,
    ),
    Check(
        "transaction ids of other databases",
        ("transaction-ids-exhausted", "multixact-ids-exhausted"),
        _other_ages,
    ),
    Check("definitions of tables, triggers and constraints", tuple(_DESCRIBED), _definitions),
    Check("partitions of the next months", ("partition-missing",), _partitions),
)
