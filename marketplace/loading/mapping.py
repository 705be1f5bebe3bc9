"""Mapping files: which columns of a table fill which fields of the records of a database.

A mapping is TOML. A section is named after a record type (`[product]`, `[price_point]`), a key
after a field of it; the first section is what a row is about. `[table]` says what looking at the
table does not show, `[skip]` which rows to leave out. A wrong mapping is refused with its file,
section and key, the reason and the next step.
"""

import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.columns import (
    UNIX,
    Column,
    Converter,
    converter,
    split_texts,
    takes_truth,
)
from marketplace.loading.delimited import Layout
from marketplace.loading.targets import get_plan
from marketplace.loading.values import quote

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
    "latest_of": list,
}
_SOURCES = ("column", "constant", "digest_of", "keys", "latest_of")
#: The key of a section whose text "A > B > C" is a chain of records, each the parent of the next.
_CHAIN = "chain"
#: TOML's types, as messages name them.
_KINDS: dict[type, str] = {
    str: "text in quotes",
    list: "a list",
    dict: "a table",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
#: Key of [table] → what it must be.
_TABLE: dict[str, type | tuple[type, ...]] = {
    "encoding": str,
    "delimiter": str,
    "quote": str,
    "header": (bool, list),
    "short_rows": (bool, list),
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
    :param chain: where the names of a chain of records come from, if it is one
    """

    name: str
    record: type[Any]
    rank: int
    fields: dict[str, Field]
    chain: Field | None = None

    @property
    def required(self) -> set[str]:
        """Fields without which there is no record; a currency may be unknown."""
        return {*self.record._fields} - {*self.record._field_defaults} - {"currency"}


@dataclass(frozen=True)
class TableMapping:
    """A mapping file.

    :param sections: the first is what a row is about
    :param rows: in JSON, the name of the list of rows; empty if the rows are the documents; "*" or
        "name.*" if they are the values of an object
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
        fields += [(f"[{s.name}] {_CHAIN}", s.chain) for s in self.sections if s.chain]
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
        self.shared = {each.record for each in get_plan(database).targets if each.shared}
        self.place = ""

    def read(self, content: dict[str, Any]) -> TableMapping:
        """Return the mapping, or refuse it."""
        for name, section in content.items():
            self.place = f"[{name}]"
            if not isinstance(section, dict):
                self.place = name
                self._refuse("stands outside of a section", "Put it under [table] or a record type")
        table = self._options("[table]", content.get("table", {}), _TABLE)
        layout = self._layout(table)
        empty = frozenset({"", *self._texts("empty", table.get("empty", []))})
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
        )

    def _section(self, name: str, content: dict[str, Any]) -> Section:
        self.place = f"[{name}]"
        kind = content.get("record", name)
        record = self.records.get(kind) if isinstance(kind, str) else None
        if record is None:
            self._refuse(
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
            self._refuse("this record type has no parents", "Use it in [category]")
        column = self._column(value)
        return Field(replace(column, separator=column.separator or ">"), split_texts)

    def _check_sections(self, sections: tuple[Section, ...]) -> None:
        self.place = "[table]"
        if not sections:
            self._refuse(
                "there is no section of a record type", f"Add one of: {self._known_sections()}"
            )
        main = sections[0]
        self.place = f"[{main.name}]"
        if not (main.chain or "external_id" in main.fields):
            self._refuse("has no external_id", "A row is about the first section: give it an id")
        others = [each.name for each in sections if each.record not in self.shared]
        if main.record in self.shared and others:
            self._refuse(
                "comes first, so rows with the same id in it would be one record",
                f"Move [{others[0]}] to the top: the first section is what a row is about",
            )
        linked = {f"{section.name}_external_id" for section in sections}
        for section in sections:
            self.place = f"[{section.name}]"
            chained = {"external_id"} if section.chain else set()
            missing = sorted(section.required - section.fields.keys() - linked - chained)
            if missing:
                self._refuse(f"has no {', '.join(missing)}", "Add the column that holds it")

    def _field(self, place: str, record: type[Any], name: str, value: Any) -> Field:
        self.place = place
        if name not in record._fields:
            near = get_close_matches(name, record._fields, 1)
            known = (
                f"Did you mean: {near[0]}" if near else f"Use one of: {', '.join(record._fields)}"
            )
            self._refuse("is not a field of this record type", known)
        return self._checked(Field(self._column(value), converter(record, name)))

    def _observed_at(self, table: dict[str, Any]) -> Field | None:
        value = table.get("observed_at")
        if value is None:
            return None
        self.place = "[table] observed_at"
        return self._checked(Field(self._column(value), converter(_Observation, "observed_at")))

    def _checked(self, found: Field) -> Field:
        pattern = found.column.pattern
        if pattern and not pattern.groups and not takes_truth(found.convert):
            self._refuse("its pattern has no group", "Put the part to take in parentheses")
        if found.column.constant is not None:
            try:
                found.convert(found.column.constant, "constant", found.column)
            except PayloadError as error:
                self._refuse(f"constant {error.reason}", "Correct it")
        return found

    def _column(self, value: Any) -> Column:
        options = {"column": value} if isinstance(value, str | list) else value
        if not isinstance(options, dict):
            self._refuse(
                "is neither the name of a column nor a table of options",
                'Write the name in quotes, or { column = "…", … }',
            )
        self._options(self.place, options, _OPTIONS)
        if options.get("minor_units", 1) < 1:
            self._refuse("minor_units is less than 1", "Use 100 for prices in kopecks")
        if options.get("decimal", ",") not in (",", "."):
            self._refuse(f"decimal {quote(options['decimal'])} is not possible", 'Use "," or "."')
        sources = [source for source in _SOURCES if source in options]
        if len(sources) != 1:
            found = f"has both {' and '.join(sources)}" if sources else "has no source of its value"
            self._refuse(found, f"Use exactly one of: {', '.join(_SOURCES)}")
        if options[sources[0]] in ("", [], {}):
            self._refuse(f"{sources[0]} is empty", "Name a column")
        if "" in options.get("replace", {}):
            self._refuse("replace has an empty text", "Name the text to replace")
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
            latest_of=self._texts("latest_of", options.get("latest_of", [])),
        )

    def _options(
        self, place: str, options: dict[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
    ) -> dict[str, Any]:
        """Check names and types."""
        self.place = place
        for option, value in options.items():
            kind = kinds.get(option)
            if kind is None:
                near = get_close_matches(option, kinds, 1)
                known = f"Did you mean: {near[0]}" if near else f"Use one of: {', '.join(kinds)}"
                self._refuse(f"{quote(option)} is not an option", known)
            allowed = kind if isinstance(kind, tuple) else (kind,)
            # A boolean is no whole number here.
            if type(value) not in allowed:
                known = " or ".join(_KINDS[each] for each in allowed)
                actual = _KINDS.get(type(value), type(value).__name__)
                self._refuse(f"{option} is {actual}", f"It must be {known}")
        return options

    def _texts(self, option: str, value: Any) -> tuple[str, ...]:
        entries = [value] if isinstance(value, str) else value
        if not all(isinstance(entry, str) for entry in entries):
            self._refuse(f"{option} has an entry that is not text", "Put its entries in quotes")
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
            self._refuse(
                f"pattern {quote(options['pattern'])} is not a regular expression: {error}",
                "Correct it",
            )

    def _formats(self, options: dict[str, Any]) -> tuple[str, ...]:
        formats = self._texts("format", options.get("format", []))
        for form in formats:
            if form != UNIX and "%" not in form:
                self._refuse(
                    f"format {quote(form)} is not a format of a time",
                    'Use one like "%d.%m.%Y", or "unix"',
                )
        return formats

    def _zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self._refuse(f"zone {quote(name)} is not a time zone", 'Use one like "Europe/Warsaw"')

    def _layout(self, table: dict[str, Any]) -> Layout:
        delimiter, mark = table.get("delimiter", ""), table.get("quote")
        if len(delimiter) > 1 or delimiter in ("\n", "\r", '"'):
            self._refuse(f"delimiter {quote(delimiter)} is not possible", "Use one character")
        if mark not in (None, "", '"', "'"):
            self._refuse(
                f"quote {quote(mark)} is not a quotation mark",
                """Use '"', "'", or "" if cells are never quoted""",
            )
        header, short_rows = table.get("header", True), table.get("short_rows", False)
        if isinstance(header, list) and len(set(map(str, header))) < max(len(header), 1):
            self._refuse("header is empty or has a name twice", "Name each column once")
        return Layout(
            encoding=self._encoding(table.get("encoding", "")),
            delimiter=delimiter,
            header=header is True,
            names=self._texts("header", header if isinstance(header, list) else []),
            short_rows=short_rows
            if isinstance(short_rows, bool)
            else self._texts("short_rows", short_rows),
            quote=mark,
        )

    def _encoding(self, name: str) -> str:
        try:
            # Codecs that do not encode text, such as "base64", are refused here, too.
            io.TextIOWrapper(io.BytesIO(), encoding=name or "utf-8")
        except (LookupError, UnicodeError):
            self._refuse(
                f"encoding {quote(name)} is not known", 'Use one like "windows-1251" or "utf-16"'
            )
        return name

    def _skipped(self, name: str, value: Any) -> frozenset[str]:
        self.place = f"[skip] {name}"
        if not isinstance(value, str | list):
            self._refuse("is neither text nor a list of texts", f'Use {name} = ["…"]')
        return frozenset(self._texts(name, value))

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
