"""Who is connected, who waits for whom, and who holds what for too long."""

from collections.abc import Iterable, Iterator

from marketplace.databases.roles.definitions import (
    database_connection_limit,
    roles_of,
    statement_timeout_seconds,
)
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, one_line

_MINUTE = 60
_HOUR = 60 * _MINUTE

#: Seconds of a transaction, of one that does nothing, and of waiting: a warning, and critical.
_LONG = (1 * _HOUR, 12 * _HOUR)
_IDLE = (10 * _MINUTE, 2 * _HOUR)
_WAIT = (30, 10 * _MINUTE)

#: Shares of the connections that are in use.
_FULL = (0.8, 0.95)

#: Shares of the memory for locks that one session has filled.
_LOCKED = (0.25, 0.75)

_SHOWN = 120

_HOLDS = "It keeps vacuum from removing any row that died since, in all tables, and holds its locks"


def _long(examination: Examination) -> Iterator[Finding]:
    """Find transactions that have been open for long."""
    for row in _sessions(examination, "long transactions"):
        seconds = row["transaction_seconds"]
        if seconds is None or seconds < _LONG[0] or _is_idle(row):
            continue
        yield Finding(
            code="transaction-long",
            severity=_severity(seconds, _LONG),
            subject=f"session {row['pid']}",
            what=f"{_who(row)} has been in a transaction for {duration(seconds)}: "
            f"{one_line(row['query'], _SHOWN)}",
            why=f"{_HOLDS}.",
            fix=f"SELECT pg_cancel_backend({row['pid']});  -- ends its statement, if it must not",
            evidence=_evidence(row, seconds),
        )


def _idle(examination: Examination) -> Iterator[Finding]:
    """Find transactions that wait for their client."""
    for row in _sessions(examination, "idle transactions"):
        seconds = row["state_seconds"] or 0
        if not _is_idle(row) or seconds < _IDLE[0]:
            continue
        yield Finding(
            code="transaction-idle",
            severity=_severity(seconds, _IDLE),
            subject=f"session {row['pid']}",
            what=f"{_who(row)} has done nothing inside a transaction for {duration(seconds)}; "
            f"its last statement: {one_line(row['query'], _SHOWN)}",
            why=f"{_HOLDS}. Its program hangs, or forgot to commit.",
            fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session, and undoes it",
            evidence=_evidence(row, seconds),
        )


def _blocked(examination: Examination) -> Iterator[Finding]:
    """Find queries that wait for locks of others."""
    sessions = {row["pid"]: row for row in _sessions(examination, "blocked queries")}
    for row in sessions.values():
        seconds = row["state_seconds"] or 0
        if not row["blockers"] or seconds < _WAIT[0]:
            continue
        blockers = [sessions.get(pid) for pid in row["blockers"]]
        names = "; ".join(_blocker(blocker) for blocker in blockers if blocker)
        first = row["blockers"][0]
        yield Finding(
            code="query-blocked",
            severity=_severity(seconds, _WAIT),
            subject=f"session {row['pid']}",
            what=f"{_who(row)} has waited for {duration(seconds)} with "
            f"{one_line(row['query'], _SHOWN)}, blocked by {names or row['blockers']}.",
            why="It goes on only when the other ends; others who need the same table queue up.",
            fix=f"SELECT pg_cancel_backend({first});  -- ends the blocker's statement; if it is "
            f"idle: SELECT pg_terminate_backend({first});",
            evidence={**_evidence(row, seconds), "blockers": row["blockers"]},
        )


def _analysts(examination: Examination) -> Iterator[Finding]:
    """Find statements of analysts who have switched their timeout off, as anybody can."""
    limit = statement_timeout_seconds()
    readers = {role.name for role in roles_of(examination.alias) if role.is_reader}
    if not limit or not readers:
        return
    for row in _sessions(examination, "statements of analysts"):
        seconds = row["state_seconds"] or 0
        # Canceling takes a moment, too.
        if row["role"] not in readers or row["state"] != "active" or seconds < limit + _MINUTE:
            continue
        yield Finding(
            code="analyst-statement-long",
            severity=Severity.WARNING,
            subject=f"session {row['pid']}",
            what=f"{_who(row)} has run a statement for {duration(seconds)}, and "
            f"ANALYST_STATEMENT_TIMEOUT is {duration(limit)}: {one_line(row['query'], _SHOWN)}",
            why=f"Its session has set statement_timeout itself. {_HOLDS}.",
            fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session",
            evidence=_evidence(row, seconds),
        )


