"""Dialects of CSV: how rows are divided into cells by delimiters, quotation marks and escapes.

The dialect is detected from the first lines. Quotation marks are read strictly: a misplaced mark is
a fault. A lenient reader would keep it as text, or join several cells.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.conf import settings

from marketplace.loading.formats.encodings import UNDECODED, UTF_8
from marketplace.loading.formats.entries import EXCERPT_SIZE, size_fault
from marketplace.loading.formats.lines import LongLine

DELIMITERS = ",;\t|"

#: Lines that one row may span. Without a limit, an unclosed quote would extend to the last line.
MAX_LINES = 1000

#: Lines and characters of the sample.
SAMPLE = 50
MAX_SAMPLE = 1_000_000

#: The cells of a row with more characters than `_LARGE` are counted before it is parsed, because
#: even an empty cell takes about 60 bytes of memory.
_LARGE, _MAX_CELLS = 1_000_000, 1_000_000

_DECIMAL = re.compile(r"\s*[-+−]?\d[\d\s]*,\d+\s*")

# The default limit of the csv module, 128 kB, is too low for descriptions.
csv.field_size_limit(1 << 28)


class Dialect(NamedTuple):
    """The dialect of a table.

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
        """Return the number of quotation marks in a line that may enclose cells."""
        if not self.quote:
            return 0
        if isinstance(line, LongLine):
            return line.quotes.get(self.quote, 0) - self.has_escapes * line.escaped
        return line.count(self.quote) - (self.has_escapes and line.count('\\"'))

    @property
    def closing(self) -> re.Pattern[str]:
        """The beginning of a line that closes a cell opened in an earlier line."""
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
    """A row is larger than a record may be."""


