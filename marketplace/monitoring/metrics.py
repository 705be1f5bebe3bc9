"""What Prometheus reads: the numbers of the databases, with few and known labels.

Nothing is counted in this process: each value is read from the databases, so that every worker
says the same and a restart loses nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marketplace.backups.sets import last_backup_at
from marketplace.databases.names import ALL_ALIASES
from marketplace.monitoring.measurements import Facts, get_facts
from marketplace.monitoring.pgbouncer import get_pools
from marketplace.monitoring.readiness import Readiness, get_readiness
from marketplace.registry import ALIASES, get_database

#: Where a run is in its life: known, so that a series is there before its first run.
STATUSES = ("queued", "running", "completed", "failed", "held", "discarded")

#: What became of records, in the order of the query's columns.
_RESULTS = ("created", "updated", "unchanged", "rejected", "held")

#: States of sessions that PostgreSQL knows, and "hidden" from the role that asks.
_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "hidden")


def render() -> bytes:
    """Return all metrics in Prometheus's text format. Raises nothing because of a database."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector())
    return generate_latest(registry)


class DatabaseCollector(Collector):
    """The metrics of all databases."""

    def collect(self) -> Iterator[Metric]:
        """Ask the databases at once, and yield what they say."""
        now, facts = timezone.now(), get_facts(ALL_ALIASES)
        readiness = get_readiness()
        yield from _health(readiness)
        yield from _sizes(facts)
        yield from _connections(facts)
        yield from _loads(facts)
        yield from _freshness(readiness, now)
        yield _backups(now)
        yield from _pools()
        yield _failures(facts)


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


def _health(readiness: list[Readiness]) -> Iterator[Metric]:
    labels = ["database"]
    up = [(each.alias, each.is_up) for each in readiness]
    yield _gauge("database_up", "Whether the database answers.", labels, up)
    ready = [(each.alias, each.is_ready) for each in readiness]
    text = "Whether the database answers, is migrated, and takes changes."
    yield _gauge("database_ready", text, labels, ready)
    read_only = [(each.alias, each.is_read_only) for each in readiness if each.is_up]
    yield _gauge("database_read_only", "Whether it takes no changes.", labels, read_only)
    pending = [(each.alias, each.pending) for each in readiness if each.pending is not None]
    yield _gauge("pending_migrations", "Migrations to apply.", labels, pending)


def _sizes(facts: dict[str, Facts]) -> Iterator[Metric]:
    sizes = [(alias, *row) for alias, row in _rows(facts, "size")]
    yield _gauge("database_size_bytes", "Size of the database.", ["database"], sizes)
    tables = [(alias, *row) for alias, row in _rows(facts, "tables")]
    text = "Size of a table with its months, indexes and large values."
    yield _gauge("table_size_bytes", text, ["database", "table"], tables)


def _connections(facts: dict[str, Facts]) -> Iterator[Metric]:
    found: dict[tuple[str, str], int] = {
        (alias, state): number for alias, (state, number) in _rows(facts, "sessions")
    }
    known = [alias for alias in facts if "sessions" in facts[alias].rows]
    sessions = [
        (alias, state, found.get((alias, state), 0)) for alias in known for state in _STATES
    ]
    text = "Sessions in the database by state."
    yield _gauge("connections", text, ["database", "state"], sessions)
    server = [(alias, row) for alias, row in _rows(facts, "server")]
    text = "Sessions in all databases of the server."
    yield _gauge("server_connections", text, ["database"], [(a, used) for a, (used, _) in server])
    text = "Sessions that its server lets in."
    yield _gauge(
        "server_connections_max", text, ["database"], [(a, most) for a, (_, most) in server]
    )


def _loads(facts: dict[str, Facts]) -> Iterator[Metric]:
    runs: dict[tuple[str, str], tuple[Any, ...]] = {
        (row[0], row[1]): row[2:] for _, row in _rows(facts, "runs")
    }
    platforms = list(_answering(facts, "runs"))
    counts = [
        (platform, status, runs.get((platform, status), (0,))[0])
        for platform in platforms
        for status in STATUSES
    ]
    yield _gauge("load_runs", "Runs of the loader by outcome.", ["platform", "outcome"], counts)
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
    text = "Records by what became of them."
    yield _gauge("load_records", text, ["platform", "result"], records)
    points = [(platform, numbers[-1]) for platform, numbers in sums.items()]
    yield _counter("price_points", "Price points written.", ["platform"], points)
    found = {row[0]: row[1] for _, row in _rows(facts, "quarantine")}
    quarantine = [(name, found.get(name, 0)) for name in _answering(facts, "quarantine")]
    text = "Rejected records that wait for somebody to look at them."
    yield _gauge("quarantined_records", text, ["platform"], quarantine)


def _freshness(readiness: list[Readiness], now: datetime) -> Iterator[Metric]:
    loaded = [item for each in readiness for item in each.loaded_at.items()]
    text = "Seconds since the platform was last loaded to the end; absent if it never was."
    yield _gauge("freshness_seconds", text, ["platform"], _ages(loaded, now))
    observed = [item for each in readiness for item in each.observed_at.items()]
    text = "Seconds since the newest observation of the platform; absent if there is none."
    yield _gauge("observation_age_seconds", text, ["platform"], _ages(observed, now))


def _ages(
    moments: Iterable[tuple[str, datetime | None]], now: datetime
) -> Iterator[tuple[str, float]]:
    for name, moment in moments:
        if moment is not None:
            yield name, (now - moment).total_seconds()


def _backups(now: datetime) -> Metric:
    made = {alias: last_backup_at(alias) for alias in ALL_ALIASES}
    text = "Age of the newest complete backup set with the database; absent if there is none."
    return _gauge("backup_age_seconds", text, ["database"], _ages(made.items(), now))


def _pools() -> Iterator[Metric]:
    pools = get_pools() or []
    clients = [(p.database, state, n) for p in pools for state, n in p.clients.items()]
    yield _gauge("pool_clients", "Clients of PgBouncer's pool.", ["pool", "state"], clients)
    servers = [(p.database, state, n) for p in pools for state, n in p.servers.items()]
    yield _gauge("pool_servers", "Connections of the pool.", ["pool", "state"], servers)
    text = "Seconds for which the first in the queue of the pool has waited."
    yield _gauge("pool_wait_seconds", text, ["pool"], [(p.database, p.wait_seconds) for p in pools])


def _failures(facts: dict[str, Facts]) -> Metric:
    # A database that did not answer at all has no number: `database_up` speaks of it.
    failed = [(alias, known.failed) for alias, known in facts.items()]
    text = "Numbers above that the database could not tell, as where a table is locked."
    return _gauge("unanswered_questions", text, ["database"], failed)


def _rows(facts: dict[str, Facts], question: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for alias, known in facts.items():
        for row in known.rows.get(question, []):
            yield alias, row


def _answering(facts: dict[str, Facts], question: str) -> Iterator[str]:
    """Yield the platforms whose database has answered."""
    for alias in ALIASES:
        if alias in facts and question in facts[alias].rows:
            yield from get_database(alias).platforms
