"""Rows that are pending review: a person lists, shows, releases or discards them.

All kinds of rows are used in the same way, by `ingest_review` and by the admin: held and failed
runs, quarantined records, and prices that the app of a database marks as outliers.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import zstandard
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Concat
from django.utils import timezone

from marketplace.exceptions import SourceError, name_error
from marketplace.humanize import counted
from marketplace.loading.adapters import Item
from marketplace.loading.batch_builder import BatchBuilder
from marketplace.loading.formats import documents, json_text
from marketplace.loading.formats.documents import Entry as Document
from marketplace.loading.formats.documents import Line
from marketplace.loading.items import Batch
from marketplace.loading.models import INTERRUPTED, LoadRun, loading_models
from marketplace.loading.reader import Reader
from marketplace.loading.review.entries import (
    Address,
    Entry,
    Json,
    Kind,
    Result,
    Runs,
    Section,
    Selection,
)
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd, get_state_in_memory
from marketplace.loading.summary import Summary
from marketplace.loading.writer import Writer

#: The number of reasons that are listed without --all, and of reasons of failures.
MAX_GROUPS, _MAX_FAILURES = 20, 10

#: Counts the failures for all further reasons.
_OTHER = "other reasons"

#: The number of ids that are listed for each reason.
_NEWEST = 3

#: The number of records that are loaded again, or deleted, at a time.
_STEP = 1000


class Records(Kind):
    """Quarantined records. Those with the same reason are listed together."""

    name = "record"
    model_name = "quarantinedrecord"
    actions = {
        "release": "The records are loaded again. Those that are rejected stay in quarantine.",
        "discard": "The records are deleted permanently. To get them back, load the source again.",
    }

    def rows(self) -> QuerySet[Any]:
        """Return the records, annotated with `shown`: the field and the reason."""
        whole = Concat("field", models.Value(": "), "reason", output_field=models.TextField())
        shown = models.Case(
            models.When(field="", then=models.F("reason")),
            default=whole,
            output_field=models.TextField(),
        )
        return loading_models(self.alias).quarantine.annotate(shown=shown)

    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the records, with an entry for each reason."""
        records = self.select(Selection(self.name, self.alias, platform))
        counts = {"count": models.Count("pk"), "since": models.Min("first_seen_at")}
        groups = records.values("platform", "shown").annotate(**counts)
        groups = groups.order_by("-count", "platform", "shown")
        listed = groups if show_all else groups[:MAX_GROUPS]
        entries = [self._entry(group, show_all) for group in listed]
        total = records.count()
        more = total - sum(entry.records for entry in entries)
        yield Section(self.name, "Quarantine", total, entries, more)

    def _entry(self, group: dict[str, Any], show_all: bool) -> Entry:
        platform, reason, count = group["platform"], group["shown"], group["count"]
        alike = self.select(Selection(self.name, self.alias, platform, (), reason, is_exact=True))
        rows = alike.order_by("-pk").values_list("pk", "source")
        newest = list(rows if show_all else rows[:_NEWEST])
        ids = [f"{platform}-{pk}" for pk, _ in newest]
        source = newest[0][1].rpartition(": ")[0] or newest[0][1] if newest else ""
        values = {"platform": platform, "reason": reason, "records": count, "newest": ids}
        return Entry(ids, count, source, group["since"], [reason], values)

    def reason(self, row: Any) -> str:
        """Return the field and the reason."""
        return str(row.shown)

    def describe(self, row: Any) -> Json:
        """Return a record as JSON. A payload that is not JSON is returned as text."""
        names = "external_id source shape context options observed_at observed_times first_seen_at"
        run = row.run_id and f"{row.platform}-{row.run_id}"
        raw = zstandard.decompress(row.payload)
        try:
            payload = json_text.parse(raw)
        except ValueError:
            payload = raw.decode("utf-8", "replace")
        values = {"id": str(self.address(row)), "reason": row.shown, "run": run}
        values |= {name: getattr(row, name) for name in f"{names} last_seen_at seen_count".split()}
        return values | {"payload": payload}

    def alike(self, row: Any) -> Selection:
        """Return the records of a platform with the same reason."""
        return Selection(self.name, self.alias, row.platform, (), row.shown, is_exact=True)

    def select(self, selection: Selection) -> QuerySet[Any]:
        """Return the records of a selection."""
        rows = self.rows()
        if selection.platform:
            rows = rows.filter(platform=selection.platform)
        if selection.pks:
            rows = rows.filter(pk__in=selection.pks)
        if selection.reason:
            lookup = "shown" if selection.is_exact else "shown__icontains"
            rows = rows.filter(**{lookup: selection.reason})
        return rows

    def subject(self, selection: Selection) -> str:
        """Return the platform of the records, or their database."""
        return selection.platform or self.alias

    def label(self, selection: Selection) -> str:
        """Return the number of the records and their platform."""
        return f"{counted(self.count(selection), 'record')} of {self.subject(selection)}"

    def count(self, selection: Selection) -> int:
        """Return the number of records."""
        return self.select(selection).count()

    def release(self, selection: Selection) -> Result:
        """Load the records with the current adapters; those that fail stay, with the new reason."""
        loaded = again = 0
        failures: dict[str, tuple[int, list[str]]] = {}
        for platform, pks in self._steps(selection):
            rows = self.rows().filter(pk__in=pks)
            _reload(self.alias, platform, list(rows))
            failed = list(rows.order_by("pk").values_list("pk", "shown"))
            loaded, again = loaded + len(pks) - len(failed), again + len(failed)
            for pk, reason in failed:
                # The ids and reasons of millions of records would not fit into the memory.
                key = reason if reason in failures or len(failures) < _MAX_FAILURES else _OTHER
                count, ids = failures.get(key, (0, []))
                failures[key] = count + 1, [*ids, f"{platform}-{pk}"][:_NEWEST]
        text = f"Released {counted(loaded, 'record')} of {self.subject(selection)}"
        text += f"; {again:,} failed again." if again else "."
        return Result(text, list(_failure_lines(failures)), again > 0)

    def discard(self, selection: Selection) -> Result:
        """Delete the records."""
        deleted = 0
        for _, pks in self._steps(selection):
            with transaction.atomic(using=self.alias):
                deleted += self.rows().filter(pk__in=pks).delete()[0]
        records = counted(deleted, "record")
        return Result(f"Discarded {records} of {self.subject(selection)}.", [])

    def _steps(self, selection: Selection) -> Iterator[tuple[str, list[int]]]:
        """Yield a platform and ids of selected records, at most _STEP ids at a time."""
        selected = self.select(selection)
        # Records that are rejected from now on are not selected.
        last = selected.aggregate(last=models.Max("pk"))["last"] or 0
        for platform in selected.values_list("platform", flat=True).distinct().order_by("platform"):
            rows, first = selected.filter(platform=platform, pk__lte=last).order_by("pk"), 0
            while pks := list(rows.filter(pk__gt=first).values_list("pk", flat=True)[:_STEP]):
                yield platform, pks
                first = pks[-1]


