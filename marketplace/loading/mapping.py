"""Mapping files: which columns of a table fill which fields of the records of a database.

A mapping is TOML. A section is named after a record type (`[product]`, `[price_point]`), a key
after a field of it; the first section is what a row is about. `[table]` tells what cannot be told
by looking at the table, `[skip]` which rows to leave out. What is wrong in it is refused with its
file, section and field.
"""

import codecs
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.columns import UNIX, Column, Converter, converter, takes_truth
from marketplace.loading.delimited import Layout

#: Option of a field → what it must be.
_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "column": (str, list),
    "constant": (str, int, float, bool, list, dict),
    "digest_of": list,
    "keys": dict,
    "pattern": str,
    "replace": dict,
    "values": dict,
    "prefix": str,
    "digits": str,
    "format": (str, list),
    "zone": str,
    "decimal": str,
    "minor_units": int,
    "separator": str,
}
_SOURCES = ("column", "constant", "digest_of", "keys")
#: Key of [table] → what it must be.
_TABLE: dict[str, type | tuple[type, ...]] = {
    "encoding": str,
    "delimiter": str,
    "header": (bool, list),
    "short_rows": bool,
    "rows": str,
    "empty": list,
    "group_by": str,
    "observed_at": (str, list, dict),
}


class _Observation(NamedTuple):
    """What [table] says that no record has a field for."""

    observed_at: datetime | None = None


class Field(NamedTuple):
    """A field of a record, and where its value comes from."""

    column: Column
    convert: Converter


class Section(NamedTuple):
    """What of a row becomes one record.

    :param name: others refer to it by their field "<name>_external_id"
    :param rank: place of the record type in its module, where parents come first
    """

    name: str
    record: type[Any]
    rank: int
    fields: dict[str, Field]

    @property
    def required(self) -> set[str]:
        """Fields without which there is no record; a currency may be unknown."""
        return {*self.record._fields} - {*self.record._field_defaults} - {"currency"}


@dataclass(frozen=True)
class TableMapping:
    """A mapping file.

    :param sections: the first is what a row is about
    :param rows: in JSON, the name of the list of rows; empty if the rows are the documents
    :param skip: column → texts of rows to leave out
    :param group_by: column whose equal values make consecutive rows one item
    :param empty: texts that say nothing
    """

    name: str
    sections: tuple[Section, ...]
    layout: Layout = field(default_factory=Layout)
    rows: str = ""
    skip: Mapping[str, frozenset[str]] = field(default_factory=dict)
    group_by: str = ""
    empty: frozenset[str] = frozenset({""})
    observed_at: Field | None = None

    def columns(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return what a table must have: where the mapping says so, and columns, one is enough."""
        found = [(f"[skip] {name}", (name,)) for name in self.skip]
        if self.group_by:
            found.append(("[table] group_by", (self.group_by,)))
        fields = [(f"[{s.name}] {name}", f) for s in self.sections for name, f in s.fields.items()]
        if self.observed_at:
            fields.append(("[table] observed_at", self.observed_at))
        read = [(place, names) for place, f in fields for names in f.column.alternatives]
        return [*found, *read]


def load(path: str, database: str) -> TableMapping:
    """Read a mapping file.

    :param database: alias of the database whose records it fills
    :raises SourceError: if it cannot be read, or is wrong
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
            f"The mapping {path} is not TOML: {error}. Put texts in quotes; patterns best in "
            "single ones."
        ) from None
    return _Reader(name, database).read(content)


