"""Tables in text form: their encoding and delimiter are told by looking at them.

A row that is damaged is a fault, and the reading goes on behind it: if it spans several lines, with
its second one, as its quote was never closed.
"""

import codecs
import csv
import io
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import zstandard

from marketplace.exceptions import SourceError

T = TypeVar("T")

#: (place, row as column → text, fault, raw bytes): a row, or a damaged line.
Found = tuple[str, Any, str, bytes]

DELIMITERS = ",;\t|"

#: What a table is read as that is no UTF-8 and has no mark.
FALLBACK_ENCODING = "windows-1251"

#: Lines that one row may span. A quote that is never closed would take the rest of the table.
MAX_LINES = 1000

#: Lines that are looked at to tell encoding and delimiter.
_SAMPLE = 50

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# Descriptions are longer than the 128 kB that the csv module allows by default.
csv.field_size_limit(1 << 28)


class Layout(NamedTuple):
    """How a table is written; what is empty is told by looking at it.

    :param header: whether the first row names the columns; if not, they are named "1", "2", … ;
        where it stands again in the middle, it is no row
    :param names: the columns' names where no header gives them
    :param short_rows: whether rows that end early are whole, and not damaged
    """

    encoding: str = ""
    delimiter: str = ""
    header: bool = True
    names: tuple[str, ...] = ()
    short_rows: bool = False


def read(
    stream: Any, layout: Layout, check: Callable[[list[str]], None] = lambda columns: None
) -> Iterator[Found]:
    """Yield the rows of a table.

    :param stream: bytes, with `peek`
    :param check: called once with the columns' names; raises `SourceError` to refuse the table
    :raises SourceError: if the first row cannot be read
    """
    sample, rest = _sample(_decode(stream, layout.encoding))
    rows = _Rows(chain(sample, rest), layout.delimiter or find_delimiter(sample))
    columns: list[str] = []
    for row, fault in rows.read():
        if not columns:
            if fault:
                raise SourceError(f"The first row of the table cannot be read: {fault}.")
            columns = _columns(row, layout)
            check(columns)
            if layout.header:
                continue
        missing = len(columns) - len(row)
        if not fault and (missing < 0 or (missing and not layout.short_rows)):
            fault = f"has {len(row)} columns, the table has {len(columns)}"
        if fault:
            raw = rows.reject()
            yield f"line {rows.number}", None, fault, raw
        # Files put together from several repeat the header.
        elif not layout.header or _columns(row, layout) != columns:
            values = dict(zip(columns, row + [""] * missing, strict=True))
            yield f"line {rows.number}", values, "", b""


class _Rows:
    """The lines of a table, of which some may be read again.

    :param number: how many lines were read
    """

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self.number = 0
        self._lines = lines
        self._delimiter = delimiter
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []
        self._reader = self._start()

    def _start(self) -> Any:
        return csv.reader(self, delimiter=self._delimiter, strict=True)

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_LINES:
            raise csv.Error(f"a row spans more than {MAX_LINES} lines: a quote is not closed")
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self._taken.append(line)
        self.number += 1
        return line

    def read(self) -> Iterator[tuple[list[str], str]]:
        """Yield the rows that are not blank, each with its fault or nothing."""
        while True:
            self._taken = []
            fault, row = "", []
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"is not CSV: {error}"
            if any("\udc80" <= c <= "\udcff" for line in self._taken for c in line):
                fault = fault or "is not UTF-8"
            if fault or any(map(str.strip, row)):
                yield row, fault

    def reject(self) -> bytes:
        """Return the first line of what was taken; the others are read again."""
        first, others = self._taken[0], self._taken[1:]
        self._waiting.extendleft(reversed(others))
        self.number -= len(others)
        self._reader = self._start()
        return first.encode("utf-8", "surrogateescape")


def find_delimiter(sample: list[str]) -> str:
    """Return the delimiter that cuts the most lines into as many columns as the first.

    Of several, that with the most columns; a comma if none cuts anything.
    """
    # The last line may be the beginning of a longer record.
    lines = sample[:-1] if len(sample) == _SAMPLE else sample

    def fitness(delimiter: str) -> tuple[float, int]:
        rows = _Rows(iter(lines), delimiter).read()
        widths = [len(row) for row, fault in rows if not fault]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return Counter(widths)[widths[0]] / len(widths), widths[0]

    return max(DELIMITERS, key=fitness)


def _sample(lines: Iterator[T]) -> tuple[list[T], Iterator[T]]:
    """Return the first lines, and the rest; what goes wrong in the first is raised by the rest."""
    sample: list[T] = []
    failures: list[Exception] = []
    try:
        for line in islice(lines, _SAMPLE):
            sample.append(line)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        failures.append(error)

    def rest() -> Iterator[T]:
        for failure in failures:
            raise failure
        yield from lines

    return sample, rest()


def _decode(stream: Any, encoding: str) -> Iterator[str]:
    """Yield lines with their ends, without characters that PostgreSQL cannot store."""
    encoding = encoding or _marked_encoding(stream.peek(4096)[:4096])
    for line in _decode_as(stream, encoding) if encoding else _decode_unmarked(stream):
        yield line.replace("\0", "")


def _marked_encoding(head: bytes) -> str:
    """Return the encoding that a mark at the beginning names, or the zeros of UTF-16 betray."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [index % 2 for index, byte in enumerate(head) if byte == 0]
    # A few may be dirt, and those of dirt are not all at even or all at odd places.
    if len(zeros) < 3 or len(set(zeros)) != 1:
        return ""
    return "utf-16-le" if zeros[0] else "utf-16-be"


def _decode_as(stream: Any, encoding: str) -> Iterator[str]:
    is_utf8 = codecs.lookup(encoding).name.startswith("utf-8")
    errors = "surrogateescape" if is_utf8 else "replace"
    text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    try:
        yield from text
    finally:
        text.detach()


def _decode_unmarked(stream: Any) -> Iterator[str]:
    """Yield lines as UTF-8; those that are none as windows-1251, unless another one was UTF-8."""
    sample, rest = _sample(iter(stream))
    is_utf8 = any(_is_utf8(raw) and not raw.isascii() for raw in sample)
    for raw in chain(sample, rest):
        if _is_utf8(raw):
            line = raw.decode()
            is_utf8 = is_utf8 or not raw.isascii()
        elif is_utf8:
            line = raw.decode("utf-8", "surrogateescape")
        else:
            line = raw.decode(FALLBACK_ENCODING, "replace")
        # Ends of all three kinds, but not the other separators at which splitlines() cuts.
        yield from io.StringIO(line, newline="")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _columns(row: list[str], layout: Layout) -> list[str]:
    if layout.names:
        return list(layout.names)
    if not layout.header:
        return [str(number) for number in range(1, len(row) + 1)]
    return [name.strip().lstrip("\ufeff") for name in row]
