"""How the records of an app reach its tables: declared by each app's `loading.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model


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
    :param silent: columns that follow the time of observation: new values are no change of content
    :param shared: rows that records of several items refer to, such as sellers: a change of one
        does not count as a change of the item
    :param keep_prior: whether the rows as they were before the merge are kept for `after_merge`,
        in the temporary table `prior_<table>`
    """

    record: type[Any]
    model: type[Model]
    references: Mapping[str, Reference] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    derived: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    current: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    shared: bool = False
    keep_prior: bool = False

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
    def columns(self) -> dict[str, "Field[Any, Any]"]:
        """The table's columns that come with the record: name → model field; no references."""
        names = [name for name in self.record._fields if name not in self.references]
        return {
            name: self.model._meta.get_field(name)  # type: ignore[misc]
            for name in (*names, *self.derived)
            if name != "external_id"
        }


@dataclass(frozen=True)
class Observations:
    """A record type that is not a table but feeds `after_merge`, staged under a name of its own.

    :param table: the temporary table
    :param columns: record field → SQL type
    :param key: the fields that identify an observation; of two in a batch, one that follows from a
        record of the current state counts, then the last
    """

    record: type[Any]
    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that the loader needs to know of an app.

    :param targets: in the order of merging: parents first; the order also orders the locks
    :param observations: further staged records
    :param expand: more records that follow from one of an item: (record, observed_at) → records
    :param before_batch: makes what the batch needs outside its transaction, such as partitions
    :param after_merge: side effects in the batch's transaction, such as history and events; returns
        the number of price points written
    :param temporary: the temporary tables that `after_merge` makes
    """

    targets: tuple[Target, ...]
    observations: Observations | None = None
    expand: Callable[[Any, Any], list[Any]] = lambda record, observed_at: []
    before_batch: Callable[[str, list[Any]], None] = lambda alias, observations: None
    after_merge: Callable[[CursorWrapper, str], int] = lambda cursor, platform: 0
    temporary: tuple[str, ...] = ()

    @property
    def temporary_tables(self) -> list[str]:
        """Names of all temporary tables that a batch makes."""
        staged = [target.stage_table for target in self.targets]
        kept = [target.prior_table for target in self.targets if target.keep_prior]
        observed = [self.observations.table] if self.observations else []
        return [*staged, *kept, *observed, *self.temporary]


def get_plan(alias: str) -> Plan:
    """Return the plan that an app's `loading` module declares."""
    plan: Plan = import_module(f"{alias}.loading").PLAN
    return plan
