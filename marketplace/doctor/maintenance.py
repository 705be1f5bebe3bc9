"""Checks of vacuum and analyze: dead rows, bloat, old statistics and old transaction ids."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.humanize import duration, file_size

#: Tables with fewer rows do not need statistics, and their dead rows are harmless.
FEW_ROWS = 10_000

#: Minimum share and size of wasted space that is reported.
_BLOATED_SHARE = 0.4
_BLOATED_BYTES = 10 * 1024 * 1024
_PAGES = _BLOATED_BYTES // 8192

#: Autovacuum starts within minutes of its threshold: at this multiple of it, it does not keep up.
_OVERDUE_FACTOR = 2

_UNTIL_LATE = timedelta(days=1)
_UNTIL_OVERDUE = timedelta(hours=1)


def _bloated_tables(context: CheckContext) -> Iterator[Finding]:
    """Find tables that are much larger than their rows."""
    for row in context.read("table_bloat", pages=_PAGES, share=_BLOATED_SHARE):
        if row["wasted"] >= _BLOATED_BYTES:
            yield Finding(
                code="table-bloat",
                severity=Severity.WARNING,
                subject=row["path"],
                what=_wasted(row),
                why="A scan of the table reads the empty space, too. New rows will fill it, but "
                "only a rewrite makes the table smaller.",
                fix="-- Locks the table; the extension pg_repack locks it only briefly.\n"
                f"VACUUM (FULL, ANALYZE) {row['path']};",
                evidence={"bytes": row["bytes"], "wasted": row["wasted"]},
            )


def _bloated_indexes(context: CheckContext) -> Iterator[Finding]:
    """Find indexes that are much larger than their entries."""
    for row in context.read("index_bloat", pages=_PAGES, share=_BLOATED_SHARE):
        if row["wasted"] >= _BLOATED_BYTES:
            yield Finding(
                code="index-bloat",
                severity=Severity.WARNING,
                subject=row["path"],
                what=_wasted(row),
                why="The index takes memory that other data could use, and searches are slower.",
                fix=f"REINDEX INDEX CONCURRENTLY {row['path']};",
                evidence={"bytes": row["bytes"], "wasted": row["wasted"]},
            )


def _wasted(row: Row) -> str:
    share = row["wasted"] / row["bytes"]
    return f"About {file_size(row['wasted'])} of {file_size(row['bytes'])} ({share:.0%}) is empty."


def _dead(context: CheckContext) -> Iterator[Finding]:
    """Find tables full of rows that were deleted or replaced."""
    for row in _tables(context):
        if row["dead"] >= max(FEW_ROWS, row["dead_limit"] * _OVERDUE_FACTOR):
            share = row["dead"] / max(1, row["dead"] + row["live"])
            # After a large load, autovacuum may not have started yet.
            is_late = _is_late(row["vacuumed_at"], context, _UNTIL_OVERDUE)
            yield Finding(
                code="table-dead-rows",
                severity=Severity.WARNING if is_late else Severity.INFO,
                subject=row["path"],
                what=f"{row['dead']:,} dead rows ({share:.0%}) have not been vacuumed; "
                f"autovacuum's threshold is {row['dead_limit']:,}. Last vacuum: "
                f"{_ago(row['vacuumed_at'], context)}.",
                why="Dead rows take space and slow down scans. A long transaction or a "
                "replication slot may keep vacuum from removing them, or autovacuum is off.",
                fix=f"VACUUM (ANALYZE) {row['path']};",
                evidence={"dead": row["dead"], "live": row["live"], "limit": row["dead_limit"]},
                since=context.since,
            )


def _unvacuumed(context: CheckContext) -> Iterator[Finding]:
    """Find tables with many rows that were added since the last vacuum."""
    for row in _tables(context):
        is_due = row["inserted"] >= max(FEW_ROWS, row["inserted_limit"] * _OVERDUE_FACTOR)
        if is_due and _is_late(row["vacuumed_at"], context):
            yield Finding(
                code="table-vacuum-late",
                severity=Severity.WARNING,
                subject=row["path"],
                what=f"{row['inserted']:,} rows were added since the last vacuum "
                f"({_ago(row['vacuumed_at'], context)}).",
                why="Index-only scans must read the table for each of these rows, and a later "
                "vacuum to prevent wraparound has to do all the work at once.",
                fix=f"VACUUM (ANALYZE) {row['path']};",
                evidence={"inserted": row["inserted"], "limit": row["inserted_limit"]},
                since=context.since,
            )


def _unanalyzed(context: CheckContext) -> Iterator[Finding]:
    """Find tables without planner statistics, or with outdated ones."""
    for row in context.read("maintenance"):
        if row["rows"] < FEW_ROWS or not _is_late(row["analyzed_at"], context):
            continue
        if not row["has_statistics"] and row["is_owned"]:
            severity = Severity.INFO if row["is_partitioned"] else Severity.WARNING
            what = f"The planner has no statistics of the table (about {row['rows']:,} rows)."
            yield _analysis("table-never-analyzed", severity, row, what, context)
        elif row["changed"] >= max(FEW_ROWS, row["changed_limit"] * _OVERDUE_FACTOR):
            what = f"{row['changed']:,} rows changed since the last analyze "
            what += f"({_ago(row['analyzed_at'], context)})."
            yield _analysis("table-analyze-late", Severity.WARNING, row, what, context)


def _analysis(code: str, severity: Severity, row: Row, what: str, context: CheckContext) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=row["path"],
        what=what,
        why="The planner guesses the number of matching rows, and may choose a much slower plan.",
        fix=f"ANALYZE {row['path']};",
        evidence={"rows": row["rows"], "changed": row["changed"]},
        since=context.since,
    )


def _switched_off(context: CheckContext) -> Iterator[Finding]:
    """Find tables for which autovacuum is disabled."""
    for row in _tables(context):
        if not row["has_autovacuum"]:
            yield Finding(
                code="table-autovacuum-off",
                severity=Severity.WARNING,
                subject=row["path"],
                what="Autovacuum is disabled for the table.",
                why="Dead rows accumulate and statistics become outdated until a manual vacuum.",
                fix=f"ALTER TABLE {row['path']} RESET (autovacuum_enabled);",
            )


def _aged(context: CheckContext) -> Iterator[Finding]:
    """Find tables whose oldest transaction ids should have been frozen long ago."""
    for row in _tables(context):
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
                    why="The vacuum to prevent wraparound has not run, or has not completed. When "
                    "the ids run out, the server rejects all writes.",
                    fix=f"VACUUM (FREEZE) {row['path']};",
                    evidence={"age": age, "limit": limit},
                )


def _tables(context: CheckContext) -> Iterator[Row]:
    return (row for row in context.read("maintenance") if not row["is_partitioned"])


def _is_late(
    last_run: datetime | None, context: CheckContext, span: timedelta = _UNTIL_LATE
) -> bool:
    """Return whether a vacuum or analyze is longer ago than the span.

    :param last_run: time of the last vacuum or analyze; None if the statistics contain none
    """
    since = last_run or context.since
    return since is None or context.now - since >= span


def _ago(time: datetime | None, context: CheckContext) -> str:
    if time is None:
        return "never since statistics are collected"
    return f"{duration((context.now - time).total_seconds())} ago"


CHECKS: Iterable[Check] = (
    Check("bloated tables", ("table-bloat",), _bloated_tables),
    Check("bloated indexes", ("index-bloat",), _bloated_indexes),
    Check("dead rows", ("table-dead-rows",), _dead),
    Check("age of vacuum", ("table-vacuum-late",), _unvacuumed),
    Check("age of analyze", ("table-never-analyzed", "table-analyze-late"), _unanalyzed),
    Check("tables without autovacuum", ("table-autovacuum-off",), _switched_off),
    Check("tables with old transaction ids", ("table-ids-old",), _aged),
)
