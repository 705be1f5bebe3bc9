"""How the rows of a table are cut into cells: delimiter, quotation marks and escapes.

All are found by looking at the first lines. Quotation marks are strict: what a lenient reader would
keep as text, or join over several cells, is a fault.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.conf import settings

from marketplace.loading.formats.encodings import DAMAGE, UTF_8
from marketplace.loading.formats.lines import LongLine
from marketplace.loading.formats.oversize import KEPT, too_large

DELIMITERS = ",;\t|"

#: Lines that one row may span. A quote that is never closed would take the rest of the table.
MAX_LINES = 1000

#: Lines of the sample, and its characters.
SAMPLE = 50
MAX_SAMPLE = 1_000_000

#: Characters from which on the cells of a row are counted before they are made, and their limit: a
#: cell takes some 60 bytes, even if it is empty.
_LARGE, _MAX_CELLS = 1_000_000, 1_000_000

_DECIMAL = re.compile(r"\s*[-+−]?\d[\d\s]*,\d+\s*")

# Descriptions are longer than the 128 kB that the csv module allows by default.
csv.field_size_limit(1 << 28)


class Dialect(NamedTuple):
    """How rows are cut into cells.

    :param quote: the quotation mark of cells; empty if cells are never quoted
    :param has_escapes: whether a quotation mark inside a cell is written as \\" instead of ""
    """

    delimiter: str
    quote: str = '"'
    has_escapes: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `csv.reader`."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "skipinitialspace": self.delimiter != " ",
            "strict": True,
        }

    def count_quotes(self, line: str) -> int:
        """Return how many quotation marks a line has that may enclose cells."""
        if not self.quote:
            return 0
        if isinstance(line, LongLine):
            return line.quotes.get(self.quote, 0) - self.has_escapes * line.escaped
        return line.count(self.quote) - (self.has_escapes and line.count('\\"'))

    @property
    def closing(self) -> re.Pattern[str]:
        """The beginning of a line up to where it closes a cell that was open before."""
        mark = re.escape(self.quote or '"')
        inside = rf"[^{mark}]" if not self.has_escapes else rf'(?:\\"|[^{mark}])'
        return re.compile(
            rf"(?:{mark}{mark}|{inside})*+{mark} *(?:{re.escape(self.delimiter)}|[\r\n]|\Z)"
        )

    @property
    def sound_row(self) -> re.Pattern[str]:
        """A row in which double quotation marks only enclose cells."""
        delimiter = re.escape(self.delimiter)
        cell = rf'(?: *+"(?:""|[^"]++)*+"|[^"{delimiter}\r\n]*+)'
        return re.compile(rf"{cell}(?:{delimiter}{cell})*+[\r\n]*")


class _TooLargeError(csv.Error):
    """Raised if a row is larger than a record may be."""


class Rows:
    """The lines of a table, of which some may be read again.

    :param number: how many lines were read
    """

    def __init__(
        self, lines: Iterator[str], dialect: Dialect, encoding: Callable[[], str] = lambda: UTF_8
    ) -> None:
        self.number = 0
        self._lines = lines
        self._dialect = dialect
        self._encoding = encoding
        self._sound_row = dialect.sound_row
        self._closing = dialect.closing
        self._max_size: int = settings.INGEST_MAX_RECORD
        self._unchecked_size = min(_LARGE, self._max_size)
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []
        #: Characters and delimiters of the lines that were taken; the latter only of a large row.
        self._size = self._cells = 0
        #: Whether all lines that were taken are one row, although it is faulty.
        self._is_one = False
        #: The cells of a large row that were made without the csv module.
        self._plain: list[str] = []
        self._reader = self._start()

    def _start(self) -> Any:
        return csv.reader(self, **self._dialect.options)

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_LINES:
            raise csv.Error(f"a row spans more than {MAX_LINES} lines: a quote is not closed")
        line = self._take()
        self._size += len(line)
        if self._size > self._unchecked_size or isinstance(line, LongLine):
            self._check_size(line)
            if len(self._taken) == 1 and self._is_plain(line):
                return "\n"
        return line.replace('\\"', '""') if self._dialect.has_escapes else line

    @property
    def start(self) -> int:
        """The number of the first line that was taken."""
        return self.number - len(self._taken) + 1

    def _take(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self._taken.append(line)
        self.number += 1
        return line

    def _is_plain(self, line: str) -> bool:
        """Return whether a large line has no quotation marks; then its cells are at hand.

        The csv module takes four bytes for each of their characters.
        """
        if self._dialect.quote and self._dialect.quote in line:
            return False
        cells = line.rstrip("\r\n").split(self._dialect.delimiter)
        is_stripped = self._dialect.options["skipinitialspace"]
        self._plain = [cell.lstrip(" ") for cell in cells] if is_stripped else cells
        return True

    def _check_size(self, line: str) -> None:
        size = self._size + (line.size - len(line) if isinstance(line, LongLine) else 0)
        if size > self._max_size:
            raise _TooLargeError(too_large(size, self._max_size))
        self._cells += line.count(self._dialect.delimiter)
        if self._cells > _MAX_CELLS:
            raise _TooLargeError(f"has more than {_MAX_CELLS:,} delimiters")

    def read(self) -> Iterator[tuple[list[str], str]]:
        """Yield the rows that are not blank, each with its fault or nothing."""
        while True:
            self._taken, self._is_one = [], False
            self._size = self._cells = 0
            fault, row = "", []
            try:
                row = next(self._reader)
                if self._plain:
                    row, self._plain = self._plain, []
            except StopIteration:
                return
            except _TooLargeError as error:
                fault = str(error)
                self._find_end()
            except csv.Error as error:
                fault = self._find_fault(row) or f"is not CSV: {error}"
            else:
                fault = self._find_fault(row)
            if self._size > _LARGE:
                # The reader keeps the memory of its longest cell, four bytes for each character.
                self._reader = self._start()
            if fault or any(map(str.strip, row)):
                yield row, fault
                del row

    def _find_end(self) -> None:
        """Take the other lines of a row that is too large, up to the one that closes its quote.

        If the next lines do not close it, it may never be closed, and none is taken.
        """
        count, size = len(self._taken), 0
        is_open = sum(map(self._dialect.count_quotes, self._taken)) % 2
        try:
            while is_open and len(self._taken) < MAX_LINES and size <= self._max_size:
                line = self._take()
                size += len(line)
                is_open = self._dialect.count_quotes(line) % 2 == 0
                if not is_open and not self._closing.match(line):
                    break
            else:
                self._is_one = not is_open
        except StopIteration:
            pass
        if not self._is_one:
            self._give_back(count)

    def _give_back(self, count: int) -> None:
        """Give back the lines that were taken, except the first ones: they are read again.

        :param count: of lines that stay taken
        """
        others = self._taken[count:]
        del self._taken[count:]
        self._waiting.extendleft(reversed(others))
        self.number -= len(others)

    def _find_fault(self, row: list[str]) -> str:
        taken = self._taken[0] if len(self._taken) == 1 else "".join(self._taken)
        if not taken.isascii() and DAMAGE.search(taken):
            return f"is not {self._encoding()}"
        if not any('"' in cell for cell in row):
            return ""
        return self._find_quotes(taken, row)

    def _find_quotes(self, taken: str, row: list[str]) -> str:
        """Return why quotation marks inside of cells cannot be understood; empty if they can."""
        if self._dialect.quote == "'" and any('""' in cell for cell in row):
            return "has doubled quotation marks, but the table encloses cells in single ones"
        if self._dialect.has_escapes:
            taken = taken.replace('\\"', '""')
        if self._dialect.quote != '"' or self._sound_row.fullmatch(taken):
            return ""
        return (
            "has a quotation mark inside a cell that is not quoted; if quotation marks are text in "
            'this table, set quote = "" under [table] of a mapping'
        )

    def reject(self) -> bytes:
        """Return the first line of those that were taken; the others are read again.

        Only the beginning is returned of a row that is too large.
        """
        first = self._taken[0]
        if not self._is_one:
            self._give_back(1)
        self._reader = self._start()
        kept = first[:KEPT] if self._is_one or isinstance(first, LongLine) else first
        return kept.encode(UTF_8, "surrogateescape")


def find_dialect(
    sample: list[str], delimiter: str = "", quote: str | None = None, *, has_header: bool = True
) -> Dialect:
    """Return how the rows of a table are cut into cells, by its first lines.

    :param delimiter: if it is known
    :param quote: the quotation mark, if it is known; empty if there is none
    """
    lines = whole(sample)
    delimiter = delimiter or find_delimiter(sample)
    if quote is not None:
        return Dialect(delimiter, quote)
    if _is_single_quoted(lines[has_header:], delimiter):
        return Dialect(delimiter, "'")
    plain, escaped = Dialect(delimiter), Dialect(delimiter, has_escapes=True)
    if any('\\"' in line for line in lines) and _fitness(lines, escaped) > _fitness(lines, plain):
        return escaped
    return plain


def find_delimiter(sample: list[str]) -> str:
    """Return the delimiter that cuts the most lines into as many columns as the first.

    Of several, that with the most columns; a comma last if it may be a decimal one; a comma if
    none cuts anything.
    """
    lines = whole(sample)

    def fitness(delimiter: str) -> tuple[float, bool, int]:
        share, width = _fitness(lines, Dialect(delimiter))
        return share, not (delimiter == "," and _has_decimal_commas(lines)), width

    best = max(DELIMITERS, key=fitness)
    return best if fitness(best)[0] else ","


def is_enough(sample: list[str]) -> bool:
    """Return whether lines suffice to see how rows are cut into cells."""
    return len(sample) >= SAMPLE or sum(map(len, sample)) >= MAX_SAMPLE


def whole(sample: list[str]) -> list[str]:
    """Return the first lines of a table without the last one, which may not be a whole row."""
    if len(sample) > 1 and is_enough(sample):
        return sample[:-1]
    return [line[:MAX_SAMPLE] for line in sample]


def _fitness(lines: list[str], dialect: Dialect) -> tuple[float, int]:
    """Return the share of the rows that are sound and as wide as the first, and its width."""
    rows = list(Rows(iter(lines), dialect).read())
    if not rows or len(rows[0][0]) < 2:
        return 0.0, 0
    widths = Counter(len(row) for row, fault in rows if not fault)
    return widths[len(rows[0][0])] / len(rows), len(rows[0][0])


def _has_decimal_commas(lines: list[str]) -> bool:
    """Return whether another delimiter leaves no comma but in decimal numbers."""
    return any(
        all(
            len(row) > 1 and all("," not in cell or _DECIMAL.fullmatch(cell) for cell in row)
            for row, _ in Rows(iter(lines), Dialect(delimiter)).read()
        )
        for delimiter in DELIMITERS.replace(",", "")
    )


def _is_single_quoted(lines: list[str], delimiter: str) -> bool:
    """Return whether nearly all rows have cells in single quotation marks, and none in double."""
    cut = re.escape(delimiter)
    opening, closing = re.compile(rf"(?:^|{cut}) *'"), re.compile(rf"' *(?:{cut}|$)")
    double = re.compile(rf'(?:^|{cut}) *"')
    filled = [line.rstrip("\r\n") for line in lines if line.strip()]
    if not filled or any(map(double.search, filled)):
        return False

    def is_quoted(line: str) -> bool:
        start = opening.search(line)
        return start is not None and closing.search(line, start.end()) is not None

    return sum(map(is_quoted, filled)) >= 0.8 * len(filled)
