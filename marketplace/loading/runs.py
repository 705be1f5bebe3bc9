"""A run in the database: its row, its sources and its chunks, with counts and checkpoints."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import connections, transaction
from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from marketplace.exceptions import ReplacedError, SourceError
from marketplace.loading import chunks, run_warnings
from marketplace.loading.batch import Outcome
from marketplace.loading.database_models import loading_models
from marketplace.loading.formats import json_text
from marketplace.loading.interrupted_runs import end_dead_runs
from marketplace.loading.items import Batch
from marketplace.loading.models import LoadRun
from marketplace.loading.retry import retry_on_disconnect
from marketplace.loading.run_lock import RunLock
from marketplace.loading.sources import Checkpoint, SourceStart
from marketplace.loading.targets import Scope

_Result = TypeVar("_Result")


class _Uncheckpointed(NamedTuple):
    """Numbers of committed records after the last checkpoint of a source.

    Their documents are read again when the run is resumed.
    """

    loaded: int = 0
    rejected: int = 0


class Run:
    """A run of the loader.

    :param pk: id of the run to resume; None creates a new run
    :raises SourceError: if the run is being loaded by another process or was discarded
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
        models = loading_models(alias)
        self._runs, self._sources, self._chunks = models.runs, models.sources, models.chunks
        self._source: Any = None
        #: Number of committed records of the source; None if it is unknown.
        self._count: int | None = None
        #: Number of records in the batch that is being committed.
        self._pending = 0
        #: Records of an earlier part of the run that are read again, and those in this batch.
        self._uncheckpointed = self._repeated = _Uncheckpointed()
        self.is_resumed = pk is not None
        with transaction.atomic(using=alias):
            row = self._runs.get(pk=pk) if pk else self._create(title, options)
            self.id: int = row.pk
            self.error: str = row.error
            self._started_at = row.started_at
            self._lock = RunLock(alias, self.id)
            # Before the commit: other processes regard a visible run without a lock as dead.
            if not self._lock.acquire():
                raise SourceError(f"Run {self.name} is being loaded. Wait until it has finished.")
        self._start()

    def _create(self, title: str, options: dict[str, Any]) -> Any:
        return self._runs.create(
            platform=self.platform, source=title, started_at=self.now, options=options
        )

    @property
    def name(self) -> str:
        """Name of the run in messages, such as "uzum-17"."""
        return f"{self.platform}-{self.id}"

    @property
    def _row(self) -> Any:
        """The row of the run. In a restored database, its id may belong to another run."""
        return self._runs.filter(pk=self.id, platform=self.platform, started_at=self._started_at)

    @property
    def _source_row(self) -> Any:
        """The row of the source, if it belongs to this run and has the expected record count."""
        rows = self._sources.of_run(self.id).filter(
            Q(run__platform=self.platform, run__started_at=self._started_at), pk=self._source.pk
        )
        return rows if self._count is None else rows.filter(record_count=self._count)

    def _check(self, row_count: int) -> None:
        """Check that a query found exactly one row.

        :raises ReplacedError: if it did not
        """
        if row_count != 1:
            raise ReplacedError(
                f"The database of {self.alias} is not the one that {self.name} began to load into: "
                "it was restored or recovered in the meantime. Start the load again from the "
                "beginning."
            )

    def _start(self) -> None:
        end_dead_runs(self.alias, self.platform, self.id, self.now)
        if self.is_resumed:
            # The reason of a gate stays valid if this part of the run is interrupted, too.
            error = self.error if self.is_holding() else ""
            rows = self._row.not_discarded()
            if not rows.update(status=LoadRun.Status.RUNNING, error=error, finished_at=None):
                self.release()
                raise SourceError(f"Run {self.name} was discarded in the meantime.")

    def renew(self) -> None:
        """Take the lock of the run again if its connection was lost.

        :raises SourceError: if another process has taken the run in the meantime
        """
        if not self._lock.renew():
            raise SourceError(
                f"Another process took over run {self.name} while the connection was lost, and "
                "continues it."
            )

    def commit_once(self, commit: Callable[[list[_Result]], _Result]) -> _Result:
        """Call `commit` and return its result; commit once even if the connection is lost.

        The record count of the source shows whether a commit whose end is unknown has happened.

        :param commit: a function that appends its result to the given list in its transaction
        """
        if self._count is None:
            self._count = retry_on_disconnect(self.alias, self.record_count)
        before = self._count
        reached: list[_Result] = []

        def attempt() -> _Result:
            self.renew()
            # Only needed after an attempt whose end is unknown; otherwise the commit itself checks.
            if reached and self.record_count() == before + self._pending > before:
                return reached[-1]
            return commit(reached)

        result = retry_on_disconnect(self.alias, attempt)
        self._count = before + self._pending
        return result

    def checkpoints(self) -> dict[str, Checkpoint]:
        """Return path → checkpoint of the sources that an earlier part of the run has read."""
        rows = self._sources.of_run(self.id).order_by("pk")
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
        """Start a source, or continue it. Safe to call again."""
        self._check(self._row.count())
        rows = self._sources.of_run(self.id).filter(path=start.path, digest=start.digest)
        if not self.is_resumed:
            rows = rows.filter(record_count=0, checkpoint=0, is_complete=False)
        self._count = None
        self._source = rows.order_by("pk").last() or self._sources.create(
            run_id=self.id,
            name=start.name,
            path=start.path,
            digest=start.digest,
            observed_at=start.observed_at,
            newest_payload=start.newest_payload,
        )
        self._uncheckpointed = _Uncheckpointed(
            self._source.uncheckpointed_count, self._source.uncheckpointed_rejected_count
        )

    def end_source(self) -> None:
        """Mark the source as read to its end."""
        self._check(self._source_row.update(is_complete=True))

    @property
    def source_name(self) -> str:
        """Name of the source that is being read."""
        return str(self._source.name)

    def record_count(self) -> int:
        """Return the number of committed records of the source; -1 if its row does not exist."""
        rows = self._sources.of_run(self.id).filter(pk=self._source.pk)
        count: int | None = rows.values_list("record_count", flat=True).first()
        return -1 if count is None else count

    def advance(
        self, outcome: Outcome, rejected: int, position: int, newest: datetime | None = None
    ) -> None:
        """Store counts and checkpoint of a batch, in its transaction.

        Records that an earlier part of the run committed after its last checkpoint are read again,
        as unchanged or rejected. They are not counted twice.

        :param position: number of documents that are done; 0 if the batch ends within a document
        :param newest: the newest time of observation in the batch, if it has any
        """
        read = outcome.created + outcome.updated + outcome.unchanged + rejected
        self._pending = read
        earlier = self._uncheckpointed
        repeated = _Uncheckpointed(
            min(earlier.loaded, outcome.unchanged), min(earlier.rejected, rejected)
        )
        new = _Uncheckpointed(read - rejected - repeated.loaded, rejected - repeated.rejected)
        row_count = self._row.update(
            read_count=F("read_count") + sum(new),
            created_count=F("created_count") + outcome.created,
            updated_count=F("updated_count") + outcome.updated,
            unchanged_count=F("unchanged_count") + outcome.unchanged - repeated.loaded,
            rejected_count=F("rejected_count") + new.rejected,
            price_point_count=F("price_point_count") + outcome.price_points,
            # PostgreSQL ignores NULL in GREATEST.
            newest_observed_at=Greatest(F("newest_observed_at"), Value(newest, DateTimeField())),
        )
        self._check(row_count)
        self._store_checkpoint(read, position, new)
        self._repeated = repeated

    def confirm_batch(self) -> None:
        """Note that the last batch is committed."""
        earlier, repeated = self._uncheckpointed, self._repeated
        self._uncheckpointed = _Uncheckpointed(
            earlier.loaded - repeated.loaded, earlier.rejected - repeated.rejected
        )
        self._repeated = _Uncheckpointed()

    def _store_checkpoint(self, read: int, position: int, new: _Uncheckpointed) -> None:
        changes: dict[str, Any] = {"record_count": F("record_count") + read}
        if position:
            changes |= {
                "checkpoint": position,
                "uncheckpointed_count": 0,
                "uncheckpointed_rejected_count": 0,
            }
        else:
            changes["uncheckpointed_count"] = F("uncheckpointed_count") + new.loaded
            changes["uncheckpointed_rejected_count"] = (
                F("uncheckpointed_rejected_count") + new.rejected
            )
        self._check(self._source_row.update(**changes))

    def keep_stale_times(self, times: Iterable[datetime]) -> None:
        """Store ignored document times of the source. Safe to call again."""
        row = self._sources.filter(pk=self._source.pk)
        (stored,) = row.values_list("stale_times", flat=True)
        self._check(row.update(stale_times=sorted({*stored, *times})))

    def warn(self, texts: Iterable[str]) -> None:
        """Store warnings of the source, in the transaction of their batch. Safe to call again."""
        new = list(texts)
        if not new:
            return
        row = self._sources.filter(pk=self._source.pk)
        (stored,) = row.values_list("warnings", flat=True)
        merged = run_warnings.merge(stored, new)
        if merged != stored:
            row.update(warnings=merged)

    def warnings(self) -> list[str]:
        """Return the warnings of all sources of the run, including its earlier parts."""
        row = self._row.first()
        return run_warnings.of_run(row) if row else []

    def next_sequence(self) -> int:
        """Return the sequence number of the next chunk."""
        last = self._chunks.of_run(self.id).order_by("sequence").last()
        return last.sequence + 1 if last else 1

    def hold(self, batch: Batch, causes: list[str], sequence: int) -> None:
        """Store a batch as a held chunk and advance its source, in one transaction.

        :param sequence: number of the chunk; nothing happens if it exists already
        """
        if self._chunks.of_run(self.id).filter(sequence=sequence).exists():
            return
        self._check(self._row.update(error="\n".join(causes)))
        lines = chunks.encode_batch(batch, self.source_name)
        self._chunks.create(
            run_id=self.id, sequence=sequence, is_held=True, body=chunks.pack(lines)
        )
        self._row.update(
            held_count=F("held_count") + len(lines),
            read_count=F("read_count") + batch.skipped,
            unchanged_count=F("unchanged_count") + batch.skipped,
        )
        self._store_checkpoint(0, batch.position, _Uncheckpointed())
        self.warn(batch.warnings)

    def keep_scope(self, scope: Scope | None) -> None:
        """Store the scope of a held full listing until it is released; None deletes it."""
        self._check(self._row.count())
        row = self._row.get()
        row.options = {**row.options, "scope": scope and scope.to_dict()}
        row.save(update_fields=["options"])

    def is_holding(self) -> bool:
        """Return whether a gate held an earlier part of the run."""
        return self._chunks.of_run(self.id).held().exists()

    def drop_chunks(self, *, is_held: bool) -> None:
        """Delete the received or held chunks after they are loaded."""
        self._chunks.of_run(self.id).filter(is_held=is_held).delete()
        if is_held:
            self._row.update(held_count=0)

    def metrics(self) -> dict[str, Any] | None:
        """Return the quality metrics of an earlier part of the run."""
        metrics: dict[str, Any] | None = self._row.values_list("quality_metrics", flat=True).get()
        return metrics

    def store_metrics(self, metrics: dict[str, Any]) -> None:
        """Store the quality metrics of the run."""
        self._check(self._row.update(quality_metrics=metrics))

    def finish(self, status: str, error: str = "") -> None:
        """Close the run and release its lock, unless another process has taken it."""
        if self._lock.is_taken:
            return
        connection = connections[self.alias]
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        self.close(status, error)
        self.release()

    def close(self, status: str, error: str) -> None:
        """Store the final status of the run; does nothing in a database that was replaced."""
        self._row.update(status=status, error=json_text.clean(error), finished_at=timezone.now())

    def release(self) -> None:
        """Release the lock of the run."""
        self._lock.release()
