"""Commit of batches, each exactly once, with retries and with refused records in quarantine."""

import os
from functools import partial

import orjson
from django.db import DataError, Error, IntegrityError, OperationalError, connections
from psycopg2 import errors

from marketplace.exceptions import ItemsRefusedError, MarketplaceError
from marketplace.loading import payloads, quarantine
from marketplace.loading.adapters import Parsed
from marketplace.loading.deduplication import find_loaded_observations
from marketplace.loading.gates import quality_metrics
from marketplace.loading.gates.gate import Gate
from marketplace.loading.items import (
    Batch,
    BatchItem,
    Counts,
    Outcome,
    ParsedItem,
    Reject,
    find_longest,
    reject,
)
from marketplace.loading.merge import StaleVersionError, write_batch
from marketplace.loading.payloads import Packer
from marketplace.loading.preparation import Preparer
from marketplace.loading.reader import Reader
from marketplace.loading.replay import rebuild
from marketplace.loading.retry import retry
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job
from marketplace.loading.staging import clear_batch, stage_batch
from marketplace.loading.summary import Progress, Summary
from marketplace.postgresql.errors import first_line


class HeldError(MarketplaceError):
    """Raised if a gate holds a batch.

    :param causes: why the gate objects
    """

    def __init__(self, causes: list[str]) -> None:
        super().__init__("; ".join(causes))
        self.causes = causes


