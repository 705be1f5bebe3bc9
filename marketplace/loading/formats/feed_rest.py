"""The bytes between the offers of a damaged or large feed, for a parser.

Large texts, comments, sections and instructions are dropped: they have no meaning there.
"""

import re
from collections.abc import Iterator

from marketplace.loading.formats.feed_units import OPAQUE, Scanner

#: Bytes of a text, a comment or a tag that a parser is given.
MAX_TOKEN = 1 << 20
_TAG = re.compile(rb"""<(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>""")


class LargeTagError(Exception):
    """Raised if a tag is too large for a parser.

    :param start: its position
    """

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


class Rest:
    """The rest of a feed.

    :ivar dropped: lines that were dropped
    """

    def __init__(self, scanner: Scanner) -> None:
        self.dropped = 0
        self._scanner = scanner
        self._at = 0

    def read(self, end: int) -> Iterator[bytes]:
        """Yield the bytes before a position, from where the last reading ended.

        :raises LargeTagError: if it cannot be parsed in bounded memory
        """
        start, self._at = self._at, max(self._at, end)
        if end - start <= MAX_TOKEN:
            if start < end:
                yield self._scanner.read(start, end)
            return
        yield from self._read_tokens(start, end)

    def skip(self, start: int, end: int, width: int) -> bytes:
        """Leave a unit out; return blanks that keep the places behind it as they are.

        :param width: of the element that stands in its place
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
        """Yield tokens, several together, without those that are large."""
        held = bytearray()
        while at < end:
            stop = self._token_end(at, end)
            if stop - at <= MAX_TOKEN:
                held += self._scanner.read(at, stop)
            else:
                self.dropped += self._scanner.count_lines(at, stop)
            if len(held) >= MAX_TOKEN:
                yield bytes(held)
                held.clear()
            at = stop
        yield bytes(held)

    def _token_end(self, at: int, end: int) -> int:
        """Return the end of the text, tag, comment or the like that begins at a position."""
        head = self._scanner.read(at, at + 9)
        for opening in OPAQUE:
            if head.startswith(opening):
                stop = self._scanner.find_end(opening, at)
                return min(stop, end) if stop >= 0 else end
        found = self._scanner.find(b"<", at + 1, end)
        following = found if found >= 0 else end
        if not head.startswith(b"<") or following - at <= MAX_TOKEN:
            return following
        tag = self._scanner.match(_TAG, at, min(end, at + MAX_TOKEN))
        if tag is None:
            raise LargeTagError(at)
        return tag.end()
