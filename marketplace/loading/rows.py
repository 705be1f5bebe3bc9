"""The rows that a batch's records amount to: brought together, then turned into COPY text.

Text, because it can be handed to another process for less than what it was made of, and because one
text serves both ways into a table: beside the ids of what it refers to, or beside their names.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from marketplace.loading import staging
from marketplace.loading.adapters import Parsed
from marketplace.loading.targets import Plan, Target

#: What a row's hash becomes if something else than its own item tells of it: no item's.
TOLD_BY_OTHERS = b"\0"


class Told(Protocol):
    """An item, as far as its rows depend on it: see `preparation.BatchItem`."""

    @property
    def observed_at(self) -> datetime:
        """When it was observed."""

    @property
    def content_hash(self) -> str:
        """By which it is recognized; may be empty."""


class Row:
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
        target: Target,
    ) -> None:
        """Merge the same row of another item into it; at the same time, the later one counts."""
        if at >= self.last:
            newer, older = record, self.record
            if content_hash and self.content_hash and content_hash != self.content_hash:
                # What two items told together, neither of them tells alone.
                content_hash = TOLD_BY_OTHERS
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
        """Note that it was observed at a time."""
        if at < self.first:
            self.first = at
        elif at > self.last:
            self.last = at


def _unknown_amounts(newer: Any, older: Any, target: Target, is_together: bool) -> frozenset[int]:
    """Return the positions of the amounts in stock that an older record does not fill.

    :param is_together: whether both were observed at the same moment
    """
    return frozenset(
        amount
        for amount, available in target.amount_positions
        if newer[available] is not None
        and not (is_together and older[available] in (None, newer[available]))
    )


class Rows(NamedTuple):
    """The rows of one target in a batch, in the order of their keys.

    :param keys: the `external_id` of each
    :param told: COPY text of each, in the order of `Target.record_columns`, without the line's end
    :param references: of each, the external_ids in the order of `Target.references`
    :param items: of each, the position of the item that it counts for
    :param incomplete: positions of those that lack what their target requires
    """

    keys: Sequence[str] = ()
    told: Sequence[str] = ()
    references: Sequence[tuple[str | None, ...]] = ()
    items: Sequence[int | None] = ()
    incomplete: Sequence[int] = ()

    @property
    def complete(self) -> "Rows":
        """Those of which a row can be created."""
        if not self.incomplete:
            return self
        lacking = set(self.incomplete)
        kept = [position for position in range(len(self.keys)) if position not in lacking]
        return Rows(
            [self.keys[position] for position in kept],
            [self.told[position] for position in kept],
            [self.references[position] for position in kept],
            [self.items[position] for position in kept],
        )

    def staged(self) -> bytes:
        """Return the lines of COPY text for the target's staging table."""
        columns = [*zip(*self.references, strict=True), self.items]
        return self.created(map(staging.encode_column, columns))

    def created(self, tails: Iterable[Sequence[str]]) -> bytes:
        """Return the lines of COPY text for a table.

        :param tails: the columns that follow, each as its texts
        """
        lines = list(map("\t".join, zip(self.told, *tails, strict=True)))
        return "\n".join([*lines, ""]).encode()


def collate(plan: Plan, told: Iterable[tuple[Told, Parsed]]) -> "Collated":
    """Bring together what the items of a batch say about the same rows."""
    found = Collated(plan)
    for position, (item, parsed) in enumerate(told):
        found.add(position, item, parsed)
    found.forget_outdone()
    return found


