"""Items and batches on their way into the database, as one process hands them to another."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from marketplace.loading.adapters import Item, Parsed, Payload
from marketplace.loading.formats import json_text
from marketplace.loading.full_listings import FullListing
from marketplace.loading.gates.quality_metrics import QualityMetrics


class BatchItem(NamedTuple):
    """An item of a batch.

    :param raw: its payload as JSON; equal payloads have equal bytes
    :param content_hash: identifies its shape, payload and context; 32 hexadecimal digits, or empty
    :param document_hash: the hash of its document, if the document has its own time and no other
        item
    :param fallback: the time to use if the document's own time turns out to be stale; None if the
        document has no time of its own
    """

    shape: str
    raw: bytes
    context: Payload
    is_counted: bool
    observed_at: datetime
    place: str
    content_hash: str
    document_hash: str | None = None
    fallback: datetime | None = None

    def to_item(self, payload: Payload | None = None) -> Item:
        """Return the item for the adapter.

        :param payload: its payload, if the caller has parsed it already
        """
        if payload is None:
            payload = orjson.loads(self.raw)
        return Item(self.shape, payload, self.context, self.is_counted)


class ParsedItem(NamedTuple):
    """An item of a batch, with its payload or its parsed content.

    :param payload: its payload; None if it was parsed already
    :param parsed: its records, or the error that parsing raised; None if it is not parsed yet
    """

    item: BatchItem
    payload: Payload | None
    parsed: Parsed | Exception | None = None


class Reject(NamedTuple):
    """A record that cannot be loaded and goes to quarantine.

    :param external_id: empty if it is not known
    :param payload: the input, as bytes
    :param shape: the shape of the item; empty if the document could not be split into items
    """

    external_id: str
    reason: str
    field: str
    place: str
    payload: bytes
    observed_at: datetime | None = None
    shape: str = ""
    context: Payload | None = None


def reject(item: BatchItem, reason: str, field: str = "", external_id: str = "") -> Reject:
    """Return the reject of an item."""
    return Reject(
        external_id,
        reason,
        field,
        item.place,
        item.raw,
        item.observed_at,
        item.shape,
        item.context,
    )


class Position(NamedTuple):
    """A position in a source, between two records.

    :param documents: number of documents before it
    :param records: number of records before it in the document that it is in
    """

    documents: int = 0
    records: int = 0


class Outcome(NamedTuple):
    """Numbers of items that a batch created, updated or left unchanged, and of its price points."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    price_points: int = 0
    warnings: tuple[str, ...] = ()


class Counts(NamedTuple):
    """Numbers of records that were read, and of those that were rejected."""

    read: int = 0
    rejected: int = 0


class SeenAgain(NamedTuple):
    """An unchanged item, observed again at a later time.

    :param position: its index in the batch's items
    """

    position: int
    content_hash: str
    observed_at: datetime


@dataclass
class Batch:
    """A batch, ready to be written.

    :param position: the position in the source after the batch; None if the batch is not the last
        one of its group, or its items do not come from the source
    :param is_partial: whether further batches of its group follow: the items of a group are read
        again unless all of its batches are committed
    :param skipped: counted items that were loaded before and change nothing
    :param rows: the rows of each target of the plan, as lines of COPY text
    :param points: further observations, as lines of COPY text
    :param observed_times: all times of observation
    :param payloads: external id and content hash of a parsed item → its index in `items`
    :param packed: index of an item → its payload in the stored form, if it is packed already
    :param counted: indexes of the items that are counted as records
    :param warnings: distinct texts, in their order
    :param stale_times: stale times of documents that no earlier batch of the source has
    """

    position: Position | None = None
    is_partial: bool = False
    skipped: int = 0
    items: list[BatchItem] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    seen_again: list[SeenAgain] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    points: bytes = b""
    observed_times: set[datetime] = field(default_factory=set)
    payloads: dict[tuple[str, str], int] = field(default_factory=dict)
    packed: dict[int, bytes] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    metrics: QualityMetrics = field(default_factory=QualityMetrics)
    full_listing: FullListing = field(default_factory=FullListing)
    warnings: dict[str, None] = field(default_factory=dict)
    stale_times: set[datetime] = field(default_factory=set)

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to merge."""
        return any(self.rows)

    @property
    def read(self) -> int:
        """The number of records in the batch, as a run counts them."""
        return self.skipped + len(self.counted) + len(self.rejects)

    @property
    def size(self) -> int:
        """The size of the payloads, in bytes."""
        size = sum(len(item.raw) for item in self.items)
        return size + sum(len(reject.payload) for reject in self.rejects)

    def observations(self) -> list[tuple[str, str, str, datetime]]:
        """Return external id, content hash, shape and time of each parsed item."""
        parsed = ((key, self.items[position]) for key, position in self.payloads.items())
        return [(*key, item.shape, item.observed_at) for key, item in parsed]


#: How many levels deep to search a payload for the field that cannot be stored.
_MAX_DEPTH = 20

#: The errors that `serialize` raises for values that JSON cannot hold.
UNSTORABLE = (TypeError, ValueError, RecursionError)


def serialize(value: Any) -> bytes:
    """Return a value as JSON. Equal values with keys in the same order have equal bytes.

    The keys are not sorted, as that would cost more than all the rest. If a platform changes their
    order at each visit, its payloads are merely parsed again.

    :raises TypeError, ValueError, RecursionError: if JSON cannot hold it
    """
    return json_text.dumps(value, orjson.OPT_NON_STR_KEYS)


def to_bytes(payload: Any) -> bytes:
    """Return a payload as JSON, or its `repr` if JSON cannot hold it."""
    try:
        return serialize(payload)
    except UNSTORABLE:
        return repr(payload)[:100_000].encode("utf-8", "replace")


def as_stored(item: Item) -> tuple[Item, bytes, bytes]:
    """Return an item as a replay will read it, its payload as JSON, and its context as JSON.

    The keys of the context are sorted; the bytes are empty if there is no context. Whole numbers
    beyond 64 bits are stored as text, so they are text in the returned item, too.

    :raises TypeError, ValueError, RecursionError: if JSON cannot hold it
    """
    payload, raw = json_text.storable(item.payload, orjson.OPT_NON_STR_KEYS)
    context, raw_context = item.context, b""
    if context:
        context, raw_context = json_text.storable(context, orjson.OPT_SORT_KEYS)
    if payload is not item.payload or context is not item.context:
        item = item._replace(payload=payload, context=context)
    return item, raw, raw_context


def find_unstorable(payload: Any) -> str:
    """Return the field of a payload that JSON cannot hold, as adapters name fields; empty if none.

    If the payload is nested too deeply, this is a field on the way down.
    """
    field, value = "", payload
    for _ in range(_MAX_DEPTH):
        parts = _parts(field, value)
        faulty = next((part for part in parts if not _is_storable(part[1])), None)
        if faulty is None:
            break
        field, value = faulty
    return field.removeprefix(".")


def find_longest(payload: Any) -> str:
    """Return the field of a payload's longest text, as adapters name fields; empty if none."""
    field, length, remaining = "", 0, [("", payload)]
    while remaining:
        name, value = remaining.pop()
        if isinstance(value, str) and len(value) > length:
            field, length = name, len(value)
        remaining += _parts(name, value)
    return field.removeprefix(".")


def _parts(field: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{field}.{key}", part) for key, part in value.items()]
    return [(f"{field}[]", part) for part in value] if isinstance(value, list) else []


def _is_storable(value: Any) -> bool:
    try:
        serialize(value)
    except UNSTORABLE:
        return False
    return True
