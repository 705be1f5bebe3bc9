"""Declarations of how records become rows; each app declares a `Plan` in its `loading.py`."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model

from marketplace.exceptions import PayloadError


@dataclass(frozen=True)
class Reference:
    """A field of a record that refers to another row by its `external_id`.

    :param column: the column of the foreign key, such as "category_id"
    :param record: the record type of the referenced rows
    """

    column: str
    record: type[Any]


@dataclass(frozen=True)
class Target:
    """The table that stores a record type, and the rules by which a record updates a stored row.

    By default a column takes the newest known value: None means "not stated" and never replaces a
    value. The parameters below define the exceptions.

    :param references: record field → the rows it refers to
    :param replaced: columns that take the newest value even if it is None
    :param derived: further columns, computed from the record and its time of observation
    :param volatile_columns: columns of a temporary state, such as availability: an older
        observation never fills them
    :param amounts: column of a stock amount → column of the availability. An observation that
        states the availability also replaces the amount. If it states no amount, the amount is 0
        for an item that is sold out, and unknown otherwise
    :param untracked: columns that follow the time of observation: a new value is not a change of
        the content
    :param shared: whether records of several items refer to the rows, such as sellers: a change of
        such a row is not a change of the item
    :param replayed: "whole" if the staged rows combine all observations, so that they replace the
        stored values unless those are newer; "partial" if some observations are missing, so that
        values that the staged rows do not state are kept; empty if the rows are not a replay
    :param kept_on_replay: columns that also change with time, so that a replay leaves them alone
    :param history: the model of the price points, with the foreign key `offer` to the rows; None
        if there is no history
    :param required: a column that a new row needs, although an observation may omit it, such as
        the price of an item that is out of stock. If an observation omits it, `replaced` columns
        also keep their stored value
    :param extend: stages further rows that a staged batch implies: (cursor, platform); called
        before the rows to be merged are locked
    :param complete: fills `required` in staged rows that lack it, and deletes those for which it
        is unknown; called after the rows to be merged are locked
    :param keep_prior: whether the rows as they were before the merge are kept for `after_merge`,
        in the temporary table `prior_<table>`
    """

    record: type[Any]
    model: type[Model]
    references: Mapping[str, Reference] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    derived: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    volatile_columns: frozenset[str] = frozenset()
    amounts: Mapping[str, str] = field(default_factory=dict)
    untracked: frozenset[str] = frozenset()
    shared: bool = False
    history: type[Model] | None = None
    required: str = ""
    extend: Callable[[CursorWrapper, str], int] | None = None
    complete: Callable[[CursorWrapper, str], None] | None = None
    keep_prior: bool = False
    replayed: str = ""
    kept_on_replay: frozenset[str] = frozenset()

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.model._meta.db_table

    @property
    def stage_table(self) -> str:
        """Name of the temporary table with the rows to be merged."""
        return f"stage_{self.table}"

    @property
    def prior_table(self) -> str:
        """Name of the temporary table with the rows as they were before the merge."""
        return f"prior_{self.table}"

    @cached_property
    def has_content_hash(self) -> bool:
        """Whether a row belongs to an item of its own and stores the hash of its newest content."""
        return any(field.name == "content_hash" for field in self.model._meta.get_fields())

    @cached_property
    def pick_own(self) -> Callable[[Any], tuple[Any, ...]]:
        """A function: record → its id and the values of its `columns` that are not derived."""
        names = [name for name in self.columns if name not in self.derived]
        return _picker(self.record, ["external_id", *names])

    @cached_property
    def own_types(self) -> list[frozenset[type[Any]]]:
        """The types that the fields returned by `pick_own` accept, in the same order."""
        types = field_types(self.record)
        names = [name for name in self.columns if name not in self.derived]
        return [types[name] for name in ["external_id", *names]]

    @cached_property
    def replaced_positions(self) -> frozenset[int]:
        """The positions of the `replaced` fields in a record."""
        names = self.record._fields
        return frozenset(names.index(name) for name in self.replaced if name in names)

    @cached_property
    def amount_positions(self) -> list[tuple[int, int]]:
        """Pairs of positions in a record: a stock amount and its availability."""
        names = self.record._fields
        return [
            (names.index(amount), names.index(available))
            for amount, available in self.amounts.items()
        ]

    @cached_property
    def own_amount_positions(self) -> list[tuple[int, int]]:
        """The same pairs of positions in the tuples that `pick_own` returns."""
        names = ["external_id", *(name for name in self.columns if name not in self.derived)]
        return [
            (names.index(amount), names.index(available))
            for amount, available in self.amounts.items()
        ]

    @cached_property
    def required_position(self) -> int | None:
        """The position of the `required` field in a record, if there is one."""
        return self.record._fields.index(self.required) if self.required else None

    @cached_property
    def pick_references(self) -> Callable[[Any], tuple[str | None, ...]]:
        """A function: record → the external ids it refers to, in the order of `references`."""
        return _picker(self.record, list(self.references))

    @cached_property
    def columns(self) -> dict[str, "Field[Any, Any]"]:
        """Name → model field of the columns that a record fills, without references."""
        names = [name for name in self.record._fields if name not in self.references]
        return {
            name: self.model._meta.get_field(name)  # type: ignore[misc]
            for name in (*names, *self.derived)
            if name != "external_id"
        }


def _picker(record: type[Any], names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns the named fields of a record as a tuple."""
    positions = [record._fields.index(name) for name in names]
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


