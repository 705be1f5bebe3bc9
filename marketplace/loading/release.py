"""Releasing: records of the quarantine are loaded again, as if they had come in time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import zstandard
from django.db.models import Q
from django.utils import timezone

from marketplace.exceptions import name_error
from marketplace.loading import sources
from marketplace.loading.adapters import Item
from marketplace.loading.database_models import loading_models
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry, Line
from marketplace.loading.models import INTERRUPTED, LoadRun
from marketplace.loading.preparation import Batch
from marketplace.loading.reader import BatchBuilder, Reader
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd
from marketplace.loading.summary import Summary
from marketplace.loading.writer import Writer


class _Called(NamedTuple):
    """How a run was called from which a record comes.

    :param columns: a mapping file; empty if none
    :param source: name of the file
    """

    observed_at: datetime
    columns: str
    source: str
    options: tuple[tuple[str, str], ...]


def reload_records(alias: str, platform: str, records: Sequence[Any]) -> Summary:
    """Load quarantined records as today's adapters read them; delete those that are loaded.

    Those that fail again stay, with their new reason. Safe to run twice, and after an interruption.

    :param records: rows of QuarantinedRecord
    :raises SourceError: if the mapping file of a table is gone
    """
    now = timezone.now()
    run = Run(alias, platform, "quarantine", now, {})
    total = Summary(platform, run.id)
    try:
        calls = [(_called(each, at), each) for each in records for at in _times(each)]
        for called, same in groupby(sorted(calls, key=itemgetter(0)), key=itemgetter(0)):
            _reload(alias, platform, run, called, [record for _, record in same], total)
    except BaseException as error:
        run.finish(LoadRun.Status.FAILED, f"{INTERRUPTED}{name_error(error)}")
        raise
    rows = loading_models(alias).quarantine
    # Those that were rejected again belong to this run now.
    rows.filter(pk__in=[each.pk for each in records]).exclude(Q(run_id=run.id)).delete()
    total.warnings = run.warnings()
    run.finish(LoadRun.Status.COMPLETED)
    return total


def _times(record: Any) -> list[datetime]:
    return list(record.observed_times) or [record.observed_at or record.first_seen_at]


def _called(record: Any, observed_at: datetime) -> _Called:
    options = dict(record.options)
    columns = options.pop("columns", None)
    source = record.source.rpartition(": ")[0] or "quarantine"
    return _Called(observed_at, columns or "", source, tuple(sorted(options.items())))


def _reload(
    alias: str, platform: str, run: Run, called: _Called, records: list[Any], total: Summary
) -> None:
    job = Job(
        platform,
        (),
        called.observed_at,
        run.now,
        dict(called.options),
        called.columns or None,
        is_released=True,
    )
    own = Reader(job)
    writer = Writer(job, run, own, lambda summary: None, total)
    for message in _messages(own, called.source, records):
        writer.take(message)


def _messages(own: Reader, source: str, records: Iterable[Any]) -> Iterator[Message]:
    start = sources.given(own.job, source)
    yield start.message
    stretch = BatchBuilder(own, start, 0)
    for record in records:
        yield from _enter(stretch, record)
    yield from stretch.flush()
    yield SourceEnd()


def _read(line: Line, reason: str) -> list[Entry | Line]:
    """Return a line, or, if it still cannot be parsed, its fault with the reason that is known.

    The text may be a row of a table, or the beginning of a record that is too large: why it is no
    JSON says nothing about it.
    """
    first = next(documents.elements(line), None)
    if first is None or not first.fault:
        return [line]
    return [Entry(line.place, fault=reason, raw=line.raw)]


def _enter(stretch: BatchBuilder, record: Any) -> Iterator[Batch]:
    raw = zstandard.decompress(record.payload)
    place = record.source.rpartition(": ")[2]
    if not record.shape:
        yield from stretch.add(_read(Line(place, raw), record.reason))
        return
    [entry] = documents.elements(Line(place, raw))
    if entry.fault or not isinstance(entry.document, dict):
        yield from stretch.add([Entry(place, fault=entry.fault or "is no object", raw=raw)])
        return
    item = Item(record.shape, entry.document, record.context or {}, True, stretch.start.observed_at)
    yield from stretch.add_item(item, place)
