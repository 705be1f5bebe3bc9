"""Replay: stored payloads are parsed again by the current adapters and merged into the same tables.

A payload that is parsed as before changes nothing. Where the result differs, current values and
history are corrected in place. An item is replayed from all of its payload versions, in the order
of their times.
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
from django.db import Error, connections, transaction
from django.utils import timezone
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import DatabaseUnavailableError, SourceError, name_error
from marketplace.loading import batch as batches
from marketplace.loading import late_arrivals, payload_versions, payloads, quarantine
from marketplace.loading.adapters import Parsed, get_adapter
from marketplace.loading.database_models import get_payload_models, loading_models
from marketplace.loading.items import Batch, BatchItem, ParsedItem, Reject
from marketplace.loading.models import INTERRUPTED, LoadRun
from marketplace.loading.payload_versions import PayloadVersion
from marketplace.loading.preparation import Preparer
from marketplace.loading.retry import retry_on_conflict, retry_on_disconnect
from marketplace.loading.runs import Run
from marketplace.loading.sources import SourceStart
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
    retry_on_disconnect(alias, partial(run.start_source, SourceStart("replay", "", "", now)))
    summary = Summary(platform, run.id)
    preparer = Preparer(alias, adapter, get_plan(alias), is_recognizing=False)
    shared = _SharedRows(preparer.plan)
    try:
        for external_ids in _steps(alias, platform):
            _replay(alias, preparer, run, external_ids, shared, summary)
            progress(summary)
        _replay_shared(alias, preparer, shared, summary)
    except BaseException as error:
        # Storing the failure fails, too, if the connection is lost or the disk is full.
        with suppress(Error, DatabaseUnavailableError):
            run.finish(LoadRun.Status.FAILED, f"{INTERRUPTED}{name_error(error)}")
        raise
    retry_on_disconnect(alias, run.end_source)
    retry_on_disconnect(alias, partial(run.finish, LoadRun.Status.COMPLETED))
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


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


def _replay_shared(alias: str, preparer: Preparer, shared: _SharedRows, summary: Summary) -> None:
    rows = shared.rows()

    def work(step: list[tuple[Any, ...]]) -> None:
        batch = preparer.fold(list(shared.items(alias, preparer.adapter.platform, step)))
        with transaction.atomic(using=alias):
            _write(alias, preparer, batch, "whole")

    while step := list(islice(rows, _STEP)):
        _commit(alias, partial(work, step), summary)


def _steps(alias: str, platform: str) -> Iterator[list[str]]:
    """Yield the external ids of all items with stored payloads, in order, in groups of _STEP."""
    stored, last = get_payload_models(alias).payloads.filter(platform=platform), ""
    while True:
        rest = stored.filter(external_id__gt=last).order_by("external_id")
        page = rest.values_list("external_id", flat=True).distinct()[:_STEP]
        ids: list[str] = retry_on_disconnect(alias, partial(list, page.all()))
        if not ids:
            return
        yield ids
        last = ids[-1]


def _replay(
    alias: str,
    preparer: Preparer,
    run: Run,
    external_ids: list[str],
    shared: _SharedRows,
    summary: Summary,
) -> None:
    """Replay some items in one transaction."""
    platform = preparer.adapter.platform

    def work() -> tuple[batches.Outcome, list[Reject]]:
        rejects: list[Reject] = []
        with transaction.atomic(using=alias):
            # A concurrent loader waits, and so writes after the versions that are read here.
            _lock(alias, preparer, external_ids)
            versions = list(payload_versions.read(alias, platform, external_ids))
            whole, incomplete = _prepare(alias, preparer, versions, shared, rejects)
            first = _write(alias, preparer, whole, "whole")
            second = _write(alias, preparer, incomplete, "partial")
            is_any = bool(whole.items or incomplete.items)
            points = _rebuild(alias, preparer, versions) if is_any else 0
            outcome = batches.Outcome(
                first.created + second.created,
                first.updated + second.updated,
                first.unchanged + second.unchanged,
                points,
            )
            quarantine.store(alias, platform, run.id, "replay", rejects, {}, run.now)
            run.advance(outcome, len(rejects), 0)
        return outcome, rejects

    summary.add(*_commit(alias, work, summary))


def _commit(alias: str, work: Callable[[], _Result], summary: Summary) -> _Result:
    """Run a transaction and return its result; repeat it after a conflict or a lost connection.

    A replay locks items before shared rows, a loader shared rows before items. So the two may
    deadlock, and one of them must be repeated.
    """

    def count_retry() -> None:
        summary.retries += 1

    return retry_on_conflict(partial(retry_on_disconnect, alias, work), count_retry)


def _lock(alias: str, preparer: Preparer, external_ids: list[str]) -> None:
    """Lock the rows of the items to be replayed, in the order of their ids."""
    values: dict[str, Any] = {"platform": preparer.adapter.platform, "ids": external_ids}
    with connections[alias].cursor() as cursor:
        for target in preparer.plan.hashed_targets:
            cursor.execute(
                SQL(
                    "SELECT FROM {} WHERE platform = %(platform)s AND external_id = ANY(%(ids)s) "
                    'ORDER BY external_id COLLATE "C" FOR UPDATE'
                ).format(Identifier(target.table)),
                values,
            )


def _prepare(
    alias: str,
    preparer: Preparer,
    versions: list[PayloadVersion],
    shared: _SharedRows,
    rejects: list[Reject],
) -> tuple[Batch, Batch]:
    """Return the newest state of each item, combined from its versions, as two batches.

    The first batch has the items whose versions can all be parsed. The second one has the items
    with a version that cannot be parsed, whose stored values must be kept.
    """
    shapes = {shape.name for shape in preparer.adapter.shapes}
    # Of two versions with the same time, the one stored first wins: it must come last.
    ordered = versions[::-1]
    ordered.sort(key=lambda version: max(version.times))
    parsed_items = [
        _to_parsed_item(alias, version) for version in ordered if version.shape in shapes
    ]
    parsed = [
        (item, shared.extract(content, item.observed_at))
        for item, content in preparer.parse(parsed_items, rejects)
    ]
    unparsed = {_place(version.external_id) for version in versions if version.shape not in shapes}
    unparsed |= {reject.place for reject in rejects}
    return (
        preparer.fold([pair for pair in parsed if pair[0].place not in unparsed]),
        preparer.fold([pair for pair in parsed if pair[0].place in unparsed]),
    )


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


def _write(alias: str, preparer: Preparer, batch: Batch, replayed: str) -> batches.Outcome:
    """Merge a batch in the current transaction."""
    if not batch.items:
        return batches.Outcome()
    plan = _plan(preparer.plan, replayed)
    batches.stage(alias, plan, batch)
    outcome = batches.write(alias, preparer.adapter.platform, plan, batch, None)
    batches.clear(alias, plan)
    return outcome


def _rebuild(alias: str, preparer: Preparer, versions: list[PayloadVersion]) -> int:
    """Rebuild the histories; return the number of new points."""
    observations = late_arrivals.observe(alias, preparer.adapter, preparer.plan, versions)
    with connections[alias].cursor() as cursor:
        return preparer.plan.rebuild(cursor, preparer.adapter.platform, observations)
