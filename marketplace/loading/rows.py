"""The rows of a batch: records of the same row are combined, then encoded as COPY text.

Text is cheaper to send to another process than objects are.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from marketplace.loading import staging
from marketplace.loading.adapters import Parsed
from marketplace.loading.targets import Plan, Target

#: The content hash of a row to which other items contributed: it equals the hash of no item.
AMBIGUOUS_HASH = b"\0"


class ObservedItem(Protocol):
    """The part of `preparation.BatchItem` that rows depend on."""

    @property
    def observed_at(self) -> datetime:
        """The time of observation."""

    @property
    def content_hash(self) -> str:
        """The hash by which unchanged content is recognized; may be empty."""


class Row:
    """A record with its first and last time of observation.

    :param item: the position of the item that it belongs to; None if items only refer to it
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
        target: Target,
    ) -> None:
        """Merge another record of the same row. Of two with the same time, the later one wins."""
        if at >= self.last:
            newer, older = record, self.record
            if content_hash and self.content_hash and content_hash != self.content_hash:
                # The row combines two items, so neither of their hashes describes it.
                content_hash = AMBIGUOUS_HASH
            self.content_hash = content_hash or self.content_hash
        else:
            newer, older = self.record, record
        if newer is not older and newer != older:
            replaced = target.replaced_positions
            required = target.required_position
            if required is not None and newer[required] is None:
                replaced = frozenset()
            replaced |= _unknown_amounts(newer, older, target, is_together=at == self.last)
            values = [
                old if new is None and position not in replaced else new
                for position, (new, old) in enumerate(zip(newer, older, strict=True))
            ]
            self.record = type(record)(*values)
        if item is not None:
            self.item = item
        self.extend(at)

    def extend(self, at: datetime) -> None:
        """Extend the period of observation to include a time."""
        if at < self.first:
            self.first = at
        elif at > self.last:
            self.last = at


def _unknown_amounts(newer: Any, older: Any, target: Target, is_together: bool) -> frozenset[int]:
    """Return the positions of the stock amounts that must not be filled from the older record.

    :param is_together: whether both records have the same time of observation
    """
    return frozenset(
        amount
        for amount, available in target.amount_positions
        if newer[available] is not None
        and not (is_together and older[available] in (None, newer[available]))
    )


def collate(plan: Plan, items: Iterable[tuple[ObservedItem, Parsed]]) -> "CollatedRows":
    """Return the rows of a batch, with the records of all its items combined."""
    collated = CollatedRows(plan)
    for position, (item, parsed) in enumerate(items):
        collated.add(position, item, parsed)
    collated.reset_displaced_hashes()
    return collated


