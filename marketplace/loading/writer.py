"""The writer of a run: it takes the reader's messages, commits or holds batches, closes the run."""

from datetime import datetime
from functools import partial

from django.db import transaction

from marketplace.exceptions import SourceError
from marketplace.humanize import counted, format_time
from marketplace.loading import payloads
from marketplace.loading.commit import Committer, HeldError
from marketplace.loading.full_listings import FullListing
from marketplace.loading.items import Batch, Counts, Outcome
from marketplace.loading.models import LoadRun
from marketplace.loading.reader import Reader
from marketplace.loading.retry import retry
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd, SourceStart
from marketplace.loading.summary import Progress, Summary


class Writer:
    """Write the messages of a reader to the database.

    :param reader: a reader of the same job
    :param summary: the summary to add to; a new one if None
    """

    def __init__(
        self,
        job: Job,
        run: Run,
        reader: Reader,
        progress: Progress,
        summary: Summary | None = None,
    ) -> None:
        self.job = job
        self.alias = job.alias
        self.run = run
        self.plan = reader.plan
        self.progress = progress
        self.summary = summary or Summary(job.platform, run.id)
        self.committer = Committer(job, run, reader, self.summary, progress)
        self.gate = self.committer.gate
        if run.is_resumed and not job.is_held and run.is_holding():
            # A gate held an earlier part of the run, so the rest must be held, too.
            self.summary.hold_reasons = [run.error or "A gate held an earlier part of the run."]
        self.newest: datetime | None = None
        #: The batches to be held of the current group.
        self.held_batches: list[Batch] = []
        self.full_listing = FullListing()

    def take(self, message: Message) -> None:
        """Process a message of the reader: the start or end of a source, or a batch."""
        if isinstance(message, Batch):
            self._take_batch(message)
        elif isinstance(message, SourceStart):
            self.run.start_source(message)
        else:
            self._end_source(message)

    def pack_ahead(self, batch: Batch) -> None:
        """Compress the payloads of the next batch; may be called in another thread."""
        payloads.pack_ahead(self.committer.packer, batch)

    def _end_source(self, end: SourceEnd) -> None:
        if end.failure:
            self.summary.source_errors.append(end.failure)
        else:
            self.run.end_source()

    def finish(self) -> None:
        """Mark missing items, let the plan finish its work, and close the run."""
        if (
            self.job.full_listing
            and not self.summary.source_errors
            and not self.summary.hold_reasons
        ):
            self._mark_missing()
        if self.newest:
            self._run_after(self.newest)
        self._close()
        self.summary.warnings = self.run.warnings()

    @retry
    def _run_after(self, newest: datetime) -> None:
        self.plan.after_run(self.alias, self.job.platform, newest)

    @retry
    def _close(self) -> None:
        is_read = not self.summary.source_errors and any(
            isinstance(source, int) for source in self.job.sources
        )
        status = LoadRun.Status.FAILED if self.summary.needs_attention else LoadRun.Status.COMPLETED
        with transaction.atomic(using=self.alias):
            if is_read:
                self.run.drop_chunks(is_held=self.job.is_held)
            if self.summary.hold_reasons:
                status = LoadRun.Status.HELD
            self.run.close(status, self.summary.error_message, self.gate.total.to_dict())
        self.run.release()

    def _mark_missing(self) -> None:
        """Mark the items that the full listing lacks as missing, unless it may be incomplete."""
        if self.summary.rejected:
            self._warn(
                f"{counted(self.summary.rejected, 'record')} could not be read, so missing items "
                "cannot be determined; nothing was marked missing. Release the quarantined "
                "records, and load the full listing again."
            )
            return
        try:
            scope = self.full_listing.scope(self.job.full_listing)
        except SourceError as error:
            self.summary.source_errors.append(str(error))
            return
        causes = self.gate.judge_volume(str(scope), self.full_listing.count, scope.at)
        if causes:
            self.summary.hold_reasons = causes
            # If the listing is released, later ones are compared with its size.
            self.gate.keep_volume(str(scope), self.full_listing.count, scope.at)
            self.run.keep_scope(scope)
            return
        if self.gate.is_truncated(str(scope), self.full_listing.count, scope.at):
            at = format_time(scope.at)
            self._warn(
                f"An earlier full listing of {scope} has the same time, {at}, and more records. "
                "What this one lacks stays available; use --observed-at to set another time."
            )
        for batch in Reader(self.job).missing(scope):
            self.summary.missing += len(batch.counted)
            self.committer.commit(batch)

    def _warn(self, text: str) -> None:
        self.run.warn([text])

    def _take_batch(self, batch: Batch) -> None:
        self.newest = max(filter(None, (self.newest, *batch.observed_times)), default=None)
        if self.job.full_listing:
            self.full_listing.add(batch.full_listing)
        if batch.stale_times:
            # Stored before the batch, whose items have other times because of them.
            self.run.keep_stale_times(batch.stale_times)
        if self.summary.hold_reasons:
            self._hold(batch)
            return
        try:
            self.committer.commit(batch)
        except HeldError as error:
            self.summary.hold_reasons = error.causes
            self._hold(batch)

    def _hold(self, batch: Batch) -> None:
        """Store a group of batches as a chunk of the run, until it is released or discarded."""
        # Items that were loaded before are not held.
        self.summary.add(Outcome(unchanged=batch.skipped), [])
        self.summary.held += len(batch.counted) + len(batch.rejects)
        self.held_batches.append(batch)
        if not batch.is_partial:
            self._hold_once(self.held_batches, [])
            self.held_batches = []
            self.committer.pending = Counts()
            self.progress(self.summary)

    @retry
    def _hold_once(self, batches: list[Batch], results: list[None]) -> None:
        causes, pending = self.summary.hold_reasons, self.committer.pending
        work = partial(self.run.hold, batches, causes, pending)
        self.run.commit_once(work, batches[-1].position, results)
