"""The lines of a text in bounded memory: only the beginning is kept of a line that is too large."""

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from marketplace.loading.formats.oversize import KEPT

#: Name of the error handler that replaces each undecodable byte by a lone surrogate.
MARK = "marketplace.mark"

#: Characters that are read at a time of a line that is too large.
_PIECE = 1 << 20

_ENDS = ("\n", "\r")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    damaged = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + max(byte, 0x80)) for byte in damaged), error.end


codecs.register_error(MARK, _mark)


class LongLine(str):
    """The beginning of a line that is larger than a record may be.

    :ivar size: bytes of the whole line; characters if its encoding was known beforehand
    :ivar quotes: quotation mark → how many of it the line has
    :ivar escaped: how many of the double ones follow a backslash
    """

    size: int
    quotes: dict[str, int]
    escaped: int

    @classmethod
    def read(cls, first: str, read: Callable[[int], str]) -> "LongLine":
        """Return a line of which the first part was read; the rest is read, but not kept."""
        line, size, quotes, escaped, part = cls(first[:KEPT]), 0, {'"': 0, "'": 0}, 0, first
        while part:
            size += len(part)
            escaped += part.count('\\"')
            for mark in quotes:
                quotes[mark] += part.count(mark)
            if part.endswith(_ENDS):
                break
            part = read(_PIECE)
        line.size, line.quotes, line.escaped = size, quotes, escaped
        return line

    def convert(self, text: str) -> "LongLine":
        """Return this line with another text as its beginning."""
        line = LongLine(text)
        line.__dict__.update(self.__dict__)
        return line


def read_lines(stream: Any, encoding: str, max_line: int) -> Iterator[str]:
    """Yield the lines of a stream with their ends, which are of all three kinds.

    Not of those other separators at which splitlines() cuts.

    :param stream: bytes; it stays open
    :param max_line: characters of a line; a longer one is yielded as a `LongLine`
    :raises UnicodeError: if the encoding needs a mark that is missing
    """
    text = io.TextIOWrapper(stream, encoding=encoding, errors=MARK, newline="")
    try:
        for line in iter(partial(text.readline, max_line + 1), ""):
            is_long = len(line) > max_line and not line.endswith(_ENDS)
            yield LongLine.read(line, text.readline) if is_long else line
    finally:
        # The stream may be closed before this generator.
        with suppress(ValueError):
            text.detach()