def _failure_lines(failures: dict[str, tuple[int, list[str]]]) -> Iterator[str]:
    """Yield the reasons of records that failed again, and the next step.

    :param failures: reason → the number of records, and ids of the first ones
    """
    for reason, (count, ids) in failures.items():
        shown = " ".join([*ids, *(["…"] if count > len(ids) else [])])
        yield f"failed {count:,}: {reason} (record {shown})"
    for _, ids in islice(failures.values(), 1):
        yield (
            "Load the corrected source, then discard the record: python manage.py ingest_review "
            f"discard record {ids[0]}"
        )


def _reload(alias: str, platform: str, records: Sequence[Any]) -> None:
    """Load records with the current adapter; delete those that are loaded.

    Records that fail again stay in quarantine, with their new reason. It is safe to run this twice,
    and after an interruption.

    :raises SourceError: if the mapping file of a table does not exist any more
    """
    run = Run(alias, platform, "quarantine", timezone.now(), {})
    total, by_arguments = Summary(platform, run.id), itemgetter(0, 1, 2, 3)
    try:
        loads = sorted((load for record in records for load in _loads(record)), key=by_arguments)
        for (at, columns, source, options), group in groupby(loads, key=by_arguments):
            job = Job(platform, (), at, run.now, dict(options), columns or None, is_released=True)
            reader = Reader(job)
            writer = Writer(job, run, reader, lambda summary: None, total)
            for message in _messages(reader, source, [load[-1] for load in group]):
                writer.take(message)
    except BaseException as error:
        run.finish(LoadRun.Status.FAILED, f"{INTERRUPTED}{name_error(error)}")
        raise
    rows = loading_models(alias).quarantine
    # Records that were rejected again belong to this run now.
    rows.filter(pk__in=[record.pk for record in records]).exclude(Q(run_id=run.id)).delete()
    run.finish(LoadRun.Status.COMPLETED)


