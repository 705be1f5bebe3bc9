"""The bytes between the offers of a damaged or large feed, for a parser.

Large texts, comments, CDATA sections and processing instructions between offers are dropped: they
have no meaning there.
"""

import re
from collections.abc import Iterator

from marketplace.loading.formats.feed_scanner import OPAQUE, Scanner

#: Bytes of the largest text, comment or tag that is passed to the parser.
MAX_TOKEN = 1 << 20
_TAG = re.compile(rb"""<(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>""")


class LargeTagError(Exception):
    """A tag is too large for the parser.

    :param start: the position of the tag
    """

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


class Gaps:
    """The parts of a feed between its offers and categories, read from the beginning.

    :ivar dropped: the number of lines that were dropped
    """

    def __init__(self, scanner: Scanner) -> None:
        self.dropped = 0
        self._scanner = scanner
        self._at = 0

    def read(self, end: int) -> Iterator[bytes]:
        """Yield the bytes from the end of the last read up to a position.

        :raises LargeTagError: if a tag cannot be parsed in bounded memory
        """
        start, self._at = self._at, max(self._at, end)
        if end - start <= MAX_TOKEN:
            if start < end:
                yield self._scanner.read(start, end)
            return
        yield from self._read_tokens(start, end)

    def skip(self, start: int, end: int, width: int) -> bytes:
        """Skip an element; return blanks that preserve the lines and columns after it.

        :param width: bytes of the placeholder that replaces the element
        """
        self._at = end
        if end - start > MAX_TOKEN:
            self.dropped += self._scanner.count_lines(start, end)
            return b""
        lines = self._scanner.read(start, end).split(b"\n")
        missing = len(lines[-1]) - (width if len(lines) == 1 else 0)
        return b"\n" * (len(lines) - 1) + b" " * missing

    def place(self, position: int) -> tuple[int, int]:
        """Return the line and column of a position."""
        line = 1 + self._scanner.count_lines(0, position)
        start = max(0, position - MAX_TOKEN)
        return line, position - start - self._scanner.read(start, position).rfind(b"\n")

    def _read_tokens(self, at: int, end: int) -> Iterator[bytes]:
        """Yield tokens in pieces of several, without large ones."""
        piece = bytearray()
        while at < end:
            stop = self._token_end(at, end)
            if stop - at <= MAX_TOKEN:
                piece += self._scanner.read(at, stop)
            else:
                self.dropped += self._scanner.count_lines(at, stop)
            if len(piece) >= MAX_TOKEN:
                yield bytes(piece)
                piece.clear()
            at = stop
        yield bytes(piece)

    def _token_end(self, at: int, end: int) -> int:
        """Return the end of the token (text, tag, comment, …) that begins at a position."""
        head = self._scanner.read(at, at + 9)
        for opening in OPAQUE:
            if head.startswith(opening):
                stop = self._scanner.find_end(opening, at)
                return min(stop, end) if stop >= 0 else end
        next_tag = self._scanner.find(b"<", at + 1, end)
        stop = next_tag if next_tag >= 0 else end
        if not head.startswith(b"<") or stop - at <= MAX_TOKEN:
            return stop
        tag = self._scanner.match(_TAG, at, min(end, at + MAX_TOKEN))
        if tag is None:
            raise LargeTagError(at)
        return tag.end()
