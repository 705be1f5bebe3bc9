"""The measurements of each database for the metrics, read over one short connection."""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg2
from psycopg2 import sql

from marketplace.databases.probe import CachedProbe, Row, connect_probe, query_each
from marketplace.loading.models import loading_models, table_of
from marketplace.registry import ALIASES

#: Seconds for all databases together. The scrape timeout of Prometheus is ten seconds.
TIME_LIMIT = 4.0

#: Seconds for which measurements are cached: shorter than usual scrape intervals.
KEEP = 10.0

_RUNS = sql.SQL("""
SELECT
    platform, status, count(*), sum(created_count), sum(updated_count), sum(unchanged_count),
    sum(rejected_count), sum(held_count), sum(price_point_count)
FROM {}
GROUP BY platform, status
""")
_QUARANTINE = sql.SQL("SELECT platform, count(*) FROM {} GROUP BY platform")
_SIZE = sql.SQL("SELECT pg_database_size(current_database())")
# Partitions are added to their table, so that the number of time series does not grow.
_TABLES = sql.SQL("""
SELECT coalesce(parent.relname, leaf.relname), sum(pg_total_relation_size(leaf.oid))::bigint
FROM pg_class AS leaf
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = leaf.oid
LEFT JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
WHERE leaf.relkind = 'r' AND leaf.relnamespace = current_schema()::regnamespace
GROUP BY coalesce(parent.relname, leaf.relname)
""")
# The state of sessions of other roles is NULL for a role without pg_monitor.
_SESSIONS = sql.SQL("""
SELECT coalesce(state, 'hidden'), count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
GROUP BY coalesce(state, 'hidden')
""")
_SERVER = sql.SQL("""
SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
""")


class Measurements(NamedTuple):
    """The query results of one database."""

    #: Name of a query → its rows. A failed query has no entry.
    rows: dict[str, list[Row]] = {}
    #: The number of failed queries.
    failed: int = 0


def get_measurements(aliases: tuple[str, ...]) -> dict[str, Measurements]:
    """Return the measurements of the databases that answer in time, at most `KEEP` seconds old.

    Does not raise. Reads only, over separate connections.
    """
    return _probe.results(aliases, seconds=TIME_LIMIT)


def _gather(alias: str) -> Measurements:
    queries = list(_queries(alias))
    try:
        with connect_probe(alias, TIME_LIMIT * 0.9) as connection:
            rows = query_each(connection, queries)
    except psycopg2.Error:
        rows = {}
    return Measurements(rows, len(queries) - len(rows))


def _queries(alias: str) -> Iterator[tuple[str, sql.Composable]]:
    yield "size", _SIZE
    yield "tables", _TABLES
    yield "sessions", _SESSIONS
    yield "server", _SERVER
    if alias in ALIASES:
        models = loading_models(alias)
        yield "runs", _RUNS.format(table_of(models.run))
        yield "quarantine", _QUARANTINE.format(table_of(models.quarantined))


_probe = CachedProbe(_gather, keep=KEEP)
