"""Checks of sessions: long transactions, blocked queries, locks and connection limits."""

from collections.abc import Iterable, Iterator

from marketplace.databases.roles.definitions import (
    database_connection_limit,
    roles_of,
    statement_timeout_seconds,
)
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, one_line

_MINUTE = 60
_HOUR = 60 * _MINUTE

#: Limits in seconds for a warning and for a critical finding: of a transaction, of an idle
#: transaction, and of waiting for a lock.
_LONG = (1 * _HOUR, 12 * _HOUR)
_IDLE = (10 * _MINUTE, 2 * _HOUR)
_WAIT = (30, 10 * _MINUTE)

#: Limits of the share of connections in use.
_FULL = (0.8, 0.95)

#: Thresholds of a session's share of the lock table.
_LOCKED = (0.25, 0.75)

#: Characters of a query that a finding quotes.
_SHOWN = 120

_HOLDS = (
    "The transaction keeps vacuum from removing newer dead rows in all tables, and holds its locks"
)


def _long(context: CheckContext) -> Iterator[Finding]:
    """Find transactions that have been open for a long time."""
    for row in _sessions(context, "long transactions"):
        seconds = row["transaction_seconds"]
        if seconds is None or seconds < _LONG[0] or _is_idle(row):
            continue
        yield Finding(
            code="transaction-long",
            severity=_severity(seconds, _LONG),
            subject=f"session {row['pid']}",
            what=f"{_session_name(row)} has been in a transaction for {duration(seconds)}: "
            f"{one_line(row['query'], _SHOWN)}",
            why=f"{_HOLDS}.",
            fix=f"SELECT pg_cancel_backend({row['pid']});  -- cancels its statement, if unwanted",
            evidence=_evidence(row, seconds),
        )


def _idle(context: CheckContext) -> Iterator[Finding]:
    """Find transactions that are idle."""
    for row in _sessions(context, "idle transactions"):
        seconds = row["state_seconds"] or 0
        if not _is_idle(row) or seconds < _IDLE[0]:
            continue
        yield Finding(
            code="transaction-idle",
            severity=_severity(seconds, _IDLE),
            subject=f"session {row['pid']}",
            what=f"{_session_name(row)} has been idle in a transaction for {duration(seconds)}; "
            f"its last statement: {one_line(row['query'], _SHOWN)}",
            why=f"{_HOLDS}. The program has neither committed nor rolled back.",
            fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session and rolls back",
            evidence=_evidence(row, seconds),
        )


def _blocked(context: CheckContext) -> Iterator[Finding]:
    """Find queries that wait for locks of other sessions."""
    sessions = {row["pid"]: row for row in _sessions(context, "blocked queries")}
    for row in sessions.values():
        seconds = row["state_seconds"] or 0
        if not row["blockers"] or seconds < _WAIT[0]:
            continue
        blockers = [sessions.get(pid) for pid in row["blockers"]]
        names = "; ".join(_describe_blocker(blocker) for blocker in blockers if blocker)
        first = row["blockers"][0]
        yield Finding(
            code="query-blocked",
            severity=_severity(seconds, _WAIT),
            subject=f"session {row['pid']}",
            what=f"{_session_name(row)} has waited for {duration(seconds)} with "
            f"{one_line(row['query'], _SHOWN)}, blocked by {names or row['blockers']}.",
            why="The session continues only when the blocking transaction ends. Other sessions "
            "that need the same table queue up behind it.",
            fix=f"SELECT pg_cancel_backend({first});  -- cancels the blocker's statement; if it is "
            f"idle: SELECT pg_terminate_backend({first});",
            evidence={**_evidence(row, seconds), "blockers": row["blockers"]},
        )


def _analysts(context: CheckContext) -> Iterator[Finding]:
    """Find statements of analysts who have disabled their timeout, which every role may do."""
    limit = statement_timeout_seconds()
    readers = {role.name for role in roles_of(context.alias) if role.is_reader}
    if not limit or not readers:
        return
    for row in _sessions(context, "statements of analysts"):
        seconds = row["state_seconds"] or 0
        # The additional minute allows for the time that canceling takes.
        if row["role"] not in readers or row["state"] != "active" or seconds < limit + _MINUTE:
            continue
        yield Finding(
            code="analyst-statement-long",
            severity=Severity.WARNING,
            subject=f"session {row['pid']}",
            what=f"{_session_name(row)} has run a statement for {duration(seconds)}, but "
            f"ANALYST_STATEMENT_TIMEOUT is {duration(limit)}: {one_line(row['query'], _SHOWN)}",
            why=f"The session or its role has another statement_timeout. {_HOLDS}.",
            fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session",
            evidence=_evidence(row, seconds),
        )


