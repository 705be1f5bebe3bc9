"""Writing: a run's batches reach the database, each once, whatever comes between."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import orjson
from django.db import DataError, Error, IntegrityError, OperationalError, connections, transaction
from django.utils.timezone import localtime
from psycopg2 import errors

from marketplace.exceptions import (
    ItemsRefusedError,
    MarketplaceError,
    MergeRequiredError,
    SourceError,
)
from marketplace.humanize import counted
from marketplace.loading import batch as batches
from marketplace.loading import late_arrivals, payload_versions, quality_metrics, quarantine
from marketplace.loading.adapters import Parsed
from marketplace.loading.batch import Outcome
from marketplace.loading.deduplication import loaded_before
from marketplace.loading.full_listings import FullListing
from marketplace.loading.gates import Gate
from marketplace.loading.payloads import Packer
from marketplace.loading.preparation import (
    Batch,
    BatchItem,
    ParsedItem,
    Preparer,
    Reject,
    find_longest,
    reject,
)
from marketplace.loading.quality_metrics import Prices
from marketplace.loading.reader import Reader
from marketplace.loading.retry import retry_on_conflict, retry_on_disconnect
from marketplace.loading.rows import Rows
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd, SourceStart


@dataclass
class Summary:
    """What a run did.

    :param read: records read, repeats included: created + updated + unchanged + rejected
    :param held: further records that a gate holds, until a person releases or discards them
    :param seconds: wall-clock time
    :param missing: items that a full listing lacked, and that were marked missing
    :param failures: why sources could not be read to their end
    :param causes: why records are held
    :param warnings: about records that were loaded, but not as the user may expect
    :param reasons: reason of rejection → how many records; the first hundred reasons
    """

    platform: str
    run_id: int | None = None
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    held: int = 0
    missing: int = 0
    price_points: int = 0
    retries: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether a source could not be read, or nothing of it could be loaded, or some is held."""
        is_nothing = self.read > 0 and self.rejected == self.read
        return bool(self.failures) or bool(self.causes) or is_nothing

    @property
    def why_failed(self) -> str:
        """The reasons of a failure; empty if the run did not fail."""
        if self.is_failure and not self.failures and not self.causes:
            return f"No record could be loaded ({self.read:,} read): see the quarantine."
        return "\n".join([*self.causes, *self.failures])

    def add(self, outcome: Outcome, rejects: list[Reject]) -> None:
        """Count a batch that was committed."""
        self.read += outcome.created + outcome.updated + outcome.unchanged + len(rejects)
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.rejected += len(rejects)
        self.price_points += outcome.price_points
        for each in rejects:
            reason = f"{each.field}: {each.reason}" if each.field else each.reason
            if reason in self.reasons or len(self.reasons) < 100:
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


#: Called after each batch.
Progress = Callable[[Summary], None]


class _Held(MarketplaceError):
    """Raised if a gate holds a batch."""

    def __init__(self, causes: list[str]) -> None:
        super().__init__("; ".join(causes))
        self.causes = causes


