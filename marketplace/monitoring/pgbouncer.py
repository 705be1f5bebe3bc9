"""What PgBouncer says of its pools."""

from typing import Any, NamedTuple

import psycopg2
from django.conf import settings
from django.db import connections
from psycopg2 import sql

from marketplace.databases.probe import CachedProbe, ProbeConnection
from marketplace.registry import CONTROL

#: Seconds within which it answers, or is taken for down.
TIME_LIMIT = 2.0

#: Seconds for which an answer is good.
KEEP = 10.0

# Its columns, which differ between versions: of those that there are, these are reported.
_COLUMNS = {
    "clients": {"active": "cl_active", "waiting": "cl_waiting"},
    "servers": {"active": "sv_active", "idle": "sv_idle", "used": "sv_used"},
}


class Pool(NamedTuple):
    """The connections to a database that PgBouncer keeps, and those who share them."""

    database: str
    #: State → how many.
    clients: dict[str, int]
    servers: dict[str, int]
    #: Seconds for which the first in the queue has waited.
    wait_seconds: float


def get_pools() -> list[Pool] | None:
    """Return the pools; None if PgBouncer does not answer, or there is none. Raises nothing."""
    if not settings.PGBOUNCER_METRICS:
        return None
    return _inquiry.results([CONTROL], seconds=TIME_LIMIT).get(CONTROL)


def forget() -> None:
    """Ask again at the next call."""
    _inquiry.forget()


def _look(alias: str) -> list[Pool] | None:
    try:
        parameters = connections[alias].get_connection_params() | {"dbname": "pgbouncer"}
        with ProbeConnection(parameters, TIME_LIMIT * 0.9) as conversation:
            rows = conversation.query_named(sql.SQL("SHOW POOLS"))
    except psycopg2.Error:
        return None
    return _sum(rows)


def _sum(rows: list[dict[str, Any]]) -> list[Pool]:
    """Add up what each database's users have."""
    names = sorted({row["database"] for row in rows} - {"pgbouncer"})
    return [_pool(name, [row for row in rows if row["database"] == name]) for name in names]


def _pool(name: str, rows: list[dict[str, Any]]) -> Pool:
    clients, servers = (
        {state: sum(int(row.get(column, 0)) for row in rows) for state, column in columns.items()}
        for columns in _COLUMNS.values()
    )
    wait = max(int(row["maxwait"]) + int(row.get("maxwait_us", 0)) / 1e6 for row in rows)
    return Pool(name, clients, servers, wait)


_inquiry = CachedProbe(_look, keep=KEEP)