def _locks(context: CheckContext) -> Iterator[Finding]:
    """Find sessions that use a large part of the shared lock table."""
    for row in context.read("locks"):
        share = row["held"] / row["capacity"]
        if share >= _LOCKED[0]:
            yield Finding(
                code="locks-many",
                severity=_severity(share, _LOCKED),
                subject=f"session {row['pid']}",
                what=f"{_session_name(row)} holds {row['held']:,} locks; the server's lock table "
                f"has about {row['capacity']:,} slots.",
                why="When the lock table is full, statements of all databases fail with "
                '"out of shared memory".',
                fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session; or raise "
                "max_locks_per_transaction, which needs a restart of the server",
                evidence={"pid": row["pid"], "role": row["role"], "locks": row["held"]},
            )


def _prepared(context: CheckContext) -> Iterator[Finding]:
    """Find prepared transactions that were neither committed nor rolled back."""
    for row in context.read("prepared"):
        if row["seconds"] >= _IDLE[0]:
            yield Finding(
                code="transaction-prepared",
                severity=_severity(row["seconds"], _IDLE),
                subject=row["name"],
                what=f"{row['role']} prepared a transaction {duration(row['seconds'])} ago, which "
                "was neither committed nor rolled back.",
                why=f"{_HOLDS}, even after a restart of the server.",
                fix=f"ROLLBACK PREPARED '{row['name']}';  -- or COMMIT PREPARED",
                evidence={"seconds": round(row["seconds"])},
            )


def _own_limit(context: CheckContext) -> Iterator[Finding]:
    """Find whether the database is close to its connection limit."""
    row = context.read("connections")[0]
    used, limit = row["own_used"], row["own_limit"]
    if limit >= 0 and used >= limit * _FULL[0]:
        yield Finding(
            code="connections-database",
            severity=_severity(used / max(1, limit), _FULL),
            subject=context.server_info["name"],
            what=f"{used} of {limit} connections that the database allows are in use.",
            why="At the limit, new connections of loads and pages to this database are rejected.",
            fix=f'ALTER DATABASE "{context.server_info["name"]}" CONNECTION LIMIT '
            f"{database_connection_limit(row['available'])};  -- if the limit is already set to "
            "this, raise max_connections",
            evidence={"used": used, "limit": limit},
        )


def _server_limit(context: CheckContext) -> Iterator[Finding]:
    """Find whether the server is close to its connection limit."""
    row = context.read("connections")[0]
    share = row["used"] / max(1, row["available"])
    if share >= _FULL[0]:
        yield Finding(
            code="connections-server",
            severity=_severity(share, _FULL),
            subject="max_connections",
            what=f"{row['used']} of {row['available']} connections are in use ({row['total']} "
            f"minus the reserved ones): {row['applications']}.",
            why="At the limit, new connections of all loads and pages are rejected.",
            fix="SELECT pid, usename, application_name, state, state_change FROM pg_stat_activity "
            "WHERE state = 'idle' ORDER BY state_change;  -- then use a connection pooler such as "
            "PgBouncer",
            evidence={"used": row["used"], "available": row["available"]},
            is_of_server=True,
        )


def _sessions(context: CheckContext, check: str) -> list[Row]:
    """Return the sessions whose state this role may see; report the others as skipped."""
    sessions = context.read("sessions")
    visible = [row for row in sessions if row["state"] is not None]
    if len(visible) < len(sessions):
        context.report_skipped(
            check,
            f"{len(sessions) - len(visible)} of {len(sessions)} sessions belong to other roles: "
            f"GRANT pg_monitor TO {context.server_info['role']};",
        )
    return visible


def _is_idle(row: Row) -> bool:
    return bool(row["state"].startswith("idle in transaction"))


def _severity(value: float, limits: tuple[float, float]) -> Severity:
    return Severity.CRITICAL if value >= limits[1] else Severity.WARNING


def _session_name(row: Row) -> str:
    return f"{row['role']} ({row['application'] or 'no application name'})"


def _describe_blocker(row: Row) -> str:
    query = one_line(row["query"], _SHOWN)
    return f"session {row['pid']} of {_session_name(row)}, {row['state']}: {query}"


def _evidence(row: Row, seconds: float) -> Row:
    return {"pid": row["pid"], "role": row["role"], "seconds": round(seconds)}


CHECKS: Iterable[Check] = (
    Check("long transactions", ("transaction-long",), _long),
    Check("idle transactions", ("transaction-idle",), _idle),
    Check("blocked queries", ("query-blocked",), _blocked),
    Check("statements of analysts", ("analyst-statement-long",), _analysts),
    Check("locks of one session", ("locks-many",), _locks),
    Check("prepared transactions", ("transaction-prepared",), _prepared),
    Check("connections of the database", ("connections-database",), _own_limit),
    Check("connections of the server", ("connections-server",), _server_limit),
)
