"""Replay: stored payloads are parsed again by the current adapters and merged into the same tables.

A payload that is parsed as before changes nothing. Where the result differs, current values and
history are corrected in place. An item is replayed from all of its payload versions, in the order
of their times.

The history of prices is a function of all observations and does not depend on their order of
arrival. Where a load brings late arrivals, observations older than the stored history, the history
is rebuilt in the same way, by parsing the stored payloads again.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import orjson
from django.db import Error, connections
from django.utils import timezone
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import DatabaseUnavailableError, PayloadError, SourceError, name_error
from marketplace.loading import payloads, quarantine
from marketplace.loading.adapters import Adapter, Item, Parsed, get_adapter
from marketplace.loading.items import Batch, BatchItem, Counts, Outcome, ParsedItem, Reject
from marketplace.loading.merge import write_batch
from marketplace.loading.models import INTERRUPTED, LoadRun, get_payload_models, loading_models
from marketplace.loading.payloads import PayloadVersion
from marketplace.loading.preparation import Preparer
from marketplace.loading.retry import retry
from marketplace.loading.runs import Run
from marketplace.loading.sources import SourceStart
from marketplace.loading.staging import clear_batch, stage_batch
from marketplace.loading.summary import Progress, Summary
from marketplace.loading.targets import Plan, get_plan
from marketplace.registry import get_platform

_Result = TypeVar("_Result")

#: Number of items that are replayed in one transaction.
_STEP = 500


def replay(platform: str, *, progress: Progress = lambda summary: None) -> Summary:
    """Load all stored payloads of a platform again. Safe to run twice.

    :raises SourceError: if the platform is unknown, or its database stores no payloads
    :raises django.db.Error: if the database cannot be used
    """
    started = time.monotonic()
    adapter = get_adapter(platform)
    alias = get_platform(platform).database
    if loading_models(alias).payload_models is None:
        raise SourceError(
            f"{platform} cannot be replayed: {alias} stores payloads only with its events. Load "
            "the files again."
        )
    now = timezone.now()
    run = Run(alias, platform, "replay", now, {})
    run.start_source(SourceStart("replay", "", "", now))
    summary = Summary(platform, run.id)
    try:
        _Replay(run, adapter, summary).replay(progress)
    except BaseException as error:
        # Storing the failure fails, too, if the connection is lost or the disk is full.
        with suppress(Error, DatabaseUnavailableError):
            run.finish(LoadRun.Status.FAILED, f"{INTERRUPTED}{name_error(error)}")
        raise
    run.end_source()
    _finish(alias, run)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


@retry
def _finish(alias: str, run: Run) -> None:
    run.finish(LoadRun.Status.COMPLETED)


def _plan(plan: Plan, replayed: str) -> Plan:
    """Return a plan whose targets are replayed: the staged rows replace the stored ones.

    :param replayed: "whole" or "partial", see `Target`
    """
    targets = tuple(replace(target, replayed=replayed) for target in plan.targets)
    # History is rebuilt from all versions instead of being derived from the stored rows.
    return replace(plan, targets=targets, after_merge=plan.after_replay)


class _SharedRows:
    """Rows that many items refer to, such as sellers, with their newest observations.

    Observations of the same time may differ. The stored row is right if it equals one of them.
    """

    def __init__(self, plan: Plan) -> None:
        self._targets = {target.record: target for target in plan.targets if target.shared}
        self._rows: dict[tuple[type[Any], str], tuple[datetime, list[Any]]] = {}

    def extract(self, parsed: Parsed, at: datetime) -> Parsed:
        """Collect the shared records of an item; return the item without them."""
        own = []
        for record in parsed.records:
            if type(record) in self._targets:
                self._add(record, at)
            else:
                own.append(record)
        return parsed._replace(records=own)

    def _add(self, record: Any, at: datetime) -> None:
        key = (type(record), record.external_id)
        newest, records = self._rows.get(key, (at, []))
        if at > newest:
            newest, records = at, []
        if at == newest and record not in records:
            records.append(record)
        self._rows[key] = (newest, records)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows: record type, external id, newest time, records observed at that time."""
        for (record_type, external_id), (at, records) in self._rows.items():
            yield record_type, external_id, at, records

    def items(
        self, alias: str, platform: str, rows: Iterable[tuple[Any, ...]]
    ) -> Iterator[tuple[BatchItem, Parsed]]:
        """Yield each row as a separate item.

        Of several records, it has the one that equals the stored row, or else the first one.
        """
        for record_type, external_id, at, records in rows:
            record = records[0]
            if len(records) > 1:
                manager: Any = self._targets[record_type].model._default_manager.using(alias)
                stored = manager.filter(platform=platform, external_id=external_id).first()
                record = next((one for one in records if _is_stored(one, stored)), record)
            item = BatchItem("", b"", {}, False, at, external_id, "")
            yield item, Parsed(external_id, [record])


