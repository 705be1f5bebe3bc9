"""Computes the rows of rollups."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.postgres.functions import TransactionNow
from django.db import connections, transaction
from django.utils import timezone
from psycopg2.sql import SQL, Composable, Identifier

from marketplace import models
from marketplace.exceptions import RollupError
from marketplace.postgresql import locks
from marketplace.rollups.definition import Rollup, rollups_of
from marketplace.rollups.states import states_of

#: A command that loads computes the rollups that took at most this many seconds the last time.
QUICK_SECONDS = 5.0

#: A due rollup is computed again after this multiple of the time that it took the last time.
_REST = 10

_LOADED = "SELECT max(finished_at) FROM {}"

# Of a large rollup, a few hundred megabytes of sorted rows fit.
_PREPARE = "SET LOCAL work_mem = '256MB'; SET LOCAL jit = off"


class Refresh(NamedTuple):
    """A rollup that was computed.

    :param seconds: seconds that it took
    :param is_skipped: whether it was not computed, because another process was computing rollups
        of the database
    """

    rollup: Rollup
    row_count: int
    seconds: float
    is_skipped: bool = False


def refresh(alias: str, names: Sequence[str] | None = None) -> Iterator[Refresh]:
    """Compute rollups of a database, or all.

    Readers see the earlier rows until a rollup is complete.

    :raises RollupError: if a rollup does not exist
    :raises django.db.Error: if the database cannot be reached, or the SELECT fails
    """
    known = rollups_of(alias)
    for name in known if names is None else names:
        if name not in known:
            raise RollupError(f"{alias} has no rollup {name[:50]}: {', '.join(known) or 'none'}.")
        yield _compute(known[name])


def refresh_quick(alias: str, *, is_forced: bool = False) -> list[Refresh]:
    """Compute the rollups of a database that took QUICK_SECONDS or less the last time.

    :param is_forced: whether to compute also those that are newer than the newest load
    """
    names = find_due(alias, at_most=QUICK_SECONDS, is_forced=is_forced)
    return list(refresh(alias, names))


def find_due(alias: str, *, at_most: float | None = None, is_forced: bool = False) -> list[str]:
    """Return the names of the rollups that were not computed since the newest load, or today.

    A rollup that was computed before is due only after ten times as long as computing it took.

    :param at_most: seconds; rollups that took longer the last time are left out; None for all
    :param is_forced: whether rollups that are newer than the newest load are due, too
    """
    states = {state.name: state for state in states_of(alias)}
    with connections[alias].cursor() as cursor:
        cursor.execute(SQL(_LOADED).format(Identifier(f"{alias}_load_runs")))
        loaded = cursor.fetchone()[0]
    now = timezone.now()
    return [
        name
        for name in rollups_of(alias)
        if name not in states
        or (
            (at_most is None or states[name].seconds <= at_most)
            and (is_forced or _is_due(states[name], loaded, now))
        )
    ]


def _is_due(state: models.Rollup, loaded: datetime | None, now: datetime) -> bool:
    age = now - state.computed_at
    # Periods such as the last 90 days end at midnight, and rates may have changed.
    is_of_an_earlier_day = timezone.localdate(state.computed_at) < timezone.localdate(now)
    is_older = is_of_an_earlier_day or (loaded is not None and state.computed_at <= loaded)
    return is_older and age >= timedelta(seconds=_REST * state.seconds)


def _compute(rollup: Rollup) -> Refresh:
    """Replace the rows of a rollup, unless another process is computing one of the database."""
    table = Identifier(rollup.table)
    started = time.monotonic()
    with transaction.atomic(using=rollup.alias), connections[rollup.alias].cursor() as cursor:
        if not locks.try_lock_transaction(cursor, locks.ROLLUPS):
            return Refresh(rollup, row_count=0, seconds=0, is_skipped=True)
        cursor.execute(_PREPARE)
        # Unlike INSERT, this can be computed in parallel.
        cursor.execute(SQL("CREATE TEMPORARY TABLE rollup_rows AS {}").format(SQL(rollup.sql)))
        cursor.execute(SQL("DELETE FROM {}").format(table))
        cursor.execute(
            SQL("INSERT INTO {} SELECT * FROM rollup_rows {}").format(table, _order(rollup))
        )
        row_count = cursor.rowcount
        cursor.execute("DROP TABLE rollup_rows")
        seconds = time.monotonic() - started
        states_of(rollup.alias).update_or_create(
            name=rollup.name,
            defaults={
                "computed_at": TransactionNow(),
                "seconds": round(seconds, 3),
                "row_count": row_count,
            },
        )
    with connections[rollup.alias].cursor() as cursor:
        # The server ignores it, with a warning, if the role does not own the table.
        cursor.execute(SQL("ANALYZE {}").format(table))
    return Refresh(rollup, row_count, seconds)


def _order(rollup: Rollup) -> Composable:
    """Return the order in which rows are stored: that of the first index reads few pages."""
    if not rollup.indexes:
        return SQL("")
    return SQL("ORDER BY {}").format(SQL(", ").join(map(Identifier, rollup.indexes[0])))
