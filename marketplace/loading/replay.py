"""Replaying: stored payloads are read again by today's adapters, into the same tables.

What an adapter reads as before changes nothing. What it reads differently is changed where it is:
current values, and the history. A thing is replayed from all that was observed of it, in the order
of time.
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
from django.apps import apps
from django.db import Error, connections, transaction
from django.utils import timezone
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import DatabaseUnavailableError, SourceError, name_error
from marketplace.loading import batch as batches
from marketplace.loading import late_arrivals, payload_versions, payloads, quarantine
from marketplace.loading.adapters import Parsed, get_adapter
from marketplace.loading.interrupted_runs import INTERRUPTED
from marketplace.loading.payload_versions import PayloadVersion
from marketplace.loading.preparation import Batch, BatchItem, ParsedItem, Preparer, Reject
from marketplace.loading.retry import retry_on_conflict, retry_on_disconnect
from marketplace.loading.runs import Run
from marketplace.loading.sources import SourceStart
from marketplace.loading.summary import Progress, Summary
from marketplace.loading.targets import Plan, get_plan
from marketplace.registry import get_platform

_Result = TypeVar("_Result")

#: Things that are replayed in one transaction.
_STEP = 500


def replay(platform: str, *, progress: Progress = lambda summary: None) -> Summary:
    """Load all stored payloads of a platform again. Safe to run twice.

    :raises SourceError: if the platform is unknown, or its database keeps no payloads
    :raises django.db.Error: if the database cannot be used
    """
    started = time.monotonic()
    adapter = get_adapter(platform)
    alias = get_platform(platform).database
    if "rawpayload" not in apps.get_app_config(alias).models:
        raise SourceError(
            f"{platform} cannot be replayed: {alias} keeps payloads in its events only. Load the "
            "files again."
        )
    now = timezone.now()
    run = Run(alias, platform, "replay", now, {})
    retry_on_disconnect(alias, partial(run.start_source, SourceStart("replay", "", "", now)))
    summary = Summary(platform, run.id)
    preparer = Preparer(alias, adapter, get_plan(alias), is_recognizing=False)
    shared = _Shared(preparer.plan)
    try:
        for external_ids in _steps(alias, platform):
            _replay(alias, preparer, run, external_ids, shared, summary)
            progress(summary)
        _replay_shared(alias, preparer, shared, summary)
    except BaseException as error:
        # The connection, or a full disk, may be what failed.
        with suppress(Error, DatabaseUnavailableError):
            run.finish("failed", f"{INTERRUPTED}{name_error(error)}")
        raise
    retry_on_disconnect(alias, run.end_source)
    retry_on_disconnect(alias, partial(run.finish, "completed"))
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _plan(plan: Plan, replayed: str) -> Plan:
    """Return a plan in which what is read now replaces what was read before."""
    targets = tuple(replace(target, replayed=replayed) for target in plan.targets)
    # What comes of it is found by making histories anew, not by comparing with what was stored.
    return replace(plan, targets=targets, after_merge=plan.after_replay)


class _Shared:
    """The rows that many things tell of, such as sellers: each as its newest observations tell it.

    Several of one moment may differ: what is stored is right as long as one of them says so.
    """

    def __init__(self, plan: Plan) -> None:
        self._targets = {target.record: target for target in plan.targets if target.shared}
        self._rows: dict[tuple[type[Any], str], tuple[datetime, list[Any]]] = {}

    def take(self, parsed: Parsed, at: datetime) -> Parsed:
        """Take the shared records out of what an item says."""
        own = []
        for record in parsed.records:
            if type(record) in self._targets:
                self._add(record, at)
            else:
                own.append(record)
        return parsed._replace(records=own)

    def _add(self, record: Any, at: datetime) -> None:
        place = (type(record), record.external_id)
        moment, records = self._rows.get(place, (at, []))
        if at > moment:
            moment, records = at, []
        if at == moment and record not in records:
            records.append(record)
        self._rows[place] = (moment, records)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows: record type, external id, time, what was told at it."""
        for (kind, external_id), (at, records) in self._rows.items():
            yield kind, external_id, at, records

    def told(
        self, alias: str, platform: str, rows: Iterable[tuple[Any, ...]]
    ) -> Iterator[tuple[BatchItem, Parsed]]:
        """Yield rows, each as an item that says it."""
        for kind, external_id, at, records in rows:
            record = records[0]
            if len(records) > 1:
                known: Any = self._targets[kind].model._default_manager.using(alias)
                stored = known.filter(platform=platform, external_id=external_id).first()
                record = next((each for each in records if _is_stored(each, stored)), record)
            item = BatchItem("", b"", {}, False, at, external_id, "")
            yield item, Parsed(external_id, [record])


def _is_stored(record: Any, row: Any) -> bool:
    """Return whether a row has all that a record says, references aside."""
    said = record._asdict().items()
    return all(value is None or getattr(row, name, value) == value for name, value in said)


