"""The metrics for Prometheus. All values of labels are known in advance and few.

All values are read from the databases, and none are kept in the process, so all workers return the
same values, and a restart does not lose any.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marketplace.backups.sets import last_backup_at
from marketplace.databases.health import Health, get_health
from marketplace.databases.names import ALL_ALIASES
from marketplace.loading.models import LoadRun
from marketplace.monitoring.measurements import Measurements, get_measurements
from marketplace.monitoring.pgbouncer import get_pools
from marketplace.registry import ALIASES, get_database

#: All statuses of runs, so that a time series exists before its first run.
STATUSES = tuple(LoadRun.Status.values)

#: Results of records, in the order of the query's columns.
_RESULTS = ("created", "updated", "unchanged", "rejected", "held")

#: States of sessions in PostgreSQL, and "hidden" for states that the role may not see.
_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "hidden")


def render() -> bytes:
    """Return all metrics in Prometheus's text format. Errors of databases are not raised."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector())
    return generate_latest(registry)


class DatabaseCollector(Collector):
    """The metrics of all databases."""

    def collect(self) -> Iterator[Metric]:
        """Query all databases in parallel, and yield the metrics."""
        now, measurements = timezone.now(), get_measurements(ALL_ALIASES)
        health = get_health()
        yield from _health(health)
        yield from _sizes(measurements)
        yield from _connections(measurements)
        yield from _loads(measurements)
        yield from _freshness(health, now)
        yield _backups(now)
        yield from _pools()
        yield _failures(measurements)