def _is_stored(record: Any, row: Any) -> bool:
    """Return whether a row has all values that a record states, apart from references."""
    values = record._asdict().items()
    return all(value is None or getattr(row, name, value) == value for name, value in values)


class _Replay:
    """The replay of a platform, in steps of one transaction each.

    A replay locks items before shared rows, a loader shared rows before items. So the two may
    deadlock, and one of them must be repeated.
    """

    def __init__(self, run: Run, adapter: Adapter, summary: Summary) -> None:
        self.run = run
        self.alias = run.alias
        self.platform = run.platform
        self.summary = summary
        self.preparer = Preparer(run.alias, adapter, get_plan(run.alias), is_deduplicating=False)
        self.shared = _SharedRows(self.preparer.plan)

    def count_retry(self) -> None:
        """Count a retry after a conflict with a loader."""
        self.summary.retries += 1

    def replay(self, progress: Progress) -> None:
        """Replay all items with stored payloads, and then the rows that they share."""
        last = ""
        while external_ids := self._next_ids(last):
            self.summary.add(*self._commit(partial(self._replay_items, external_ids), []))
            progress(self.summary)
            last = external_ids[-1]
        rows = self.shared.rows()
        while step := list(islice(rows, _STEP)):
            self._commit(partial(self._replay_shared, step), [])

    @retry
    def _commit(self, work: Callable[[], _Result], results: list[_Result]) -> _Result:
        return self.run.commit_once(work, None, results)

    @retry
    def _next_ids(self, last: str) -> list[str]:
        """Return the external ids of the next items with stored payloads, at most _STEP."""
        stored = get_payload_models(self.alias).payloads.filter(platform=self.platform)
        rest = stored.filter(external_id__gt=last).order_by("external_id")
        return list(rest.values_list("external_id", flat=True).distinct()[:_STEP])

    def _replay_shared(self, rows: list[tuple[Any, ...]]) -> None:
        """Replay some shared rows, in the current transaction."""
        self._write(
            self.preparer.fold(list(self.shared.items(self.alias, self.platform, rows))), "whole"
        )

    def _replay_items(self, external_ids: list[str]) -> tuple[Outcome, list[Reject]]:
        """Replay some items, in the current transaction."""
        rejects: list[Reject] = []
        # A concurrent loader waits, and so writes after the versions that are read here.
        self._lock(external_ids)
        versions = list(payloads.read(self.alias, self.platform, external_ids))
        whole, incomplete = self._prepare(versions, rejects)
        first = self._write(whole, "whole")
        second = self._write(incomplete, "partial")
        is_any = bool(whole.items or incomplete.items)
        outcome = Outcome(
            first.created + second.created,
            first.updated + second.updated,
            first.unchanged + second.unchanged,
            self._rebuild(versions) if is_any else 0,
        )
        quarantine.store(
            self.alias, self.platform, self.run.id, "replay", rejects, {}, self.run.now
        )
        read = outcome.created + outcome.updated + outcome.unchanged + len(rejects)
        self.run.count(outcome, None, Counts(read, len(rejects)))
        return outcome, rejects

    def _lock(self, external_ids: list[str]) -> None:
        """Lock the rows of the items to be replayed, in the order of their ids."""
        values: dict[str, Any] = {"platform": self.platform, "ids": external_ids}
        with connections[self.alias].cursor() as cursor:
            for target in self.preparer.plan.hashed_targets:
                cursor.execute(
                    SQL(
                        "SELECT FROM {} WHERE platform = %(platform)s "
                        "AND external_id = ANY(%(ids)s) "
                        'ORDER BY external_id COLLATE "C" FOR UPDATE'
                    ).format(Identifier(target.table)),
                    values,
                )

    def _prepare(
        self, versions: list[PayloadVersion], rejects: list[Reject]
    ) -> tuple[Batch, Batch]:
        """Return the newest state of each item, combined from its versions, as two batches.

        The first batch has the items whose versions can all be parsed. The second one has the items
        with a version that cannot be parsed, whose stored values must be kept.
        """
        preparer = self.preparer
        shapes = {shape.name for shape in preparer.adapter.shapes}
        # Of two versions with the same time, the one stored first wins: it must come last.
        ordered = versions[::-1]
        ordered.sort(key=lambda version: max(version.times))
        parsed_items = [
            _to_parsed_item(self.alias, version) for version in ordered if version.shape in shapes
        ]
        parsed = [
            (item, self.shared.extract(content, item.observed_at))
            for item, content in preparer.parse(parsed_items, rejects)
        ]
        unparsed = {
            _place(version.external_id) for version in versions if version.shape not in shapes
        }
        unparsed |= {reject.place for reject in rejects}
        return (
            preparer.fold([pair for pair in parsed if pair[0].place not in unparsed]),
            preparer.fold([pair for pair in parsed if pair[0].place in unparsed]),
        )

    def _write(self, batch: Batch, replayed: str) -> Outcome:
        """Merge a batch in the current transaction."""
        if not batch.items:
            return Outcome()
        plan = _plan(self.preparer.plan, replayed)
        stage_batch(self.alias, plan, batch)
        outcome = write_batch(self.alias, self.platform, plan, batch, None)
        clear_batch(self.alias, plan)
        return outcome

    def _rebuild(self, versions: list[PayloadVersion]) -> int:
        """Rebuild the histories; return the number of new points."""
        plan, adapter = self.preparer.plan, self.preparer.adapter
        observations = observe(self.alias, adapter, plan, versions)
        with connections[self.alias].cursor() as cursor:
            return plan.rebuild(cursor, self.platform, observations)


