"""Vacuuming and analyzing the tables that need it, for db_vacuum."""

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

#: Tables are frozen at this share of the age at which autovacuum would freeze them.
_OLD = 0.75

#: Age of the statistics at which a partitioned table is analyzed. Autovacuum never does so.
_PARTITIONED_AFTER = timedelta(days=7)

#: Seconds between two progress messages.
_INTERVAL = 0.5

Progress = Callable[[str], None]


class VacuumTask(NamedTuple):
    """A VACUUM or ANALYZE of a table.

    :param options: of VACUUM; empty for a plain ANALYZE
    :param is_only: whether ANALYZE skips the partitions
    """

    schema: str
    table: str
    options: str
    reason: str
    is_only: bool = False

    @property
    def path(self) -> str:
        """The qualified name of the table."""
        return f"{self.schema}.{self.table}"

    @property
    def statement(self) -> str:
        """The statement as text, for messages."""
        if self.options:
            return f"VACUUM ({self.options}) {self.path}"
        return f"ANALYZE {'ONLY ' if self.is_only else ''}{self.path}"


class TaskResult(NamedTuple):
    """The result of a task.

    :param error: the reason why it failed; empty if it succeeded
    """

    task: VacuumTask
    seconds: float
    error: str


def find_tasks(alias: str, now: datetime, *, include_all: bool = False) -> list[VacuumTask]:
    """Return the tasks for the tables of a database, by the thresholds of autovacuum.

    :param include_all: whether to vacuum and analyze every table
    """
    version = int(read(alias, "server_info")[0]["version_number"]) // 10000
    tasks = (_task(row, now, version, include_all) for row in read(alias, "maintenance"))
    return [task for task in tasks if task]


def run_task(alias: str, task: VacuumTask, progress: Progress | None = None) -> TaskResult:
    """Run a task. It fails, without an exception, if the table is locked or owned by another role.

    Several processes may do so at the same time: PostgreSQL runs one vacuum per table at a time.

    :param progress: called with progress messages while the task runs
    :raises Error: if the connection is lost
    """
    started = time.monotonic()
    with _session(alias) as connection, _reported(alias, task, progress):
        error = _execute(connection, task)
    return TaskResult(task, time.monotonic() - started, error)


def _execute(connection: BaseDatabaseWrapper, task: VacuumTask) -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_composed(task))
    except Error as error:
        if not connection.is_usable():
            raise
        return explain(error)
    # Without the privilege, PostgreSQL skips the table with a warning instead of an error.
    warnings = [notice for notice in connection.connection.notices if "skipping" in notice]
    return f"{warnings[0].strip()}. Run the command as the owner of the table." if warnings else ""


def _composed(task: VacuumTask) -> sql.Composed:
    name = sql.Identifier(task.schema, task.table)
    if not task.options:
        only = sql.SQL("ONLY " if task.is_only else "")
        return sql.SQL("ANALYZE {}{}").format(only, name)
    return sql.SQL("VACUUM ({}) {}").format(sql.SQL(task.options), name)


def _task(row: Row, now: datetime, version: int, include_all: bool) -> VacuumTask | None:
    if row["is_partitioned"]:
        return _partitioned_task(row, now, version, include_all)
    vacuums, options = _vacuum_reasons(row), "ANALYZE"
    if row["xid_age"] > row["xid_limit"] * _OLD or row["mxid_age"] > row["mxid_limit"] * _OLD:
        vacuums.append(f"transaction ids {row['xid_age']:,} old")
        options = "FREEZE, ANALYZE"
    if include_all:
        vacuums = vacuums or ["all tables"]
    if vacuums:
        return VacuumTask(row["schema"], row["name"], options, ", ".join(vacuums))
    if row["rows"] and not row["has_statistics"] and row["is_owned"]:
        return VacuumTask(row["schema"], row["name"], "", "never analyzed")
    if row["changed"] > row["changed_limit"]:
        reason = f"{row['changed']:,} rows changed (limit {row['changed_limit']:,})"
        return VacuumTask(row["schema"], row["name"], "", reason)
    return None


def _vacuum_reasons(row: Row) -> list[str]:
    reasons = []
    if row["dead"] > row["dead_limit"]:
        reasons.append(f"{row['dead']:,} dead rows (limit {row['dead_limit']:,})")
    if row["inserted"] > row["inserted_limit"]:
        reasons.append(f"{row['inserted']:,} rows added (limit {row['inserted_limit']:,})")
    return reasons


def _partitioned_task(
    row: Row, now: datetime, version: int, include_all: bool
) -> VacuumTask | None:
    """Return the ANALYZE of a partitioned table, which autovacuum never runs."""
    if not row["rows"]:
        return None
    at = row["analyzed_at"]
    if at is None or now - at >= _PARTITIONED_AFTER:
        reason = "never analyzed as a whole" if at is None else "not analyzed as a whole recently"
    elif include_all:
        reason = "all tables"
    else:
        return None
    # From version 18 on, ANALYZE ONLY skips the partitions.
    return VacuumTask(row["schema"], row["name"], "", reason, is_only=version >= 18)


@contextmanager
def _session(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """Open a separate connection with a lock timeout and without a statement timeout."""
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
def _reported(alias: str, task: VacuumTask, progress: Progress | None) -> Iterator[None]:
    """Report the progress of the task while the block runs."""
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


def _report(alias: str, task: VacuumTask, progress: Progress, is_done: Event) -> None:
    try:
        while not is_done.wait(_INTERVAL):
            names = {"schema": task.schema, "table": task.table}
            for row in read(alias, "progress", names):
                share = f" {row['done'] / row['total']:.0%}" if row["total"] else ""
                progress(f"{task.path}: {row['phase']}{share}")
    except Error:
        # The task continues without progress messages.
        return
    finally:
        connections.close_all()
