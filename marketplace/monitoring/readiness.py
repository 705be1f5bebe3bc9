"""Whether each database can do its work: reachable, migrated, writable; and how fresh its data are.

What is said here may be read by anybody: it names no host, no role and no text of the server.
"""

import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import psycopg2
from django.apps import apps
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
from marketplace.postgresql.errors import is_disconnect
from marketplace.registry import ALIASES, get_database
from marketplace.routers import database_of

#: Seconds for all databases together: answers come within two, whatever hangs.
TIME_LIMIT = 1.5

#: Seconds for which an answer is good.
KEEP = 2.0

#: What an error says → code and text of the reason. The first that matches counts.
_REASONS = (
    (
        r"too many clients|remaining connection slots|too many connections|no more connections",
        "out of connections",
        "its server has no connection left",
    ),
    (
        r"starting up|shutting down|recovery mode|administrator command",
        "starting or stopping",
        "its server is starting or shutting down",
    ),
    (
        r"authentication failed|no password supplied|role .* does not exist|pg_hba.conf|SASL",
        "login refused",
        "its server refuses the login",
    ),
    (
        r"database .* does not exist|no such database",
        "missing",
        "its server does not have it: python manage.py init_all",
    ),
    (
        r"translate host name|Name or service not known",
        "unknown host",
        "the name of its server is not known",
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
    """Something that is not as it should be: a code for programs, a text for people."""

    code: str
    text: str


class Readiness(NamedTuple):
    """What is known of a database."""

    alias: str
    #: Whether it answered.
    is_up: bool = False
    is_read_only: bool = False
    #: How many migrations are pending; None where that is unknown.
    pending: int | None = None
    #: Why it cannot work; none if it can.
    reasons: tuple[Remark, ...] = ()
    #: Platform → end of its last complete load; None is never. Empty where that is unknown.
    loaded_at: dict[str, datetime | None] = {}
    #: Platform → its newest observation; as `loaded_at`.
    observed_at: dict[str, datetime | None] = {}

    @property
    def is_ready(self) -> bool:
        """Whether it can do its work."""
        return not self.reasons

    def warnings(self, now: datetime) -> list[Remark]:
        """Return what does not keep it from its work: the platforms that were not loaded lately."""
        return [
            Remark("stale", f"{platform} {_age(loaded_at, now)}")
            for platform, loaded_at in self.loaded_at.items()
            if loaded_at is None or now - loaded_at > timedelta(hours=settings.FRESHNESS_HOURS)
        ]


def get_readiness(aliases: Sequence[str] = ALL_ALIASES) -> list[Readiness]:
    """Return what is known of the databases, at most `KEEP` seconds old, within `TIME_LIMIT`.

    Raises nothing. Reads only, over connections of its own.
    """
    answers = _inquiry.results(aliases, seconds=TIME_LIMIT)
    return [answers.get(alias) or _failed(alias, ProbeTimeoutError("timeout")) for alias in aliases]


def note_trouble(alias: str) -> None:
    """Note that a page has failed because of a database: it is looked at from now on."""
    # What is remembered of before the trouble says nothing.
    if alias not in _suspects:
        _inquiry.forget()
    _suspects.add(alias)


def find_trouble(alias: str) -> Remark | None:
    """Return why a database that has failed a page does not answer. Costs and waits for nothing.

    A page of it would wait for seconds, and with it a thread that the other databases' pages need.
    """
    if alias not in _suspects:
        return None
    known = _inquiry.latest(alias)
    if known is None:
        return None
    if known.is_up:
        _suspects.discard(alias)
        return None
    return known.reasons[0]


def forget() -> None:
    """Ask again at the next call."""
    _suspects.clear()
    _inquiry.forget()


def _look(alias: str) -> Readiness:
    try:
        # Less than the limit, so that the thread has ended when its time is over.
        return _look_within(alias, TIME_LIMIT * 0.9)
    except psycopg2.Error as error:
        return _failed(alias, error)


def _look_within(alias: str, seconds: float) -> Readiness:
    end = time.monotonic() + seconds
    try:
        with connect_probe(alias, seconds) as conversation:
            return _describe(alias, conversation)
    except psycopg2.Error as error:
        if not is_disconnect(error):
            raise
    # A restore has exchanged the database meanwhile.
    with connect_probe(alias, end - time.monotonic()) as conversation:
        return _describe(alias, conversation)


def _describe(alias: str, conversation: ProbeConnection) -> Readiness:
    [(setting,)] = conversation.query(Query(sql.SQL("SHOW transaction_read_only")))
    reasons, is_read_only = [], setting == "on"
    if is_read_only:
        reasons.append(Remark("read-only", "its server takes no changes: a standby, or read-only"))
    pending = _pending(alias, conversation)
    if pending:
        text = f"{len(pending)} pending, from {pending[0]}: python manage.py db_migrate"
        reasons.append(Remark("not migrated", text))
    found = Readiness(alias, True, is_read_only, len(pending), tuple(reasons))
    if pending or alias not in ALIASES:
        return found
    loaded_at, observed_at = _freshness(alias, conversation)
    return found._replace(loaded_at=loaded_at, observed_at=observed_at)


def _failed(alias: str, error: Exception) -> Readiness:
    message = str(error)
    for pattern, code, text in _REASONS:
        if re.search(pattern, message):
            return Readiness(alias, reasons=(Remark(code, text),))
    state = getattr(error, "pgcode", None)
    text = f"it failed with {state}" if state else "it cannot be connected to"
    return Readiness(alias, reasons=(Remark("failed", text),))


def _pending(alias: str, conversation: ProbeConnection) -> list[str]:
    question = Query(sql.SQL("SELECT app, name FROM django_migrations"))
    try:
        applied = set(conversation.query(question))
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
    """Return the migrations of the database's own apps in order, each with those it replaces."""
    # The code of a process does not change: neither do its migrations.
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    leaves = [leaf for leaf in graph.leaf_nodes() if database_of(leaf[0]) == alias]
    plan = dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf))
    return [
        (key, frozenset(graph.nodes[key].replaces)) for key in plan if database_of(key[0]) == alias
    ]


def _freshness(
    alias: str, conversation: ProbeConnection
) -> tuple[dict[str, datetime | None], dict[str, datetime | None]]:
    """Return when each platform was last loaded to the end, and when it was last observed."""
    table = apps.get_model(alias, "LoadRun")._meta.db_table
    # By the indexes of platform and -id, or newest observation: a table of many runs is not read.
    text = sql.SQL(
        "SELECT platform, (SELECT finished_at FROM {runs} AS run "
        "WHERE run.platform = known.platform AND status = 'completed' ORDER BY id DESC LIMIT 1), "
        "(SELECT max(newest_observed_at) FROM {runs} AS run WHERE run.platform = known.platform) "
        "FROM unnest(%(platforms)s) AS known (platform)"
    ).format(runs=sql.Identifier(table))
    platforms = list(get_database(alias).platforms)
    rows = conversation.query(Query(text, {"platforms": platforms}))
    loaded_at = {platform: loaded_at for platform, loaded_at, _ in rows}
    return loaded_at, {platform: observed_at for platform, _, observed_at in rows}


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "was never loaded to the end"
    return f"was last loaded to the end {(now - moment) // timedelta(hours=1)} hours ago"


_inquiry = CachedProbe(_look, keep=KEEP)

#: The databases that failed a page and have not answered since.
_suspects: set[str] = set()
