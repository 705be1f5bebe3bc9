"""The record that a run leaves: what it read, what became of it, how far it came."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import connections, transaction
from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from marketplace.exceptions import ReplacedError, SourceError
from marketplace.loading import chunks, run_warnings
from marketplace.loading.batch import Outcome
from marketplace.loading.formats import json_text
from marketplace.loading.preparation import Batch
from marketplace.loading.retry import retry_on_disconnect
from marketplace.loading.sources import Checkpoint, SourceStart
from marketplace.loading.targets import Scope

#: The first half of the key of the lock that a run holds; any number that nothing else uses.
LOCK = 0x10AD

_DEAD = (
    "Its process ended before it did. What it had committed stays; go on with it: ingest --resume."
)

#: How the error of a run begins that was stopped in the middle.
INTERRUPTED = "Interrupted: "

#: The runs whose error says that they were stopped in the middle, so that they can be resumed.
IS_STOPPED = Q(error=_DEAD) | Q(error__startswith=INTERRUPTED)

_TRY_LOCK = "SELECT pg_try_advisory_lock(%(kind)s, %(run)s)"
_UNLOCK = "SELECT pg_advisory_unlock(%(kind)s, %(run)s)"
_END_SESSION = """
SELECT pg_terminate_backend(pid, 5000)
FROM pg_locks
WHERE
    locktype = 'advisory' AND classid = %(kind)s AND objid = %(run)s AND objsubid = 2
    AND pid = %(pid)s