def _locks(examination: Examination) -> Iterator[Finding]:
    """Find sessions that fill the memory for the locks of all."""
    for row in examination.read("locks"):
        share = row["held"] / row["capacity"]
        if share >= _LOCKED[0]:
            yield Finding(
                code="locks-many",
                severity=_severity(share, _LOCKED),
                subject=f"session {row['pid']}",
                what=f"{_who(row)} holds {row['held']:,} locks; the server has room for about "
                f"{row['capacity']:,}.",
                why="When the memory for locks is full, statements of all databases fail with "
                '"out of shared memory".',
                fix=f"SELECT pg_terminate_backend({row['pid']});  -- ends the session; or raise "
                "max_locks_per_transaction, which needs a restart of the server",
                evidence={"pid": row["pid"], "role": row["role"], "locks": row["held"]},
            )


def _prepared(examination: Examination) -> Iterator[Finding]:
    """Find transactions that were prepared, and neither committed nor rolled back."""
    for row in examination.read("prepared"):
        if row["seconds"] >= _IDLE[0]:
            yield Finding(
                code="transaction-prepared",
                severity=_severity(row["seconds"], _IDLE),
                subject=row["name"],
                what=f"{row['role']} prepared a transaction {duration(row['seconds'])} ago, and "
                "nobody ended it.",
                why=f"{_HOLDS}, even after a restart of the server.",
                fix=f"ROLLBACK PREPARED '{row['name']}';  -- or COMMIT PREPARED",
                evidence={"seconds": round(row["seconds"])},
            )


def _own_limit(examination: Examination) -> Iterator[Finding]:
    """Find whether the database's own limit of connections is near."""
    row = examination.read("connections")[0]
    used, limit = row["own_used"], row["own_limit"]
    if limit >= 0 and used >= limit * _FULL[0]:
        yield Finding(
            code="connections-database",
            severity=_severity(used / max(1, limit), _FULL),
            subject=examination.facts["name"],
            what=f"{used} of {limit} connections that the database allows are in use.",
            why="At the limit loads and pages of this database are refused.",
            fix=f'ALTER DATABASE "{examination.facts["name"]}" CONNECTION LIMIT '
            f"{database_connection_limit(row['available'])};  -- if that is the limit already, "
            "raise max_connections",
            evidence={"used": used, "limit": limit},
        )


def _server_limit(examination: Examination) -> Iterator[Finding]:
    """Find whether the server's limit of connections is near."""
    row = examination.read("connections")[0]
    share = row["used"] / max(1, row["available"])
    if share >= _FULL[0]:
        yield Finding(
            code="connections-server",
            severity=_severity(share, _FULL),
            subject="max_connections",
            what=f"{row['used']} of {row['available']} connections are in use ({row['total']} less "
            f"those reserved): {row['applications']}.",
            why="At the limit every new load and page is refused.",
            fix="SELECT pid, usename, application_name, state, state_change FROM pg_stat_activity "
            "WHERE state = 'idle' ORDER BY state_change;  -- then put a pool such as PgBouncer "
            "between",
            evidence={"used": row["used"], "available": row["available"]},
            is_of_server=True,
        )


def _sessions(examination: Examination, what: str) -> list[Row]:
    """Return the sessions whose state this role may see."""
    found = examination.read("sessions")
    visible = [row for row in found if row["state"] is not None]
    if len(visible) < len(found):
        examination.lack(
            what,
            f"{len(found) - len(visible)} of {len(found)} sessions are of other roles: "
            f"GRANT pg_monitor TO {examination.facts['role']};",
        )
    return visible


def _is_idle(row: Row) -> bool:
    return bool(row["state"].startswith("idle in transaction"))


def _severity(value: float, limits: tuple[float, float]) -> Severity:
    return Severity.CRITICAL if value >= limits[1] else Severity.WARNING


def _who(row: Row) -> str:
    return f"{row['role']} ({row['application'] or 'no application name'})"


def _blocker(row: Row) -> str:
    return f"session {row['pid']} of {_who(row)}, {row['state']}: {one_line(row['query'], _SHOWN)}"


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