def _gauge(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> Metric:
    family = GaugeMetricFamily(f"marketplace_{name}", text, labels=list(labels))
    for *values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(
    name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> Metric:
    family = CounterMetricFamily(f"marketplace_{name}", text, labels=list(labels))
    for *values, number in rows:
        family.add_metric(values, number)
    return family


def _health(health: list[Health]) -> Iterator[Metric]:
    labels = ["database"]
    up = [(status.alias, status.is_up) for status in health]
    yield _gauge("database_up", "Whether the database answers.", labels, up)
    ready = [(status.alias, status.is_ready) for status in health]
    text = "Whether the database answers, is migrated, and accepts changes."
    yield _gauge("database_ready", text, labels, ready)
    read_only = [(status.alias, status.is_read_only) for status in health if status.is_up]
    yield _gauge("database_read_only", "Whether the database is read-only.", labels, read_only)
    pending = [(status.alias, len(status.revision.pending)) for status in health if status.revision]
    yield _gauge("pending_migrations", "Number of pending migrations.", labels, pending)


def _sizes(measurements: dict[str, Measurements]) -> Iterator[Metric]:
    sizes = [(alias, *row) for alias, row in _rows(measurements, "size")]
    yield _gauge("database_size_bytes", "Size of the database.", ["database"], sizes)
    tables = [(alias, *row) for alias, row in _rows(measurements, "tables")]
    text = "Size of a table with its partitions, indexes and large values."
    yield _gauge("table_size_bytes", text, ["database", "table"], tables)


def _connections(measurements: dict[str, Measurements]) -> Iterator[Metric]:
    counts: dict[tuple[str, str], int] = {
        (alias, state): number for alias, (state, number) in _rows(measurements, "sessions")
    }
    answering = [alias for alias in measurements if "sessions" in measurements[alias].rows]
    sessions = [
        (alias, state, counts.get((alias, state), 0)) for alias in answering for state in _STATES
    ]
    text = "Sessions in the database by state."
    yield _gauge("connections", text, ["database", "state"], sessions)
    server = [(alias, row) for alias, row in _rows(measurements, "server")]
    text = "Sessions in all databases of the server."
    yield _gauge("server_connections", text, ["database"], [(a, used) for a, (used, _) in server])
    text = "Maximum number of sessions of the server."
    yield _gauge(
        "server_connections_max", text, ["database"], [(a, most) for a, (_, most) in server]
    )


def _loads(measurements: dict[str, Measurements]) -> Iterator[Metric]:
    runs: dict[tuple[str, str], tuple[Any, ...]] = {
        (row[0], row[1]): row[2:] for _, row in _rows(measurements, "runs")
    }
    platforms = list(_answering_platforms(measurements, "runs"))
    counts = [
        (platform, status, runs.get((platform, status), (0,))[0])
        for platform in platforms
        for status in STATUSES
    ]
    yield _gauge("load_runs", "Load runs by outcome.", ["platform", "outcome"], counts)
    sums = {platform: [0] * (len(_RESULTS) + 1) for platform in platforms}
    for (platform, _), (_, *numbers) in runs.items():
        if platform in sums:
            pairs = zip(sums[platform], numbers, strict=True)
            sums[platform] = [total + int(number) for total, number in pairs]
    records = [
        (platform, result, number)
        for platform, numbers in sums.items()
        for result, number in zip(_RESULTS, numbers, strict=False)
    ]
    text = "Records of all load runs by result."
    yield _gauge("load_records", text, ["platform", "result"], records)
    points = [(platform, numbers[-1]) for platform, numbers in sums.items()]
    yield _counter("price_points", "Price points written.", ["platform"], points)
    rejected = {row[0]: row[1] for _, row in _rows(measurements, "quarantine")}
    platforms = list(_answering_platforms(measurements, "quarantine"))
    quarantine = [(platform, rejected.get(platform, 0)) for platform in platforms]
    text = "Rejected records that wait for a review."
    yield _gauge("quarantined_records", text, ["platform"], quarantine)


def _freshness(health: list[Health], now: datetime) -> Iterator[Metric]:
    loaded = [item for status in health for item in status.loaded_at.items()]
    text = "Seconds since the last complete load of the platform; absent without one."
    yield _gauge("freshness_seconds", text, ["platform"], _ages(loaded, now))
    observed = [item for status in health for item in status.observed_at.items()]
    text = "Seconds since the newest observation of the platform; absent without one."
    yield _gauge("observation_age_seconds", text, ["platform"], _ages(observed, now))


def _ages(
    times: Iterable[tuple[str, datetime | None]], now: datetime
) -> Iterator[tuple[str, float]]:
    for name, time in times:
        if time is not None:
            yield name, (now - time).total_seconds()


def _backups(now: datetime) -> Metric:
    backups = {alias: last_backup_at(alias) for alias in ALL_ALIASES}
    text = "Age of the newest complete backup set with the database; absent without one."
    return _gauge("backup_age_seconds", text, ["database"], _ages(backups.items(), now))


def _pools() -> Iterator[Metric]:
    pools = get_pools() or []
    clients = [(p.database, state, n) for p in pools for state, n in p.clients.items()]
    yield _gauge("pool_clients", "Clients of PgBouncer's pool.", ["pool", "state"], clients)
    servers = [(p.database, state, n) for p in pools for state, n in p.servers.items()]
    yield _gauge("pool_servers", "Server connections of the pool.", ["pool", "state"], servers)
    text = "Seconds that the first client in the queue of the pool has waited."
    yield _gauge("pool_wait_seconds", text, ["pool"], [(p.database, p.wait_seconds) for p in pools])


def _failures(measurements: dict[str, Measurements]) -> Metric:
    # A database that did not answer at all has no value here; `database_up` reports it.
    failed = [(alias, results.failed) for alias, results in measurements.items()]
    text = "Queries of these metrics that failed, for example because a table was locked."
    return _gauge("unanswered_questions", text, ["database"], failed)


def _rows(
    measurements: dict[str, Measurements], query: str
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for alias, results in measurements.items():
        for row in results.rows.get(query, []):
            yield alias, row


def _answering_platforms(measurements: dict[str, Measurements], query: str) -> Iterator[str]:
    """Yield the platforms of the databases that have answered the query."""
    for alias in ALIASES:
        if alias in measurements and query in measurements[alias].rows:
            yield from get_database(alias).platforms
