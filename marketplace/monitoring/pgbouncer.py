"""The state of PgBouncer's pools, for the metrics."""

from typing import Any, NamedTuple

import psycopg2
from django.conf import settings
from django.db import connections
from psycopg2 import sql

from marketplace.databases.probe import CachedProbe, ProbeConnection
from marketplace.registry import CONTROL

#: Seconds to wait for an answer.
TIME_LIMIT = 2.0

#: Seconds for which an answer is cached.
KEEP = 10.0

# State → column of SHOW POOLS. Older versions of PgBouncer do not have all of these columns.
_COLUMNS = {
    "clients": {"active": "cl_active", "waiting": "cl_waiting"},
    "servers": {"active": "sv_active", "idle": "sv_idle", "used": "sv_used"},
}


class Pool(NamedTuple):
    """The pool of a database: its clients, and its connections to the server."""

    database: str
    #: State → number of clients.
    clients: dict[str, int]
    #: State → number of server connections.
    servers: dict[str, int]
    #: Seconds that the first client in the queue has waited.
    wait_seconds: float


def get_pools() -> list[Pool] | None:
    """Return the pools; None if PgBouncer does not answer or is not used. Raises nothing."""
    if not settings.PGBOUNCER_METRICS:
        return None
    return _probe.results([CONTROL], seconds=TIME_LIMIT).get(CONTROL)


def _look(alias: str) -> list[Pool] | None:
    try:
        parameters = connections[alias].get_connection_params() | {"dbname": "pgbouncer"}
        with ProbeConnection(parameters, TIME_LIMIT * 0.9) as connection:
            rows = connection.query_named(sql.SQL("SHOW POOLS"))
    except psycopg2.Error:
        return None
    return _sum(rows)


def _sum(rows: list[dict[str, Any]]) -> list[Pool]:
    """Return one pool per database: the sum of the pools of all users."""
    names = sorted({row["database"] for row in rows} - {"pgbouncer"})
    return [_pool(name, [row for row in rows if row["database"] == name]) for name in names]


def _pool(name: str, rows: list[dict[str, Any]]) -> Pool:
    clients, servers = (
        {state: sum(int(row.get(column, 0)) for row in rows) for state, column in columns.items()}
        for columns in _COLUMNS.values()
    )
    wait = max(int(row["maxwait"]) + int(row.get("maxwait_us", 0)) / 1e6 for row in rows)
    return Pool(name, clients, servers, wait)


_probe = CachedProbe(_look, keep=KEEP)
