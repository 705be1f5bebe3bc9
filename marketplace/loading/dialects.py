"""How the rows of a table are cut into cells: delimiter, quotation marks and escapes.

All are found by looking at the first lines. Quotation marks are strict: what a lenient reader would
keep as text, or join over several cells, is a fault.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from marketplace.loading.encodings import DAMAGE, UTF_8

DELIMITERS = ",;\t|"

#: Lines that one row may span. A quote that is never closed would take the rest of the table.
MAX_LINES = 1000

#: Lines that are looked at.
SAMPLE = 50

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

    @property
    def sound_row(self) -> re.Pattern[str]:
        """A row in which double quotation marks only enclose cells."""
        delimiter = re.escape(self.delimiter)
        cell = rf'(?: *+"(?:""|[^"])*+"|[^"{delimiter}\r\n]*+)'
        return re.compile(rf"{cell}(?:{delimiter}{cell})*+[\r\n]*")


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
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []
        self._reader = self._start()

    def _start(self) -> Any:
        return csv.reader(self, **self._dialect.options)

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_LINES:
            raise csv.Error(f"a row spans more than {MAX_LINES} lines: a quote is not closed")
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self._taken.append(line)
        self.number += 1
        return line.replace('\\"', '""') if self._dialect.has_escapes else line

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
            fault = self._find_fault(row) or fault
            if fault or any(map(str.strip, row)):
                yield row, fault

    def _find_fault(self, row: list[str]) -> str:
        taken = self._taken[0] if len(self._taken) == 1 else "".join(self._taken)
        if not taken.isascii() and DAMAGE.search(taken):
            return f"is not {self._encoding()}"
        if '"' not in "".join(row):
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
        """Return the first line of what was taken; the others are read again."""
        first, others = self._taken[0], self._taken[1:]
        self._waiting.extendleft(reversed(others))
        self.number -= len(others)
        self._reader = self._start()
        return first.encode(UTF_8, "surrogateescape")


def find_dialect(
    sample: list[str], delimiter: str = "", quote: str | None = None, *, has_header: bool = True
) -> Dialect:
    """Return how the rows of a table are cut into cells, by its first lines.

    :param delimiter: if it is known
    :param quote: the quotation mark, if it is known; empty if there is none
    """
    lines = _whole(sample)
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
    lines = _whole(sample)

    def fitness(delimiter: str) -> tuple[float, bool, int]:
        share, width = _fitness(lines, Dialect(delimiter))
        return share, not (delimiter == "," and _has_decimal_commas(lines)), width

    best = max(DELIMITERS, key=fitness)
    return best if fitness(best)[0] else ","


def _whole(sample: list[str]) -> list[str]:
    # The last line may be the beginning of a longer record.
    return sample[:-1] if len(sample) == SAMPLE else sample


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
    quoted = re.compile(rf"(?:^|{cut}) *'.*' *(?:{cut}|$)")
    double = re.compile(rf'(?:^|{cut}) *"')
    filled = [line.rstrip("\r\n") for line in lines if line.strip()]
    if not filled or any(map(double.search, filled)):
        return False
    return sum(map(bool, map(quoted.search, filled))) >= 0.8 * len(filled)
