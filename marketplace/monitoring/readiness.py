"""The readiness of each database: reachable, migrated, writable; and the freshness of its data.

The results are public, so they contain no host, no role and no message of the server.
"""

import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import psycopg2
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from psycopg2 import errorcodes, sql

from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.probe import (
    CachedProbe,
    ProbeConnection,
    ProbeTimeoutError,
    Query,
    connect_probe,
)
from marketplace.loading.models import loading_models, table_of
from marketplace.postgresql.errors import is_disconnect
from marketplace.registry import ALIASES, get_database
from marketplace.routers import database_of

#: Seconds for all databases together, so that a response takes at most two.
TIME_LIMIT = 1.5

#: Seconds for which an answer is cached.
KEEP = 2.0

#: Pattern of an error message, code and text of the reason. The first match wins.
_REASONS = (
    (
        r"too many clients|remaining connection slots|too many connections|no more connections",
        "out of connections",
        "its server has no free connection",
    ),
    (
        r"starting up|shutting down|recovery mode|administrator command",
        "starting or stopping",
        "its server is starting or shutting down",
    ),
    (
        r"authentication failed|no password supplied|role .* does not exist|pg_hba.conf|SASL",
        "login refused",
        "its server rejects the login",
    ),
    (
        r"database .* does not exist|no such database",
        "missing",
        "its server does not have it: python manage.py init_all",
    ),
    (
        r"translate host name|Name or service not known",
        "unknown host",
        "the host name of its server cannot be resolved",
    ),
    (
        r"timeout|timed out",
        "silent",
        f"its server did not answer within {TIME_LIMIT:g} seconds",
    ),
    (
        r"refused|No such file|No route|unreachable|closed the connection|cannot connect|failing",
        "unreachable",
        "its server does not accept connections",
    ),
)


class Remark(NamedTuple):
    """A problem or warning: a code for programs, and a text for display."""

    code: str
    text: str


class Readiness(NamedTuple):
    """The readiness of a database."""

    alias: str
    #: Whether it answered.
    is_up: bool = False
    is_read_only: bool = False
    #: The number of pending migrations; None if unknown.
    pending: int | None = None
    #: The reasons why it is not ready; empty if it is.
    reasons: tuple[Remark, ...] = ()
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


def get_readiness(aliases: Sequence[str] = ALL_ALIASES) -> list[Readiness]:
    """Return the readiness of the databases, at most `KEEP` seconds old, within `TIME_LIMIT`.

    Does not raise. Reads only, over separate connections.
    """
    answers = _probe.results(aliases, seconds=TIME_LIMIT)
    return [answers.get(alias) or _failed(alias, ProbeTimeoutError("timeout")) for alias in aliases]


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
    readiness = _probe.latest(alias)
    if readiness is None:
        return None
    if readiness.is_up:
        _suspects.discard(alias)
        return None
    return readiness.reasons[0]


def forget() -> None:
    """Clear the cache and the recorded failures."""
    _suspects.clear()
    _probe.forget()


def _look(alias: str) -> Readiness:
    try:
        # Less than the limit, so that the thread ends in time.
        return _look_within(alias, TIME_LIMIT * 0.9)
    except psycopg2.Error as error:
        return _failed(alias, error)


def _look_within(alias: str, seconds: float) -> Readiness:
    end = time.monotonic() + seconds
    try:
        with connect_probe(alias, seconds) as connection:
            return _describe(alias, connection)
    except psycopg2.Error as error:
        if not is_disconnect(error):
            raise
    # A restore has replaced the database, so connect again.
    with connect_probe(alias, end - time.monotonic()) as connection:
        return _describe(alias, connection)


def _describe(alias: str, connection: ProbeConnection) -> Readiness:
    [(setting,)] = connection.query(Query(sql.SQL("SHOW transaction_read_only")))
    reasons, is_read_only = [], setting == "on"
    if is_read_only:
        reasons.append(Remark("read-only", "its server is read-only, or a standby"))
    pending = _pending(alias, connection)
    if pending:
        text = f"{len(pending)} pending, from {pending[0]}: python manage.py db_migrate"
        reasons.append(Remark("not migrated", text))
    readiness = Readiness(alias, True, is_read_only, len(pending), tuple(reasons))
    if pending or alias not in ALIASES:
        return readiness
    loaded_at, observed_at = _freshness(alias, connection)
    return readiness._replace(loaded_at=loaded_at, observed_at=observed_at)


def _failed(alias: str, error: Exception) -> Readiness:
    message = str(error)
    for pattern, code, text in _REASONS:
        if re.search(pattern, message):
            return Readiness(alias, reasons=(Remark(code, text),))
    state = getattr(error, "pgcode", None)
    text = f"it failed with {state}" if state else "connecting to it fails"
    return Readiness(alias, reasons=(Remark("failed", text),))


def _pending(alias: str, connection: ProbeConnection) -> list[str]:
    question = Query(sql.SQL("SELECT app, name FROM django_migrations"))
    try:
        applied = set(connection.query(question))
    except psycopg2.Error as error:
        if error.pgcode != errorcodes.UNDEFINED_TABLE:
            raise
        applied = set()
    return [
        f"{app}.{name}"
        for (app, name), replaces in _migrations(alias)
        if (app, name) not in applied and not (replaces and replaces <= applied)
    ]


@cache
def _migrations(alias: str) -> list[tuple[tuple[str, str], frozenset[tuple[str, str]]]]:
    """Return the migrations of the database's apps in order, each with those that it replaces."""
    # Migrations do not change while a process runs.
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    leaves = [leaf for leaf in graph.leaf_nodes() if database_of(leaf[0]) == alias]
    plan = dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf))
    return [
        (key, frozenset(graph.nodes[key].replaces)) for key in plan if database_of(key[0]) == alias
    ]


def _freshness(
    alias: str, connection: ProbeConnection
) -> tuple[dict[str, datetime | None], dict[str, datetime | None]]:
    """Return the end of the last complete load, and the newest observation, of each platform."""
    # These subqueries use indexes, so that a large table of runs is not read completely.
    text = sql.SQL(
        "SELECT platform, (SELECT finished_at FROM {runs} AS run "
        "WHERE run.platform = known.platform AND status = 'completed' ORDER BY id DESC LIMIT 1), "
        "(SELECT max(newest_observed_at) FROM {runs} AS run WHERE run.platform = known.platform) "
        "FROM unnest(%(platforms)s) AS known (platform)"
    ).format(runs=table_of(loading_models(alias).run))
    platforms = list(get_database(alias).platforms)
    rows = connection.query(Query(text, {"platforms": platforms}))
    loaded_at = {platform: loaded_at for platform, loaded_at, _ in rows}
    return loaded_at, {platform: observed_at for platform, _, observed_at in rows}


def _age(loaded_at: datetime | None, now: datetime) -> str:
    if loaded_at is None:
        return "has no completed load"
    return f"completed its last load {(now - loaded_at) // timedelta(hours=1)} hours ago"


_probe = CachedProbe(_look, keep=KEEP)

#: The databases that failed a page and have not answered since.
_suspects: set[str] = set()
