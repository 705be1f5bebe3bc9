"""Lines of a text in bounded memory: of a line that is too large, only the beginning is kept."""

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from marketplace.loading.formats.entries import EXCERPT_SIZE

#: Name of the error handler that replaces each undecodable byte with a lone surrogate.
SURROGATES = "marketplace.surrogates"

#: Characters of a line that are read at a time once the line is too large.
_PIECE = 1 << 20

_LINE_ENDS = ("\n", "\r")


def _replace_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    undecodable = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + max(byte, 0x80)) for byte in undecodable), error.end


codecs.register_error(SURROGATES, _replace_undecodable)


class LongLine(str):
    """The beginning of a line that is larger than a record may be.

    :ivar size: bytes of the whole line; characters if the encoding was known beforehand
    :ivar quotes: quotation mark → how often the line has it
    :ivar escaped: how many double quotation marks follow a backslash
    """

    size: int
    quotes: dict[str, int]
    escaped: int

    @classmethod
    def read(cls, first: str, read: Callable[[int], str]) -> "LongLine":
        """Read a line to its end and return its beginning.

        :param first: the part of the line that was read already
        :param read: returns the next part of the line, of at most so many characters
        """
        line, size, escaped, part = cls(first[:EXCERPT_SIZE]), 0, 0, first
        quotes = {'"': 0, "'": 0}
        while part:
            size += len(part)
            escaped += part.count('\\"')
            for mark in quotes:
                quotes[mark] += part.count(mark)
            if part.endswith(_LINE_ENDS):
                break
            part = read(_PIECE)
        line.size, line.quotes, line.escaped = size, quotes, escaped
        return line

    def with_text(self, text: str) -> "LongLine":
        """Return this line with another text as its beginning."""
        line = LongLine(text)
        line.__dict__.update(self.__dict__)
        return line


def read_lines(stream: Any, encoding: str, max_line: int) -> Iterator[str]:
    r"""Yield the lines of a stream with their ends.

    A line ends with "\n", "\r\n" or "\r". Other separators that `str.splitlines` knows do not end a
    line.

    :param stream: bytes; the stream stays open
    :param max_line: characters of a line; a longer one is yielded as a `LongLine`
    :raises UnicodeError: if the encoding requires a byte order mark that is missing
    """
    text = io.TextIOWrapper(stream, encoding=encoding, errors=SURROGATES, newline="")
    try:
        for line in iter(partial(text.readline, max_line + 1), ""):
            is_long = len(line) > max_line and not line.endswith(_LINE_ENDS)
            yield LongLine.read(line, text.readline) if is_long else line
    finally:
        # The stream may have been closed before this generator.
        with suppress(ValueError):
            text.detach()