class _Reader:
    """The mapping being read, to name the place of what is wrong in it."""

    def __init__(self, name: str, database: str) -> None:
        self.name = name
        self.records = _record_types(database)
        self.place = ""

    def read(self, content: dict[str, Any]) -> TableMapping:
        """Return the mapping, or refuse it."""
        for name, section in content.items():
            self.place = f"[{name}]"
            if not isinstance(section, dict):
                self._refuse("stands outside of a section", "Put it under [table] or a record type")
        table = self._options("table", content.get("table", {}), _TABLE)
        skip = content.get("skip", {})
        sections = tuple(
            self._section(name, section)
            for name, section in content.items()
            if name not in ("table", "skip")
        )
        self._check_sections(sections)
        return TableMapping(
            name=self.name,
            sections=sections,
            layout=self._layout(table),
            rows=table.get("rows", ""),
            skip={name: self._skipped(name, value) for name, value in skip.items()},
            group_by=table.get("group_by", ""),
            empty=frozenset({"", *self._texts("empty", table.get("empty", []))}),
            observed_at=self._observed_at(table),
        )

    def _section(self, name: str, content: dict[str, Any]) -> Section:
        self.place = f"[{name}]"
        kind = content.get("record", name)
        record = self.records.get(kind)
        if record is None:
            self._refuse(f"{kind!r} is no record type", f"Use one of: {self._known_sections()}")
        fields = {
            key: self._field(f"[{name}] {key}", record, key, value)
            for key, value in content.items()
            if key != "record"
        }
        return Section(name, record, [*self.records].index(kind), fields)

    def _check_sections(self, sections: tuple[Section, ...]) -> None:
        self.place = "[table]"
        if not sections:
            self._refuse("is all there is", f"Add a section: {self._known_sections()}")
        if "external_id" not in sections[0].fields:
            self.place = f"[{sections[0].name}]"
            self._refuse("has no external_id", "A row is about the first section: give it an id")
        linked = {f"{section.name}_external_id" for section in sections}
        for section in sections:
            self.place = f"[{section.name}]"
            missing = sorted(section.required - section.fields.keys() - linked)
            if missing:
                self._refuse(f"has no {', '.join(missing)}", "Say which column holds it")

    def _field(self, place: str, record: type[Any], name: str, value: Any) -> Field:
        self.place = place
        if name not in record._fields:
            near = get_close_matches(name, record._fields, 1)
            known = near[0] if near else ", ".join(record._fields)
            self._refuse("is no field of this record type", f"Did you mean: {known}")
        column = self._column({"column": value} if isinstance(value, str | list) else value)
        return self._checked(Field(column, converter(record, name)))

    def _observed_at(self, table: dict[str, Any]) -> Field | None:
        value = table.get("observed_at")
        if value is None:
            return None
        self.place = "[table] observed_at"
        column = self._column({"column": value} if isinstance(value, str | list) else value)
        return self._checked(Field(column, converter(_Observation, "observed_at")))

    def _checked(self, found: Field) -> Field:
        pattern = found.column.pattern
        if pattern and not pattern.groups and not takes_truth(found.convert):
            self._refuse("its pattern has no group", "Put what to take in parentheses")
        if found.column.constant is not None:
            try:
                found.convert(found.column.constant, "constant", found.column)
            except PayloadError as error:
                self._refuse(str(error), "Correct it")
        return found

    def _column(self, options: Any) -> Column:
        if not isinstance(options, dict):
            self._refuse("is neither a column's name nor a table of options", 'Use "…"')
        place = self.place
        self._options(place, options, _OPTIONS)
        self.place = place
        if options.get("minor_units", 1) < 1 or options.get("decimal", ",") not in (",", "."):
            self._refuse("minor_units or decimal is wrong", 'Use at least 1, and "," or "."')
        if sum(source in options for source in _SOURCES) != 1:
            self._refuse(
                "does not say where the value comes from", f"Use one of: {', '.join(_SOURCES)}"
            )
        return Column(
            names=self._texts("column", options.get("column", [])),
            constant=options.get("constant"),
            digest_of=self._texts("digest_of", options.get("digest_of", [])),
            keys=self._text_values("keys", options),
            pattern=self._pattern(options),
            replace=self._text_values("replace", options),
            meanings=options.get("values"),
            prefix=options.get("prefix", ""),
            digits=options.get("digits", ""),
            formats=self._formats(options),
            zone=self._zone(options.get("zone", "Asia/Tashkent")),
            decimal=options.get("decimal", ""),
            minor_units=options.get("minor_units", 1),
            separator=options.get("separator", ""),
        )

    def _options(
        self, name: str, options: dict[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
    ) -> dict[str, Any]:
        """Check names and types."""
        self.place = name if name.startswith("[") else f"[{name}]"
        for option, value in options.items():
            kind = kinds.get(option)
            if kind is None:
                self._refuse(f"{option!r} is no option", f"Use one of: {', '.join(kinds)}")
            names = [each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,))]
            if type(value).__name__ not in names:
                self._refuse(
                    f"{option} is of type {type(value).__name__}",
                    f"Make it one of type {' or '.join(names)}",
                )
        return options

    def _texts(self, option: str, value: Any) -> tuple[str, ...]:
        entries = [value] if isinstance(value, str) else value
        if not all(isinstance(entry, str) for entry in entries):
            self._refuse(f"{option} holds what is no text", "Put its entries in quotes")
        return tuple(entries)

    def _text_values(self, option: str, options: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = options.get(option, {})
        self._texts(option, [*found.values()])
        return found

    def _pattern(self, options: dict[str, Any]) -> re.Pattern[str] | None:
        if "pattern" not in options:
            return None
        try:
            return re.compile(options["pattern"])
        except re.error as error:
            self._refuse(f"its pattern is wrong: {error}", "Correct it")

    def _formats(self, options: dict[str, Any]) -> tuple[str, ...]:
        formats = self._texts("format", options.get("format", []))
        for form in formats:
            if form != UNIX and "%" not in form:
                self._refuse(
                    f"{form!r} is no format of a time", 'Use one like "%d.%m.%Y", or "unix"'
                )
        return formats

    def _zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self._refuse(f"{name!r} is no time zone", 'Use one like "Europe/Warsaw"')

    def _layout(self, table: dict[str, Any]) -> Layout:
        encoding, delimiter = table.get("encoding", ""), table.get("delimiter", "")
        try:
            codecs.lookup(encoding or "utf-8")
        except LookupError:
            self._refuse(f"{encoding!r} is no encoding", 'Use one like "windows-1251"')
        if len(delimiter) > 1:
            self._refuse(f"{delimiter!r} is longer than a character", "Use a single one")
        header = table.get("header", True)
        return Layout(
            encoding=encoding,
            delimiter=delimiter,
            header=header is True,
            names=self._texts("header", header if isinstance(header, list) else []),
            short_rows=table.get("short_rows", False),
        )

    def _skipped(self, name: str, value: Any) -> frozenset[str]:
        self.place = f"[skip] {name}"
        if not isinstance(value, str | list):
            self._refuse("is neither a text nor a list of texts", f'Use {name} = ["…"]')
        return frozenset(self._texts("it", value))

    def _known_sections(self) -> str:
        return ", ".join(self.records)

    def _refuse(self, reason: str, advice: str) -> NoReturn:
        raise SourceError(f"{self.name}, {self.place}: {reason}. {advice}.")


def _record_types(database: str) -> dict[str, type[Any]]:
    """Return section name → record type, parents first: {"price_point": PricePoint, …}."""
    module = import_module(f"{database}.records")
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): kind
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and hasattr(kind, "_fields")
        and kind.__module__ == module.__name__
    }
