"""Reading: from sources to batches that are ready to be written, as a stream of messages."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
from django.conf import settings

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading import chunks, deduplication
from marketplace.loading.adapters import (
    UNREADABLE_TIME,
    Adapter,
    Item,
    Source,
    expect_object,
    get_adapter,
)
from marketplace.loading.deduplication import Hasher
from marketplace.loading.document_times import Clock
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry, Line
from marketplace.loading.formats.encodings import drain
from marketplace.loading.mapped import suggestions, tables
from marketplace.loading.mapped.tables import Table
from marketplace.loading.preparation import (
    Batch,
    BatchItem,
    ParsedItem,
    Preparer,
    Reject,
    as_stored,
    find_unstorable,
    serialize,
)
from marketplace.loading.retry import retry_on_disconnect
from marketplace.loading.sources import Job, Message, SourceEnd, Start, begin, given
from marketplace.loading.targets import Plan, Scope, get_plan

#: Bytes of payloads in a batch at most, so that a few thousand large ones do not fill the memory.
_MAX_BATCH_BYTES = 10_000_000

#: Documents that were loaded before, after which the run's position is written all the same.
_MAX_SKIPPED = 20_000


class Reader:
    """Read the sources of a job in this process."""

    def __init__(self, job: Job, table: Table | None = None) -> None:
        self.job = job
        self.table = table or (tables.load(job.columns, job.platform) if job.columns else None)
        self.adapter: Adapter = self.table.adapter if self.table else get_adapter(job.platform)
        self.plan: Plan = self.table.plan if self.table else get_plan(job.alias)
        self.preparer = Preparer(
            job.alias, self.adapter, self.plan, is_full_listing=bool(job.full_listing)
        )
        self.hasher = Hasher(self.adapter, job.options)

    def read_all(self) -> Iterator[Message]:
        """Yield the batches of all sources, each between its start and its end."""
        for source in self.job.sources:
            yield from self.read(source)

    def read(self, source: str | int) -> Iterator[Message]:
        """Yield a source's batches between its start and its end."""
        start = begin(self.job, source)
        if start is not None:
            yield from self.batches(self._open(source), start, start.position)

    def _open(self, source: str | int) -> Iterator[Entry | Line]:
        if isinstance(source, int):
            return chunks.read(self.job.alias, source, is_held=self.job.is_held)
        limit = settings.INGEST_MAX_RECORD
        if self.table:
            return self.table.read(source, limit)
        return documents.read_unparsed(source, limit)

    def batches(
        self, entries: Iterator[Entry | Line], start: Start, position: int = 0
    ) -> Iterator[Message]:
        """Yield the start of a source, the batches of its documents, its end.

        :param position: documents that are done
        """
        messages = self._batches(entries, start, position)
        # The start is told with the first batch: until then it need not be known.
        first = [next(messages)]
        yield start.message
        yield first.pop()
        yield from messages

    def missing(self, scope: Scope) -> Iterator[Batch]:
        """Yield the batches of what a full listing did not hold."""
        find, stretch = self.plan.find_missing, BatchBuilder(self, given(self.job, str(scope)), 0)
        if find is None:
            return
        # All are found before the first is written: what is written would not be found any more.
        alias, platform = self.job.alias, self.job.platform
        for item in retry_on_disconnect(alias, lambda: list(find(alias, platform, scope))):
            yield from stretch.add_item(item, str(scope))
        yield from stretch.flush()

    def _batches(
        self, entries: Iterator[Entry | Line], start: Start, position: int
    ) -> Iterator[Message]:
        kind = HeldBatchBuilder if self.job.is_held else BatchBuilder
        stretch = kind(self, start, position)
        failure = ""
        try:
            for _ in islice(entries, position):
                pass
            for group in _groups(entries):
                yield from stretch.add(group)
                # Freed before the next ones are read.
                del group
        except SourceError as error:
            failure = str(error)
        yield from stretch.flush()
        yield SourceEnd(failure)


