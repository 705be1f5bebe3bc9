"""Checks of settings that endanger data."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row


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
)
