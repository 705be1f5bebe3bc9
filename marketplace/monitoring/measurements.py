"""The numbers that are measured of each database, read from it in one short conversation."""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg2
from django.apps import apps
from psycopg2 import sql

from marketplace.databases.probe import CachedProbe, Query, Row, connect_probe, query_each
from marketplace.registry import ALIASES

#: Seconds for all databases together. Prometheus gives up after ten.
TIME_LIMIT = 4.0

#: Seconds for which numbers are good: shorter than anybody's interval of asking.
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
# Months count as their table: their number grows, and that of series must not.
_TABLES = sql.SQL("""
SELECT coalesce(parent.relname, leaf.relname), sum(pg_total_relation_size(leaf.oid))::bigint
FROM pg_class AS leaf
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = leaf.oid
LEFT JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
WHERE leaf.relkind = 'r' AND leaf.relnamespace = current_schema()::regnamespace
GROUP BY coalesce(parent.relname, leaf.relname)
""")
# The state of other roles' sessions is hidden from a role that is no monitor.
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


class Facts(NamedTuple):
    """What a database answered, by question; a question that failed has no answer."""

    rows: dict[str, list[Row]] = {}
    #: How many questions failed.
    failed: int = 0


def get_facts(aliases: tuple[str, ...]) -> dict[str, Facts]:
    """Return the numbers of those databases that answer in time, at most `KEEP` seconds old.

    Raises nothing. Reads only, over connections of its own.
    """
    return _inquiry.results(aliases, seconds=TIME_LIMIT)


def forget() -> None:
    """Ask again at the next call."""
    _inquiry.forget()


def _gather(alias: str) -> Facts:
    questions = list(_questions(alias))
    try:
        with connect_probe(alias, TIME_LIMIT * 0.9) as conversation:
            rows = query_each(conversation, questions)
    except psycopg2.Error:
        rows = {}
    return Facts(rows, len(questions) - len(rows))


def _questions(alias: str) -> Iterator[tuple[str, Query]]:
    yield "size", Query(_SIZE)
    yield "tables", Query(_TABLES)
    yield "sessions", Query(_SESSIONS)
    yield "server", Query(_SERVER)
    if alias in ALIASES:
        yield "runs", Query(_RUNS.format(_table(alias, "LoadRun")))
        yield "quarantine", Query(_QUARANTINE.format(_table(alias, "QuarantinedRecord")))


def _table(alias: str, model: str) -> sql.Identifier:
    return sql.Identifier(apps.get_model(alias, model)._meta.db_table)


_inquiry = CachedProbe(_gather, keep=KEEP)