class BatchBuilder:
    """The items that are gathered for the next batch."""

    def __init__(self, reader: Reader, start: Start, position: int) -> None:
        self.reader = reader
        self.start = start
        self.source = Source(start.name, reader.job.options, self.warn)
        self.clock = reader.preparer.clock = Clock(start)
        self.position = position
        self.parsed_items: list[ParsedItem] = []
        self.rejects: list[Reject] = []
        self.skipped = self.size = 0
        #: Distinct texts, in their order, and the kinds of which there was one.
        self.warnings: dict[str, None] = {}
        self.kinds = {UNREADABLE_TIME} if reader.job.said_at else set[str]()
        #: How many parsed_items and rejects are of documents that are done.
        self.done = (0, 0)

    def add(self, group: list[Entry | Line]) -> Iterator[Batch]:
        """Take documents; yield the batches that are full."""
        # What is observed at a time that the user says is observed then, seen before or not.
        is_said = self.reader.job.said_at is not None
        hashes = [
            self.reader.hasher.document(each.raw)
            if isinstance(each, Line) and not is_said
            else None
            for each in group
        ]
        known = self._known(hashes)
        for number, document in enumerate(group):
            if number in known:
                self.skipped += 1
            else:
                yield from self._add_document(document, hashes[number])
            self.position += 1
            if self._is_full:
                yield from self._emit(self.position)
        if self.skipped >= _MAX_SKIPPED:
            yield from self.flush()

    def warn(self, text: str, kind: str = "") -> None:
        """Note a warning about the source; each text, and each kind, is kept once."""
        if kind not in self.kinds:
            self.warnings[text] = None
        if kind:
            self.kinds.add(kind)

    def _known(self, hashes: list[str | None]) -> set[int]:
        lines = [number for number, each in enumerate(hashes) if each is not None]
        # Of a full listing even what is not new must be told, as the rest is missing.
        wanted = (
            [] if self.reader.job.full_listing else [each for each in hashes if each is not None]
        )
        if not wanted:
            return set()
        alias = self.reader.job.alias
        found = retry_on_disconnect(alias, lambda: deduplication.known_documents(alias, wanted))
        return {lines[number] for number in found}

    def add_item(self, item: Item, place: str) -> Iterator[Batch]:
        """Take an item that was split already."""
        self._add_item(item, place, None, 0)
        if self._is_full:
            yield from self._emit(self.position)

    def _add_document(self, document: Entry | Line, document_hash: str | None) -> Iterator[Batch]:
        if isinstance(document, Line):
            entries = list(documents.elements(document))
            is_alone = len(entries) == 1
        else:
            entries, is_alone = [document], False
        self.done = (len(self.parsed_items), len(self.rejects))
        for entry in entries:
            if entry.warning:
                self.warn(entry.warning)
                continue
            if entry.fault:
                self._reject(PayloadError(entry.fault), entry.place, entry.raw)
                continue
            yield from self._add_entry(entry, document_hash if is_alone else None)

    def _add_entry(self, entry: Entry, document_hash: str | None) -> Iterator[Batch]:
        try:
            items = iter(self.reader.adapter.split(entry.document, self.source))
            for number, item in enumerate(items):
                # Before the item, as a document is done only with its last one.
                if self._is_full:
                    self._forget_document(document_hash)
                    yield from self._emit_done()
                if self._is_full:
                    yield from self._emit(0)
                at, fallback = self._time(item)
                if at != item.observed_at:
                    item = item._replace(observed_at=at)
                self._add_item(item, entry.place, document_hash, number, fallback)
        except PayloadError as error:
            start = self.start
            suggestions.check_row(self.reader.adapter, entry.document, start.name, start.path)
            self._reject(error, entry.place, to_bytes(entry.document))

    def _time(self, item: Item) -> tuple[datetime | None, datetime | None]:
        """Return the time in an item's document, if it counts, and its fallback."""
        stated = item.observed_at and self.clock.judge(item.observed_at)
        return stated, self.start.observed_at if stated else None

    def _add_item(
        self,
        item: Item,
        place: str,
        document_hash: str | None,
        number: int,
        fallback: datetime | None = None,
    ) -> None:
        try:
            if type(item.payload) is not dict:
                expect_object(item.payload)
            item, raw, raw_context = as_stored(item)
            content_hash = self.reader.hasher.content(item.shape, raw, raw_context)
        except PayloadError as error:
            self._reject(error, place, to_bytes(item.payload))
            return
        except (TypeError, ValueError, RecursionError) as error:
            field = find_unstorable(item.payload) or find_unstorable(item.context)
            fault = PayloadError(f"cannot be stored: {error}", field)
            self._reject(fault, place, to_bytes(item.payload))
            return
        if number:
            # The document holds several things: its hash would speak of the first one only.
            self._forget_document(document_hash)
            document_hash = None
        batch_item = BatchItem(
            item.shape,
            raw,
            item.context,
            item.is_counted,
            item.observed_at or self.start.observed_at,
            place,
            content_hash,
            document_hash if item.observed_at and item.is_counted else None,
            fallback,
        )
        preparer = self.reader.preparer
        parsed = preparer.parse_item(item) if preparer.is_eager else None
        payload = None if parsed else item.payload
        self.parsed_items.append(ParsedItem(batch_item, payload, parsed))
        self.size += len(raw)

    def _forget_document(self, document_hash: str | None) -> None:
        if document_hash is None:
            return
        for position in range(len(self.parsed_items) - 1, -1, -1):
            parsed_item = self.parsed_items[position]
            if parsed_item.item.document_hash != document_hash:
                break
            item = parsed_item.item._replace(document_hash=None)
            self.parsed_items[position] = parsed_item._replace(item=item)

    def _reject(self, error: PayloadError, place: str, raw: bytes) -> None:
        """Put aside what could not be split: its id is not known."""
        at = self.start.observed_at
        self.rejects.append(Reject("", error.reason, error.field, place, raw, at))
        self.size += len(raw)

    @property
    def _is_full(self) -> bool:
        count = len(self.parsed_items) + len(self.rejects)
        return count >= settings.INGEST_BATCH_SIZE or self.size >= _MAX_BATCH_BYTES

    def _emit(self, position: int) -> Iterator[Batch]:
        """Yield what was gathered; only the last batch may say that its documents are done.

        :param position: how many documents are done with it; 0 if it is all of one that is not
        """
        parsed_items, rejects, skipped = self.parsed_items, self.rejects, self.skipped
        warnings, self.warnings = self.warnings, {}
        self.parsed_items, self.rejects, self.skipped, self.size = [], [], 0, 0
        self.done = (0, 0)
        batches = list(self.reader.preparer.prepare(parsed_items, rejects))
        batches[-1].position = position
        batches[-1].skipped += skipped
        batches[-1].warnings |= warnings
        # They may be large: what is yielded is not kept.
        del parsed_items, rejects
        yield from drain(batches)

    def _emit_done(self) -> Iterator[Batch]:
        """Yield what was gathered of documents that are done, so that a batch ends with one."""
        parsed_items, rejects = self.done
        begun = self.parsed_items[parsed_items:], self.rejects[rejects:]
        self.parsed_items, self.rejects = self.parsed_items[:parsed_items], self.rejects[:rejects]
        yield from self.flush()
        self.parsed_items, self.rejects = begun
        self.size = sum(len(each.item.raw) for each in self.parsed_items)
        self.size += sum(len(each.payload) for each in self.rejects)

    def flush(self) -> Iterator[Batch]:
        """Yield the rest."""
        if self.parsed_items or self.rejects or self.skipped or self.warnings:
            yield from self._emit(self.position)


