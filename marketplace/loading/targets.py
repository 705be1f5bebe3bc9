"""How the records of an app reach its tables: declared by each app's `loading.py`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model

from marketplace.loading.record_types import field_types


@dataclass(frozen=True)
class Reference:
    """A field of a record that names another row by its `external_id`.

    :param column: the foreign key's column, such as "category_id"
    :param record: the record type of the rows pointed to
    """

    column: str
    record: type[Any]


@dataclass(frozen=True)
class Target:
    """Which table takes a record type, and how a newer record changes a stored row.

    :param references: record field → where it points
    :param replaced: columns in which the newest observation counts even if it says nothing; in all
        others None means "not said" and keeps what is known
    :param derived: further columns, computed from the record and the time of its observation
    :param current: columns that tell a state of the moment, such as availability: an older
        observation never fills them
    :param amounts: column of an amount in stock → column of the availability: an observation that
        says whether something is available replaces the amount; without one, the amount is 0 if
        it is sold out, and else unknown
    :param untracked: columns that follow the time of observation: new values are no change of content
    :param shared: rows that records of several items refer to, such as sellers: a change of one
        does not count as a change of the item
    :param replayed: "whole" if what is staged is all that was observed, read anew: then it replaces
        what is stored, unless that is newer; "partial" if it is not all: then what it does
        not say stays, too; else empty
    :param kept_on_replay: columns that time changes, too, so that replaying leaves them alone
    :param history: the model of its price points, with the foreign key `offer` to its rows; None if
        it has none
    :param required: a column without which no row is created, and that an observation may leave out
        all the same, such as the price of what is out of stock: then `replaced` columns stay, too
    :param extend: stages further rows that a staged batch implies: (cursor, platform); called
        before the rows to be merged are locked
    :param complete: fills `required` in staged rows that lack it, and drops those of which it is
        not known; called after the rows to be merged are locked
    :param keep_prior: whether the rows as they were before the merge are kept for `after_merge`,
        in the temporary table `prior_<table>`
    """

    record: type[Any]
    model: type[Model]
    references: Mapping[str, Reference] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    derived: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    current: frozenset[str] = frozenset()
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
        """Name of the temporary table in which records wait for the merge."""
        return f"stage_{self.table}"

    @property
    def prior_table(self) -> str:
        """Name of the temporary table with the rows as they were before the merge."""
        return f"prior_{self.table}"

    @cached_property
    def has_content_hash(self) -> bool:
        """Whether its rows are what items are about, and remember what they said."""
        return any(field.name == "content_hash" for field in self.model._meta.get_fields())

    @cached_property
    def record_columns(self) -> list[str]:
        """The columns that a record tells with its times and hash; no references."""
        remembered = ["content_hash"] if self.has_content_hash else []
        return ["external_id", *self.columns, "first_seen_at", "last_seen_at", *remembered]

    @cached_property
    def pick_own(self) -> Callable[[Any], tuple[Any, ...]]:
        """Take out of a record its id and what are columns, in the order of `record_columns`."""
        names = [name for name in self.columns if name not in self.derived]
        return _picker(self.record, ["external_id", *names])

    @cached_property
    def own_types(self) -> list[frozenset[type[Any]]]:
        """The types that the fields take which `pick_own` takes out, in their order."""
        types = field_types(self.record)
        names = [name for name in self.columns if name not in self.derived]
        return [types[name] for name in ["external_id", *names]]

    @cached_property
    def replaced_positions(self) -> frozenset[int]:
        """The positions in a record of what the newest observation tells even by its silence."""
        names = self.record._fields
        return frozenset(names.index(name) for name in self.replaced if name in names)

    @cached_property
    def amount_positions(self) -> list[tuple[int, int]]:
        """The positions in a record of each amount in stock and of the availability beside it."""
        names = self.record._fields
        return [(names.index(name), names.index(beside)) for name, beside in self.amounts.items()]

    @cached_property
    def own_amount_positions(self) -> list[tuple[int, int]]:
        """The same positions in what `pick_own` takes out."""
        names = ["external_id", *(name for name in self.columns if name not in self.derived)]
        return [(names.index(name), names.index(beside)) for name, beside in self.amounts.items()]

    @cached_property
    def required_position(self) -> int | None:
        """The position in a record of what it may lack only where a row is known."""
        return self.record._fields.index(self.required) if self.required else None

    @cached_property
    def pick_references(self) -> Callable[[Any], tuple[str | None, ...]]:
        """Take out of a record what it refers to, in the order of `references`."""
        return _picker(self.record, list(self.references))

    @cached_property
    def columns(self) -> dict[str, "Field[Any, Any]"]:
        """The table's columns that come with the record: name → model field; no references."""
        names = [name for name in self.record._fields if name not in self.references]
        return {
            name: self.model._meta.get_field(name)  # type: ignore[misc]
            for name in (*names, *self.derived)
            if name != "external_id"
        }


