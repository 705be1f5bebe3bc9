"""Mapping files, which assign the columns of a table to the fields of records.

A mapping is TOML. A section is named after a record type (`[product]`, `[price_point]`), and its
keys after the fields of that type. The first section is the main record of a row. `[table]`
describes the layout of the table, and `[skip]` selects rows to skip. An invalid mapping is refused
with its file, section and key, the reason and the next step.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.formats.delimited import Layout
from marketplace.loading.mapped.columns import (
    Column,
    Converter,
    converter,
    is_boolean,
    split_texts,
)
from marketplace.loading.mapped.options import TABLE, OptionReader, suggest
from marketplace.loading.targets import get_plan
from marketplace.loading.values import quote

#: The key of a section whose text "A > B > C" becomes a chain of records, from parent to child.
_CHAIN = "chain"


class _Observation(NamedTuple):
    """The values under [table] that belong to an observation, not to a record."""

    observed_at: datetime | None = None


class Field(NamedTuple):
    """The columns of a record field, and the conversion of their values."""

    column: Column
    convert: Converter


class Section(NamedTuple):
    """A section of a mapping: the columns of a row that become one record.

    :param name: other sections refer to the record by their field "<name>_external_id"
    :param rank: the position of the record type in its module, in which parents come first
    :param chain: the columns with the names of a chain of records; None for a single record
    """

    name: str
    record: type[Any]
    rank: int
    fields: dict[str, Field]
    chain: Field | None = None

    @property
    def required(self) -> set[str]:
        """The fields that a record must have. A currency may be unknown."""
        return {*self.record._fields} - {*self.record._field_defaults} - {"currency"}


@dataclass(frozen=True)
class TableMapping:
    """The content of a mapping file.

    :param sections: the sections of records; the first is the main record of a row
    :param platform: the platform of the tables; empty for any platform
    :param rows: in JSON, the key of the list of rows; empty if the documents are the rows; "*" or
        "name.*" if the rows are the values of an object
    :param skip: column → texts of rows to skip
    :param group_by: a column; consecutive rows with equal values in it become one item
    :param empty: texts that stand for an empty cell
    """

    name: str
    sections: tuple[Section, ...]
    layout: Layout = field(default_factory=Layout)
    rows: str = ""
    skip: Mapping[str, frozenset[str]] = field(default_factory=dict)
    group_by: str = ""
    empty: frozenset[str] = frozenset({""})
    observed_at: Field | None = None
    platform: str = ""

    def columns(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the columns that a table must have: (place in the mapping, alternative names)."""
        required: list[tuple[str, tuple[str, ...]]]
        required = [(f"[skip] {name}", (name,)) for name in self.skip]
        if self.group_by:
            required.append(("[table] group_by", (self.group_by,)))
        fields = [(f"[{s.name}] {name}", f) for s in self.sections for name, f in s.fields.items()]
        fields += [(f"[{s.name}] {_CHAIN}", s.chain) for s in self.sections if s.chain]
        if self.observed_at:
            fields.append(("[table] observed_at", self.observed_at))
        required += [(place, names) for place, f in fields for names in f.column.alternatives]
        return required


