"""Load records of the quarantine again, as if they had arrived in time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import zstandard
from django.db.models import Q
from django.utils import timezone

from marketplace.exceptions import name_error
from marketplace.loading.adapters import Item
from marketplace.loading.batch_builder import BatchBuilder
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry, Line
from marketplace.loading.items import Batch
from marketplace.loading.models import INTERRUPTED, LoadRun, loading_models
from marketplace.loading.reader import Reader
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd, get_state_in_memory
from marketplace.loading.summary import Summary
from marketplace.loading.writer import Writer


class _Arguments(NamedTuple):
    """The arguments of the load that a record comes from.

    :param columns: a mapping file; empty if there was none
    :param source: name of the file
    """

    observed_at: datetime
    columns: str
    source: str
    options: tuple[tuple[str, str], ...]


def reload_records(alias: str, platform: str, records: Sequence[Any]) -> Summary:
    """Load quarantined records with the current adapter; delete those that are loaded.

    Records that fail again stay in quarantine, with their new reason. It is safe to run this twice,
    and after an interruption.

    :param records: rows of QuarantinedRecord
    :raises SourceError: if the mapping file of a table does not exist any more
    """
    now = timezone.now()
    run = Run(alias, platform, "quarantine", now, {})
    total = Summary(platform, run.id)
    try:
        loads = [(_arguments(record, at), record) for record in records for at in _times(record)]
        by_arguments = itemgetter(0)
        for arguments, group in groupby(sorted(loads, key=by_arguments), key=by_arguments):
            _reload(alias, platform, run, arguments, [record for _, record in group], total)
    except BaseException as error:
        run.finish(LoadRun.Status.FAILED, f"{INTERRUPTED}{name_error(error)}")
        raise
    rows = loading_models(alias).quarantine
    # Records that were rejected again belong to this run now.
    rows.filter(pk__in=[record.pk for record in records]).exclude(Q(run_id=run.id)).delete()
    total.warnings = run.warnings()
    run.finish(LoadRun.Status.COMPLETED)
    return total


def _times(record: Any) -> list[datetime]:
    return list(record.observed_times) or [record.observed_at or record.first_seen_at]


def _arguments(record: Any, observed_at: datetime) -> _Arguments:
    options = dict(record.options)
    columns = options.pop("columns", None)
    source = record.source.rpartition(": ")[0] or "quarantine"
    return _Arguments(observed_at, columns or "", source, tuple(sorted(options.items())))


def _reload(
    alias: str, platform: str, run: Run, arguments: _Arguments, records: list[Any], total: Summary
) -> None:
    job = Job(
        platform,
        (),
        arguments.observed_at,
        run.now,
        dict(arguments.options),
        arguments.columns or None,
        is_released=True,
    )
    reader = Reader(job)
    writer = Writer(job, run, reader, lambda summary: None, total)
    for message in _messages(reader, arguments.source, records):
        writer.take(message)


def _messages(reader: Reader, source: str, records: Iterable[Any]) -> Iterator[Message]:
    state = get_state_in_memory(reader.job, source)
    yield state.start_message
    builder = BatchBuilder(reader.preparer, reader.hasher, state)
    for record in records:
        yield from _add(builder, record)
    yield from builder.flush()
    yield SourceEnd()


def _add(builder: BatchBuilder, record: Any) -> Iterator[Batch]:
    """Add a record to a batch; yield the batches that are full."""
    raw = zstandard.decompress(record.payload)
    place = record.source.rpartition(": ")[2]
    if not record.shape:
        yield from builder.add(_read(Line(place, raw), record.reason))
        return
    [entry] = documents.elements(Line(place, raw))
    if entry.fault or not isinstance(entry.document, dict):
        fault = entry.fault or "is not an object"
        yield from builder.add([Entry(place, fault=fault, raw=raw)])
        return
    observed_at = builder.state.observed_at
    item = Item(record.shape, entry.document, record.context or {}, True, observed_at)
    yield from builder.add_item(item, place)


def _read(line: Line, reason: str) -> list[Entry | Line]:
    """Return a line; if it still cannot be parsed, an entry with the earlier reason.

    The text may be a row of a table, or the beginning of a record that is too large. The error of
    the JSON parser would not explain that.
    """
    first = next(documents.elements(line), None)
    if first is None or not first.fault:
        return [line]
    return [Entry(line.place, fault=reason, raw=line.raw)]
