"""The status of a database: reachable, revision, size, rows, runs, freshness, last backup."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.apps import apps
from django.db import Error, OperationalError, ProgrammingError, connections
from django.db.models import Max, Q
from django.db.transaction import atomic
from psycopg2 import sql

from marketplace.backups.sets import last_backup_at
from marketplace.databases.health import get_health, start_embedded_server
from marketplace.databases.names import database_name
from marketplace.databases.partitions import lost_months
from marketplace.databases.probe import CachedProbe
from marketplace.databases.revisions import describe_incompatibility
from marketplace.exceptions import MarketplaceError
from marketplace.loading.models import LoadRun, loading_models
from marketplace.loading.review.records import kinds_of
from marketplace.postgresql.errors import explain
from marketplace.push import inbox
from marketplace.registry import ALIASES, CONTROL, get_database

#: The title of the database `default`.
CONTROL_TITLE = "accounts and sessions of the admin"

#: Seconds for all databases together, so that a command ends within five.
TIME_LIMIT = 4.0

#: The rows of tables up to this many bytes are counted; those of larger tables are estimated.
COUNTED_SIZE = 16 * 1024 * 1024

# The result of a query that waits for a migration or takes too long is unknown.
_LIMITS = (
    "SELECT set_config('statement_timeout', '2s', true), set_config('lock_timeout', '500ms', true)"
)

# Rows per page at the last VACUUM or ANALYZE times the current size, like the planner's estimate.
# For other tables, the live rows in the cumulative statistics.
_ESTIMATES = """
SELECT
    parent.relname,
    sum(pg_relation_size(leaf.oid))::bigint,
    sum(
        CASE
            WHEN leaf.relpages > 0 AND leaf.reltuples >= 0
                THEN leaf.reltuples / leaf.relpages * (
                    pg_relation_size(leaf.oid) / current_setting('block_size')::bigint
                )
            ELSE pg_stat_get_live_tuples(leaf.oid)
        END
    )::bigint
FROM pg_class AS parent
LEFT JOIN pg_inherits ON pg_inherits.inhparent = parent.oid
JOIN pg_class AS leaf ON leaf.oid = coalesce(pg_inherits.inhrelid, parent.oid)
WHERE
    parent.relname = ANY(%(tables)s)
    AND parent.relnamespace = current_schema()::regnamespace
