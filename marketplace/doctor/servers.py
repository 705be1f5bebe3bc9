"""Settings that endanger data, standby servers, slots, and the archive of the log."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, file_size, format_time

GIB = 1024**3


class _Rule(NamedTuple):
    """A value that a setting should not have."""

    setting: str
    value: str
    severity: Severity
    why: str
    #: Empty where it cannot be set back so simply.
    good: str
    needs_restart: bool = False


_CORRUPTS = "A crash of the machine may leave the data damaged beyond repair."
_RULES = (
    _Rule("fsync", "off", Severity.CRITICAL, _CORRUPTS, "on"),
    _Rule("full_page_writes", "off", Severity.CRITICAL, _CORRUPTS, "on"),
    _Rule(
        "zero_damaged_pages",
        "on",
        Severity.CRITICAL,
        "Damaged pages are read as empty, and their rows are lost in silence.",
        "off",
    ),
    _Rule(
        "autovacuum",
        "off",
        Severity.CRITICAL,
        "Dead rows are never removed and statistics grow old, until transaction ids run out.",
        "on",
    ),
    _Rule(
        "track_counts",
        "off",
        Severity.CRITICAL,
        "Autovacuum goes by these counts: without them it does nothing.",
        "on",
    ),
    _Rule(
        "ignore_checksum_failure",
        "on",
        Severity.WARNING,
        "Damage that the server notices is passed on instead of being told.",
        "off",
    ),
    _Rule(
        "synchronous_commit",
        "off",
        Severity.WARNING,
        "A crash loses what was committed in the last moments, though the client was told it is "
        "safe.",
        "on",
    ),
    _Rule(
        "wal_level",
        "minimal",
        Severity.WARNING,
        "Neither standby servers nor a recovery to a moment are possible.",
        "replica",
        needs_restart=True,
    ),
    _Rule(
        "data_checksums",
        "off",
        Severity.INFO,
        "Damage by the disk goes unnoticed until a query or a backup meets it. The server must be "
        "stopped to switch them on.",
        "",
    ),
)

_RECLAIM = "The server keeps its log for the slot until the disk is full, and vacuum may not clean."


def _dangers(examination: Examination) -> Iterator[Finding]:
    """Find settings of the server that endanger data."""
    for row, rule in _matches(examination):
        # What the database sets itself is told of the database.
        if row["setting"] == rule.value and row["of_database"] is None:
            yield _danger(rule, _for_all(examination, row, rule), row, is_of_server=True)


def _own_dangers(examination: Examination) -> Iterator[Finding]:
    """Find settings of the database that endanger data."""
    name = examination.facts["name"]
    for row, rule in _matches(examination):
        if row["of_database"] in (rule.value, {"on": "true", "off": "false"}.get(rule.value, "")):
            fix = f'ALTER DATABASE "{name}" RESET {rule.setting};'
            yield _danger(rule, fix, row, is_of_server=False)


def _matches(examination: Examination) -> Iterator[tuple[Row, _Rule]]:
    rules = {rule.setting: rule for rule in _RULES}
    for row in examination.read("settings", names=list(rules)):
        yield row, rules[row["name"]]


def _danger(rule: _Rule, fix: str, row: Row, *, is_of_server: bool) -> Finding:
    return Finding(
        code=f"setting-{rule.setting.replace('_', '-')}",
        severity=rule.severity,
        subject=rule.setting,
        what=f"{rule.setting} = {rule.value}" + ("." if is_of_server else " for this database."),
        why=rule.why,
        fix=fix,
        evidence={"setting": rule.value, "source": row["source"]},
        is_of_server=is_of_server,
    )


def _for_all(examination: Examination, row: Row, rule: _Rule) -> str:
    if not rule.good:
        return "pg_checksums --enable --pgdata DATA_DIRECTORY  # while the server is stopped"
    if row["source"] in ("user", "database user"):
        return f"ALTER ROLE {examination.facts['role']} RESET {rule.setting};"
    if examination.is_embedded:
        return (
            f"python manage.py db_stop  # after taking {rule.setting} out of "
            "EMBEDDED_POSTGRES_CONF; the next command starts the server"
        )
    if row["source"] == "command line":
        return f"Start the server with {rule.setting}={rule.good}."
    after = "-- then restart the server" if rule.needs_restart else "SELECT pg_reload_conf();"
    return f"ALTER SYSTEM SET {rule.setting} = {rule.good}; {after}"


def _replicas(examination: Examination) -> Iterator[Finding]:
    """Find standby servers that are far behind."""
    for row in examination.read("replicas"):
        if row["state"] is None:
            examination.lack("replication", _needs_monitor(examination))
            continue
        seconds, behind = row["seconds"] or 0, row["bytes"] or 0
        if seconds >= 60 or behind >= GIB:
            is_far = seconds >= 1800 or behind >= 10 * GIB
            yield Finding(
                code="replication-lag",
                severity=Severity.CRITICAL if is_far else Severity.WARNING,
                subject=row["name"],
                what=f"The standby is {duration(seconds)} and {file_size(behind)} behind.",
                why="A failover now would lose that much, and readers there see old data.",
                fix="SELECT * FROM pg_stat_replication;  -- then look at the standby's log",
                evidence={"seconds": seconds, "bytes": behind},
                is_of_server=True,
            )


def _standby(examination: Examination) -> Iterator[Finding]:
    """Find whether this server is itself a standby that is far behind."""
    row = examination.read("standby")[0]
    if row["is_standby"] and row["has_more"] and (row["seconds"] or 0) >= 60:
        yield Finding(
            code="standby-behind",
            severity=Severity.WARNING,
            subject="recovery",
            what=f"This standby has replayed nothing newer than {duration(row['seconds'])} ago.",
            why="Readers see old data; a long query here may hold the replay back.",
            fix="SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend';",
            evidence={"seconds": row["seconds"]},
            is_of_server=True,
        )


def _own_slots(examination: Examination) -> Iterator[Finding]:
    """Find slots of this database that nobody reads."""
    for row in examination.read("slots"):
        if row["database"] == examination.facts["name"]:
            yield from _slot(row)


def _server_slots(examination: Examination) -> Iterator[Finding]:
    """Find slots of standby servers that nobody reads."""
    for row in examination.read("slots"):
        if row["database"] is None:
            yield from _slot(row)


def _slot(row: Row) -> Iterator[Finding]:
    is_lost = row["status"] in ("unreserved", "lost")
    if row["active"] and not is_lost:
        return
    is_critical = is_lost or row["retained"] >= 10 * GIB
    state = "in use" if row["active"] else "not in use"
    yield Finding(
        code="slot-inactive",
        severity=Severity.CRITICAL if is_critical else Severity.WARNING,
        subject=row["name"],
        what=f"The {row['kind']} slot is {state} and retains {file_size(row['retained'])} of log"
        + (f" ({row['status']})." if row["status"] else "."),
        why=_RECLAIM,
        fix=f"SELECT pg_drop_replication_slot('{row['name']}');  -- if its reader is gone for good",
        evidence={"retained": row["retained"], "status": row["status"]},
        is_of_server=row["database"] is None,
    )


def _archiver(examination: Examination) -> Iterator[Finding]:
    """Find whether the log is archived."""
    row = examination.read("archiver")[0]
    if row["mode"] == "off" or row["failed_at"] is None:
        return
    if row["archived_at"] is None or row["failed_at"] > row["archived_at"]:
        newest = format_time(row["archived_at"]) if row["archived_at"] else "never"
        yield Finding(
            code="archive-failing",
            severity=Severity.CRITICAL,
            subject=row["failed_file"],
            what=f"Archiving the log fails since {format_time(row['failed_at'])} at the "
            f"latest; the last success: {newest}.",
            why="A recovery ends at the last file archived, and the log piles up until the disk "
            "is full.",
            fix="SHOW archive_command;  -- run it by hand, and see the server's log",
            evidence={"failed": row["failed"], "archived": row["archived"]},
            since=row["since"],
            is_of_server=True,
        )


def _needs_monitor(examination: Examination) -> str:
    role = examination.facts["role"]
    return f"the role {role} may not see it: GRANT pg_monitor TO {role};"


CHECKS: Iterable[Check] = (
    Check(
        "settings of the server",
        tuple(f"setting-{rule.setting.replace('_', '-')}" for rule in _RULES),
        _dangers,
    ),
    Check(
        "settings of the database",
        tuple(f"setting-{rule.setting.replace('_', '-')}" for rule in _RULES),
        _own_dangers,
    ),
    Check("standby servers", ("replication-lag",), _replicas),
    Check("replay", ("standby-behind",), _standby),
    Check("replication slots of the database", ("slot-inactive",), _own_slots),
    Check("replication slots", ("slot-inactive",), _server_slots),
    Check("archive of the log", ("archive-failing",), _archiver),
)
