"""Checks of the server: dangerous settings, standby servers, replication slots, WAL archiving."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, file_size, format_time

GIB = 1024**3


class _Rule(NamedTuple):
    """A dangerous value of a setting."""

    setting: str
    value: str
    severity: Severity
    why: str
    #: The safe value; empty if changing the setting is not enough.
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
        "Damaged pages are read as empty, and their rows are lost silently.",
        "off",
    ),
    _Rule(
        "autovacuum",
        "off",
        Severity.CRITICAL,
        "Dead rows are never removed and statistics become outdated, until transaction ids run "
        "out.",
        "on",
    ),
    _Rule(
        "track_counts",
        "off",
        Severity.CRITICAL,
        "Autovacuum depends on these counts: without them it does not run.",
        "on",
    ),
    _Rule(
        "ignore_checksum_failure",
        "on",
        Severity.WARNING,
        "Checksum failures do not raise errors; corrupted data may be returned.",
        "off",
    ),
    _Rule(
        "synchronous_commit",
        "off",
        Severity.WARNING,
        "A crash loses the last commits, although the server has confirmed them.",
        "on",
    ),
    _Rule(
        "wal_level",
        "minimal",
        Severity.WARNING,
        "Neither standby servers nor point-in-time recovery are possible.",
        "replica",
        needs_restart=True,
    ),
    _Rule(
        "data_checksums",
        "off",
        Severity.INFO,
        "Damage by the disk is not detected until a query or a backup reads the data. The server "
        "must be stopped to enable checksums.",
        "",
    ),
)

_RETAINS = (
    "The server retains WAL for the slot until the disk is full, and vacuum may not remove dead "
    "rows."
)


def _server_settings(context: CheckContext) -> Iterator[Finding]:
    """Find settings of the server that endanger data."""
    for row, rule in _matches(context):
        # The settings of the database have a check of their own.
        if row["setting"] == rule.value and row["of_database"] is None:
            yield _danger(rule, _fix_for_server(context, row, rule), row, is_of_server=True)


def _database_settings(context: CheckContext) -> Iterator[Finding]:
    """Find settings of the database that endanger data."""
    name = context.server_info["name"]
    for row, rule in _matches(context):
        if row["of_database"] in (rule.value, {"on": "true", "off": "false"}.get(rule.value, "")):
            fix = f'ALTER DATABASE "{name}" RESET {rule.setting};'
            yield _danger(rule, fix, row, is_of_server=False)


def _matches(context: CheckContext) -> Iterator[tuple[Row, _Rule]]:
    rules = {rule.setting: rule for rule in _RULES}
    for row in context.read("settings", names=list(rules)):
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


def _fix_for_server(context: CheckContext, row: Row, rule: _Rule) -> str:
    if not rule.good:
        return "pg_checksums --enable --pgdata DATA_DIRECTORY  # while the server is stopped"
    if row["source"] in ("user", "database user"):
        return f"ALTER ROLE {context.server_info['role']} RESET {rule.setting};"
    if context.is_embedded:
        return (
            f"python manage.py db_stop  # after removing {rule.setting} from "
            "EMBEDDED_POSTGRES_CONF; the next command starts the server"
        )
    if row["source"] == "command line":
        return f"Start the server with {rule.setting}={rule.good}."
    after = "-- then restart the server" if rule.needs_restart else "SELECT pg_reload_conf();"
    return f"ALTER SYSTEM SET {rule.setting} = {rule.good}; {after}"


def _replicas(context: CheckContext) -> Iterator[Finding]:
    """Find standby servers that are far behind."""
    for row in context.read("replicas"):
        if row["state"] is None:
            context.report_skipped("replication", _needs_monitor(context))
            continue
        seconds, behind = row["seconds"] or 0, row["bytes"] or 0
        if seconds >= 60 or behind >= GIB:
            is_far = seconds >= 1800 or behind >= 10 * GIB
            yield Finding(
                code="replication-lag",
                severity=Severity.CRITICAL if is_far else Severity.WARNING,
                subject=row["name"],
                what=f"The standby is {duration(seconds)} and {file_size(behind)} behind.",
                why="A failover now would lose that much, and queries on the standby return old "
                "data.",
                fix="SELECT * FROM pg_stat_replication;  -- then check the standby's log",
                evidence={"seconds": seconds, "bytes": behind},
                is_of_server=True,
            )


def _standby(context: CheckContext) -> Iterator[Finding]:
    """Find whether this server is a standby that is far behind."""
    row = context.read("standby")[0]
    if row["is_standby"] and row["has_more"] and (row["seconds"] or 0) >= 60:
        yield Finding(
            code="standby-behind",
            severity=Severity.WARNING,
            subject="recovery",
            what=f"This standby is {duration(row['seconds'])} behind.",
            why="Queries return old data. A long query on this server may delay the replay.",
            fix="SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend';",
            evidence={"seconds": row["seconds"]},
            is_of_server=True,
        )


def _own_slots(context: CheckContext) -> Iterator[Finding]:
    """Find logical replication slots of this database that are not in use."""
    for row in context.read("slots"):
        if row["database"] == context.server_info["name"]:
            yield from _slot(row)


def _server_slots(context: CheckContext) -> Iterator[Finding]:
    """Find physical replication slots that are not in use."""
    for row in context.read("slots"):
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
        what=f"The {row['kind']} slot is {state} and retains {file_size(row['retained'])} of WAL"
        + (f" ({row['status']})." if row["status"] else "."),
        why=_RETAINS,
        fix=f"SELECT pg_drop_replication_slot('{row['name']}');  -- if it is not needed any more",
        evidence={"retained": row["retained"], "status": row["status"]},
        is_of_server=row["database"] is None,
    )


def _archiver(context: CheckContext) -> Iterator[Finding]:
    """Find whether WAL archiving fails."""
    row = context.read("archiver")[0]
    if row["mode"] == "off" or row["failed_at"] is None:
        return
    if row["archived_at"] is None or row["failed_at"] > row["archived_at"]:
        newest = format_time(row["archived_at"]) if row["archived_at"] else "never"
        yield Finding(
            code="archive-failing",
            severity=Severity.CRITICAL,
            subject=row["failed_file"],
            what=f"WAL archiving has failed, last at {format_time(row['failed_at'])}; last "
            f"success: {newest}.",
            why="A recovery ends at the last archived file, and WAL accumulates until the disk is "
            "full.",
            fix="SHOW archive_command;  -- run it by hand, and check the server's log",
            evidence={"failed": row["failed"], "archived": row["archived"]},
            since=row["since"],
            is_of_server=True,
        )


def _needs_monitor(context: CheckContext) -> str:
    role = context.server_info["role"]
    return f"the role {role} lacks the privilege: GRANT pg_monitor TO {role};"


CHECKS: Iterable[Check] = (
    Check(
        "settings of the server",
        tuple(f"setting-{rule.setting.replace('_', '-')}" for rule in _RULES),
        _server_settings,
    ),
    Check(
        "settings of the database",
        tuple(f"setting-{rule.setting.replace('_', '-')}" for rule in _RULES),
        _database_settings,
    ),
    Check("standby servers", ("replication-lag",), _replicas),
    Check("replay on this standby", ("standby-behind",), _standby),
    Check("replication slots of the database", ("slot-inactive",), _own_slots),
    Check("replication slots", ("slot-inactive",), _server_slots),
    Check("WAL archiving", ("archive-failing",), _archiver),
)