def _place(external_id: str) -> str:
    return f"payload of {external_id}"


def _to_parsed_item(alias: str, version: PayloadVersion) -> ParsedItem:
    """Return a payload version as an item that is still to be parsed."""
    stored = payloads.unpack(alias, version.body)
    raw, place = orjson.dumps(stored["payload"]), _place(version.external_id)
    at, context = max(version.times), stored["context"]
    return ParsedItem(
        BatchItem(version.shape, raw, context, True, at, place, ""), stored["payload"]
    )


def rebuild(alias: str, adapter: Adapter, plan: Plan) -> int:
    """Rebuild the histories that a batch changes with late observations.

    Return the number of new price points. Must be called in the transaction of the batch, after
    the merge.
    """
    with connections[alias].cursor() as cursor:
        external_ids = plan.find_late(cursor, adapter.platform)
        if not external_ids:
            return 0
        versions = payloads.read(alias, adapter.platform, external_ids)
        return plan.rebuild(cursor, adapter.platform, observe(alias, adapter, plan, versions))


def observe(
    alias: str, adapter: Adapter, plan: Plan, versions: Iterable[PayloadVersion]
) -> Iterator[Any]:
    """Yield the observations in payload versions, one for each of their times, in the given order.

    Versions that cannot be parsed yield nothing.
    """
    for version in versions:
        parsed = _parse(alias, adapter, version)
        if parsed is not None:
            for time in version.times:
                yield from plan.observe(parsed.records, time)


def _parse(alias: str, adapter: Adapter, version: PayloadVersion) -> Parsed | None:
    """Return the parsed version; None if no adapter has its shape, or if it cannot be parsed."""
    # A table loaded by a mapping may be late for items with payloads of the platform's own shapes.
    adapters = (adapter, get_adapter(adapter.platform))
    reader = next((candidate for candidate in adapters if candidate.has(version.shape)), None)
    if reader is None:
        return None
    stored = payloads.unpack(alias, version.body)
    try:
        return reader.parse(Item(version.shape, stored["payload"], stored["context"]))
    except PayloadError:
        return None
