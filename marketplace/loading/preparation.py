"""What of a batch needs no transaction: recognize, parse, bring together, encode.

It may happen in another process than the one that writes, while that one waits for the database.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from marketplace.exceptions import PayloadError
from marketplace.loading import deduplication, staging
from marketplace.loading.adapters import Adapter, Item, Parsed, Payload
from marketplace.loading.deduplication import ExistingVersion
from marketplace.loading.document_times import Clock
from marketplace.loading.formats import json_text
from marketplace.loading.full_listings import FullListing
from marketplace.loading.quality_metrics import Measures, observe
from marketplace.loading.record_types import check_columns, check_types
from marketplace.loading.retry import retry_on_disconnect
from marketplace.loading.rows import Rows, collate, encode
from marketplace.loading.targets import Plan

#: Levels of a payload down to which the field is looked for that cannot be stored.
_MAX_DEPTH = 20

#: The share of recognized items below which it pays to parse the next ones before one knows: that
#: an item is still in the processor's caches saves a third of its parsing.
_EAGER = 0.25

#: What an adapter or a conversion may raise for a damaged item.
_FAULTS = (PayloadError, TypeError, ValueError, ArithmeticError, RecursionError)

#: Characters of the longest id that the tables take.
MAX_ID = 255


class BatchItem(NamedTuple):
    """An item on its way into the database, as it can be handed to another process.

    :param raw: its payload as JSON, equal for equal payloads
    :param content_hash: by which it is recognized; 32 hexadecimal digits, or empty
    :param document_hash: that of its document, if that tells its time and holds nothing else
    :param fallback: its time, if the one in its document turns out to belong to other content, too;
        None if its document states no time
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
        """Return the item.

        :param payload: its payload, if it is at hand already
        """
        found = orjson.loads(self.raw) if payload is None else payload
        return Item(self.shape, found, self.context, self.is_counted)


def serialize(value: Any) -> bytes:
    """Return JSON that is equal for values that are equal and in the same order.

    Sorting the keys would cost more than all the rest of it; a platform that orders them anew at
    each visit has its payloads parsed again, which harms nothing.
    """
    return json_text.dumps(value, orjson.OPT_NON_STR_KEYS)


def as_stored(item: Item) -> tuple[Item, bytes, bytes]:
    """Return an item as a replay will read it, its payload as `serialize` does, and its context.

    The context is JSON with sorted keys; nothing if there is none.
    Whole numbers beyond 64 bits are text in what is stored, so they are text from the beginning.

    :raises TypeError: if JSON cannot hold it
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

    Where it is nested too deeply, a field on the way down.
    """
    field, value = "", payload
    for _ in range(_MAX_DEPTH):
        parts = _parts(field, value)
        found = next((part for part in parts if not _is_storable(part[1])), None)
        if found is None:
            break
        field, value = found
    return field.removeprefix(".")


def find_longest(payload: Any) -> str:
    """Return the field of a payload's longest text, as adapters name fields; empty if none."""
    field, length, left = "", 0, [("", payload)]
    while left:
        name, value = left.pop()
        if isinstance(value, str) and len(value) > length:
            field, length = name, len(value)
        left += _parts(name, value)
    return field.removeprefix(".")


def parse_item(adapter: Adapter, item: Item) -> Parsed | Exception:
    """Return what an item says, or why it cannot be parsed."""
    try:
        parsed = adapter.parse(item)
        if len(parsed.external_id) > MAX_ID:
            raise PayloadError(f"is longer than {MAX_ID} characters", "external_id")
    except _FAULTS as error:
        return error
    return parsed


