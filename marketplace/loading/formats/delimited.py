"""Tables in text form (CSV): rows and their errors.

A damaged row is yielded as an error, and reading continues after it. If it spans several lines,
its quotation mark was probably never closed, so reading continues with the second of them.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from django.conf import settings

from marketplace.exceptions import SourceError
from marketplace.humanize import counted
from marketplace.loading.formats import dialects
from marketplace.loading.formats.dialects import Dialect, Rows
from marketplace.loading.formats.encodings import TextLines, drain, look_ahead
from marketplace.loading.formats.entries import Entry

DELIMITERS = dialects.DELIMITERS

#: Columns that a table may have: the limit of spreadsheets.
MAX_COLUMNS = 16_384

_NUMBER = re.compile(r"\s*+[-+−]?\d[\d\s.,]*+")


class Row(dict[str, str]):
    """A row of a table: column → text. The type distinguishes it from a JSON object."""


class Layout(NamedTuple):
    """The layout of a table. Fields that are empty or None are detected.

    :param header: whether the first row has the names of the columns; without it, they are named
        "1", "2", …; a repetition of the header between rows is skipped
    :param names: the names of the columns, for a table without a header
    :param short_rows: whether a row may have fewer cells than the table has columns; or the columns
        that may be missing at its end
    :param quote: the quotation mark of cells; empty if cells are never quoted
    """

    encoding: str = ""
    delimiter: str = ""
    header: bool = True
    names: tuple[str, ...] = ()
    short_rows: bool | tuple[str, ...] = False
    quote: str | None = None


def read(
    stream: Any,
    layout: Layout,
    check: Callable[[list[str]], None] | None = None,
    name: str = "the table",
) -> Iterator[Entry]:
    """Yield the rows of a table.

    A column without a name is named by its number. The second of two columns with the same name is
    named "name (2)"; without `check`, a row whose values in the two differ is invalid.

    :param stream: bytes, with `peek`
    :param check: called once with the names of the columns; may raise `SourceError` to refuse the
        table
    :param name: the name of the source, for messages
    :raises SourceError: if the first row cannot be read, or the encoding cannot be determined
    """
    text = TextLines(stream, layout.encoding, name, settings.INGEST_MAX_RECORD)
    sample, rest = look_ahead(iter(text), dialects.is_enough)
    dialect = dialects.find_dialect(
        sample, layout.delimiter, layout.quote, has_header=layout.header
    )
    sample_rows = dialects.drop_partial_row(sample)
    rows = Rows(chain(drain(sample), rest), dialect, lambda: text.encoding)
    header: list[str] = []
    shape = _Shape([], layout)
    for row, fault in rows.read():
        if not shape.columns:
            if fault:
                raise SourceError(
                    f"The first row of {name} (line {rows.start}) cannot be read: it {fault}. "
                    "Correct the table, and load it again."
                )
            _check_width(row, name)
            header = _header(row, layout)
            shape = _Shape(_number_repeated(header), layout, sample_rows, dialect)
            if check:
                check(header)
            else:
                shape.repeated = _find_repeated(header)
            if layout.header:
                continue
        fault = fault or shape.find_fault(row)
        if fault:
            raw = rows.reject()
            yield Entry(f"line {rows.start}", None, fault, raw)
        # A concatenation of several files repeats the header.
        elif not (layout.header and header[0] in row[0] and _header(row, layout) == header):
            yield Entry(f"line {rows.number}", shape.name_cells(row))


def _check_width(row: list[str], name: str) -> None:
    if len(row) > MAX_COLUMNS:
        raise SourceError(
            f"{name} has {len(row):,} columns, and a table may have {MAX_COLUMNS:,}. If these are "
            "not columns, set delimiter under [table] of a mapping. Otherwise split the table."
        )


class _Shape:
    """The columns of a table, to check its rows.

    :ivar repeated: pairs of positions of columns with the same name
    """

    def __init__(
        self,
        columns: list[str],
        layout: Layout,
        sample: list[str] | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self.columns = columns
        self.repeated: list[tuple[int, int]] = []
        self._short_rows = layout.short_rows
        self._full: list[list[str]] = []
        if layout.short_rows is True and sample and dialect:
            rows = Rows(iter(sample), dialect).read()
            full = [row for row, fault in rows if not fault and len(row) == len(columns)]
            self._full = full[layout.header :]

    def find_fault(self, row: list[str]) -> str:
        """Return the reason for which a row does not fit the columns; empty if it fits."""
        if len(row) != len(self.columns):
            return self._find_width_fault(row)
        for first, second in self.repeated:
            if row[first] != row[second]:
                name = self.columns[first]
                return (
                    f'has two values in columns named "{name}": "{row[first][:80]}" and '
                    f'"{row[second][:80]}"; give one of the columns another name'
                )
        return ""

    def name_cells(self, row: list[str]) -> Row:
        """Return a row as column → text."""
        missing = len(self.columns) - len(row)
        return Row(zip(self.columns, row + [""] * missing if missing else row, strict=True))

    def _find_width_fault(self, row: list[str]) -> str:
        fault = f"has {counted(len(row), 'column')}, the table has {len(self.columns)}"
        if len(row) > len(self.columns) or not self._short_rows:
            return fault
        if isinstance(self._short_rows, tuple):
            absent = set(self.columns[len(row) :]) - set(self._short_rows)
            names = ", ".join(f'"{name}"' for name in sorted(absent))
            return f"{fault}; short_rows does not name {names}" if absent else ""
        for position, cell in enumerate(row):
            if cell.strip() and self._kinds(position) == {not _NUMBER.fullmatch(cell)}:
                name = self.columns[position]
                return (
                    f'{fault}; "{cell[:80]}" in column "{name}" has a different type: the row may '
                    "be shifted"
                )
        return ""

    def _kinds(self, position: int) -> set[bool]:
        """Return whether the values of a column in full rows are numbers: a set of True, False."""
        cells = (row[position] for row in self._full)
        return {bool(_NUMBER.fullmatch(cell)) for cell in cells if cell.strip()}


def _header(row: list[str], layout: Layout) -> list[str]:
    if layout.names:
        return list(layout.names)
    if not layout.header:
        return [str(number) for number in range(1, len(row) + 1)]
    names = (name.strip().lstrip("\ufeff") for name in row)
    return [name or str(number) for number, name in enumerate(names, 1)]


def _number_repeated(names: list[str]) -> list[str]:
    """Return unique names of columns: a repeated name gets a number, as in "price (2)"."""
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(f"{name} ({counts[name]})" if counts[name] > 1 else name)
    return unique


def _find_repeated(names: list[str]) -> list[tuple[int, int]]:
    """Return the positions of the first column with a name and of each later one."""
    first: dict[str, int] = {}
    positions = [
        (first.setdefault(name, position), position) for position, name in enumerate(names)
    ]
    return [(one, other) for one, other in positions if one != other]