"""

_Result = TypeVar("_Result")


class _Ahead(NamedTuple):
    """Records that were committed, of documents that the run is not done with."""

    loaded: int = 0
    rejected: int = 0


class Run:
    """A run of the loader, as its row and those of its sources.

    :param pk: the run to go on with; a new one if None
    :raises SourceError: if there is no such run, or it runs
    """

    def __init__(
        self,
        alias: str,
        platform: str,
        title: str,
        now: datetime,
        options: dict[str, Any],
        pk: int | None = None,
    ) -> None:
        self.alias = alias
        self.platform = platform
        self.now = now
        self._runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias)
        self._sources: Any = apps.get_model(alias, "LoadSource").objects.using(alias)
        self._chunks: Any = apps.get_model(alias, "LoadChunk").objects.using(alias)
        self._source: Any = None
        #: The session that has the lock of the run, and the server's process for it.
        self._session: Any = None
        self._pid = 0
        #: How many records of the source are committed, as far as this process knows.
        self._count: int | None = None
        self._pending = 0
        #: The records that an earlier part of the run counted and that are still to come again, and
        #: those of them that the batch at hand has.
        self._ahead = self._again = _Ahead()
        #: Whether another process has taken the run.
        self._is_taken = False
        # Behind a pooler, a session says nothing of the process that used it.
        self._has_lock = not settings.DATABASES[alias]["DISABLE_SERVER_SIDE_CURSORS"]
        self.is_resumed = pk is not None
        known = self._runs.get(pk=pk) if pk else None
        self.error: str = known.error if known else ""
        self._started_at: datetime = known.started_at if known else now
        with transaction.atomic(using=alias):
            self.id: int = pk or self._create(title, options)
            # Before anybody can see a new run: without its lock it would be taken for dead.
            if self._has_lock and not self._lock(_TRY_LOCK, self.id):
                raise SourceError(f"Run {platform}-{self.id} is being loaded. Let it end.")
        self._take()

    def _create(self, title: str, options: dict[str, Any]) -> int:
        made = self._runs.create(
            platform=self.platform, source=title, started_at=self.now, options=options
        )
        return int(made.pk)

    @property
    def _row(self) -> Any:
        """The row of the run. In a database that was restored, its number may be another run's."""
        return self._runs.filter(pk=self.id, platform=self.platform, started_at=self._started_at)

    @property
    def _source_row(self) -> Any:
        """The row of the source, found if it is this run's and says what is known of it."""
        found = self._sources.filter(
            pk=self._source.pk,
            run_id=self.id,
            run__platform=self.platform,
            run__started_at=self._started_at,
        )
        return found if self._count is None else found.filter(record_count=self._count)

    def _check(self, number: int) -> None:
        """Raise an error unless one row was found.

        :raises ReplacedError: if it was not
        """
        if number != 1:
            raise ReplacedError(
                f"The database of {self.alias} is not the one that {self.platform}-{self.id} began "
                "to load into: it was restored, or recovered, meanwhile. What was loaded before is "
                "as it was restored. Start the load again from its beginning."
            )

    def _take(self) -> None:
        if self._has_lock:
            self._note_session()
            self._end_dead_runs()
        if self.is_resumed:
            # Why a gate stopped it is still so if this part of the run is interrupted, too.
            error = self.error if self.is_holding() else ""
            left = self._row.exclude(status="discarded")
            if not left.update(status="running", error=error, finished_at=None):
                self.release()
                raise SourceError(f"Run {self.platform}-{self.id} was discarded meanwhile.")

    def renew(self) -> None:
        """Take the lock again, where the connection that had it was lost.

        :raises SourceError: if another process has taken the run meanwhile
        """
        connection = connections[self.alias]
        connection.ensure_connection()
        if not self._has_lock or connection.connection is self._session:
            return
        if not self._lock(_TRY_LOCK, self.id):
            # The server may not have noticed yet that the other end of that connection is gone.
            with connection.cursor() as cursor:
                values = {"kind": LOCK, "run": self.id, "pid": self._pid}
                cursor.execute(_END_SESSION, values)
            self._is_taken = not self._lock(_TRY_LOCK, self.id)
        if self._is_taken:
            raise SourceError(f"Run {self.platform}-{self.id} was taken by another process.")
        self._note_session()

    def _note_session(self) -> None:
        self._session = connections[self.alias].connection
        self._pid = self._session.info.backend_pid

    def once(self, commit: Callable[[list[_Result]], _Result]) -> _Result:
        """Return what a commit returns; it is done once, even if the connection is lost meanwhile.

        Whether it had reached the database is told by how many records its source has.

        :param commit: adds what it returns to the list that it is given, within its transaction
        """
        if self._count is None:
            self._count = retry_on_disconnect(self.alias, self.record_count)
        before = self._count
        reached: list[_Result] = []

        def attempt() -> _Result:
            self.renew()
            # Only after an attempt whose end is not known: else the commit itself finds out.
            if reached and self.record_count() == before + self._pending > before:
                return reached[-1]
            return commit(reached)

        done = retry_on_disconnect(self.alias, attempt)
        self._count = before + self._pending
        return done

    def begun(self) -> dict[str, Checkpoint]:
        """Return path → what was done with a source in an earlier part of the run."""
        rows = self._sources.filter(run_id=self.id).order_by("pk")
        return {
            row.path: Checkpoint(
                row.digest,
                row.observed_at,
                row.checkpoint,
                row.is_complete,
                row.newest_payload,
                tuple(row.stale_times),
            )
            for row in rows
        }

    def start_source(self, start: SourceStart) -> None:
        """Begin a source, or go on with it. Safe to call again."""
        self._check(self._row.count())
        known = self._sources.filter(run_id=self.id, path=start.path, digest=start.digest)
        if not self.is_resumed:
            known = known.filter(record_count=0, checkpoint=0, is_complete=False)
        self._count = None
        self._source = known.order_by("pk").last() or self._sources.create(
            run_id=self.id,
            name=start.name,
            path=start.path,
            digest=start.digest,
            observed_at=start.observed_at,
            newest_payload=start.newest_payload,
        )
        self._ahead = _Ahead(
            self._source.uncheckpointed_count, self._source.uncheckpointed_rejected_count
        )

    def end_source(self) -> None:
        """Note that a source was read to its end."""
        self._check(self._source_row.update(is_complete=True))

    @property
    def source_name(self) -> str:
        """Name of the source that is being read."""
        return str(self._source.name)

    def record_count(self) -> int:
        """Return how many records of the source are committed; -1 if there is no such source."""
        found = self._sources.filter(pk=self._source.pk, run_id=self.id)
        count: int | None = found.values_list("record_count", flat=True).first()
        return -1 if count is None else count

    def advance(
        self, outcome: Outcome, rejected: int, position: int, newest: datetime | None = None
    ) -> None:
        """Write counts and position, in the transaction of the batch they speak of.

        What an earlier part of the run has committed comes again, unchanged or rejected as before:
        it is not counted twice.

        :param newest: the newest observation of the batch, if it has any
        """
        read = outcome.created + outcome.updated + outcome.unchanged + rejected
        self._pending = read
        ahead = self._ahead
        again = _Ahead(min(ahead.loaded, outcome.unchanged), min(ahead.rejected, rejected))
        news = _Ahead(read - rejected - again.loaded, rejected - again.rejected)
        found = self._row.update(
            read_count=F("read_count") + sum(news),
            created_count=F("created_count") + outcome.created,
            updated_count=F("updated_count") + outcome.updated,
            unchanged_count=F("unchanged_count") + outcome.unchanged - again.loaded,
            rejected_count=F("rejected_count") + news.rejected,
            price_point_count=F("price_point_count") + outcome.price_points,
            # In PostgreSQL, NULL is less than any time.
            newest_observed_at=Greatest(F("newest_observed_at"), Value(newest, DateTimeField())),
        )
        self._check(found)
        self._progress(read, position, news)
        self._again = again

    def settle(self) -> None:
        """Note that the last batch is committed."""
        ahead, again = self._ahead, self._again
        self._ahead = _Ahead(ahead.loaded - again.loaded, ahead.rejected - again.rejected)
        self._again = _Ahead()

    def _progress(self, read: int, position: int, news: "_Ahead") -> None:
        changes: dict[str, Any] = {"record_count": F("record_count") + read}
        if position:
            changes |= {
                "checkpoint": position,
                "uncheckpointed_count": 0,
                "uncheckpointed_rejected_count": 0,
            }
        else:
            changes["uncheckpointed_count"] = F("uncheckpointed_count") + news.loaded
            changes["uncheckpointed_rejected_count"] = (
                F("uncheckpointed_rejected_count") + news.rejected
            )
        self._check(self._source_row.update(**changes))

    def keep_standing(self, times: Iterable[datetime]) -> None:
        """Keep times in the source's documents that do not count. Safe to call again."""
        row = self._sources.filter(pk=self._source.pk)
        (known,) = row.values_list("stale_times", flat=True)
        self._check(row.update(stale_times=sorted({*known, *times})))

    def warn(self, texts: Iterable[str]) -> None:
        """Keep warnings of the source, in the transaction of their batch. Safe to call again."""
        new = list(texts)
        if not new:
            return
        row = self._sources.filter(pk=self._source.pk)
        (known,) = row.values_list("warnings", flat=True)
        merged = run_warnings.merge(known, new)
        if merged != known:
            row.update(warnings=merged)

    def warnings(self) -> list[str]:
        """Return the warnings of all sources of the run, those of its earlier parts included."""
        row = self._row.first()
        return run_warnings.of_run(row) if row else []

    def next_chunk(self) -> int:
        """Return the number of the chunk that comes next."""
        last = self._chunks.filter(run_id=self.id).order_by("sequence").last()
        return last.sequence + 1 if last else 1

    def hold(self, batch: Batch, causes: list[str], number: int) -> None:
        """Keep a batch for later, in the transaction that also notes that its source was read.

        :param number: of its chunk; one that is there already is the same
        """
        if self._chunks.filter(run_id=self.id, sequence=number).exists():
            return
        self._check(self._row.update(error="\n".join(causes)))
        lines = chunks.encode_batch(batch, self.source_name)
        self._chunks.create(
            run_id=self.id,
            sequence=number,
            is_held=True,
            body=chunks.pack(lines),
        )
        self._row.update(
            held_count=F("held_count") + len(lines),
            read_count=F("read_count") + batch.skipped,
            unchanged_count=F("unchanged_count") + batch.skipped,
        )
        self._progress(0, batch.position, _Ahead())
        self.warn(batch.warnings)

    def keep_scope(self, scope: Scope | None) -> None:
        """Keep the scope of a held full listing until it is released."""
        self._check(self._row.count())
        row = self._row.get()
        row.options = {**row.options, "scope": scope and scope.as_json()}
        row.save(update_fields=["options"])

    def is_holding(self) -> bool:
        """Return whether a gate stopped an earlier part of the run."""
        found: bool = self._chunks.filter(run_id=self.id, is_held=True).exists()
        return found

    def drop_chunks(self, *, is_held: bool) -> None:
        """Drop what was received, or held, once it is loaded."""
        self._chunks.filter(run_id=self.id, is_held=is_held).delete()
        if is_held:
            self._row.update(held_count=0)

    def measured(self) -> dict[str, Any] | None:
        """Return what the gates measured in an earlier part of the run."""
        found: dict[str, Any] | None = self._row.values_list("quality_metrics", flat=True).get()
        return found

    def measure(self, measures: dict[str, Any]) -> None:
        """Keep what the gates measured."""
        self._check(self._row.update(quality_metrics=measures))

    def finish(self, status: str, error: str = "") -> None:
        """Close the run and let go of it, unless another process has taken it."""
        if self._is_taken:
            return
        connection = connections[self.alias]
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        self.close(status, error)
        self.release()

    def close(self, status: str, error: str) -> None:
        """Write how the run ended; nothing if its database was replaced."""
        self._row.update(status=status, error=json_text.clean(error), finished_at=timezone.now())

    def release(self) -> None:
        """Let go of the run: a lock that went with its connection is free already."""
        if self._has_lock:
            self._lock(_UNLOCK, self.id)

    def _end_dead_runs(self) -> None:
        """Close the runs of this platform whose process ended before they did.

        A run holds a lock as long as its connection lives: whose lock is free, that is dead.
        """
        running = self._runs.filter(platform=self.platform, status="running").exclude(pk=self.id)
        for run_id in running.values_list("pk", flat=True):
            if self._lock(_TRY_LOCK, run_id):
                self._runs.filter(pk=run_id).update(status="failed", finished_at=self.now)
                # Where a gate has stopped it, why it did says more.
                self._runs.filter(pk=run_id, error="").update(error=_DEAD)
                self._lock(_UNLOCK, run_id)

    def _lock(self, statement: str, run_id: int) -> bool:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, {"kind": LOCK, "run": run_id})
            return bool(cursor.fetchone()[0])