class HeldBatchBuilder(BatchBuilder):
    """The items of a run that was held: they were split already, and know their times."""

    def add(self, group: list[Entry | Line]) -> Iterator[Batch]:
        """Take held items; yield the batches that are full."""
        for line in group:
            held = orjson.loads(line.raw)
            self.position += 1
            if "reason" in held:
                self._add_reject(held)
                if self._is_full:
                    yield from self._emit(self.position)
            else:
                yield from self._add_held(held)

    def _add_reject(self, held: dict[str, Any]) -> None:
        raw = held["raw"].encode()
        at = held["observed_at"] and datetime.fromisoformat(held["observed_at"])
        place, shape, context = held["place"], held["shape"], held["context"]
        self.rejects.append(
            Reject("", held["reason"], held["field"], place, raw, at, shape, context)
        )

    def _add_held(self, held: dict[str, Any]) -> Iterator[Batch]:
        at = datetime.fromisoformat(held["observed_at"])
        item = Item(held["shape"], held["payload"], held["context"], held["is_counted"], at)
        yield from self.add_item(item, held["place"])


def _groups(entries: Iterator[Entry | Line]) -> Iterator[list[Entry | Line]]:
    """Yield documents together, so that they can be looked up together.

    Those that are parsed cannot be looked up, and may be large: each is yielded alone.
    """
    group: list[Entry | Line] = []
    size = 0
    try:
        for entry in entries:
            group.append(entry)
            size += len(entry.raw)
            is_parsed = isinstance(entry, Entry)
            del entry
            if is_parsed or len(group) >= settings.INGEST_BATCH_SIZE or size >= _MAX_BATCH_BYTES:
                yield group
                group, size = [], 0
    except SourceError:
        # Those before the place where a source is cut off.
        if group:
            yield group
        raise
    if group:
        yield group


def read_source(path: str, table: Table | None = None) -> Iterator[Entry]:
    """Yield what a source holds: documents of its platform, or rows of a table."""
    read = table.read if table else documents.read
    return read(path, settings.INGEST_MAX_RECORD)


def to_bytes(payload: Any) -> bytes:
    """Return a payload as JSON, or as close to it as it can be written."""
    try:
        return serialize(payload)
    except (TypeError, ValueError, RecursionError):
        return repr(payload)[:100_000].encode("utf-8", "replace")