class Writer:
    """The writing side of a run."""

    def __init__(self, job: Job, run: Run, own: Reader, progress: Progress) -> None:
        self.job = job
        self.alias = job.alias
        self.run = run
        self.plan = own.plan
        self.adapter = own.adapter
        self.progress = progress
        self.summary = Summary(job.platform, run.id)
        is_open = job.is_held or job.is_released
        measured = run.measured() if run.is_resumed else None
        self.gate = Gate(job.alias, job.platform, is_open=is_open, measured=measured)
        self.packer = Packer(job.alias, job.platform)
        self.preparer = Preparer(job.alias, own.adapter, own.plan, is_recognizing=False)
        if run.is_resumed and not job.is_held and run.is_holding():
            # It was killed while it held: what a gate has stopped stays stopped.
            self.summary.causes = [run.error or "A gate held an earlier part of the run."]
        self.newest: datetime | None = None
        self.full_listing = FullListing()
        self.is_nested = connections[job.alias].in_atomic_block

    def take(self, message: Message) -> None:
        """Do what the reader says."""
        if isinstance(message, Batch):
            self._take_batch(message)
        elif isinstance(message, SourceStart):
            retry_on_disconnect(self.alias, partial(self.run.start_source, message))
        else:
            self._end_source(message)

    def pack_ahead(self, batch: Batch) -> None:
        """Pack the payloads of a batch that is to be taken; may be called in another thread."""
        payload_versions.pack_ahead(self.packer, batch)

    def _end_source(self, end: SourceEnd) -> None:
        if end.failure:
            self.summary.failures.append(end.failure)
        else:
            retry_on_disconnect(self.alias, self.run.end_source)

    def finish(self) -> None:
        """Close the run: what a full listing lacks is missing, what has expired has."""
        if self.job.full_listing and not self.summary.failures and not self.summary.causes:
            self._mark_missing()
        if self.newest:
            after = partial(self.plan.after_run, self.alias, self.job.platform, self.newest)
            retry_on_disconnect(self.alias, after)
        retry_on_disconnect(self.alias, self._close)
        self.summary.warnings = retry_on_disconnect(self.alias, self.run.warnings)

    def _close(self) -> None:
        is_read = not self.summary.failures and any(
            isinstance(source, int) for source in self.job.sources
        )
        status = "failed" if self.summary.is_failure else "completed"
        with transaction.atomic(using=self.alias):
            self.run.measure(self.gate.total.as_json())
            if is_read:
                self.run.drop_chunks(is_held=self.job.is_held)
            self.run.close("held" if self.summary.causes else status, self.summary.why_failed)
        self.run.release()

    def _mark_missing(self) -> None:
        """Mark the items that the full listing lacks as missing, unless it may be incomplete."""
        if self.summary.rejected:
            warning = (
                f"{counted(self.summary.rejected, 'record')} could not be read, so missing items "
                "cannot be determined; nothing was marked missing. Release what is in quarantine, "
                "and load the full listing again."
            )
            retry_on_disconnect(self.alias, partial(self.run.warn, [warning]))
            return
        try:
            scope = self.full_listing.scope(self.job.full_listing)
        except SourceError as error:
            self.summary.failures.append(str(error))
            return
        causes = self.gate.judge_volume(str(scope), self.full_listing.count, scope.at)
        if causes:
            self.summary.causes = causes
            # Once a person has released it, it is what later ones are compared to.
            self.gate.keep_volume(str(scope), self.full_listing.count, scope.at)
            self.run.keep_scope(scope)
            return
        if self.gate.is_cut(str(scope), self.full_listing.count, scope.at):
            at = localtime(scope.at).isoformat(" ", "minutes")
            warning = (
                f"An earlier full listing of {scope} has the same time, {at}, and more records. "
                "What this one lacks stays available; use --observed-at to set another time."
            )
            retry_on_disconnect(self.alias, partial(self.run.warn, [warning]))
        for batch in Reader(self.job).missing(scope):
            self.summary.missing += len(batch.counted)
            self._commit(batch)

    def _take_batch(self, batch: Batch) -> None:
        self.newest = max(filter(None, (self.newest, *batch.moments)), default=None)
        if self.job.full_listing:
            self.full_listing.add(batch.full_listing)
        if batch.stale_times:
            # Before what is observed at another time because of it.
            retry_on_disconnect(self.alias, partial(self.run.keep_standing, batch.stale_times))
        if self.summary.causes:
            self._hold(batch)
            return
        try:
            self._commit(batch)
        except _Held as held:
            self.summary.causes = held.causes
            self._hold(batch)

    def _hold(self, batch: Batch) -> None:
        number = retry_on_disconnect(self.alias, self.run.next_chunk)

        def hold() -> None:
            self.run.renew()
            with transaction.atomic(using=self.alias):
                self.run.hold(batch, self.summary.causes, number)

        retry_on_disconnect(self.alias, hold)
        # What was loaded before needs no person.
        self.summary.add(Outcome(unchanged=batch.skipped), [])
        self.summary.held += len(batch.counted) + len(batch.rejects)
        self.progress(self.summary)

    def _commit(self, batch: Batch) -> None:
        """Commit a batch; where the database refuses it, commit its halves instead.

        So a record that breaks a constraint ends up alone, and goes to quarantine.
        """
        try:
            outcome = retry_on_conflict(partial(self._commit_patiently, batch), self._note_retry)
        except batches.StaleVersionError:
            self._commit_again(batch.items, batch)
            return
        except ItemsRefusedError as refused:
            self._commit_others(batch, refused)
            return
        except MergeRequiredError:
            self._commit_merged(batch)
            return
        except (DataError, IntegrityError, OperationalError) as error:
            if not batch.items or (isinstance(error, OperationalError) and not _is_limit(error)):
                raise
            if batch.is_new:
                self._commit_merged(batch)
            else:
                self._commit_halves(batch, error)
            return
        self.run.settle()
        self.gate.admit(batch.measures)
        self.summary.add(outcome, batch.rejects)
        self.progress(self.summary)

    def _commit_merged(self, batch: Batch) -> None:
        """Commit a batch that seemed all new, but cannot be created as a whole."""
        batch.is_new = False
        self._commit(batch)

    def _commit_others(self, batch: Batch, refused: ItemsRefusedError) -> None:
        """Put the items that are refused into quarantine, and commit the others.

        :raises ItemsRefusedError: if it names none of them
        """
        items = list(enumerate(batch.items))
        found = [(each, refused.reasons[n]) for n, each in items if n in refused.reasons]
        if not found:
            raise refused
        rejects = [*batch.rejects, *(self._reject(each, reason) for each, reason in found)]
        left = [each for n, each in items if n not in refused.reasons]
        rest = Batch(batch.position, batch.skipped, rejects=rejects, warnings=batch.warnings)
        if left:
            self._commit_again(left, rest)
        else:
            self._commit_rejects(rest)

    def _commit_rejects(self, batch: Batch) -> None:
        """Commit a batch that has nothing but rejects."""
        batch.rows = [Rows()] * len(self.plan.targets)
        self._commit(batch)

    def _commit_halves(self, batch: Batch, error: Error) -> None:
        items = batch.items
        if len(items) == 1:
            refused = self._refused(items[0], error)
            rejects = [*batch.rejects, refused]
            self._commit_rejects(
                Batch(batch.position, batch.skipped, rejects=rejects, warnings=batch.warnings)
            )
            return
        middle = len(items) // 2
        rest = Batch(batch.position, batch.skipped, rejects=batch.rejects, warnings=batch.warnings)
        self._commit_again(items[:middle], Batch())
        self._commit_again(items[middle:], rest)

    def _commit_again(self, items: list[BatchItem], like: Batch) -> None:
        """Commit items as they are now, whatever was known of them before."""
        parsed_items = [ParsedItem(item, orjson.loads(item.raw)) for item in items]
        prepared = list(self.preparer.prepare(parsed_items, list(like.rejects)))
        prepared[-1].position, prepared[-1].skipped = like.position, like.skipped
        prepared[-1].warnings |= like.warnings
        for batch in prepared:
            self._commit(batch)

    def _refused(self, item: BatchItem, error: Exception) -> Reject:
        message = str(error).strip().splitlines()[0]
        diagnostics = getattr(error.__cause__, "diag", None)
        name = getattr(diagnostics, "column_name", None) or ""
        if not name and _is_limit(error):
            name = find_longest(orjson.loads(item.raw))
        return self._reject(item, f"refused by the database: {message}", name)

    def _reject(self, item: BatchItem, reason: str, name: str = "") -> Reject:
        """Return what puts an item into quarantine that could be parsed, so that its id is known.

        :param name: of the field at fault, or of its column
        """
        parsed = self.preparer.parse_item(item.to_item())
        external_id = parsed.external_id if isinstance(parsed, Parsed) else ""
        return reject(item, reason, name, external_id)

    def _note_retry(self) -> None:
        self.summary.retries += 1

    def _commit_patiently(self, batch: Batch) -> Outcome:
        """Commit a batch once, even if the connection is lost while it is committed."""
        if self.is_nested:
            return self._commit_once(batch)
        outcome: Outcome = self.run.once(partial(self._commit_once, batch))
        return outcome

    def _commit_once(self, batch: Batch, reached: list[Outcome] | None = None) -> Outcome:
        outcome = Outcome(unchanged=batch.skipped)
        if batch.moments:
            self.plan.before_batch(self.alias, batch.moments)
        payload_versions.prepare_dictionaries(self.packer, batch)
        with transaction.atomic(using=self.alias):
            if batch.items:
                if batch.is_new is not False:
                    # Asked anew when it is tried again: another loader may have come between.
                    batch.is_new = batches.is_all_new(
                        self.alias, self.job.platform, self.plan, batch
                    )
                batches.stage(self.alias, self.plan, batch)
                self._judge(batch)
                outcome = batches.write(
                    self.alias, self.job.platform, self.plan, batch, self.packer
                )
                points = late_arrivals.rebuild(self.alias, self.adapter, self.plan)
                outcome = outcome._replace(price_points=outcome.price_points + points)
            elif batch.rejects:
                self._judge(batch)
            self._store_rejects(batch.rejects)
            newest = max((each.observed_at for each in batch.items), default=None)
            self.run.advance(outcome, len(batch.rejects), batch.position, newest)
            self.run.warn([*batch.warnings, *outcome.warnings])
            if self.is_nested and batch.items:
                batches.clear(self.alias, self.plan)
            if reached is not None:
                reached.append(outcome)
        return outcome

    def _judge(self, batch: Batch) -> None:
        """Raise `_Held` if the gates object to a batch that is staged."""
        priced = [each for each in self.plan.targets if each.record is self.plan.priced]
        for target in priced if batch.has_rows else ():
            if batch.is_new:
                # There is nothing to compare them to.
                Prices(0, 0, 0, 0).note(batch.measures)
                continue
            with connections[self.alias].cursor() as cursor:
                prices = quality_metrics.compare_prices(
                    cursor, self.job.platform, target, self.gate.limits.factor
                )
            prices.note(batch.measures)
        causes = self.gate.judge(batch.measures) and self._judge_news(batch)
        if causes:
            raise _Held(causes)

    def _judge_news(self, batch: Batch) -> list[str]:
        """Return what the gates object to in a batch apart from what was loaded before."""
        known = loaded_before(self.alias, self.job.platform, batch.observations())
        if known:
            prices = batch.measures.tallies.get(quality_metrics.PRICES)
            batch.measures = self.preparer.measure_news(batch, known)
            if prices:
                batch.measures.tallies[quality_metrics.PRICES] = prices
        return self.gate.judge(batch.measures)

    def _store_rejects(self, rejects: list[Reject]) -> None:
        options = dict(self.job.options)
        if self.job.columns:
            options["columns"] = os.path.abspath(self.job.columns)
        run = self.run
        quarantine.store(
            self.alias, self.job.platform, run.id, run.source_name, rejects, options, run.now
        )


def _is_limit(error: Exception) -> bool:
    """Return whether a value is larger than PostgreSQL can index."""
    return isinstance(error.__cause__, errors.ProgramLimitExceeded)