class Collated:
    """What the items of a batch say.

    :ivar rows: record type → external_id → row
    """

    def __init__(self, plan: Plan) -> None:
        self.rows: dict[type[Any], dict[str, Row]] = {each.record: {} for each in plan.targets}
        self._targets = {target.record: target for target in plan.targets}
        self._kind = plan.observations
        self._observations: dict[tuple[Any, ...], Any] = {}
        #: Record type → what its rows belong to: position among its references, record type.
        self._owners = {
            target.record: [
                (position, reference.record)
                for position, reference in enumerate(target.references.values())
                if not self._targets[reference.record].shared
            ]
            for target in plan.targets
        }
        self._outdone: set[tuple[type[Any], str]] = set()

    @property
    def observations(self) -> list[Any]:
        """Further observations; of two of one thing and moment, the last."""
        return list(self._observations.values())

    def add(self, position: int, item: Told, parsed: Parsed) -> None:
        """Take what an item says."""
        kind = self._kind
        for record in parsed.records:
            target = self._targets.get(type(record))
            if target is not None:
                self._add_record(target, record, position, item, parsed.external_id)
            elif kind is not None and type(record) is kind.record:
                key = tuple(getattr(record, name) for name in kind.key)
                self._observations[key] = record
            else:
                raise TypeError(f"{type(record).__name__} is not a record type of the database")

    def _add_record(
        self, target: Target, record: Any, position: int, item: Told, external_id: str
    ) -> None:
        key, known = record.external_id, self.rows[target.record]
        row = known.get(key)
        if (
            row is not None
            and row.record is record
            and target.shared
            and not target.has_content_hash
        ):
            # What the adapter remembers: nothing of it is new but the time.
            row.extend(item.observed_at)
            if key == external_id:
                row.item = position
            return
        is_own = key == external_id
        content_hash = None
        if target.has_content_hash and item.content_hash:
            content_hash = bytes.fromhex(item.content_hash) if is_own else TOLD_BY_OTHERS
        counted = position if is_own or not target.shared else None
        if row is None:
            known[key] = Row(record, item.observed_at, counted, content_hash)
        else:
            before = row.record
            row.add(record, item.observed_at, counted, content_hash, target)
            for claim in (before, record):
                self._note_outdone(target, claim, row.record)
        for reference, parent in zip(
            target.pick_references(record), target.references.values(), strict=True
        ):
            if reference is not None:
                self._refer(parent.record, reference, item.observed_at)

    def _note_outdone(self, target: Target, claim: Any, kept: Any) -> None:
        """Note what claimed a row that became another one's."""
        claimed, owners = target.pick_references(claim), target.pick_references(kept)
        for position, owner in self._owners[target.record]:
            loser = claimed[position]
            if loser is not None and loser != owners[position]:
                self._outdone.add((owner, loser))

    def forget_outdone(self) -> None:
        """Have what lost a row to another one forget what it said: saying it again is news."""
        for record, key in self._outdone:
            row = self.rows[record].get(key)
            if row is not None and row.content_hash:
                row.content_hash = TOLD_BY_OTHERS

    def _refer(self, parent: type[Any], key: str, at: datetime) -> None:
        """Note that a row was referred to, which tells of it no less than of what refers to it."""
        known = self.rows[parent]
        row = known.get(key)
        if row is None:
            # A row that is known by its id only can be filled in later.
            known[key] = Row(parent(key), at, None, None)
        elif at != row.last:
            row.extend(at)


def encode(target: Target, found: dict[str, Row]) -> Rows:
    """Return the rows of a target.

    :param found: external_id → row
    :raises TypeError: if a record has a value of a type that its field does not take
    """
    if not found:
        return Rows()
    keys = sorted(found)
    rows = [found[key] for key in keys]
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
    return Rows(
        keys,
        list(map("\t".join, zip(*texts, strict=True))),
        list(map(target.pick_references, records)),
        [row.item for row in rows],
        _incomplete(target, records),
    )


def _known_amounts(amounts: Iterable[Any], available: Iterable[Any]) -> tuple[Any, ...]:
    """Return amounts in stock; nothing is left of what is sold out, unless a record says else."""
    return tuple(
        0 if amount is None and is_available is False else amount
        for amount, is_available in zip(amounts, available, strict=True)
    )


def _incomplete(target: Target, records: list[Any]) -> list[int]:
    required = target.required_position
    if required is None:
        return []
    return [number for number, record in enumerate(records) if record[required] is None]
