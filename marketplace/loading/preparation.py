"""What of a batch needs no transaction: recognize, parse, bring together, encode.

It may happen in another process than the one that writes, while that one waits for the database.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from marketplace.exceptions import PayloadError
from marketplace.loading import merge, recognition, staging
from marketplace.loading.adapters import Adapter, Item, Parsed, Payload
from marketplace.loading.measures import Measures, observe
from marketplace.loading.patience import patiently
from marketplace.loading.recognition import Known
from marketplace.loading.snapshots import Snapshot
from marketplace.loading.targets import Plan, Target

#: Levels of a payload down to which the field is looked for that cannot be stored.
_MAX_DEPTH = 20

#: Characters of the longest id that the tables take.
MAX_ID = 255


class Entrant(NamedTuple):
    """An item on its way into the database, as it can be handed to another process.

    :param raw: its payload as JSON, equal for equal payloads
    :param content_hash: by which it is recognized; 32 hexadecimal digits, or empty
    :param document_hash: that of its document, if that tells its time and holds nothing else
    """

    shape: str
    raw: bytes
    context: Payload
    is_counted: bool
    observed_at: datetime
    place: str
    content_hash: str
    document_hash: str | None = None

    def item(self, payload: Payload | None = None) -> Item:
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
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def find_unstorable(payload: Any) -> str:
    """Return the field of a payload that JSON cannot hold, as adapters name fields; empty if none.

    Where it is nested too deeply, a field on the way down.
    """
    field, value = "", payload
    for _ in range(_MAX_DEPTH):
        inside = value.items() if isinstance(value, dict) else ()
        parts = [(f"{field}.{key}", each) for key, each in inside]
        parts += [(f"{field}[]", each) for each in value] if isinstance(value, list) else []
        found = next((part for part in parts if not _is_storable(part[1])), None)
        if found is None:
            break
        field, value = found
    return field.removeprefix(".")


def _is_storable(value: Any) -> bool:
    try:
        serialize(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


class Candidate(NamedTuple):
    """An entrant with its payload, which the process that read it has at hand."""

    entrant: Entrant
    payload: Payload


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


class Touch(NamedTuple):
    """An item that says what its thing's newest observation said, at a later time.

    :param entrant: its position among the batch's entrants
    """

    entrant: int
    content_hash: str
    observed_at: datetime


@dataclass
class Prepared:
    """A batch, ready to be written.

    :param position: how many documents of the source are done with it
    :param skipped: counted items that were loaded before and say nothing
    :param staged: lines of COPY text for each target of the plan
    :param points: lines of COPY text of further observations
    :param moments: all times of observation
    :param payloads: external_id and content hash of what was parsed → the position of its entrant
    :param packed: position of an entrant → its payload as it is kept, if it is packed already
    :param counted: positions of the entrants that count as records
    """

    position: int = 0
    skipped: int = 0
    entrants: list[Entrant] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    staged: list[bytes] = field(default_factory=list)
    points: bytes = b""
    moments: set[datetime] = field(default_factory=set)
    payloads: dict[tuple[str, str], int] = field(default_factory=dict)
    packed: dict[int, bytes] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)
    snapshot: Snapshot = field(default_factory=Snapshot)

    @property
    def read(self) -> int:
        """How many records the batch is, by the counts of a run."""
        return self.skipped + len(self.counted) + len(self.rejects)


class _Row:
    """A record together with the oldest and newest time at which it was observed.

    :param item: the position of the item that is about it; None if others only refer to it
    """

    __slots__ = ("content_hash", "first", "item", "last", "record")

    def __init__(self, record: Any, at: datetime, item: int | None, content_hash: bytes | None):
        self.record = record
        self.first = self.last = at
        self.item = item
        self.content_hash = content_hash

    def add(
        self,
        record: Any,
        at: datetime,
        item: int | None,
        content_hash: bytes | None,
        replaced: frozenset[int],
    ) -> None:
        """Bring in the same row as told by another item; at the same time, the later one counts.

        :param replaced: positions in which the one that counts does so even if it says nothing
        """
        if at >= self.last:
            newer, older = record, self.record
            if content_hash and self.content_hash and content_hash != self.content_hash:
                # What two items told together, neither of them tells alone.
                content_hash = _TOLD_BY_OTHERS
            self.content_hash = content_hash or self.content_hash
        else:
            newer, older = self.record, record
        if newer != older:
            values = [
                old if new is None and position not in replaced else new
                for position, (new, old) in enumerate(zip(newer, older, strict=True))
            ]
            self.record = type(record)(*values)
        if item is not None:
            self.item = item
        self.first, self.last = min(self.first, at), max(self.last, at)


#: What a row's hash becomes if something else than its own item tells of it: no item's.
_TOLD_BY_OTHERS = b"\0"


class Preparer:
    """Prepare the batches of one run.

    :param is_recognizing: whether what was seen before is looked for, and left out
    :param is_snapshot: whether what is told is the whole of something
    """

    def __init__(
        self,
        alias: str,
        adapter: Adapter,
        plan: Plan,
        *,
        is_recognizing: bool = True,
        is_snapshot: bool = False,
    ) -> None:
        self.alias = alias
        self.adapter = adapter
        self.plan = plan
        self.is_recognizing = is_recognizing and not is_snapshot
        self.is_snapshot = is_snapshot
        self._targets = {target.record: target for target in plan.targets}
        self._timed = {shape.name for shape in adapter.shapes if shape.is_timed}

    def prepare(self, candidates: list[Candidate], rejects: list[Reject]) -> Iterator[Prepared]:
        """Yield the batches of some items: one, unless a thing is in them at different times.

        Two states of a thing at different times are two batches, so that both leave a trace.
        """
        known = self._recognize(candidates)
        parsed = self._parse(candidates, known, rejects)
        start, times = 0, dict[str, datetime]()
        for position, (candidate, told) in enumerate(zip(candidates, parsed, strict=True)):
            if told is None:
                continue
            external_id, observed_at = told.external_id, candidate.entrant.observed_at
            if times.setdefault(external_id, observed_at) != observed_at:
                yield self._batch(candidates[start:position], parsed[start:position], [])
                start, times = position, {external_id: observed_at}
        yield self._batch(candidates[start:], parsed[start:], rejects)

    def parse(
        self, candidates: list[Candidate], rejects: list[Reject]
    ) -> list[tuple[Entrant, Parsed]]:
        """Return what can be parsed, with what it says; the rest is added to the rejects."""
        parsed = self._parse(candidates, {}, rejects)
        pairs = zip(candidates, parsed, strict=True)
        return [(candidate.entrant, found) for candidate, found in pairs if found is not None]

    def fold(self, versions: list[tuple[Entrant, Parsed]]) -> Prepared:
        """Return one batch of all versions of some things, told in the order given.

        It counts each thing once, keeps no payload and remembers no hash.
        """
        batch, told = Prepared(), [parsed for _, parsed in versions]
        batch.entrants = [entrant for entrant, _ in versions]
        last = {found.external_id: position for position, found in enumerate(told)}
        batch.counted = sorted(last.values())
        self._encode_rows(batch, told)
        return batch

    def _recognize(self, candidates: list[Candidate]) -> dict[int, Known]:
        if not self.is_recognizing:
            return {}
        hashes = [candidate.entrant.content_hash for candidate in candidates]
        found = patiently(
            self.alias,
            lambda: recognition.known_contents(
                self.alias, self.adapter.platform, self.plan, hashes
            ),
        )
        # What comes late goes where it belongs in the history: that needs its content.
        return {
            position: known
            for position, known in found.items()
            if candidates[position].entrant.observed_at >= known.last_seen_at
            and candidates[position].entrant.shape not in self._timed
        }

    def _parse(
        self, candidates: list[Candidate], known: dict[int, Known], rejects: list[Reject]
    ) -> list[Parsed | None]:
        """Return what each item says: nothing but its id if it is known, None if it is rejected."""
        parsed: list[Parsed | None] = [None] * len(candidates)
        for position in range(len(candidates)):
            if position not in known:
                parsed[position] = self._parse_one(candidates, position, rejects)
        # A thing that other items of the batch tell of, too, may be another one after them.
        told = Counter(found.external_id for found in parsed if found is not None)
        for position, (external_id, last_seen_at) in known.items():
            if external_id in told:
                parsed[position] = self._parse_one(candidates, position, rejects)
            else:
                parsed[position] = Parsed(external_id, [], last_seen_at)
        return parsed

    def _parse_one(
        self, candidates: list[Candidate], position: int, rejects: list[Reject]
    ) -> Parsed | None:
        entrant, payload = candidates[position]
        try:
            parsed = self.adapter.parse(entrant.item(payload))
            if len(parsed.external_id) > MAX_ID:
                raise PayloadError(f"is longer than {MAX_ID} characters", "external_id")
        except PayloadError as error:
            rejects.append(reject(entrant, error.reason, error.field))
            return None
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            rejects.append(reject(entrant, f"cannot be stored: {error}"))
            return None
        if parsed.observed_at is not None and parsed.observed_at != entrant.observed_at:
            entrant = entrant._replace(observed_at=parsed.observed_at)
            candidates[position] = Candidate(entrant, payload)
        return parsed._replace(observed_at=None) if parsed.observed_at else parsed

    def _batch(
        self, candidates: list[Candidate], parsed: list[Parsed | None], rejects: list[Reject]
    ) -> Prepared:
        batch = Prepared(rejects=rejects)
        told: list[Parsed] = []
        for (entrant, _), found in zip(candidates, parsed, strict=True):
            if found is None:
                continue
            if found.observed_at == entrant.observed_at:
                batch.skipped += entrant.is_counted
                continue
            if found.observed_at is not None:
                batch.touches.append(Touch(len(told), entrant.content_hash, entrant.observed_at))
            if entrant.is_counted:
                batch.counted.append(len(told))
            batch.entrants.append(entrant)
            batch.moments.add(entrant.observed_at)
            told.append(found)
        self._encode(batch, told)
        batch.measures = self._measure(batch, told)
        if self.is_snapshot:
            batch.snapshot.observe(self.plan, batch.entrants, told)
        return batch

    def _measure(self, batch: Prepared, told: list[Parsed]) -> Measures:
        measures = observe(self.plan, zip(batch.entrants, told, strict=True))
        measures.recognized += batch.skipped
        for each in batch.rejects:
            measures.refuse(each.reason)
        return measures

    def _encode(self, batch: Prepared, told: list[Parsed]) -> None:
        self._encode_rows(batch, told)
        for position, (entrant, parsed) in enumerate(zip(batch.entrants, told, strict=True)):
            if parsed.observed_at is None:
                batch.payloads[parsed.external_id, entrant.content_hash] = position

    def _encode_rows(self, batch: Prepared, told: list[Parsed]) -> None:
        rows, observations = self._collate(batch.entrants, told)
        for target in self.plan.targets:
            lines = [
                staging.encode(_values(target, external_id, row))
                for external_id, row in rows[target.record].items()
            ]
            batch.staged.append("".join(lines).encode())
        kind = self.plan.observations
        if kind and observations:
            found = ([getattr(each, name) for name in kind.columns] for each in observations)
            batch.points = "".join(map(staging.encode, found)).encode()
            batch.moments |= {getattr(each, kind.time) for each in observations}

    def _collate(
        self, entrants: list[Entrant], told: list[Parsed]
    ) -> tuple[dict[type[Any], dict[str, _Row]], list[Any]]:
        """Bring together what the items of a batch say about the same rows."""
        rows: dict[type[Any], dict[str, _Row]] = {each.record: {} for each in self.plan.targets}
        kind = self.plan.observations
        observations: dict[tuple[Any, ...], Any] = {}
        for position, (entrant, parsed) in enumerate(zip(entrants, told, strict=True)):
            for record in parsed.records:
                target = self._targets.get(type(record))
                if target is not None:
                    self._add(rows, target, record, position, entrant, parsed)
                elif kind is not None and type(record) is kind.record:
                    observations[tuple(getattr(record, name) for name in kind.key)] = record
        return rows, list(observations.values())

    def _add(
        self,
        rows: dict[type[Any], dict[str, _Row]],
        target: Target,
        record: Any,
        position: int,
        entrant: Entrant,
        parsed: Parsed,
    ) -> None:
        at = entrant.observed_at
        is_own = record.external_id == parsed.external_id
        item = position if is_own or not target.shared else None
        content_hash = None
        if target.is_anchor and entrant.content_hash:
            content_hash = bytes.fromhex(entrant.content_hash) if is_own else _TOLD_BY_OTHERS
        known = rows[target.record]
        row = known.get(record.external_id)
        if row is None:
            known[record.external_id] = _Row(record, at, item, content_hash)
        else:
            row.add(record, at, item, content_hash, target.replaced_positions)
        for name, reference in target.references.items():
            # A row that is known by its id only can be filled in later.
            external_id = getattr(record, name)
            if external_id is not None and external_id not in rows[reference.record]:
                rows[reference.record][external_id] = _Row(
                    reference.record(external_id), at, None, None
                )


def reject(entrant: Entrant, reason: str, field: str = "", external_id: str = "") -> Reject:
    """Return what puts an item into quarantine."""
    return Reject(
        external_id,
        reason,
        field,
        entrant.place,
        entrant.raw,
        entrant.observed_at,
        entrant.shape,
        entrant.context,
    )


def _values(target: Target, external_id: str, row: _Row) -> Iterable[Any]:
    """Return what is staged of a row, in the order of `merge.stage_columns`."""
    record, last = row.record, row.last
    own = [record[position] for position in target.own_positions]
    derived = [derive(record, last) for derive in target.derived.values()]
    references = [record[position] for position in target.reference_positions]
    tail = [row.content_hash] if target.is_anchor else []
    return [external_id, *own, *derived, *references, row.first, last, row.item, *tail]


def stage_columns(target: Target) -> list[str]:
    """Return the names of the columns that are staged of a target."""
    return [name for name, _ in merge.stage_columns(target)]
