"""A run in the database: its row, its sources and its chunks, with counts and checkpoints."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from marketplace.exceptions import ReplacedError, SourceError
from marketplace.loading import chunks
from marketplace.loading.formats import json_text
from marketplace.loading.items import Batch, Counts, Outcome, Position
from marketplace.loading.models import LoadRun, loading_models
from marketplace.loading.retry import retry
from marketplace.loading.run_lock import RunLock, end_dead_runs
from marketplace.loading.sources import Checkpoint, SourceStart
from marketplace.loading.summary import merge_warnings, warnings_of
from marketplace.loading.targets import Scope

_Result = TypeVar("_Result")


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
        """The row of the source, if it belongs to this run and has the expected batch count."""
        return self._sources.of_run(self.id).filter(
            Q(run__platform=self.platform, run__started_at=self._started_at),
            pk=self._source.pk,
            batch_count=self._source.batch_count,
        )

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

    def commit_once(
        self, work: Callable[[], _Result], position: Position | None, results: list[_Result]
    ) -> _Result:
        """Call `work` in a transaction that also counts the batch, and return its result.

        The number of batches shows whether a commit whose end is unknown has happened.

        :param position: the checkpoint of the source after the batch; None leaves it unchanged
        :param results: an empty list in the first attempt to commit the batch; the same list in
            further attempts
        """
        self.renew()
        if not (results and self._is_committed()):
            with transaction.atomic(using=self.alias):
                result = work()
                self._count_batch(position)
                results.append(result)
        self._source.batch_count += 1
        return results[-1]

    def _is_committed(self) -> bool:
        """Return whether the next batch of the source is committed already."""
        row = self._sources.of_run(self.id).filter(pk=self._source.pk)
        return row.filter(batch_count=self._source.batch_count + 1).exists()

    def _count_batch(self, position: Position | None) -> None:
        changes = {"batch_count": self._source.batch_count + 1}
        if position is not None:
            changes |= {
                "checkpoint": position.documents,
                "checkpoint_records": position.records,
            }
        self._check(self._source_row.update(**changes))

    def checkpoints(self) -> dict[str, Checkpoint]:
        """Return path → checkpoint of the sources that an earlier part of the run has read."""
        rows = self._sources.of_run(self.id).order_by("pk")
        return {
            row.path: Checkpoint(
                row.digest,
                row.observed_at,
                Position(row.checkpoint, row.checkpoint_records),
                row.is_complete,
                row.newest_payload,
                tuple(row.stale_times),
            )
            for row in rows
        }

    @retry
    def start_source(self, start: SourceStart) -> None:
        """Start a source, or continue it. Safe to call again."""
        self._check(self._row.count())
        rows = self._sources.of_run(self.id).filter(path=start.path, digest=start.digest)
        if not self.is_resumed:
            rows = rows.filter(batch_count=0, is_complete=False)
        self._source = rows.order_by("pk").last() or self._sources.create(
            run_id=self.id,
            name=start.name,
            path=start.path,
            digest=start.digest,
            observed_at=start.observed_at,
            newest_payload=start.newest_payload,
        )

    @retry
    def end_source(self) -> None:
        """Mark the source as read to its end."""
        self._check(self._source_row.update(is_complete=True))

    @property
    def source_name(self) -> str:
        """Full path of the file that is being read, or the name of another source."""
        return str(self._source.path or self._source.name)

    def count(self, outcome: Outcome, newest: datetime | None, records: Counts | None) -> None:
        """Add the counts of a batch, in its transaction.

        :param newest: the newest time of observation in the batch, if it has any
        :param records: the counts of all batches of the group that ends with this one; None if
            further batches of its group follow. If the run is resumed, it reads a group again
            unless all of its batches are committed
        """
        changes = {
            "created_count": F("created_count") + outcome.created,
            "updated_count": F("updated_count") + outcome.updated,
            "price_point_count": F("price_point_count") + outcome.price_points,
            # PostgreSQL ignores NULL in GREATEST.
            "newest_observed_at": Greatest(F("newest_observed_at"), Value(newest, DateTimeField())),
        }
        if records:
            read, rejected = F("read_count") + records.read, F("rejected_count") + records.rejected
            created, updated = changes["created_count"], changes["updated_count"]
            changes |= {
                "read_count": read,
                "rejected_count": rejected,
                "unchanged_count": read - rejected - created - updated,
            }
        self._check(self._row.update(**changes))

    @retry
    def keep_stale_times(self, times: Iterable[datetime]) -> None:
        """Store ignored document times of the source. Safe to call again."""
        row = self._sources.filter(pk=self._source.pk)
        (stored,) = row.values_list("stale_times", flat=True)
        self._check(row.update(stale_times=sorted({*stored, *times})))

    @retry
    def warn(self, texts: Iterable[str]) -> None:
        """Store warnings of the source, in the transaction of their batch. Safe to call again."""
        new = list(texts)
        if not new:
            return
        row = self._sources.filter(pk=self._source.pk)
        (stored,) = row.values_list("warnings", flat=True)
        merged = merge_warnings(stored, new)
        if merged != stored:
            row.update(warnings=merged)

    @retry
    def warnings(self) -> list[str]:
        """Return the warnings of all sources of the run, including its earlier parts."""
        return warnings_of(self.alias, self.id)

    def hold(self, batches: list[Batch], causes: list[str], pending: Counts) -> None:
        """Store a group of batches as a held chunk, in the transaction that counts them.

        :param pending: the records of the group that are loaded already
        """
        self._check(self._row.update(error="\n".join(causes)))
        lines = [line for batch in batches for line in chunks.encode_batch(batch, self.source_name)]
        last = self._chunks.of_run(self.id).order_by("sequence").last()
        self._chunks.create(
            run_id=self.id,
            sequence=last.sequence + 1 if last else 1,
            is_held=True,
            body=chunks.pack(lines),
        )
        self._row.update(held_count=F("held_count") + len(lines))
        skipped = sum(batch.skipped for batch in batches)
        self.count(Outcome(), None, pending._replace(read=pending.read + skipped))
        self.warn(text for batch in batches for text in batch.warnings)

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

    def finish(self, status: str, error: str = "") -> None:
        """Close the run and release its lock, unless another process has taken it."""
        if self._lock.is_taken:
            return
        connection = connections[self.alias]
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        self.close(status, error)
        self.release()

    def close(self, status: str, error: str, metrics: dict[str, Any] | None = None) -> None:
        """Store the final status of the run, and its quality metrics.

        :param metrics: None if the run has failed; then nothing happens in a database that was
            replaced
        """
        changes: dict[str, Any] = {"status": status, "error": json_text.clean(error)}
        if metrics is not None:
            changes["quality_metrics"] = metrics
        row_count = self._row.update(**changes, finished_at=timezone.now())
        if metrics is not None:
            self._check(row_count)

    def release(self) -> None:
        """Release the lock of the run."""
        self._lock.release()
