"""The advisory lock of a run: it shows that a living process loads the run.

The lock belongs to the session of the process, so PostgreSQL releases it when the process ends.
Behind a pooler, sessions are shared: there is no lock, and every run is regarded as interrupted.
"""

from typing import Any

from django.conf import settings
from django.db import connections

#: The first half of the lock's key; the second half is the id of the run.
LOCK = 0x10AD

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
                values = {"kind": LOCK, "run": self.run_id, "pid": self._pid}
                cursor.execute(_END_SESSION, values)
            self.is_taken = not self.acquire()
        return not self.is_taken

    def release(self) -> None:
        """Release the lock. If its connection was lost, it is free already."""
        if has_locks(self.alias):
            unlock(self.alias, self.run_id)


def has_locks(alias: str) -> bool:
    """Return whether sessions belong to one process, so that a lock shows that it lives."""
    return not settings.DATABASES[alias]["DISABLE_SERVER_SIDE_CURSORS"]


def try_lock(alias: str, run_id: int) -> bool:
    """Take the lock of a run for the current session; return whether it was free."""
    return _execute(alias, _TRY_LOCK, run_id)


def unlock(alias: str, run_id: int) -> None:
    """Release the lock of a run that the current session holds."""
    _execute(alias, _UNLOCK, run_id)


def _execute(alias: str, statement: str, run_id: int) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"kind": LOCK, "run": run_id})
        return bool(cursor.fetchone()[0])