class Rows:
    """The rows of a table. Lines after an invalid row can be read again.

    :ivar number: the number of lines that were read
    """

    def __init__(
        self, lines: Iterator[str], dialect: Dialect, encoding: Callable[[], str] = lambda: UTF_8
    ) -> None:
        self.number = 0
        self._lines = lines
        self._dialect = dialect
        self._encoding = encoding
        self._valid_row = dialect.sound_row
        self._closing = dialect.closing
        self._max_size: int = settings.INGEST_MAX_RECORD
        self._unchecked_size = min(_LARGE, self._max_size)
        #: Lines that were read, and are to be read again.
        self._returned: deque[str] = deque()
        #: The lines of the current row.
        self._taken: list[str] = []
        #: Characters and delimiters of the current row; delimiters are counted in large rows only.
        self._size = self._cells = 0
        #: Whether the lines of an invalid row are certain to belong to it.
        self._is_complete = False
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
        return line.replace('\\"', '""') if self._dialect.has_escapes else line

    @property
    def start(self) -> int:
        """The number of the first line of the current row."""
        return self.number - len(self._taken) + 1

    def _take(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self._taken.append(line)
        self.number += 1
        return line

    def _check_size(self, line: str) -> None:
        size = self._size + (line.size - len(line) if isinstance(line, LongLine) else 0)
        if size > self._max_size:
            raise _TooLargeError(size_fault(size))
        self._cells += line.count(self._dialect.delimiter)
        if self._cells > _MAX_CELLS:
            raise _TooLargeError(f"has more than {_MAX_CELLS:,} delimiters")

    def read(self) -> Iterator[tuple[list[str], str]]:
        """Yield the rows that are not blank: cells, error. The error is empty for a valid row."""
        while True:
            self._taken, self._is_complete = [], False
            self._size = self._cells = 0
            fault, row = "", []
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except _TooLargeError as error:
                fault = str(error)
                self._take_rest()
            except csv.Error as error:
                fault = self._find_fault(row) or f"is not CSV: {error}"
            else:
                fault = self._find_fault(row)
            if self._size > _LARGE:
                # The csv reader does not release the buffer of its longest cell.
                self._reader = self._start()
            if fault or any(map(str.strip, row)):
                yield row, fault
                del row

    def _take_rest(self) -> None:
        """Take the other lines of a row that is too large, up to the one that closes its quote.

        If the next lines do not close the quote, it may never be closed, and no line is taken.
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
                self._is_complete = not is_open
        except StopIteration:
            pass
        if not self._is_complete:
            self._return_lines(count)

    def _return_lines(self, count: int) -> None:
        """Return lines of the current row, so that they are read again.

        :param count: the number of lines that the row keeps
        """
        others = self._taken[count:]
        del self._taken[count:]
        self._returned.extendleft(reversed(others))
        self.number -= len(others)

    def _find_fault(self, row: list[str]) -> str:
        text = self._taken[0] if len(self._taken) == 1 else "".join(self._taken)
        if not text.isascii() and UNDECODED.search(text):
            return f"is not {self._encoding()}"
        if not any('"' in cell for cell in row):
            return ""
        return self._find_quote_fault(text, row)

    def _find_quote_fault(self, text: str, row: list[str]) -> str:
        """Return the error in quotation marks inside cells; empty if they are valid."""
        if self._dialect.quote == "'" and any('""' in cell for cell in row):
            return "has doubled quotation marks, but the table encloses cells in single ones"
        if self._dialect.has_escapes:
            text = text.replace('\\"', '""')
        if self._dialect.quote != '"' or self._valid_row.fullmatch(text):
            return ""
        return (
            "has a quotation mark inside a cell that is not quoted; if quotation marks are text in "
            'this table, set quote = "" under [table] of a mapping'
        )

    def reject(self) -> bytes:
        """Return the bytes of the first line of an invalid row, and read its other lines again.

        If the row is too large, only the beginning of the line is returned.
        """
        first = self._taken[0]
        if not self._is_complete:
            self._return_lines(1)
        self._reader = self._start()
        is_large = self._is_complete or isinstance(first, LongLine)
        excerpt = first[:EXCERPT_SIZE] if is_large else first
        return excerpt.encode(UTF_8, "surrogateescape")


def find_dialect(
    sample: list[str], delimiter: str = "", quote: str | None = None, *, has_header: bool = True
) -> Dialect:
    """Return the dialect of a table, detected from its first lines.

    :param delimiter: the delimiter, if it is known
    :param quote: the quotation mark, if it is known; empty if cells are never quoted
    """
    lines = drop_partial_row(sample)
    delimiter = delimiter or find_delimiter(sample)
    if quote is not None:
        return Dialect(delimiter, quote)
    if _is_single_quoted(lines[has_header:], delimiter):
        return Dialect(delimiter, "'")
    plain, escaped = Dialect(delimiter), Dialect(delimiter, has_escapes=True)
    if any('\\"' in line for line in lines) and _score(lines, escaped) > _score(lines, plain):
        return escaped
    return plain


def find_delimiter(sample: list[str]) -> str:
    """Return the delimiter that divides the most rows into as many cells as the first row.

    If several do, a comma that may be a decimal mark comes last, and otherwise the delimiter with
    the most columns wins. The result is a comma if no delimiter occurs.
    """
    lines = drop_partial_row(sample)

    def score(delimiter: str) -> tuple[float, bool, int]:
        share, width = _score(lines, Dialect(delimiter))
        return share, not (delimiter == "," and _has_decimal_commas(lines)), width

    best = max(DELIMITERS, key=score)
    return best if score(best)[0] else ","


def is_enough(sample: list[str]) -> bool:
    """Return whether the sample suffices to detect the dialect."""
    return len(sample) >= SAMPLE or sum(map(len, sample)) >= MAX_SAMPLE


def drop_partial_row(sample: list[str]) -> list[str]:
    """Return the sample without its last line, which may be only a part of a row."""
    if len(sample) > 1 and is_enough(sample):
        return sample[:-1]
    return [line[:MAX_SAMPLE] for line in sample]


def _score(lines: list[str], dialect: Dialect) -> tuple[float, int]:
    """Return the share of valid rows that are as wide as the first one, and its width."""
    rows = list(Rows(iter(lines), dialect).read())
    if not rows or len(rows[0][0]) < 2:
        return 0.0, 0
    widths = Counter(len(row) for row, fault in rows if not fault)
    return widths[len(rows[0][0])] / len(rows), len(rows[0][0])


def _has_decimal_commas(lines: list[str]) -> bool:
    """Return whether, with another delimiter, commas occur in decimal numbers only."""
    return any(
        all(
            len(row) > 1 and all("," not in cell or _DECIMAL.fullmatch(cell) for cell in row)
            for row, _ in Rows(iter(lines), Dialect(delimiter)).read()
        )
        for delimiter in DELIMITERS.replace(",", "")
    )


def _is_single_quoted(lines: list[str], delimiter: str) -> bool:
    """Return whether at least 80 % of the rows have cells in single quotation marks.

    The result is False if any row has a cell in double ones.
    """
    escaped = re.escape(delimiter)
    opening, closing = re.compile(rf"(?:^|{escaped}) *'"), re.compile(rf"' *(?:{escaped}|$)")
    double = re.compile(rf'(?:^|{escaped}) *"')
    filled = [line.rstrip("\r\n") for line in lines if line.strip()]
    if not filled or any(map(double.search, filled)):
        return False

    def is_quoted(line: str) -> bool:
        start = opening.search(line)
        return start is not None and closing.search(line, start.end()) is not None

    return sum(map(is_quoted, filled)) >= 0.8 * len(filled)