class CollatedRows:
    """The rows of a batch, combined from the records of its items.

    :ivar rows: record type → external_id → row
    """

    def __init__(self, plan: Plan) -> None:
        self.rows: dict[type[Any], dict[str, Row]] = {target.record: {} for target in plan.targets}
        self._targets = {target.record: target for target in plan.targets}
        self._observation_type = plan.observations
        self._observations: dict[tuple[Any, ...], Any] = {}
        #: Record type → its owners: position among the references, record type of the owner.
        self._owners = {
            target.record: [
                (position, reference.record)
                for position, reference in enumerate(target.references.values())
                if not self._targets[reference.record].shared
            ]
            for target in plan.targets
        }
        #: Record type and external id of the owners that lost a row to another owner.
        self._displaced: set[tuple[type[Any], str]] = set()

    @property
    def observations(self) -> list[Any]:
        """Further observations; of several with the same key, the last one."""
        return list(self._observations.values())

    def add(self, position: int, item: ObservedItem, parsed: Parsed) -> None:
        """Add the records of an item."""
        observation_type = self._observation_type
        for record in parsed.records:
            target = self._targets.get(type(record))
            if target is not None:
                self._add_record(target, record, position, item, parsed.external_id)
            elif observation_type is not None and type(record) is observation_type.record:
                key = tuple(getattr(record, name) for name in observation_type.key)
                self._observations[key] = record
            else:
                raise TypeError(f"{type(record).__name__} is not a record type of the database")

    def _add_record(
        self, target: Target, record: Any, position: int, item: ObservedItem, external_id: str
    ) -> None:
        key, rows = record.external_id, self.rows[target.record]
        row = rows.get(key)
        if (
            row is not None
            and row.record is record
            and target.shared
            and not target.has_content_hash
        ):
            # The adapter returned a cached record: only the time is new.
            row.extend(item.observed_at)
            if key == external_id:
                row.item = position
            return
        is_own = key == external_id
        content_hash = None
        if target.has_content_hash and item.content_hash:
            content_hash = bytes.fromhex(item.content_hash) if is_own else AMBIGUOUS_HASH
        counted = position if is_own or not target.shared else None
        if row is None:
            rows[key] = Row(record, item.observed_at, counted, content_hash)
        else:
            before = row.record
            row.add(record, item.observed_at, counted, content_hash, target)
            for claim in (before, record):
                self._note_displaced(target, claim, row.record)
        for reference, parent in zip(
            target.pick_references(record), target.references.values(), strict=True
        ):
            if reference is not None:
                self._refer(parent.record, reference, item.observed_at)

    def _note_displaced(self, target: Target, claim: Any, kept: Any) -> None:
        """Note the owners in `claim` that lost the row to the owners in `kept`."""
        claimed, owners = target.pick_references(claim), target.pick_references(kept)
        for position, owner_type in self._owners[target.record]:
            loser = claimed[position]
            if loser is not None and loser != owners[position]:
                self._displaced.add((owner_type, loser))

    def reset_displaced_hashes(self) -> None:
        """Reset the hash of owners that lost a row: the same content must be loaded next time."""
        for record_type, key in self._displaced:
            row = self.rows[record_type].get(key)
            if row is not None and row.content_hash:
                row.content_hash = AMBIGUOUS_HASH

    def _refer(self, parent: type[Any], key: str, at: datetime) -> None:
        """Note a reference to a row, which is also an observation of that row."""
        rows = self.rows[parent]
        row = rows.get(key)
        if row is None:
            # Only the id is known; a later record can fill in the rest.
            rows[key] = Row(parent(key), at, None, None)
        elif at != row.last:
            row.extend(at)


def encode(target: Target, rows_by_key: dict[str, Row]) -> bytes:
    """Return the rows of a target as lines of COPY text for its staging table, ordered by key.

    :param rows_by_key: external_id → row
    :raises TypeError: if a record has a value of a type that its field does not accept
    """
    if not rows_by_key:
        return b""
    rows = [rows_by_key[key] for key in sorted(rows_by_key)]
    records = [row.record for row in rows]
    first, last = [row.first for row in rows], [row.last for row in rows]
    columns = list(zip(*map(target.pick_own, records), strict=True))
    for amount, available in target.own_amount_positions:
        if False in columns[available]:
            columns[amount] = _known_amounts(columns[amount], columns[available])
    texts = [*map(staging.encode_column, columns, target.own_types)]
    for derive in target.derived.values():
        texts.append(staging.encode_column(list(map(derive, records, last))))
    texts.append(staging.encode_column(first))
    texts.append(texts[-1] if first == last else staging.encode_column(last))
    if target.has_content_hash:
        texts.append(staging.encode_column([row.content_hash for row in rows]))
    references = zip(*map(target.pick_references, records), strict=True)
    texts += map(staging.encode_column, references)
    texts.append(staging.encode_column([row.item for row in rows]))
    return "\n".join([*map("\t".join, zip(*texts, strict=True)), ""]).encode()


def _known_amounts(amounts: Iterable[Any], available: Iterable[Any]) -> tuple[Any, ...]:
    """Return stock amounts, with 0 for an unknown amount of an item that is sold out."""
    return tuple(
        0 if amount is None and is_available is False else amount
        for amount, is_available in zip(amounts, available, strict=True)
    )
