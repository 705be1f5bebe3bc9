"""Vacuum and analyze what needs it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import NamedTuple

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import sql

from marketplace.doctor.session import Row, read
from marketplace.postgresql.errors import explain

#: Seconds to wait for a table that another session has locked.
LOCK_TIMEOUT = 5

#: Share of the age at which autovacuum freezes a table, from which on it is done here.
_OLD = 0.75

#: Nothing but this keeps the statistics of a partitioned table up to date.
_PARTITIONED_AFTER = timedelta(days=7)

#: Seconds between two looks at the progress.
_INTERVAL = 0.5

Progress = Callable[[str], None]


class Task(NamedTuple):
    """What a table needs.

    :param options: of VACUUM; empty for ANALYZE alone
    """

    schema: str
    table: str
    options: str
    reason: str
    is_only: bool = False

    @property
    def path(self) -> str:
        """The table's name with its schema's."""
        return f"{self.schema}.{self.table}"

    @property
    def statement(self) -> str:
        """What is run, for a person."""
        if self.options:
            return f"VACUUM ({self.options}) {self.path}"
        return f"ANALYZE {'ONLY ' if self.is_only else ''}{self.path}"


class Done(NamedTuple):
    """What came of a task.

    :param error: why it was not done; empty if it was
    """

    task: Task
    seconds: float
    error: str


def needs(alias: str, now: datetime, *, is_all: bool = False) -> list[Task]:
    """Return what the tables of a database need, by the limits that autovacuum goes by.

    :param is_all: whether to vacuum and analyze every table
    """
    version = int(read(alias, "facts")[0]["version_number"]) // 10000
    tasks = (_task(row, now, version, is_all) for row in read(alias, "upkeep"))
    return [task for task in tasks if task]


def perform(alias: str, task: Task, progress: Progress | None = None) -> Done:
    """Do a task; a table that is locked, or another role's, is left as it is.

    Safe to run at once: PostgreSQL lets one vacuum at a time work on a table.

    :param progress: is called with what there is to say while it runs
    :raises Error: if the connection is lost
    """
    began = time.monotonic()
    with _session(alias) as connection, _reported(alias, task, progress):
        error = _execute(connection, task)
    return Done(task, time.monotonic() - began, error)


def _execute(connection: BaseDatabaseWrapper, task: Task) -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_composed(task))
    except Error as error:
        if not connection.is_usable():
            raise
        return explain(error)
    # A role that may not gets a warning, and no error.
    refusals = [notice for notice in connection.connection.notices if "skipping" in notice]
    return f"{refusals[0].strip()}. Run it as the owner of the table." if refusals else ""


def _composed(task: Task) -> sql.Composed:
    name = sql.Identifier(task.schema, task.table)
    if not task.options:
        only = sql.SQL("ONLY " if task.is_only else "")
        return sql.SQL("ANALYZE {}{}").format(only, name)
    return sql.SQL("VACUUM ({}) {}").format(sql.SQL(task.options), name)


def _task(row: Row, now: datetime, version: int, is_all: bool) -> Task | None:
    if row["is_partitioned"]:
        return _of_partitioned(row, now, version, is_all)
    vacuums, options = _vacuum_reasons(row), "ANALYZE"
    if row["xid_age"] > row["xid_limit"] * _OLD or row["mxid_age"] > row["mxid_limit"] * _OLD:
        vacuums.append(f"transaction ids {row['xid_age']:,} old")
        options = "FREEZE, ANALYZE"
    if is_all:
        vacuums = vacuums or ["all tables"]
    if vacuums:
        return Task(row["schema"], row["name"], options, ", ".join(vacuums))
    if row["rows"] and not row["has_statistics"] and row["is_own"]:
        return Task(row["schema"], row["name"], "", "never analyzed")
    if row["changed"] > row["changed_limit"]:
        reason = f"{row['changed']:,} rows changed (limit {row['changed_limit']:,})"
        return Task(row["schema"], row["name"], "", reason)
    return None


def _vacuum_reasons(row: Row) -> list[str]:
    reasons = []
    if row["dead"] > row["dead_limit"]:
        reasons.append(f"{row['dead']:,} dead rows (limit {row['dead_limit']:,})")
    if row["inserted"] > row["inserted_limit"]:
        reasons.append(f"{row['inserted']:,} rows added (limit {row['inserted_limit']:,})")
    return reasons


def _of_partitioned(row: Row, now: datetime, version: int, is_all: bool) -> Task | None:
    """Return the analysis of a partitioned table as a whole, which autovacuum never does."""
    if not row["rows"]:
        return None
    at = row["analyzed_at"]
    if at is None or now - at >= _PARTITIONED_AFTER:
        reason = "never analyzed as a whole" if at is None else "analyzed long ago as a whole"
    elif is_all:
        reason = "all tables"
    else:
        return None
    # From version 18 on, the parts need not be analyzed again with it.
    return Task(row["schema"], row["name"], "", reason, is_only=version >= 18)


@contextmanager
def _session(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """Open a connection of its own, which waits for locks only so long."""
    connection = connections[alias].copy()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %(lock)s, false),"
                " set_config('statement_timeout', '0', false)",
                {"lock": f"{LOCK_TIMEOUT}s"},
            )
        yield connection
    finally:
        connection.close()


@contextmanager
def _reported(alias: str, task: Task, progress: Progress | None) -> Iterator[None]:
    """Report how far the task is while the block runs."""
    if progress is None:
        yield
        return
    is_done = Event()
    thread = Thread(target=_report, args=(alias, task, progress, is_done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def _report(alias: str, task: Task, progress: Progress, is_done: Event) -> None:
    try:
        while not is_done.wait(_INTERVAL):
            names = {"schema": task.schema, "table": task.table}
            for row in read(alias, "progress", names):
                share = f" {row['done'] / row['total']:.0%}" if row["total"] else ""
                progress(f"{task.path}: {row['phase']}{share}")
    except Error:
        # It is only shown: the task itself goes on.
        return
    finally:
        connections.close_all()