def _loads(record: Any) -> Iterator[tuple[datetime, str, str, list[tuple[str, str]], Any]]:
    """Yield the arguments of each load of a record: time, mapping file, source, options."""
    options = dict(record.options)
    columns = options.pop("columns", None) or ""
    source = record.source.rpartition(": ")[0] or "quarantine"
    for at in record.observed_times or [record.observed_at or record.first_seen_at]:
        yield at, columns, source, sorted(options.items()), record


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
        yield from builder.add([Document(place, fault=fault, raw=raw)])
        return
    observed_at = builder.state.observed_at
    item = Item(record.shape, entry.document, record.context or {}, True, observed_at)
    yield from builder.add_item(item, place)


def _read(line: Line, reason: str) -> list[Document | Line]:
    """Return a line; if it still cannot be parsed, an entry with the earlier reason.

    The text may be a row of a table, or the beginning of a record that is too large. The error of
    the JSON parser would not explain that.
    """
    first = next(documents.elements(line), None)
    if first is None or not first.fault:
        return [line]
    return [Document(line.place, fault=reason, raw=line.raw)]


def kinds_of(alias: str) -> list[Kind]:
    """Return the kinds of rows that may wait in a database."""
    kinds: list[Kind] = [Runs(alias), Records(alias)]
    name = f"{alias}.outliers"
    return [*kinds, import_module(name).Outliers(alias)] if find_spec(name) else kinds


def get_kind(alias: str, name: str) -> Kind:
    """Return a kind of rows: "run", "record" or "outlier".

    :raises SourceError: if the database has no such rows
    """
    for kind in kinds_of(alias):
        if kind.name == name:
            return kind
    raise SourceError(f"{alias} does not mark prices as outliers.")


def find_kind(address: Address, names: Collection[str]) -> Kind:
    """Return the kind of the row with an address. Rows that wait are preferred to other ones.

    :param names: the possible kinds
    :raises SourceError: if no row has the address, or rows of several kinds have it
    """
    kinds = [kind for kind in kinds_of(address.alias) if kind.name in names]
    for is_waiting in (True, False):
        rows = ((kind, kind.waiting() if is_waiting else kind.rows()) for kind in kinds)
        found = [kind for kind, selected in rows if kind.find(selected, address).exists()]
        if len(found) > 1:
            choice = " or ".join(f"{kind.name} {address}" for kind in found)
            raise SourceError(f"{address} is ambiguous. Write {choice}.")
        if found:
            return found[0]
    raise SourceError(
        f"There is no run, record or outlier {address}. List those that are pending review: "
        "python manage.py ingest_review list"
    )


def list_waiting(alias: str, platform: str = "", *, show_all: bool = False) -> list[Section]:
    """Return the rows of a database that are pending review; `Kind.sections` has the parameters."""
    return [part for kind in kinds_of(alias) for part in kind.sections(platform, show_all)]


def select(name: str, addresses: list[Address]) -> list[Selection]:
    """Return rows of a kind as selections: records of each platform together, others one by one.

    :raises SourceError: if a record does not exist
    """
    if name != Records.name:
        return [Selection(name, alias, platform, (pk,)) for alias, platform, pk in addresses]
    for address in addresses:
        Records(address.alias).get(address)
    return [
        Selection(name, alias, platform, tuple(address.pk for address in same))
        for (alias, platform), same in groupby(sorted(addresses), key=lambda address: address[:2])
    ]
