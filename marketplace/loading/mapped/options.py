"""The options of a mapping file: those of a column, and those of a table's layout.

The name, the type and the value of each option are checked.
"""

import io
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from marketplace.exceptions import SourceError
from marketplace.loading.formats.delimited import Layout
from marketplace.loading.mapped.columns import UNIX, Column
from marketplace.loading.values import quote

#: Option of a field → types of its value.
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
#: Type → its name in messages.
_KINDS: dict[type, str] = {
    str: "text in quotes",
    list: "a list",
    dict: "a table",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
#: Key of [table] → types of its value.
TABLE: dict[str, type | tuple[type, ...]] = {
    "platform": str,
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


class OptionReader:
    """A reader of options, which names the place of an error.

    :param name: the name of the file
    :ivar place: the section and key that are being read
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.place = ""

    def column(self, value: Any) -> Column:
        """Return the column of a value: the name of a column, several names, or a dict of options.

        :raises SourceError: if an option is not valid
        """
        options = {"column": value} if isinstance(value, str | list) else value
        if not isinstance(options, dict):
            self.refuse(
                "is neither the name of a column nor a table of options",
                'Write the name in quotes, or { column = "…", … }',
            )
        self.options(self.place, options, _OPTIONS)
        if options.get("minor_units", 1) < 1:
            self.refuse("minor_units is less than 1", "Use 100 for prices in kopecks")
        if options.get("decimal", ",") not in (",", "."):
            self.refuse(f"decimal {quote(options['decimal'])} is not valid", 'Use "," or "."')
        sources = [source for source in _SOURCES if source in options]
        if len(sources) != 1:
            fault = (
                f"has both {' and '.join(sources)}" if sources else "has no source for its value"
            )
            self.refuse(fault, f"Use exactly one of: {', '.join(_SOURCES)}")
        if options[sources[0]] in ("", [], {}):
            self.refuse(f"{sources[0]} is empty", "Name a column")
        if "" in options.get("replace", {}):
            self.refuse("replace has an empty key", "Name the text to replace")
        return Column(
            names=self.texts("column", options.get("column", [])),
            constant=options.get("constant"),
            digest_of=self.texts("digest_of", options.get("digest_of", [])),
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
            latest_of=self.texts("latest_of", options.get("latest_of", [])),
        )

    def options(
        self, place: str, options: dict[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
    ) -> dict[str, Any]:
        """Return the options after a check of their names and types."""
        self.place = place
        for option, value in options.items():
            kind = kinds.get(option)
            if kind is None:
                self.refuse(f"{quote(option)} is not an option", suggest(option, kinds))
            allowed = kind if isinstance(kind, tuple) else (kind,)
            # isinstance would accept a boolean as a whole number.
            if type(value) not in allowed:
                expected = " or ".join(_KINDS[kind] for kind in allowed)
                actual = _KINDS.get(type(value), type(value).__name__)
                self.refuse(f"{option} is {actual}", f"It must be {expected}")
        return options

    def texts(self, option: str, value: Any) -> tuple[str, ...]:
        """Return the texts of a list, or a single text."""
        entries = [value] if isinstance(value, str) else value
        if not all(isinstance(entry, str) for entry in entries):
            self.refuse(f"{option} has an entry that is not text", "Put its entries in quotes")
        return tuple(entries)

    def _text_values(self, option: str, options: dict[str, Any]) -> dict[str, str]:
        texts: dict[str, str] = options.get(option, {})
        self.texts(option, [*texts.values()])
        return texts

    def _pattern(self, options: dict[str, Any]) -> re.Pattern[str] | None:
        if "pattern" not in options:
            return None
        try:
            return re.compile(options["pattern"])
        except re.error as error:
            self.refuse(
                f"pattern {quote(options['pattern'])} is not a regular expression: {error}",
                "Correct it",
            )

    def _formats(self, options: dict[str, Any]) -> tuple[str, ...]:
        formats = self.texts("format", options.get("format", []))
        for time_format in formats:
            if time_format != UNIX and "%" not in time_format:
                self.refuse(
                    f"format {quote(time_format)} is not a time format",
                    'Use one like "%d.%m.%Y", or "unix"',
                )
        return formats

    def _zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self.refuse(f"zone {quote(name)} is not a time zone", 'Use one like "Europe/Warsaw"')

    def layout(self, table: dict[str, Any]) -> Layout:
        """Return the layout that [table] describes.

        :raises SourceError: if an option is not valid
        """
        delimiter, mark = table.get("delimiter", ""), table.get("quote")
        if len(delimiter) > 1 or delimiter in ("\n", "\r", '"'):
            self.refuse(f"delimiter {quote(delimiter)} is not valid", "Use one character")
        if mark not in (None, "", '"', "'"):
            self.refuse(
                f"quote {quote(mark)} is not a quotation mark",
                """Use '"', "'", or "" if cells are never quoted""",
            )
        header, short_rows = table.get("header", True), table.get("short_rows", False)
        if isinstance(header, list) and len(set(map(str, header))) < max(len(header), 1):
            self.refuse("header is empty or has a duplicate name", "Name each column once")
        return Layout(
            encoding=self._encoding(table.get("encoding", "")),
            delimiter=delimiter,
            header=header is True,
            names=self.texts("header", header if isinstance(header, list) else []),
            short_rows=short_rows
            if isinstance(short_rows, bool)
            else self.texts("short_rows", short_rows),
            quote=mark,
        )

    def _encoding(self, name: str) -> str:
        try:
            # TextIOWrapper also refuses codecs that do not encode text, such as "base64".
            io.TextIOWrapper(io.BytesIO(), encoding=name or "utf-8")
        except (LookupError, UnicodeError):
            self.refuse(
                f"unknown encoding {quote(name)}", 'Use one like "windows-1251" or "utf-16"'
            )
        return name

    def refuse(self, reason: str, advice: str) -> NoReturn:
        """Refuse the mapping with the place that is being read.

        :raises SourceError: always
        """
        raise SourceError(f"{self.name}, {self.place}: {reason}. {advice}.")


def suggest(name: str, known: Collection[str]) -> str:
    """Return the advice for an unknown name: the most similar known name, or all of them."""
    near = get_close_matches(name, known, 1)
    return f"Did you mean: {near[0]}" if near else f"Use one of: {', '.join(known)}"