@dataclass(frozen=True)
class Observations:
    """A record type without a table, such as past prices; it is staged for `after_merge`.

    :param table: the temporary table
    :param columns: record field → SQL type
    :param key: the fields that identify an observation; the last one in a batch wins
    :param time: the field with the time of observation
    """

    record: type[Any]
    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    time: str = "recorded_at"


class Scope(NamedTuple):
    """The scope of a full listing: the shops or categories that it lists completely.

    :param kind: "shop" or "category"
    :param external_ids: ids of the shops or categories
    :param since: the time of the first observation; items not seen since then are missing
    :param at: the time of the last observation
    """

    kind: str
    external_ids: tuple[str, ...]
    since: datetime
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the scope as a dict, in which form it is stored with a run."""
        times = {"since": self.since.isoformat(), "at": self.at.isoformat()}
        return {"kind": self.kind, "external_ids": list(self.external_ids), **times}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Scope":
        """Return the scope from the result of `to_dict`."""
        since, at = (datetime.fromisoformat(value[name]) for name in ("since", "at"))
        return cls(value["kind"], tuple(value["external_ids"]), since, at)

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(self.external_ids[:20])}"


@dataclass(frozen=True)
class Plan:
    """The tables of an app and the functions that the loader calls for it.

    :param targets: in the order of merging, parents first; rows are locked in the same order
    :param observations: further staged records
    :param before_batch: creates objects that the batch needs outside its transaction, such as the
        partitions for its times of observation
    :param complete_items: completes the parsed items of a batch in place, from the other items
        and the database: (alias, platform, list of `Parsed` or None)
    :param after_merge: writes what follows from the merge, such as history and events, in the
        transaction of the batch; returns the number of price points written
    :param warn: returns warnings about the merged batch, in its transaction
    :param after_replay: does the work of `after_merge` that does not concern the history
    :param find_late: returns the external ids of the items in the batch whose history must be
        rebuilt because of a late observation
    :param observe: returns the observations in the records of an item: (records, observed_at) →
        list
    :param rebuild: rebuilds a history from all observations; the first one of each time wins;
        returns the number of price points written
    :param find_missing: returns items that mark stored but unlisted rows of the scope of a full
        listing as missing
    :param shapes: the shapes of these items
    :param after_run: makes changes that depend on time alone, such as the expiry of ads, up to a
        given time
    :param coverage: name → (record type, field) that the gates expect most items to have
    :param priced_record: the record type whose prices the gates compare
    """

    targets: tuple[Target, ...]
    observations: Observations | None = None
    before_batch: Callable[[str, set[datetime]], None] = lambda alias, times: None
    complete_items: Callable[[str, str, list[Any]], None] = lambda alias, platform, parsed: None
    after_merge: Callable[[CursorWrapper, str], int] = lambda cursor, platform: 0
    warn: Callable[[CursorWrapper, str], list[str]] = lambda cursor, platform: []
    after_replay: Callable[[CursorWrapper, str], int] = lambda cursor, platform: 0
    find_late: Callable[[CursorWrapper, str], list[str]] = lambda cursor, platform: []
    observe: Callable[[list[Any], datetime], list[Any]] = lambda records, observed_at: []
    rebuild: Callable[[CursorWrapper, str, Iterable[Any]], int] = lambda *arguments: 0
    find_missing: Callable[[str, str, Scope], Iterable[Any]] | None = None
    shapes: tuple[Any, ...] = ()
    after_run: Callable[[str, str, datetime], int] = lambda alias, platform, time: 0
    coverage: Mapping[str, tuple[type[Any], str]] = field(default_factory=dict)
    priced_record: type[Any] | None = None

    @cached_property
    def hashed_targets(self) -> tuple[Target, ...]:
        """The targets whose rows store a content hash."""
        return tuple(target for target in self.targets if target.has_content_hash)

    @cached_property
    def record_types(self) -> frozenset[type[Any]]:
        """The record types that an adapter of the app may return."""
        observed = {self.observations.record} if self.observations else set()
        return frozenset({target.record for target in self.targets} | observed)

    @cached_property
    def temporary_tables(self) -> list[str]:
        """Names of all temporary tables that a batch uses."""
        staged = [target.stage_table for target in self.targets]
        prior = [target.prior_table for target in self.targets if target.keep_prior]
        observed = [self.observations.table] if self.observations else []
        return [*staged, *prior, *observed]


def get_plan(alias: str) -> Plan:
    """Return the plan that the `loading` module of an app declares."""
    plan: Plan = import_module(f"{alias}.loading").PLAN
    return plan


_field_types: dict[type[Any], dict[str, frozenset[type[Any]]]] = {}


def field_types(record: type[Any]) -> dict[str, frozenset[type[Any]]]:
    """Return the types that each field of a record type accepts; subclasses are not accepted."""
    if record not in _field_types:
        hints = get_type_hints(record)
        _field_types[record] = {name: _types(hint) for name, hint in hints.items()}
    return _field_types[record]


def check_types(records: list[Any], known: Collection[type[Any]]) -> None:
    """Check that records have the types of their fields.

    :param known: the record types of the database
    :raises PayloadError: naming the first field whose value has another type
    """
    for record in records:
        kind = type(record)
        if kind not in known:
            raise PayloadError(
                f"the adapter returned {kind.__name__}, which is not a record type of its database"
            )
        for (name, allowed), value in zip(field_types(kind).items(), record, strict=True):
            if type(value) not in allowed:
                raise describe_type(f"{kind.__name__}.{name}", value, allowed)


def check_columns(kind: type[Any], records: list[Any]) -> None:
    """Check that records of one type have the types of their fields; faster than `check_types`.

    :raises TypeError: if a value has another type
    """
    columns = zip(*records, strict=True)
    for (name, allowed), column in zip(field_types(kind).items(), columns, strict=False):
        if not allowed.issuperset(map(type, column)):
            types = {type(value).__name__ for value in column if type(value) not in allowed}
            raise TypeError(f"{kind.__name__}.{name} has values of type {', '.join(sorted(types))}")


def describe_type(field: str, value: Any, allowed: Collection[type[Any]]) -> PayloadError:
    """Return the error for a value whose type its field does not accept."""
    names = sorted(kind.__name__ for kind in allowed if kind is not NoneType)
    return PayloadError(
        f"the adapter returned {type(value).__name__}, but the field takes {' or '.join(names)}",
        field,
    )


def _types(hint: Any) -> frozenset[type[Any]]:
    if get_origin(hint) in (Union, UnionType):
        return frozenset[type[Any]]().union(*map(_types, get_args(hint)))
    kind = get_origin(hint) or hint
    # A whole number is as exact as a Decimal.
    return frozenset({kind, int} if kind is Decimal else {kind})
