"""What tables, constraints, sequences and partitions are made of."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from django.apps import apps
from django.db import connections
from django.utils.module_loading import module_has_submodule

from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.registry import ALIASES

#: Shares of all numbers from which on their end is near, and at hand.
_NEAR = 0.7
_AT_HAND = 0.9

#: The server refuses writes when this many ids are in use, less a small reserve.
_ALL_IDS = 2**31


def _sequences(examination: Examination) -> Iterator[Finding]:
    """Find sequences that come to their end."""
    for row in examination.read("sequences"):
        share = row["value"] / row["bound"] if row["bound"] else 0.0
        if share < _NEAR:
            continue
        is_narrow = row["column_path"] and abs(row["bound"]) < 2**40
        fix = (
            f"-- Rewrites the table and locks it meanwhile.\n"
            f"ALTER TABLE {row['table_path']} ALTER COLUMN {row['column_name']} TYPE bigint;\n"
            f"ALTER SEQUENCE {row['path']} AS bigint;"
        )
        yield Finding(
            code="sequence-exhausted",
            severity=Severity.CRITICAL if share >= _AT_HAND else Severity.WARNING,
            subject=row["path"],
            what=f"{share:.0%} of its numbers are used: {row['value']:,} of {row['bound']:,}.",
            why=f"At the end every insert into {row['column_path'] or 'its table'} fails.",
            fix=fix if is_narrow else f"ALTER SEQUENCE {row['path']} AS bigint NO MAXVALUE;",
            evidence={"value": row["value"], "bound": row["bound"]},
        )


def _own_ages(examination: Examination) -> Iterator[Finding]:
    """Find whether transaction ids run out because of this database."""
    for row in examination.read("ages"):
        if row["is_own"]:
            yield from aged(row, is_of_server=False)


def _other_ages(examination: Examination) -> Iterator[Finding]:
    """Find whether transaction ids run out because of a database that nobody looks after."""
    own = {config["NAME"] for config in _databases()}
    for row in examination.read("ages"):
        if not row["is_own"] and row["name"] not in own:
            yield from aged(row, is_of_server=True)


def aged(row: Row, *, is_of_server: bool) -> Iterator[Finding]:
    """Judge the age of a database's oldest ids: see `sql/ages.sql`."""
    for kind in ("transaction", "multixact"):
        age, limit = row[f"{kind}_age"], row[f"{kind}_limit"]
        share = age / _ALL_IDS
        # Below that autovacuum has not had to do anything yet.
        if age < max(limit * 1.5, _ALL_IDS * 0.2):
            continue
        yield Finding(
            code=f"{kind}-ids-exhausted",
            severity=Severity.CRITICAL if share >= 0.5 else Severity.WARNING,
            subject=row["name"],
            what=f"{share:.0%} of all {kind} ids are in use: the oldest is {age:,} old.",
            why="When they run out, the server refuses every write until all is vacuumed. A long "
            "transaction, a prepared one or a replication slot may keep vacuum from freezing.",
            fix=f"vacuumdb --freeze --jobs 2 {row['name']}",
            evidence={"age": age, "limit": limit},
            is_of_server=is_of_server,
        )


def _databases() -> Iterable[Row]:
    return connections.settings.values()


def _definitions(examination: Examination) -> Iterator[Finding]:
    """Find tables, triggers and constraints that do not do what they seem to."""
    for row in examination.read("definitions"):
        yield _DESCRIBED[row["code"]](row)


def _unlogged(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.WARNING,
        subject=row["path"],
        what="The table is unlogged.",
        why="A crash empties it, and neither standby servers nor backups of the log have its rows.",
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
        why="What it enforces or records is not: rows written meanwhile were not looked at.",
        fix=f"ALTER TABLE {row['path']} ENABLE TRIGGER {name};",
    )


def _not_valid(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.WARNING,
        subject=f"{row['path']}.{row['name']}",
        what="The constraint was added NOT VALID, and old rows were never compared with it.",
        why="Rows that break it may be there, and a restore may refuse them.",
        fix=f"ALTER TABLE {row['path']} VALIDATE CONSTRAINT {row['name']};",
    )


def _outdated(row: Row) -> Finding:
    return Finding(
        code=row["code"],
        severity=Severity.INFO,
        subject=row["path"],
        what=f"The extension has version {row['kind']}; the server offers {row['name']}.",
        why="Its functions are those of an older release, without later corrections.",
        fix=f"ALTER EXTENSION {row['path']} UPDATE;",
    )


_DESCRIBED = {
    "table-unlogged": _unlogged,
    "trigger-disabled": _disabled,
    "constraint-not-valid": _not_valid,
    "extension-outdated": _outdated,
}


def _partitions(examination: Examination) -> Iterator[Finding]:
    """Find partitions that should have been made ahead."""
    wanted = _names_ahead(examination)
    if not wanted:
        return
    found = {row["name"] for row in examination.read("present", names=wanted)}
    missing = [name for name in wanted if name not in found]
    if missing:
        yield Finding(
            code="partition-missing",
            severity=Severity.CRITICAL if wanted[0] in missing else Severity.WARNING,
            subject=missing[0],
            what=f"{len(missing)} of {len(wanted)} partitions ahead are missing: "
            f"{', '.join(missing)}.",
            why="Nothing can be stored in a month without one, but by a role that may create it.",
            fix=f"python manage.py init_all --database {examination.alias}",
            evidence={"missing": missing},
        )


def _names_ahead(examination: Examination) -> list[str]:
    """Return the names of the partitions that the database's app wants by now."""
    if examination.alias not in ALIASES:
        return []
    package = apps.get_app_config(examination.alias).module
    if package is None or not module_has_submodule(package, "partitions"):
        return []
    module = import_module(f"{examination.alias}.partitions")
    return list(module.names_ahead(examination.now.date()))


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
    Check("partitions ahead", ("partition-missing",), _partitions),
)