GROUP BY parent.relname
"""

T = TypeVar("T")


class LastRun(NamedTuple):
    """The newest run of `ingest` for a platform."""

    id: int
    platform: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    read: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    price_points: int
    error: str


class Freshness(NamedTuple):
    """The times at which the data of a platform were last updated; None if never."""

    platform: str
    #: End of the last run that read all of its sources.
    loaded_at: datetime | None
    #: End of the last run with new data. A platform whose runs complete but bring no new data for
    #: days probably returns empty or stale pages.
    changed_at: datetime | None
    #: End of the last run that wrote price points.
    priced_at: datetime | None
    #: The newest observation of all loaded records.
    observed_at: datetime | None = None


class DatabaseStatus(NamedTuple):
    """The status of a database. None means unknown."""

    alias: str
    title: str
    name: str
    platforms: tuple[str, ...]
    is_connected: bool = False
    #: Why it is unreachable or other values are unknown, and the next step.
    error: str = ""
    #: "head", the last applied migration, "none", or "" if unknown.
    revision: str = ""
    pending: tuple[str, ...] = ()
    size_bytes: int | None = None
    #: Table without the app's prefix → number of rows.
    rows: dict[str, int] = {}
    #: The tables whose number of rows is an estimate.
    estimated: tuple[str, ...] = ()
    #: The newest run of each platform that has one.
    runs: tuple[LastRun, ...] = ()
    #: One for each platform.
    freshness: tuple[Freshness, ...] = ()
    quarantined: int | None = None
    #: The number of queued pushed runs.
    queued: int | None = None
    #: The number of runs that a gate holds.
    held: int | None = None
    #: The number of pushed runs that have failed permanently and need a review.
    failed: int | None = None
    #: Kind of rows → the number of those that are pending review.
    waiting: dict[str, int] = {}
    #: Months of history that were marked as lost.
    lost_months: tuple[str, ...] = ()
    #: The time of the newest dump in BACKUP_DIR.
    last_backup_at: datetime | None = None


def get_statuses(aliases: Iterable[str] = ALIASES) -> list[DatabaseStatus]:
    """Return the status of several databases, queried in parallel, within `TIME_LIMIT` seconds.

    Does not raise or leave a connection open, so that it is safe in a web process.
    """
    aliases = tuple(aliases)
    reason = start_embedded_server(aliases)
    answers = _statuses.results(aliases, seconds=TIME_LIMIT)
    statuses = [
        answers.get(alias) or _unknown(alias)._replace(error=_NO_ANSWER) for alias in aliases
    ]
    return [
        status._replace(error=reason) if reason and _is_embedded_and_down(status) else status
        for status in statuses
    ]


def get_status(alias: str) -> DatabaseStatus:
    """Return the status of one database. Does not raise.

    :param alias: one of the three, or `default`, whose rows and loads are not reported
    """
    status = _unknown(alias)
    [health] = get_health([alias])
    if health.revision is None:
        return status._replace(error=health.error)
    status = status._replace(is_connected=True)
    if reason := describe_incompatibility(alias, health.revision):
        return status._replace(error=reason)
    current, pending, _ = health.revision
    status = status._replace(revision=current, pending=pending)
    try:
        with atomic(using=alias):
            with connections[alias].cursor() as cursor:
                cursor.execute(_LIMITS)
            return status._replace(**_details(alias))
    except (Error, MarketplaceError) as error:
        return status._replace(error=explain(error))


_NO_ANSWER = (
    f"the server did not answer within {TIME_LIMIT:g} seconds. Check that the server runs and is "
    "not overloaded, or correct DB_HOST and DB_PORT, or the database's URL."
)

#: Not cached, but at most one query of a database runs at a time.
_statuses = CachedProbe(get_status)


def _unknown(alias: str) -> DatabaseStatus:
    if alias == CONTROL:
        status = DatabaseStatus(alias, CONTROL_TITLE, database_name(alias), ())
    else:
        database = get_database(alias)
        status = DatabaseStatus(alias, database.title, database_name(alias), database.platforms)
    return status._replace(last_backup_at=last_backup_at(alias))


def _is_embedded_and_down(status: DatabaseStatus) -> bool:
    is_embedded = not connections[status.alias].settings_dict["HOST"]
    return is_embedded and not status.is_connected


def _held_runs(alias: str) -> int:
    return loading_models(alias).runs.held().count()


def _waiting(alias: str) -> dict[str, int]:
    return {kind.name: kind.waiting().count() for kind in kinds_of(alias)}


def _pushed_runs(alias: str, *, is_failed: bool) -> int:
    return sum(inbox.is_given_up(run) == is_failed for run in inbox.unfinished(alias))


def _details(alias: str) -> dict[str, Any]:
    details = {"size_bytes": _optional(alias, _size)}
    if alias == CONTROL:
        return details
    rows, estimated = _optional(alias, _rows) or ({}, ())
    return details | {
        "rows": rows,
        "estimated": estimated,
        "runs": _optional(alias, _last_runs) or (),
        "freshness": _optional(alias, _freshness) or (),
        "quarantined": rows.get("quarantine"),
        "queued": _optional(alias, partial(_pushed_runs, is_failed=False)),
        "held": _optional(alias, _held_runs),
        "failed": _optional(alias, partial(_pushed_runs, is_failed=True)),
        "waiting": _optional(alias, _waiting) or {},
        "lost_months": _optional(alias, lost_months) or (),
    }


def _optional(alias: str, function: Callable[[str], T]) -> T | None:
    """Return the result of the function; None if a table is locked, missing or not migrated."""
    try:
        with atomic(using=alias):
            return function(alias)
    except (OperationalError, ProgrammingError):
        return None


def _size(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _rows(alias: str) -> tuple[dict[str, int], tuple[str, ...]]:
    tables = [model._meta.db_table for model in apps.get_app_config(alias).get_models()]
    with connections[alias].cursor() as cursor:
        cursor.execute(_ESTIMATES, {"tables": tables})
        estimates = {table: (size, rows) for table, size, rows in cursor.fetchall()}
    small = [table for table, (size, _) in estimates.items() if size <= COUNTED_SIZE]
    rows = {table: rows for table, (_, rows) in estimates.items()}
    counted = _optional(alias, lambda alias: _count(alias, small)) or {}
    rows |= counted
    names = {table: table.removeprefix(f"{alias}_") for table in tables if table in rows}
    estimated = tuple(name for table, name in names.items() if table not in counted)
    return {name: rows[table] for table, name in names.items()}, estimated


def _count(alias: str, tables: Sequence[str]) -> dict[str, int]:
    if not tables:
        return {}
    counts = [
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(table), sql.Identifier(table))
        for table in tables
    ]
    with connections[alias].cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(counts))
        return dict(cursor.fetchall())


def _last_runs(alias: str) -> tuple[LastRun, ...]:
    counts = ("read", "created", "updated", "unchanged", "rejected", "price_point")
    fields = ["pk", "platform", "status", "started_at", "finished_at"]
    fields += [f"{count}_count" for count in counts]
    newest = loading_models(alias).runs.order_by("platform", "-pk").distinct("platform")
    return tuple(LastRun(*values) for values in newest.values_list(*fields, "error"))


def _freshness(alias: str) -> tuple[Freshness, ...]:
    has_new_data = Q(created_count__gt=0) | Q(updated_count__gt=0) | Q(price_point_count__gt=0)
    times = (
        loading_models(alias)
        .runs.values_list("platform")
        .annotate(
            loaded_at=Max("finished_at", filter=Q(status=LoadRun.Status.COMPLETED)),
            changed_at=Max("finished_at", filter=has_new_data),
            priced_at=Max("finished_at", filter=Q(price_point_count__gt=0)),
            observed_at=Max("newest_observed_at"),
        )
    )
    by_platform = {platform: Freshness(platform, *rest) for platform, *rest in times}
    return tuple(
        by_platform.get(platform, Freshness(platform, None, None, None))
        for platform in get_database(alias).platforms
    )