def _parts(field: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{field}.{key}", each) for key, each in value.items()]
    return [(f"{field}[]", each) for each in value] if isinstance(value, list) else []


def _is_storable(value: Any) -> bool:
    try:
        serialize(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


class ParsedItem(NamedTuple):
    """An item of a batch, with its payload or what was parsed from it.

    :param payload: its payload; None if it was parsed already
    :param parsed: its records, or the error that parsing raised; None if it is not parsed yet
    """

    item: BatchItem
    payload: Payload | None
    parsed: Parsed | Exception | None = None


class Reject(NamedTuple):
    """A record that cannot be loaded.

    :param payload: what was read, as bytes
    :param shape: the form of the item, if it came so far
    """

    external_id: str
    reason: str
    field: str
    place: str
    payload: bytes
    observed_at: datetime | None = None
    shape: str = ""
    context: Payload | None = None


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

    :param position: how many documents of the source are done with it
    :param skipped: counted items that were loaded before and say nothing
    :param rows: those of each target of the plan
    :param is_new: whether nothing is known of its things; None if that is not known
    :param points: lines of COPY text of further observations
    :param moments: all times of observation
    :param payloads: external_id and content hash of what was parsed → the position of its item
    :param packed: position of an item → its payload as it is kept, if it is packed already
    :param counted: positions of the items that count as records
    """

    position: int = 0
    skipped: int = 0
    items: list[BatchItem] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    seen_again: list[SeenAgain] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    is_new: bool | None = None
    points: bytes = b""
    moments: set[datetime] = field(default_factory=set)
    payloads: dict[tuple[str, str], int] = field(default_factory=dict)
    packed: dict[int, bytes] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)
    full_listing: FullListing = field(default_factory=FullListing)
    #: Distinct texts, in their order.
    warnings: dict[str, None] = field(default_factory=dict)
    #: Times in the documents that do not count, as far as no earlier batch of the source has them.
    stale_times: set[datetime] = field(default_factory=set)

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to merge."""
        return any(rows.keys for rows in self.rows)

    @property
    def read(self) -> int:
        """How many records the batch is, by the counts of a run."""
        return self.skipped + len(self.counted) + len(self.rejects)

    @property
    def size(self) -> int:
        """Bytes of the payloads."""
        size = sum(len(each.raw) for each in self.items)
        return size + sum(len(each.payload) for each in self.rejects)

    def observations(self) -> list[tuple[str, str, str, datetime]]:
        """Return external id, content hash, shape and time of what was parsed."""
        told = ((key, self.items[position]) for key, position in self.payloads.items())
        return [(*key, item.shape, item.observed_at) for key, item in told]


class Preparer:
    """Prepare the batches of one run.

    :param is_recognizing: whether what was seen before is looked for, and left out
    :param is_full_listing: whether what is told is the whole of something
    """

    def __init__(
        self,
        alias: str,
        adapter: Adapter,
        plan: Plan,
        *,
        is_recognizing: bool = True,
        is_full_listing: bool = False,
    ) -> None:
        self.alias = alias
        self.adapter = adapter
        self.plan = plan
        self.is_recognizing = is_recognizing and not is_full_listing
        self.is_full_listing = is_full_listing
        #: Whether most of what comes is new, so that it is best parsed as soon as it is read.
        self.is_eager = False
        #: Decides what the times of payloads count; if None, those that items have stand.
        self.clock: Clock | None = None
        self._owned = {target.record for target in plan.targets if not target.shared}
        self._timed = {shape.name for shape in adapter.shapes if shape.is_timed}

    def prepare(self, parsed_items: list[ParsedItem], rejects: list[Reject]) -> Iterator[Batch]:
        """Yield the batches of some items: one, unless a thing is in them at different times.

        Two states of a thing at different times are two batches, so that both leave a trace; no
        less so if it is not the items' own, but an offer that two products tell of.
        """
        known = self._recognize(parsed_items)
        self.is_eager = len(known) < len(parsed_items) * _EAGER
        parsed = self._parse(parsed_items, known, rejects)
        if self.clock:
            self.clock.move(parsed_items, parsed)
        parsed_items, parsed = self._in_time(parsed_items, parsed)
        try:
            batches = self._batches(parsed_items, parsed, rejects)
        except TypeError:
            # A search for each would cost every load; so it is done where something failed.
            if not self._reject_wrong_types(parsed_items, parsed, rejects):
                raise
            batches = self._batches(parsed_items, parsed, rejects)
        if self.clock:
            batches[-1].warnings |= self.clock.take_warnings()
            batches[0].stale_times = self.clock.take_standing()
        yield from batches

    def _batches(
        self, parsed_items: list[ParsedItem], parsed: list[Parsed | None], rejects: list[Reject]
    ) -> list[Batch]:
        self.plan.settle(self.alias, self.adapter.platform, parsed)
        turns = [0, *self._turns(parsed_items, parsed), len(parsed_items)]
        parts = [slice(*ends) for ends in pairwise(turns)]
        batches = [self._batch(parsed_items[part], parsed[part], []) for part in parts[:-1]]
        return [*batches, self._batch(parsed_items[parts[-1]], parsed[parts[-1]], rejects)]

    def _reject_wrong_types(
        self, parsed_items: list[ParsedItem], parsed: list[Parsed | None], rejects: list[Reject]
    ) -> bool:
        """Reject the items with values of a wrong type; return whether there was any."""
        before = len(rejects)
        for position, found in enumerate(parsed):
            try:
                check_types(found.records if found else [], self.plan.record_types)
            except PayloadError as error:
                parsed[position] = None
                rejects.append(reject(parsed_items[position].item, error.reason, error.field))
        return len(rejects) > before

    def _in_time(
        self, parsed_items: list[ParsedItem], parsed: list[Parsed | None]
    ) -> tuple[list[ParsedItem], list[Parsed | None]]:
        """Return items in the order of their times; of one time, in the order in which they came.

        So that of those of one time the last counts, whatever other times come between them.
        """
        times = [parsed_item.item.observed_at for parsed_item in parsed_items]
        if len(set(times)) < 2:
            return parsed_items, parsed
        order = sorted(range(len(times)), key=times.__getitem__)
        return [parsed_items[each] for each in order], [parsed[each] for each in order]

    def _turns(
        self, parsed_items: list[ParsedItem], parsed: Sequence[Parsed | None]
    ) -> Iterator[int]:
        """Yield the positions at which a thing that came before is told of at another time."""
        if len({each.item.observed_at for each in parsed_items}) < 2:
            return
        times: dict[Any, datetime] = {}
        for position, (parsed_item, told) in enumerate(zip(parsed_items, parsed, strict=True)):
            if told is None:
                continue
            observed_at = parsed_item.item.observed_at
            things = [told.external_id, *self._own(told)]
            if any(times.setdefault(thing, observed_at) != observed_at for thing in things):
                yield position
                times = dict.fromkeys(things, observed_at)

    def _own(self, told: Parsed) -> list[tuple[type[Any], str]]:
        """Return the rows that an item tells of and does not merely refer to, such as offers."""
        kinds = ((type(record), record) for record in told.records)
        return [(kind, record.external_id) for kind, record in kinds if kind in self._owned]

    def parse(
        self, parsed_items: list[ParsedItem], rejects: list[Reject]
    ) -> list[tuple[BatchItem, Parsed]]:
        """Return what can be parsed, with what it says; the rest is added to the rejects."""
        parsed = self._parse(parsed_items, {}, rejects)
        self._reject_wrong_types(parsed_items, parsed, rejects)
        pairs = zip(parsed_items, parsed, strict=True)
        return [(parsed_item.item, found) for parsed_item, found in pairs if found is not None]

    def fold(self, versions: list[tuple[BatchItem, Parsed]]) -> Batch:
        """Return one batch of all versions of some things, told in the order given.

        It counts each thing once, keeps no payload and remembers no hash.
        """
        batch, told = Batch(), [parsed for _, parsed in versions]
        batch.items = [item for item, _ in versions]
        last = {found.external_id: position for position, found in enumerate(told)}
        batch.counted = sorted(last.values())
        self._encode_rows(batch, told)
        return batch

    def _recognize(self, parsed_items: list[ParsedItem]) -> dict[int, ExistingVersion]:
        if not self.is_recognizing:
            return {}
        hashes = [parsed_item.item.content_hash for parsed_item in parsed_items]
        found = retry_on_disconnect(
            self.alias,
            lambda: deduplication.known_contents(
                self.alias, self.adapter.platform, self.plan, hashes
            ),
        )
        # What comes late goes where it belongs in the history: that needs its content.
        return {
            position: known
            for position, known in found.items()
            if parsed_items[position].item.observed_at >= known.last_seen_at
            and parsed_items[position].item.shape not in self._timed
        }

    def _parse(
        self,
        parsed_items: list[ParsedItem],
        known: dict[int, ExistingVersion],
        rejects: list[Reject],
    ) -> list[Parsed | None]:
        """Return what each item says: nothing but its id if it is known, None if it is rejected."""
        parsed: list[Parsed | None] = [None] * len(parsed_items)
        for position in range(len(parsed_items)):
            if position not in known:
                parsed[position] = self._parse_one(parsed_items, position, rejects)
        # A thing that other items of the batch tell of, too, may be another one after them.
        told = Counter(found.external_id for found in parsed if found is not None)
        for position, (external_id, last_seen_at) in known.items():
            if external_id in told:
                parsed[position] = self._parse_one(parsed_items, position, rejects)
            else:
                parsed[position] = Parsed(external_id, [], last_seen_at)
        return parsed

    def parse_item(self, item: Item) -> Parsed | Exception:
        """Return what an item says, or why it cannot be parsed."""
        return parse_item(self.adapter, item)

    def _parse_one(
        self, parsed_items: list[ParsedItem], position: int, rejects: list[Reject]
    ) -> Parsed | None:
        item, payload, parsed = parsed_items[position]
        if parsed is None:
            parsed = self.parse_item(item.to_item(payload))
        if isinstance(parsed, PayloadError):
            rejects.append(reject(item, parsed.reason, parsed.field))
            return None
        if isinstance(parsed, Exception):
            rejects.append(reject(item, f"cannot be stored: {parsed}"))
            return None
        stated_at = parsed.observed_at
        if stated_at is not None and self.clock:
            stated_at = self.clock.judge(stated_at)
            if stated_at is not None and stated_at != item.observed_at:
                item = item._replace(observed_at=stated_at)
                parsed_items[position] = ParsedItem(item, payload)
        return parsed._replace(observed_at=None) if parsed.observed_at else parsed

    def _batch(
        self, parsed_items: list[ParsedItem], parsed: list[Parsed | None], rejects: list[Reject]
    ) -> Batch:
        batch = Batch(rejects=rejects)
        accepted: list[Parsed] = []
        for parsed_item, found in zip(parsed_items, parsed, strict=True):
            if found is None:
                continue
            item = parsed_item.item
            if found.observed_at == item.observed_at:
                batch.skipped += item.is_counted
                continue
            if found.observed_at is not None:
                batch.seen_again.append(
                    SeenAgain(len(accepted), item.content_hash, item.observed_at)
                )
            if found.warnings:
                batch.warnings |= dict.fromkeys(found.warnings)
            if item.is_counted:
                batch.counted.append(len(accepted))
            batch.items.append(item)
            batch.moments.add(item.observed_at)
            accepted.append(found)
        batch.measures = self._measure(batch, accepted)
        self._encode(batch, accepted)
        if self.is_full_listing:
            batch.full_listing.observe(self.plan, batch.items, accepted)
        return batch

    def _measure(self, batch: Batch, parsed: list[Parsed]) -> Measures:
        measures = observe(self.plan, zip(batch.items, parsed, strict=True))
        measures.recognized += batch.skipped
        for each in batch.rejects:
            measures.refuse(each.reason)
        measures.date({item.observed_at for item in batch.items})
        return measures

    def measure_news(self, batch: Batch, known: set[tuple[str, str]]) -> Measures:
        """Return the measures of a batch, in which items that were loaded before have no faults.

        :param known: external_id and content hash of the items that were loaded before
        """
        measured = []
        for item in batch.items:
            parsed = self.parse_item(item.to_item())
            if isinstance(parsed, Exception):
                raise parsed
            is_known = (parsed.external_id, item.content_hash) in known
            measured.append(Parsed(parsed.external_id, []) if is_known else parsed)
        return self._measure(batch, measured)

    def _encode(self, batch: Batch, parsed: list[Parsed]) -> None:
        self._encode_rows(batch, parsed)
        for position, (item, content) in enumerate(zip(batch.items, parsed, strict=True)):
            if content.observed_at is None:
                batch.payloads[content.external_id, item.content_hash] = position

    def _encode_rows(self, batch: Batch, parsed: list[Parsed]) -> None:
        found = collate(self.plan, zip(batch.items, parsed, strict=True))
        batch.rows = [encode(each, found.rows[each.record]) for each in self.plan.targets]
        kind, observations = self.plan.observations, found.observations
        if kind and observations:
            check_columns(kind.record, observations)
            columns = ([getattr(each, name) for name in kind.columns] for each in observations)
            batch.points = "".join(map(staging.encode, columns)).encode()
            batch.moments |= {getattr(each, kind.time) for each in observations}


def reject(item: BatchItem, reason: str, field: str = "", external_id: str = "") -> Reject:
    """Return what puts an item into quarantine."""
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
