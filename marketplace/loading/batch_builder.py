"""Build batches of bounded size from the documents of a source."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from marketplace.exceptions import PayloadError
from marketplace.loading import deduplication
from marketplace.loading.adapters import UNREADABLE_TIME, Item, Source, expect_object
from marketplace.loading.document_times import Clock
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry, Line
from marketplace.loading.formats.encodings import drain
from marketplace.loading.items import (
    UNSTORABLE,
    Batch,
    BatchItem,
    ParsedItem,
    Position,
    Reject,
    as_stored,
    find_unstorable,
    to_bytes,
)
from marketplace.loading.mapped import suggestions

if TYPE_CHECKING:
    from marketplace.loading.deduplication import Hasher
    from marketplace.loading.preparation import Preparer
    from marketplace.loading.sources import SourceState

#: The largest size of a batch's payloads, in bytes: a thousand large payloads could fill the
#: memory.
MAX_BATCH_BYTES = 10_000_000

#: After this many documents that were loaded before, a batch is yielded to store the checkpoint.
_MAX_SKIPPED = 20_000


class BatchBuilder:
    """Collect the items of a source, and yield them as batches."""

    def __init__(self, preparer: "Preparer", hasher: "Hasher", state: "SourceState") -> None:
        self.preparer = preparer
        self.adapter = preparer.adapter
        self.hasher = hasher
        self.state = state
        self.job = state.job
        # A released record names the full path of its file.
        self.source = Source(Path(state.name).name, self.job.options, self.warn)
        self.clock = preparer.clock = Clock(state)
        #: The number of documents that were added, and of records of the current document.
        self.documents, self.records = state.position.documents, 0
        #: How many records of the current document are loaded already.
        self.loaded_records = state.position.records
        self.parsed_items: list[ParsedItem] = []
        self.rejects: list[Reject] = []
        self.skipped = self.size = 0
        #: Distinct texts, in their order.
        self.warnings: dict[str, None] = {}
        #: The kinds of warnings that were issued, or are not to be issued.
        self.kinds = {UNREADABLE_TIME} if self.job.overriding_time else set[str]()

    def add(self, group: list[Entry | Line]) -> Iterator[Batch]:
        """Add documents; yield the batches that are full."""
        # With an overriding time, a document that was loaded before is a new observation.
        is_hashed = self.job.overriding_time is None
        hashes = [
            self.hasher.document(document.raw) if isinstance(document, Line) and is_hashed else None
            for document in group
        ]
        loaded = self._find_loaded(hashes)
        for index, document in enumerate(group):
            if index in loaded:
                self.skipped += 1
            else:
                yield from self._add_document(document, hashes[index])
            self._end_document()
            if self._is_full:
                yield from self._emit()
        if self.skipped >= _MAX_SKIPPED:
            yield from self.flush()

    def warn(self, text: str, kind: str = "") -> None:
        """Add a warning about the source. Each text, and each kind, is kept once."""
        if kind not in self.kinds:
            self.warnings[text] = None
        if kind:
            self.kinds.add(kind)

    def _find_loaded(self, hashes: list[str | None]) -> set[int]:
        """Return the indexes of the documents that were loaded before."""
        if self.job.full_listing:
            # Every item counts, as the items that are not listed will be marked missing.
            return set()
        indexes = [index for index, value in enumerate(hashes) if value is not None]
        wanted = [value for value in hashes if value is not None]
        loaded = deduplication.find_loaded_documents(self.job.alias, wanted) if wanted else ()
        return {indexes[position] for position in loaded}

    def add_item(self, item: Item, place: str) -> Iterator[Batch]:
        """Add an item that was split off its document before; yield the batch if it is full."""
        self._add_item(item, place, None, 0)
        if self._is_full:
            yield from self._emit()

    def _add_document(self, document: Entry | Line, document_hash: str | None) -> Iterator[Batch]:
        if isinstance(document, Line):
            entries = list(documents.elements(document))
            is_alone = len(entries) == 1
        else:
            entries, is_alone = [document], False
        for entry in entries:
            if entry.warning:
                self.warn(entry.warning)
                continue
            if entry.fault:
                if self._is_next():
                    self._reject(PayloadError(entry.fault), entry.place, entry.raw)
                continue
            yield from self._add_entry(entry, document_hash if is_alone else None)

    def _add_entry(self, entry: Entry, document_hash: str | None) -> Iterator[Batch]:
        try:
            items = iter(self.adapter.split(entry.document, self.source))
            for index, item in enumerate(items):
                # Checked first, because a document is complete only after its last item.
                if self._is_full:
                    self._forget_document(document_hash)
                    yield from self._emit()
                if not self._is_next():
                    continue
                at, fallback = self._time(item)
                if at != item.observed_at:
                    item = item._replace(observed_at=at)
                self._add_item(item, entry.place, document_hash, index, fallback)
        except PayloadError as error:
            if not self._is_next():
                return
            state = self.state
            suggestions.check_row(self.adapter, entry.document, state.name, state.path)
            self._reject(error, entry.place, to_bytes(entry.document))

    def _is_next(self) -> bool:
        """Count a record of the document; return whether it is still to be loaded."""
        self.records += 1
        return self.records > self.loaded_records

    def _end_document(self) -> None:
        self.documents += 1
        self.records = self.loaded_records = 0

    def _time(self, item: Item) -> tuple[datetime | None, datetime | None]:
        """Return the time in an item's document, if it counts, and its fallback."""
        stated = item.observed_at and self.clock.accept(item.observed_at)
        return stated, self.state.observed_at if stated else None

    def _add_item(
        self,
        item: Item,
        place: str,
        document_hash: str | None,
        index: int,
        fallback: datetime | None = None,
    ) -> None:
        try:
            if type(item.payload) is not dict:
                expect_object(item.payload)
            item, raw, raw_context = as_stored(item)
            content_hash = self.hasher.content(item.shape, raw, raw_context)
        except PayloadError as error:
            self._reject(error, place, to_bytes(item.payload))
            return
        except UNSTORABLE as error:
            field = find_unstorable(item.payload) or find_unstorable(item.context)
            fault = PayloadError(f"cannot be stored: {error}", field)
            self._reject(fault, place, to_bytes(item.payload))
            return
        if index:
            # The document has several items, so its hash cannot be stored with the first one.
            self._forget_document(document_hash)
            document_hash = None
        batch_item = BatchItem(
            item.shape,
            raw,
            item.context,
            item.is_counted,
            item.observed_at or self.state.observed_at,
            place,
            content_hash,
            document_hash if item.observed_at and item.is_counted else None,
            fallback,
        )
        parsed = self.preparer.parse_item(item) if self.preparer.is_eager else None
        payload = None if parsed else item.payload
        self.parsed_items.append(ParsedItem(batch_item, payload, parsed))
        self.size += len(raw)

    def _forget_document(self, document_hash: str | None) -> None:
        """Remove a document's hash from its items."""
        if document_hash is None:
            return
        for position in range(len(self.parsed_items) - 1, -1, -1):
            parsed_item = self.parsed_items[position]
            if parsed_item.item.document_hash != document_hash:
                break
            item = parsed_item.item._replace(document_hash=None)
            self.parsed_items[position] = parsed_item._replace(item=item)

    def _reject(self, error: PayloadError, place: str, raw: bytes) -> None:
        """Add a reject whose external id is not known."""
        at = self.state.observed_at
        self.rejects.append(Reject("", error.reason, error.field, place, raw, at))
        self.size += len(raw)

    @property
    def _is_full(self) -> bool:
        count = len(self.parsed_items) + len(self.rejects)
        return count >= settings.INGEST_BATCH_SIZE or self.size >= MAX_BATCH_BYTES

    def _emit(self) -> Iterator[Batch]:
        """Yield the collected items as a group of batches; the last of them has the position."""
        parsed_items, rejects, skipped = self.parsed_items, self.rejects, self.skipped
        warnings, self.warnings = self.warnings, {}
        self.parsed_items, self.rejects, self.skipped, self.size = [], [], 0, 0
        batches = list(self.preparer.prepare(parsed_items, rejects))
        batches[-1].position = Position(self.documents, self.records)
        batches[-1].skipped += skipped
        batches[-1].warnings |= warnings
        # Release the memory of the yielded batch.
        del parsed_items, rejects
        yield from drain(batches)

    def flush(self) -> Iterator[Batch]:
        """Yield the items that remain."""
        if self.parsed_items or self.rejects or self.skipped or self.warnings:
            yield from self._emit()


class HeldBatchBuilder(BatchBuilder):
    """Build the batches of a held run, whose items were split and have their times already."""

    def add(self, group: list[Entry | Line]) -> Iterator[Batch]:
        """Add held items; yield the batches that are full."""
        for line in group:
            held = orjson.loads(line.raw)
            self._end_document()
            if "reason" in held:
                self._add_reject(held)
                if self._is_full:
                    yield from self._emit()
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
