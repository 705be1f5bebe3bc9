"""Health of the databases: whether each answers, is migrated, and accepts changes.

`get_health` is the only way in which the project asks this. Each database is asked over a short
connection of its own, by at most one thread at a time, and its answer is cached for seconds: a
database that hangs delays neither the others nor the callers.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import psycopg2
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg2 import errorcodes, sql

from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.probe import (
    CachedProbe,
    ProbeConnection,
    ProbeTimeoutError,
    connect_probe,
    query_each,
)
from marketplace.databases.revisions import Revision, compare
from marketplace.exceptions import MarketplaceError
from marketplace.postgresql import embedded
from marketplace.postgresql.errors import Remark, explain, is_disconnect, summarize
from marketplace.registry import ALIASES, get_database

#: Seconds for all databases together, so that `/readyz` answers within two.
TIME_LIMIT = 1.5

#: Seconds for which an answer is cached.
KEEP = 2.0

_APPLIED = sql.SQL("SELECT app, name FROM django_migrations")
_IS_READ_ONLY = sql.SQL("SHOW transaction_read_only")

# These subqueries use indexes, so that a large table of runs is not read completely.
_FRESHNESS = """
SELECT
    platform,
    (
        SELECT finished_at FROM {runs} AS run
        WHERE run.platform = known.platform AND status = 'completed'
        ORDER BY id DESC
        LIMIT 1
    ),
    (SELECT max(newest_observed_at) FROM {runs} AS run WHERE run.platform = known.platform)
FROM unnest({platforms}) AS known (platform)
"""


class Health(NamedTuple):
    """The health of a database. All but `error` is public: no host, no role and no message."""

    alias: str
    #: Whether it answered.
    is_up: bool = False
    is_read_only: bool = False
    #: None if unknown.
    revision: Revision | None = None
    #: The reasons why it is not ready; empty if it is.
    reasons: tuple[Remark, ...] = ()
    #: Why it did not answer, as the server states it, and the next step.
    error: str = ""
    #: Platform → end of its last complete load; None if there was none. Empty if unknown.
    loaded_at: dict[str, datetime | None] = {}
    #: Platform → its newest observation; None and empty as above.
    observed_at: dict[str, datetime | None] = {}

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return not self.reasons

    def warnings(self, now: datetime) -> list[Remark]:
        """Return warnings, which do not affect readiness: platforms without a recent load."""
        return [
            Remark("stale", f"{platform} {_age(loaded_at, now)}")
            for platform, loaded_at in self.loaded_at.items()
            if loaded_at is None or now - loaded_at > timedelta(hours=settings.FRESHNESS_HOURS)
        ]


def get_health(aliases: Sequence[str] = ALL_ALIASES) -> list[Health]:
    """Return the health of the databases, at most `KEEP` seconds old, within `TIME_LIMIT`.

    Does not raise. Reads only. Never starts the embedded server.
    """
    # Not in each of the threads at once.
    _loader()
    answers = _probe.results(aliases, seconds=TIME_LIMIT)
    timeout = ProbeTimeoutError("timeout expired")
    return [answers.get(alias) or _failed(alias, timeout) for alias in aliases]


async def check_all_databases_health() -> dict[str, bool]:
    """Return whether each of the three databases answers a query. Starts the embedded server."""
    await asyncio.to_thread(start_embedded_server, ALIASES)
    health = await asyncio.to_thread(get_health, ALIASES)
    return {database.alias: database.is_up for database in health}


def start_embedded_server(aliases: Sequence[str]) -> str:
    """Start the embedded server if one of the databases is in it; return why it cannot start.

    This may take longer than `TIME_LIMIT` after a crash.
    """
    if any(not connections[alias].settings_dict["HOST"] for alias in aliases):
        try:
            embedded.start(settings.DATA_DIR)
        except MarketplaceError as error:
            return str(error)
    return ""


def record_failure(alias: str) -> None:
    """Record that a page has failed because of a database, which is probed from now on."""
    # A cached answer from before the failure is outdated.
    if alias not in _suspects:
        _probe.forget()
    _suspects.add(alias)


def find_failure(alias: str) -> Remark | None:
    """Return why a database that has failed a page does not answer; None if it does.

    This returns at once. Otherwise a page of the database would wait for seconds, and block a
    thread that the pages of the other databases need.
    """
    if alias not in _suspects:
        return None
    health = _probe.latest(alias)
    if health is None:
        return None
    if health.is_up:
        _suspects.discard(alias)
        return None
    return health.reasons[0]


def _look(alias: str) -> Health:
    # Less than the limit, so that the thread ends in time.
    end = time.monotonic() + TIME_LIMIT * 0.9
    try:
        try:
            return _describe(alias, end)
        except psycopg2.Error as error:
            if not is_disconnect(error):
                raise
        # A restore has replaced the database, so connect again.
        return _describe(alias, end)
    except (psycopg2.Error, ImproperlyConfigured) as error:
        return _failed(alias, error)


def _failed(alias: str, error: Exception) -> Health:
    settings_dict = connections[alias].settings_dict
    host, port = settings_dict["HOST"], settings_dict["PORT"] or 5432
    text = f"server {host}:{port}: {explain(error)}" if host else explain(error)
    return Health(alias, reasons=(summarize(error),), error=text)


def _describe(alias: str, end: float) -> Health:
    with connect_probe(alias, end - time.monotonic()) as connection:
        [(setting,)] = connection.query(_IS_READ_ONLY)
        reasons, is_read_only = [], setting == "on"
        if is_read_only:
            reasons.append(Remark("read-only", "its server is read-only, or a standby"))
        revision = compare(alias, _loader(), _applied(connection))
        if pending := revision.pending:
            text = f"{len(pending)} pending, from {pending[0]}: python manage.py db_migrate"
            reasons.append(Remark("not migrated", text))
        health = Health(alias, True, is_read_only, revision, tuple(reasons))
        if pending or alias not in ALIASES:
            return health
        # Unknown if the table of runs is locked: the database answers nevertheless.
        answers = query_each(connection, [("freshness", _freshness_query(alias))])
    rows = answers.get("freshness", [])
    return health._replace(
        loaded_at={platform: loaded_at for platform, loaded_at, _ in rows},
        observed_at={platform: observed_at for platform, _, observed_at in rows},
    )


def _applied(connection: ProbeConnection) -> set[tuple[str, str]]:
    """Return the keys of the applied migrations."""
    try:
        return {(app, name) for app, name in connection.query(_APPLIED)}
    except psycopg2.Error as error:
        if error.pgcode != errorcodes.UNDEFINED_TABLE:
            raise
        return set()


@cache
def _loader() -> MigrationLoader:
    # Migrations do not change while a process runs.
    return MigrationLoader(None, ignore_no_migrations=True)


def _freshness_query(alias: str) -> sql.Composed:
    """Return the query of the last complete load and newest observation of each platform."""
    table = sql.Identifier(apps.get_model(alias, "LoadRun")._meta.db_table)
    platforms = sql.Literal(list(get_database(alias).platforms))
    return sql.SQL(_FRESHNESS).format(runs=table, platforms=platforms)


def _age(loaded_at: datetime | None, now: datetime) -> str:
    if loaded_at is None:
        return "has no completed load"
    return f"completed its last load {(now - loaded_at) // timedelta(hours=1)} hours ago"


_probe = CachedProbe(_look, keep=KEEP)

#: The databases that failed a page and have not answered since.
_suspects: set[str] = set()