def _picker(record: type[Any], names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes some fields out of a record, as a tuple however many they are."""
    positions = [record._fields.index(name) for name in names]
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


@dataclass(frozen=True)
class Observations:
    """A record type that is not a table but feeds `after_merge`, staged under a name of its own.

    :param table: the temporary table
    :param columns: record field → SQL type
    :param key: the fields that identify an observation; of two in a batch, the last counts
    :param time: the field that tells when it was observed
    """

    record: type[Any]
    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    time: str = "recorded_at"


class Scope(NamedTuple):
    """The scope of a full listing: the shops or categories that it lists completely.

    :param kind: "shop" or "category"
    :param external_ids: which ones
    :param since: the time of its first observation: what was not seen since is missing
    :param at: the time of its last observation
    """

    kind: str
    external_ids: tuple[str, ...]
    since: datetime
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as a run's row keeps it."""
        times = {"since": self.since.isoformat(), "at": self.at.isoformat()}
        return {"kind": self.kind, "external_ids": list(self.external_ids), **times}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Scope":
        """Return what `as_json` told."""
        since, at = (datetime.fromisoformat(value[name]) for name in ("since", "at"))
        return cls(value["kind"], tuple(value["external_ids"]), since, at)

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(self.external_ids[:20])}"


@dataclass(frozen=True)
class Plan:
    """Everything that the loader needs to know of an app.

    :param targets: in the order of merging: parents first; the order also orders the locks
    :param observations: further staged records
    :param before_batch: makes what the batch needs outside its transaction, such as the partitions
        for the times of its observations
    :param settle: completes in place what the items of a batch say by what the others and the
        database say: (alias, platform, list of `Parsed` or None)
    :param after_merge: side effects in the batch's transaction, such as history and events; returns
        the number of price points written
    :param warn: warnings about the merged batch, in its transaction
    :param after_create: the same for things that were all just created: record type → their ids,
        and when the first of them was observed; None if new things must be merged as others; may
        raise `MergeRequiredError` if these must
    :param after_replay: those of them that make no history
    :param find_late: the external_ids of the items of the batch whose history an observation that
        came late contradicts
    :param observe: what an item's records say, as observations: (records, observed_at) → list
    :param rebuild: makes a history anew from all observations, the first at a moment counting;
        returns the number of price points written
    :param find_missing: items that mark everything stored for the scope of a full listing, and
        not in that listing, as missing
    :param shapes: the forms of such items
    :param after_run: what time alone brings about, such as the end of ads, up to a moment
    :param coverage: name → (record type, field): what the gates expect most items to have
    :param priced: the target whose prices the gates compare
    """

    targets: tuple[Target, ...]
    observations: Observations | None = None
    before_batch: Callable[[str, set[datetime]], None] = lambda alias, moments: None
    settle: Callable[[str, str, list[Any]], None] = lambda alias, platform, parsed: None
    after_merge: Callable[[CursorWrapper, str], int] = lambda cursor, platform: 0
    warn: Callable[[CursorWrapper, str], list[str]] = lambda cursor, platform: []
    after_create: (
        Callable[[CursorWrapper, str, Mapping[type[Any], list[int]], datetime], int] | None
    ) = None
    after_replay: Callable[[CursorWrapper, str], int] = lambda cursor, platform: 0
    find_late: Callable[[CursorWrapper, str], list[str]] = lambda cursor, platform: []
    observe: Callable[[list[Any], datetime], list[Any]] = lambda records, observed_at: []
    rebuild: Callable[[CursorWrapper, str, Iterable[Any]], int] = lambda *given: 0
    find_missing: Callable[[str, str, Scope], Iterable[Any]] | None = None
    shapes: tuple[Any, ...] = ()
    after_run: Callable[[str, str, datetime], int] = lambda alias, platform, moment: 0
    coverage: Mapping[str, tuple[type[Any], str]] = field(default_factory=dict)
    priced: type[Any] | None = None

    @cached_property
    def hashed_targets(self) -> tuple[Target, ...]:
        """The targets whose rows remember what the newest observation said."""
        return tuple(target for target in self.targets if target.has_content_hash)

    @cached_property
    def record_types(self) -> frozenset[type[Any]]:
        """The record types that an adapter of the app may return."""
        observed = {self.observations.record} if self.observations else set()
        return frozenset({target.record for target in self.targets} | observed)

    @cached_property
    def temporary_tables(self) -> list[str]:
        """Names of all temporary tables that a batch fills."""
        staged = [target.stage_table for target in self.targets]
        kept = [target.prior_table for target in self.targets if target.keep_prior]
        observed = [self.observations.table] if self.observations else []
        return [*staged, *kept, *observed]


def get_plan(alias: str) -> Plan:
    """Return the plan that an app's `loading` module declares."""
    plan: Plan = import_module(f"{alias}.loading").PLAN
    return plan
