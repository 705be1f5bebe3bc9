"""Advisory locks of runs: the process that loads a run holds its lock.

PostgreSQL releases the lock when the session of the process ends. A run that has not finished and
whose lock is free was therefore interrupted. Behind a pooler, sessions are shared and no lock is
taken: every run that has not finished is regarded as interrupted.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils import timezone

from marketplace.loading.models import PROCESS_ENDED, LoadRun, loading_models
from marketplace.postgresql import locks

_TRY_LOCK = "SELECT pg_try_advisory_lock(%(kind)s, %(run)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(kind)s, %(run)s)"
_END_SESSION = """
SELECT pg_terminate_backend(pid, 5000)
FROM pg_locks
WHERE
    locktype = 'advisory' AND classid = %(kind)s AND objid = %(run)s AND objsubid = 2
    AND pid = %(pid)s
"""


class RunLock:
    """The lock of a run that this process loads.

    :ivar is_taken: whether another process has taken the lock
    """

    def __init__(self, alias: str, run_id: int) -> None:
        self.alias = alias
        self.run_id = run_id
        self.is_taken = False
        #: The session that holds the lock, and the process id of its backend.
        self._session: Any = None
        self._pid = 0

    def acquire(self) -> bool:
        """Take the lock; return False if another session holds it."""
        if not has_locks(self.alias):
            return True
        is_acquired = try_lock(self.alias, self.run_id)
        if is_acquired:
            self._session = connections[self.alias].connection
            self._pid = self._session.info.backend_pid
        return is_acquired

    def renew(self) -> bool:
        """Take the lock again if its connection was lost; return False if it is taken."""
        connection = connections[self.alias]
        connection.ensure_connection()
        if not has_locks(self.alias) or connection.connection is self._session:
            return True
        if not self.acquire():
            # The server may not have noticed yet that the old session has lost its client.
            with connection.cursor() as cursor:
                values = {"kind": locks.RUN, "run": self.run_id, "pid": self._pid}
                cursor.execute(_END_SESSION, values)
            self.is_taken = not self.acquire()
        return not self.is_taken

    def release(self) -> None:
        """Release the lock. If its connection was lost, it is free already."""
        if has_locks(self.alias):
            unlock(self.alias, self.run_id)


def has_locks(alias: str) -> bool:
    """Return whether locks are used: not behind a pooler, whose sessions are shared."""
    return not settings.DATABASES[alias]["DISABLE_SERVER_SIDE_CURSORS"]


def try_lock(alias: str, run_id: int) -> bool:
    """Take the lock of a run for the current session; return whether it was free."""
    return _execute(alias, _TRY_LOCK, run_id)


def unlock(alias: str, run_id: int) -> None:
    """Release the lock of a run that the current session holds."""
    _execute(alias, _UNLOCK, run_id)


def _execute(alias: str, statement: str, run_id: int) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"kind": locks.RUN, "run": run_id})
        return bool(cursor.fetchone()[0])


def find_interrupted(alias: str, platform: str) -> list[LoadRun]:
    """Return the runs of a platform that were interrupted and can be resumed, oldest first.

    Runs that failed because a source is unreadable are not included: resuming would not help.
    """
    rows = loading_models(alias).runs.of(platform).interrupted()
    return [row for row in rows.order_by("pk") if not _is_alive(alias, row)]


def end_dead_runs(alias: str, platform: str, current_id: int, now: datetime) -> None:
    """Mark running runs of a platform as failed if their process has ended.

    The process has ended if the lock of the run is free. Without locks, no run is changed.

    :param current_id: the id of the run of this process, which is not examined
    """
    if not has_locks(alias):
        return
    runs = loading_models(alias).runs
    running = runs.of(platform).running().exclude(pk=current_id)
    for run_id in running.values_list("pk", flat=True):
        if try_lock(alias, run_id):
            runs.filter(pk=run_id).update(status=LoadRun.Status.FAILED, finished_at=now)
            # If a gate held the run, its error already has a more useful reason.
            runs.filter(pk=run_id, error="").update(error=PROCESS_ENDED)
            unlock(alias, run_id)


def give_up(alias: str, row: LoadRun, reason: str) -> None:
    """Store why an interrupted run cannot be resumed, so that it is not tried again.

    Records that a gate holds can still be released.

    :param row: the row as it was read; nothing happens if another process has changed it since
    """
    if _is_alive(alias, row):
        return
    models = loading_models(alias)
    is_holding = models.chunks.of_run(row.pk).held().exists()
    reasons = filter(None, [row.error if row.error != PROCESS_ENDED else "", reason])
    models.runs.filter(pk=row.pk, status=row.status, finished_at=row.finished_at).update(
        status=LoadRun.Status.HELD if is_holding else LoadRun.Status.FAILED,
        error="\n".join(reasons) if is_holding else reason,
        finished_at=timezone.now(),
    )


def _is_alive(alias: str, row: LoadRun) -> bool:
    """Return whether another process is loading a run now."""
    if row.status != LoadRun.Status.RUNNING or not has_locks(alias):
        return False
    is_free = try_lock(alias, row.pk)
    if is_free:
        unlock(alias, row.pk)
    return not is_free