def _replay_shared(alias: str, preparer: Preparer, shared: _Shared, summary: Summary) -> None:
    rows = shared.rows()

    def work(step: list[tuple[Any, ...]]) -> None:
        batch = preparer.fold(list(shared.told(alias, preparer.adapter.platform, step)))
        with transaction.atomic(using=alias):
            _write(alias, preparer, batch, "whole")

    while step := list(islice(rows, _STEP)):
        _commit(alias, partial(work, step), summary)


def _steps(alias: str, platform: str) -> Iterator[list[str]]:
    """Yield the external ids of what has payloads, some at a time, in order."""
    model: Any = apps.get_model(alias, "RawPayload")
    stored, last = model.objects.using(alias).filter(platform=platform), ""
    while True:
        following = stored.filter(external_id__gt=last).order_by("external_id")
        page = following.values_list("external_id", flat=True).distinct()[:_STEP]
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
    shared: _Shared,
    summary: Summary,
) -> None:
    """Replay some things, in one transaction."""
    platform = preparer.adapter.platform

    def work() -> tuple[batches.Outcome, list[Reject]]:
        rejects: list[Reject] = []
        with transaction.atomic(using=alias):
            # What a loader brings meanwhile waits, and comes after what is read here.
            _lock(alias, preparer, external_ids)
            versions = list(payload_versions.read(alias, platform, external_ids))
            whole, partial = _prepare(alias, preparer, versions, shared, rejects)
            done = _write(alias, preparer, whole, "whole")
            also = _write(alias, preparer, partial, "partial")
            is_any = bool(whole.items or partial.items)
            points = _rebuild(alias, preparer, versions) if is_any else 0
            outcome = batches.Outcome(
                done.created + also.created,
                done.updated + also.updated,
                done.unchanged + also.unchanged,
                points,
            )
            quarantine.store(alias, platform, run.id, "replay", rejects, {}, run.now)
            run.advance(outcome, len(rejects), 0)
        return outcome, rejects

    summary.add(*_commit(alias, work, summary))


def _commit(alias: str, work: Callable[[], _Result], summary: Summary) -> _Result:
    """Commit a transaction, whatever comes between.

    Things are locked before what they share, the other way round than by a loader: the two may
    wait for each other.
    """

    def note() -> None:
        summary.retries += 1

    return retry_on_conflict(partial(retry_on_disconnect, alias, work), note)


def _lock(alias: str, preparer: Preparer, external_ids: list[str]) -> None:
    """Lock the things that are to be replayed, in the order of their ids."""
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
    shared: _Shared,
    rejects: list[Reject],
) -> tuple[Batch, Batch]:
    """Return the newest state of each thing, as its versions together tell it.

    First of the things of which each version can be read, then of those of which some cannot: what
    those told stays.
    """
    known = {shape.name for shape in preparer.adapter.shapes}
    # Of two versions of one moment the first that came counts: it is told last.
    ordered = versions[::-1]
    ordered.sort(key=lambda version: max(version.times))
    parsed_items = [_parsed_item(alias, each) for each in ordered if each.shape in known]
    parsed = [
        (item, shared.take(told, item.observed_at))
        for item, told in preparer.parse(parsed_items, rejects)
    ]
    unread = {_place(each.external_id) for each in versions if each.shape not in known}
    unread |= {each.place for each in rejects}
    return (
        preparer.fold([pair for pair in parsed if pair[0].place not in unread]),
        preparer.fold([pair for pair in parsed if pair[0].place in unread]),
    )


def _place(external_id: str) -> str:
    return f"payload of {external_id}"


def _parsed_item(alias: str, version: PayloadVersion) -> ParsedItem:
    stored = payloads.unpack(alias, version.body)
    raw, place = orjson.dumps(stored["payload"]), _place(version.external_id)
    at, context = max(version.times), stored["context"]
    return ParsedItem(
        BatchItem(version.shape, raw, context, True, at, place, ""), stored["payload"]
    )


def _write(alias: str, preparer: Preparer, batch: Batch, replayed: str) -> batches.Outcome:
    """Merge a batch; must be called in the transaction that is to hold it."""
    if not batch.items:
        return batches.Outcome()
    plan = _plan(preparer.plan, replayed)
    batches.stage(alias, plan, batch)
    outcome = batches.write(alias, preparer.adapter.platform, plan, batch, None)
    batches.clear(alias, plan)
    return outcome


def _rebuild(alias: str, preparer: Preparer, versions: list[PayloadVersion]) -> int:
    """Make the histories anew; return how many points are new."""
    observed = late_arrivals.observe(alias, preparer.adapter, preparer.plan, versions)
    with connections[alias].cursor() as cursor:
        return preparer.plan.rebuild(cursor, preparer.adapter.platform, observed)
