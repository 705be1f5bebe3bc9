"""The record that a run leaves: what it read, what became of it, how far it came."""

from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.models import F
from django.utils import timezone

from marketplace.loading.batches import Outcome

#: The first half of the key of the lock that a run holds; any number that nothing else uses.
_LOCK = 0x10AD

_TRY_LOCK = "SELECT pg_try_advisory_lock(%(kind)s, %(run)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(kind)s, %(run)s)"


class Run:
    """A run of the loader, as its row and those of its sources."""

    def __init__(self, alias: str, platform: str, title: str, now: datetime) -> None:
        self.alias = alias
        self.platform = platform
        self.now = now
        self._runs: Any = apps.get_model(alias, "LoadRun").objects
        self._sources: Any = apps.get_model(alias, "LoadSource").objects
        self._source: Any = None
        self.id: int = self._runs.create(platform=platform, source=title, started_at=now).pk
        # Behind a pooler, a session says nothing of the process that used it.
        self._has_lock = not settings.DATABASES[alias]["DISABLE_SERVER_SIDE_CURSORS"]
        if self._has_lock:
            self._lock(_TRY_LOCK, self.id)
            self._end_dead_runs()

    def start_source(self, name: str, digest: str, observed_at: datetime) -> None:
        """Begin a source, of which nothing is committed yet."""
        self._source = self._sources.create(
            run_id=self.id, name=name, digest=digest, observed_at=observed_at
        )

    def first_load(self, digest: str) -> datetime | None:
        """Return the time that observations of the same file had when it was loaded first.

        The same bytes are the same observation: loading them again, in whatever order with others,
        must not make them news.
        """
        if not digest:
            return None
        known = self._sources.filter(digest=digest, run__platform=self.platform)
        first: datetime | None = known.order_by("pk").values_list("observed_at", flat=True).first()
        return first

    def advance(self, outcome: Outcome, rejected: int) -> None:
        """Write counts and position, in the transaction of the batch they speak of."""
        read = outcome.created + outcome.updated + outcome.unchanged + rejected
        self._runs.filter(pk=self.id).update(
            read_count=F("read_count") + read,
            created_count=F("created_count") + outcome.created,
            updated_count=F("updated_count") + outcome.updated,
            unchanged_count=F("unchanged_count") + outcome.unchanged,
            rejected_count=F("rejected_count") + rejected,
            price_point_count=F("price_point_count") + outcome.price_points,
        )
        self._sources.filter(pk=self._source.pk).update(record_count=F("record_count") + read)

    def finish(self, error: str) -> None:
        """Close the run: failed if there is an error, else completed."""
        connection = connections[self.alias]
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        status = "failed" if error else "completed"
        self._runs.filter(pk=self.id).update(
            status=status, error=error.replace("\0", ""), finished_at=timezone.now()
        )
        if self._has_lock:
            self._lock(_UNLOCK, self.id)

    def _end_dead_runs(self) -> None:
        """Close the runs of this platform whose process ended before they did.

        A run holds a lock as long as its connection lives: whose lock is free, that is dead.
        """
        running = self._runs.filter(platform=self.platform, status="running", pk__lt=self.id)
        for run_id in running.values_list("pk", flat=True):
            if self._lock(_TRY_LOCK, run_id):
                self._runs.filter(pk=run_id).update(
                    status="failed",
                    error="Its process ended before it did; what it had committed stays.",
                    finished_at=self.now,
                )
                self._lock(_UNLOCK, run_id)

    def _lock(self, statement: str, run_id: int) -> bool:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, {"kind": _LOCK, "run": run_id})
            return bool(cursor.fetchone()[0])