def load(path: str, database: str) -> TableMapping:
    """Read a mapping file.

    :param database: the alias of the records' database
    :raises SourceError: if the file cannot be read, or is not a valid mapping
    """
    name = Path(path).name
    try:
        text = Path(path).read_text("utf-8-sig")
        content = tomllib.loads(text)
    except OSError as error:
        raise SourceError(f"Cannot read the mapping {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise SourceError(f"The mapping {path} is not UTF-8. Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SourceError(
            f"The mapping {path} is not TOML: {error}. Put texts in quotes, and patterns "
            "in single quotes."
        ) from None
    return _Reader(name, database).read(content)


class _Reader(OptionReader):
    """A reader of a mapping file, which names the place of an error."""

    def __init__(self, name: str, database: str) -> None:
        super().__init__(name)
        self.records = _record_types(database)
        self.shared = {target.record for target in get_plan(database).targets if target.shared}

    def read(self, content: dict[str, Any]) -> TableMapping:
        """Return the mapping of a file.

        :raises SourceError: if the mapping is not valid
        """
        for name, section in content.items():
            self.place = f"[{name}]"
            if not isinstance(section, dict):
                self.place = name
                self.refuse("is outside of a section", "Put it under [table] or a record type")
        table = self.options("[table]", content.get("table", {}), TABLE)
        layout = self.layout(table)
        empty = frozenset({"", *self.texts("empty", table.get("empty", []))})
        skip = {name: self._skipped(name, value) for name, value in content.get("skip", {}).items()}
        sections = tuple(
            self._section(name, section)
            for name, section in content.items()
            if name not in ("table", "skip")
        )
        self._check_sections(sections)
        return TableMapping(
            name=self.name,
            sections=sections,
            layout=layout,
            rows=table.get("rows", ""),
            skip=skip,
            group_by=table.get("group_by", ""),
            empty=empty,
            observed_at=self._observed_at(table),
            platform=table.get("platform", ""),
        )

    def _section(self, name: str, content: dict[str, Any]) -> Section:
        self.place = f"[{name}]"
        kind = content.get("record", name)
        record = self.records.get(kind) if isinstance(kind, str) else None
        if record is None:
            self.refuse(
                f"{quote(kind)} is not a record type", f"Use one of: {self._known_sections()}"
            )
        chain = self._chain(name, record, content[_CHAIN]) if _CHAIN in content else None
        fields = {
            key: self._field(f"[{name}] {key}", record, key, value)
            for key, value in content.items()
            if key not in ("record", _CHAIN)
        }
        return Section(name, record, [*self.records].index(kind), fields, chain)

    def _chain(self, name: str, record: type[Any], value: Any) -> Field:
        self.place = f"[{name}] {_CHAIN}"
        if not {"name", "parent_external_id"} <= {*record._fields}:
            self.refuse("this record type has no parents", "Use it in [category]")
        column = self.column(value)
        return Field(replace(column, separator=column.separator or ">"), split_texts)

    def _check_sections(self, sections: tuple[Section, ...]) -> None:
        self.place = "[table]"
        if not sections:
            self.refuse(
                "there is no section of a record type", f"Add one of: {self._known_sections()}"
            )
        main = sections[0]
        self.place = f"[{main.name}]"
        if not (main.chain or "external_id" in main.fields):
            self.refuse(
                "has no external_id", "The first section is the main record of a row: give it an id"
            )
        others = [section.name for section in sections if section.record not in self.shared]
        if main.record in self.shared and others:
            self.refuse(
                "comes first, so rows with the same id in it would be one record",
                f"Move [{others[0]}] to the top: the first section is the main record of a row",
            )
        linked = {f"{section.name}_external_id" for section in sections}
        for section in sections:
            self.place = f"[{section.name}]"
            chained = {"external_id"} if section.chain else set()
            missing = sorted(section.required - section.fields.keys() - linked - chained)
            if missing:
                self.refuse(f"has no {', '.join(missing)}", "Add the column that holds it")

    def _field(self, place: str, record: type[Any], name: str, value: Any) -> Field:
        self.place = place
        if name not in record._fields:
            self.refuse("is not a field of this record type", suggest(name, record._fields))
        return self._checked(Field(self.column(value), converter(record, name)))

    def _observed_at(self, table: dict[str, Any]) -> Field | None:
        value = table.get("observed_at")
        if value is None:
            return None
        self.place = "[table] observed_at"
        return self._checked(Field(self.column(value), converter(_Observation, "observed_at")))

    def _checked(self, target: Field) -> Field:
        pattern = target.column.pattern
        if pattern and not pattern.groups and not is_boolean(target.convert):
            self.refuse("its pattern has no group", "Put the part to keep in parentheses")
        if target.column.constant is not None:
            try:
                target.convert(target.column.constant, "constant", target.column)
            except PayloadError as error:
                self.refuse(f"constant {error.reason}", "Correct it")
        return target

    def _skipped(self, name: str, value: Any) -> frozenset[str]:
        self.place = f"[skip] {name}"
        if not isinstance(value, str | list):
            self.refuse("is neither text nor a list of texts", f'Use {name} = ["…"]')
        return frozenset(self.texts(name, value))

    def _known_sections(self) -> str:
        return ", ".join(self.records)


def _record_types(database: str) -> dict[str, type[Any]]:
    """Return the record types by the name of their section, parents first.

    The result is {"category": Category, "price_point": PricePoint, …}.
    """
    module = import_module(f"{database}.records")
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): kind
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and hasattr(kind, "_fields")
        and kind.__module__ == module.__name__
    }
