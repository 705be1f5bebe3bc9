"""Vacuum, analyze, and what is left where they do not come."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, file_size

#: Rows below which the planner does well without statistics, and dead rows do no harm.
FEW_ROWS = 10_000

#: Wasted space is told from this share of the whole on, and this many bytes.
_BLOATED_SHARE = 0.4
_BLOATED_BYTES = 10 * 1024 * 1024
_PAGES = _BLOATED_BYTES // 8192

#: Autovacuum comes within minutes of its limit: what is this far beyond, it does not manage.
_BEYOND = 2

_UNTIL_LATE = timedelta(days=1)
_UNTIL_OVERDUE = timedelta(hours=1)


def _bloated_tables(examination: Examination) -> Iterator[Finding]:
    """Find tables that are much larger than their rows."""
    for row in examination.read("table_bloat", pages=_PAGES, share=_BLOATED_SHARE):
        if row["wasted"] >= _BLOATED_BYTES:
            yield Finding(
                code="table-bloat",
                severity=Severity.WARNING,
                subject=row["path"],
                what=_wasted(row),
                why="Each reading of the table reads the empty room too. New rows will fill it; "
                "it shrinks only by a rewrite.",
                fix="-- Locks the table while it runs; the extension pg_repack does it without.\n"
                f"VACUUM (FULL, ANALYZE) {row['path']};",
                evidence={"bytes": row["bytes"], "wasted": row["wasted"]},
            )


def _bloated_indexes(examination: Examination) -> Iterator[Finding]:
    """Find indexes that are much larger than their entries."""
    for row in examination.read("index_bloat", pages=_PAGES, share=_BLOATED_SHARE):
        if row["wasted"] >= _BLOATED_BYTES:
            yield Finding(
                code="index-bloat",
                severity=Severity.WARNING,
                subject=row["path"],
                what=_wasted(row),
                why="It takes memory that other data could use, and is slower to search.",
                fix=f"REINDEX INDEX CONCURRENTLY {row['path']};",
                evidence={"bytes": row["bytes"], "wasted": row["wasted"]},
            )


def _wasted(row: Row) -> str:
    share = row["wasted"] / row["bytes"]
    return f"About {file_size(row['wasted'])} of {file_size(row['bytes'])} ({share:.0%}) is empty."


def _dead(examination: Examination) -> Iterator[Finding]:
    """Find tables full of rows that were deleted or replaced."""
    for row in _tables(examination):
        if row["dead"] >= max(FEW_ROWS, row["dead_limit"] * _BEYOND):
            share = row["dead"] / max(1, row["dead"] + row["live"])
            # After a large load autovacuum has yet to come.
            is_late = _is_late(row["vacuumed_at"], examination, _UNTIL_OVERDUE)
            yield Finding(
                code="table-dead-rows",
                severity=Severity.WARNING if is_late else Severity.INFO,
                subject=row["path"],
                what=f"{row['dead']:,} dead rows ({share:.0%}) wait for a vacuum; autovacuum comes "
                f"at {row['dead_limit']:,}. Last vacuum: {_ago(row['vacuumed_at'], examination)}.",
                why="They take room and slow every reading. Something may keep vacuum from them: "
                "a long transaction, a replication slot, or autovacuum being off.",
                fix=f"VACUUM (ANALYZE) {row['path']};",
                evidence={"dead": row["dead"], "live": row["live"], "limit": row["dead_limit"]},
                since=examination.since,
            )


def _unvacuumed(examination: Examination) -> Iterator[Finding]:
    """Find tables that grew, and were not vacuumed since."""
    for row in _tables(examination):
        is_due = row["inserted"] >= max(FEW_ROWS, row["inserted_limit"] * _BEYOND)
        if is_due and _is_late(row["vacuumed_at"], examination):
            yield Finding(
                code="table-vacuum-late",
                severity=Severity.WARNING,
                subject=row["path"],
                what=f"{row['inserted']:,} rows were added since the last vacuum "
                f"({_ago(row['vacuumed_at'], examination)}).",
                why="Index-only scans read the table for each of them, and a later vacuum against "
                "the wraparound of transaction ids has all the work at once.",
                fix=f"VACUUM (ANALYZE) {row['path']};",
                evidence={"inserted": row["inserted"], "limit": row["inserted_limit"]},
                since=examination.since,
            )


def _unanalyzed(examination: Examination) -> Iterator[Finding]:
    """Find tables that the planner knows nothing of, or nothing new."""
    for row in examination.read("upkeep"):
        if row["rows"] < FEW_ROWS or not _is_late(row["analyzed_at"], examination):
            continue
        if not row["has_statistics"] and row["is_own"]:
            severity = Severity.INFO if row["is_partitioned"] else Severity.WARNING
            what = f"The planner has no statistics of its about {row['rows']:,} rows."
            yield _analysis("table-never-analyzed", severity, row, what, examination)
        elif row["changed"] >= max(FEW_ROWS, row["changed_limit"] * _BEYOND):
            what = f"{row['changed']:,} rows changed since the last analyze "
            what += f"({_ago(row['analyzed_at'], examination)})."
            yield _analysis("table-analyze-late", Severity.WARNING, row, what, examination)


def _analysis(
    code: str, severity: Severity, row: Row, what: str, examination: Examination
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=row["path"],
        what=what,
        why="It guesses how many rows a condition leaves, and may choose a far slower plan.",
        fix=f"ANALYZE {row['path']};",
        evidence={"rows": row["rows"], "changed": row["changed"]},
        since=examination.since,
    )


def _switched_off(examination: Examination) -> Iterator[Finding]:
    """Find tables that autovacuum was told to leave alone."""
    for row in _tables(examination):
        if not row["has_autovacuum"]:
            yield Finding(
                code="table-autovacuum-off",
                severity=Severity.WARNING,
                subject=row["path"],
                what="Autovacuum is switched off for the table.",
                why="Dead rows pile up, and statistics grow old, until somebody remembers it.",
                fix=f"ALTER TABLE {row['path']} RESET (autovacuum_enabled);",
            )


def _aged(examination: Examination) -> Iterator[Finding]:
    """Find tables whose oldest transaction ids should have been frozen long ago."""
    for row in _tables(examination):
        for kind, age, limit in (
            ("transaction", row["xid_age"], row["xid_limit"]),
            ("multixact", row["mxid_age"], row["mxid_limit"]),
        ):
            if age > limit * 1.5:
                yield Finding(
                    code="table-ids-old",
                    severity=Severity.WARNING,
                    subject=row["path"],
                    what=f"The oldest {kind} id is {age:,} old; autovacuum should have frozen it "
                    f"at {limit:,}.",
                    why="A vacuum against wraparound does not manage: when ids run out, the server "
                    "refuses all writes.",
                    fix=f"VACUUM (FREEZE) {row['path']};",
                    evidence={"age": age, "limit": limit},
                )


def _tables(examination: Examination) -> Iterator[Row]:
    return (row for row in examination.read("upkeep") if not row["is_partitioned"])


def _is_late(
    moment: datetime | None, examination: Examination, span: timedelta = _UNTIL_LATE
) -> bool:
    """Return whether that was so long ago that autovacuum had its chance since."""
    since = moment or examination.since
    return since is None or examination.now - since >= span


def _ago(moment: datetime | None, examination: Examination) -> str:
    if moment is None:
        return "never, as far as the statistics count"
    return f"{duration((examination.now - moment).total_seconds())} ago"


CHECKS: Iterable[Check] = (
    Check("bloated tables", ("table-bloat",), _bloated_tables),
    Check("bloated indexes", ("index-bloat",), _bloated_indexes),
    Check("dead rows", ("table-dead-rows",), _dead),
    Check("age of vacuum", ("table-vacuum-late",), _unvacuumed),
    Check("age of analyze", ("table-never-analyzed", "table-analyze-late"), _unanalyzed),
    Check("tables without autovacuum", ("table-autovacuum-off",), _switched_off),
    Check("tables with old transaction ids", ("table-ids-old",), _aged),
)