def interrupted(alias: str, platform: str) -> list[Any]:
    """Return the runs of a platform that were interrupted and can be resumed, oldest first.

    A run that failed because a source cannot be read is none: it was read as far as it can be.
    """
    runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias).filter(platform=platform)
    stopped = IS_STOPPED | Q(chunks__is_held=True)
    found = runs.filter(Q(status="running") | Q(status="failed") & stopped)
    return [row for row in found.distinct().order_by("pk") if not _is_alive(alias, row)]


def give_up(alias: str, row: Any, reason: str) -> None:
    """Note why an interrupted run cannot be resumed; it is not tried again.

    What a gate holds of it can still be released.

    :param row: as it was; if it is another one now, somebody has taken the run
    """
    if _is_alive(alias, row):
        return
    is_holding = row.chunks.filter(is_held=True).exists()
    told = filter(None, [row.error if row.error != _DEAD else "", reason])
    runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias)
    runs.filter(pk=row.pk, status=row.status, finished_at=row.finished_at).update(
        status="held" if is_holding else "failed",
        error="\n".join(told) if is_holding else reason,
        finished_at=timezone.now(),
    )


def _is_alive(alias: str, row: Any) -> bool:
    """Return whether another process loads a run now."""
    if row.status != "running" or settings.DATABASES[alias]["DISABLE_SERVER_SIDE_CURSORS"]:
        return False
    values = {"kind": LOCK, "run": row.pk}
    with connections[alias].cursor() as cursor:
        cursor.execute(_TRY_LOCK, values)
        (is_free,) = cursor.fetchone()
        if is_free:
            cursor.execute(_UNLOCK, values)
    return not is_free