class Committer:
    """Commit the batches of a run and count them in its summary."""

    def __init__(
        self, job: Job, run: Run, reader: Reader, summary: Summary, progress: Progress
    ) -> None:
        self.job = job
        self.alias = job.alias
        self.run = run
        self.plan = reader.plan
        self.adapter = reader.adapter
        self.summary = summary
        self.progress = progress
        is_open = job.is_held or job.is_released
        measured = run.metrics() if run.is_resumed else None
        self.gate = Gate(job.alias, job.platform, is_open=is_open, measured=measured)
        self.packer = Packer(job.alias, job.platform)
        self.preparer = Preparer(job.alias, reader.adapter, reader.plan, is_deduplicating=False)
        self.is_nested = connections[job.alias].in_atomic_block
        #: Counts of the committed batches of the current group, which is incomplete.
        self.pending = Counts()

    def commit(self, batch: Batch) -> None:
        """Commit a batch; if the database refuses it, commit its halves separately.

        Repeated halving isolates a record that breaks a constraint, which then goes to quarantine.

        :raises HeldError: if a gate holds the batch
        """
        try:
            outcome = self._commit_once(batch, [])
        except StaleVersionError:
            self._commit_prepared(batch.items, batch)
            return
        except ItemsRefusedError as error:
            self._commit_unrefused(batch, error)
            return
        except (DataError, IntegrityError, OperationalError) as error:
            if not batch.items or (isinstance(error, OperationalError) and not _is_limit(error)):
                raise
            self._commit_halves(batch, error)
            return
        self.pending = self._count_records(batch) if batch.is_partial else Counts()
        self.gate.admit(batch.metrics)
        self.summary.add(outcome, batch.rejects)
        self.progress(self.summary)

    def _commit_unrefused(self, batch: Batch, error: ItemsRefusedError) -> None:
        """Put the refused items into quarantine and commit the other ones.

        :raises ItemsRefusedError: if the error names none of the items
        """
        rejects = list(batch.rejects)
        accepted = []
        for position, item in enumerate(batch.items):
            if position in error.reasons:
                rejects.append(self._reject(item, error.reasons[position]))
            else:
                accepted.append(item)
        if len(accepted) == len(batch.items):
            raise error
        remainder = _empty_copy(batch, rejects)
        if accepted:
            self._commit_prepared(accepted, remainder)
        else:
            self._commit_rejects(remainder)

    def _commit_rejects(self, batch: Batch) -> None:
        """Commit a batch that contains only rejects."""
        batch.rows = [b""] * len(self.plan.targets)
        self.commit(batch)

    def _commit_halves(self, batch: Batch, error: Error) -> None:
        items = batch.items
        if len(items) == 1:
            refused = self._reject_by_error(items[0], error)
            self._commit_rejects(_empty_copy(batch, [*batch.rejects, refused]))
            return
        middle = len(items) // 2
        self._commit_prepared(items[:middle], Batch(is_partial=True))
        self._commit_prepared(items[middle:], _empty_copy(batch, batch.rejects))

    def _commit_prepared(self, items: list[BatchItem], remainder: Batch) -> None:
        """Prepare items again, without recognizing unchanged ones, and commit them.

        :param remainder: a batch without items that is committed together with the items
        """
        parsed_items = [ParsedItem(item, orjson.loads(item.raw)) for item in items]
        prepared = list(self.preparer.prepare(parsed_items, list(remainder.rejects)))
        prepared[-1].position, prepared[-1].skipped = remainder.position, remainder.skipped
        prepared[-1].is_partial = remainder.is_partial
        prepared[-1].warnings |= remainder.warnings
        for batch in prepared:
            self.commit(batch)

    def _reject_by_error(self, item: BatchItem, error: Exception) -> Reject:
        """Return the reject of an item that the database refused."""
        message = first_line(error)
        diagnostics = getattr(error.__cause__, "diag", None)
        field = getattr(diagnostics, "column_name", None) or ""
        if not field and _is_limit(error):
            field = find_longest(orjson.loads(item.raw))
        return self._reject(item, f"refused by the database: {message}", field)

    def _reject(self, item: BatchItem, reason: str, field: str = "") -> Reject:
        """Return the reject of an item, with its external id if it can be parsed.

        :param field: the invalid field or column
        """
        parsed = self.preparer.parse_item(item.to_item())
        external_id = parsed.external_id if isinstance(parsed, Parsed) else ""
        return reject(item, reason, field, external_id)

    def count_retry(self) -> None:
        """Count a retry after a conflict with another loader."""
        self.summary.retries += 1

    def _count_records(self, batch: Batch) -> Counts:
        """Return the numbers of records in the group of a batch, up to this batch."""
        read, rejected = self.pending
        return Counts(read + batch.read, rejected + len(batch.rejects))

    @retry
    def _commit_once(self, batch: Batch, results: list[Outcome]) -> Outcome:
        """Commit a batch exactly once, even if the connection is lost during the commit.

        :param results: an empty list, which receives the outcome; a retry returns it if the lost
            commit did happen
        """
        if batch.observed_times:
            self.plan.before_batch(self.alias, batch.observed_times)
        payloads.prepare_dictionaries(self.packer, batch)
        return self.run.commit_once(partial(self._execute, batch), batch.position, results)

    def _execute(self, batch: Batch) -> Outcome:
        """Write a batch and its counts, in its transaction.

        :raises HeldError: if a gate holds the batch
        """
        outcome = Outcome(unchanged=batch.skipped)
        if batch.items:
            outcome = self._write(batch)
        elif batch.rejects:
            self._judge(batch)
        self._store_rejects(batch.rejects)
        newest = max((item.observed_at for item in batch.items), default=None)
        records = None if batch.is_partial else self._count_records(batch)
        self.run.count(outcome, newest, records)
        self.run.warn([*batch.warnings, *outcome.warnings])
        if self.is_nested and batch.items:
            clear_batch(self.alias, self.plan)
        return outcome

    def _write(self, batch: Batch) -> Outcome:
        """Write the items of a batch, in its transaction.

        :raises HeldError: if a gate holds the batch
        """
        platform = self.job.platform
        stage_batch(self.alias, self.plan, batch)
        self._judge(batch)
        outcome = write_batch(self.alias, platform, self.plan, batch, self.packer)
        points = rebuild(self.alias, self.adapter, self.plan)
        return outcome._replace(price_points=outcome.price_points + points)

    def _judge(self, batch: Batch) -> None:
        """Raise `HeldError` if the gates object to a staged batch."""
        priced = [
            target for target in self.plan.targets if target.record is self.plan.priced_record
        ]
        for target in priced if batch.has_rows else ():
            with connections[self.alias].cursor() as cursor:
                prices = quality_metrics.compare_prices(
                    cursor, self.job.platform, target, self.gate.limits.factor
                )
            prices.note(batch.metrics)
        causes = self.gate.judge(batch.metrics) and self._judge_new_items(batch)
        if causes:
            raise HeldError(causes)

    def _judge_new_items(self, batch: Batch) -> list[str]:
        """Return the objections of the gates to a batch without the items loaded before."""
        known = find_loaded_observations(self.alias, self.job.platform, batch.observations())
        if known:
            prices = batch.metrics.tallies.get(quality_metrics.PRICES)
            batch.metrics = self.preparer.measure_new_items(batch, known)
            if prices:
                batch.metrics.tallies[quality_metrics.PRICES] = prices
        return self.gate.judge(batch.metrics)

    def _store_rejects(self, rejects: list[Reject]) -> None:
        options = dict(self.job.options)
        if self.job.columns:
            options["columns"] = os.path.abspath(self.job.columns)
        run = self.run
        quarantine.store(
            self.alias, self.job.platform, run.id, run.source_name, rejects, options, run.now
        )


def _empty_copy(batch: Batch, rejects: list[Reject]) -> Batch:
    """Return a batch without items that ends at the same position."""
    return Batch(
        batch.position, batch.is_partial, batch.skipped, rejects=rejects, warnings=batch.warnings
    )


def _is_limit(error: Exception) -> bool:
    """Return whether a value exceeds a limit of PostgreSQL, such as the size of an index entry."""
    return isinstance(error.__cause__, errors.ProgramLimitExceeded)
