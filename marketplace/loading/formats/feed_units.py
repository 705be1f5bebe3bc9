"""The offers and categories of a damaged feed, found by their tags, in one pass and bounded memory.

The bytes of the feed are searched, because it is too damaged or too large for a parser.
"""

import mmap
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

#: Bytes that are searched at a time; then the system may take back their memory.
_WINDOW = 4 << 20
#: Bytes by which windows overlap: more than a token has.
_OVERLAP = 64

#: Levels of units within each other, and units within one: beyond, its end tag counts as missing.
_MAX_DEPTH, _MAX_INNER = 100, 2_000

#: Beginning of a section that is not markup → its end.
OPAQUE = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}

#: It begins with one literal, which is searched for quickly.
_TOKEN = re.compile(
    rb"<(?:(?P<opaque>!--|!\[CDATA\[|\?)|(?P<start>offer|category)(?=[\s/>])"
    rb"|/(?P<end>offer|category)\s{0,32}>)"
)
#: The rest of a start tag.
_TAG = re.compile(rb"""(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+(?P<empty>(?<=/))?>""")


class Unit(NamedTuple):
    """An offer or category, by its place in the bytes of a feed.

    :param is_whole: whether it has its end tag
    :param end: where it ends; without an end tag, where the next one begins, None if there is none
    :param inner: the units in it
    """

    kind: str
    is_whole: bool
    start: int
    end: int | None
    inner: "list[Unit]"


class _Open(NamedTuple):
    """A unit whose end tag was not found yet."""

    kind: str
    start: int
    inner: list[Unit]


class Scanner:
    """The bytes of a feed, which are read from the beginning to the end.

    :param file: descriptor of a file with all bytes, of which there is one at least
    :param max_unit: bytes of a unit; one with others in it that is larger lacks its end tag
    """

    def __init__(self, file: int, max_unit: int) -> None:
        self.size = os.fstat(file).st_size
        self._file = file
        self._data = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        self._max_unit = max_unit
        #: Ends of such sections that do not occur any more.
        self._absent: set[bytes] = set()

    def close(self) -> None:
        """Unmap the file."""
        self._data.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes between two positions."""
        # Bytes that are read through the map would count as memory of this process.
        return os.pread(self._file, end - start, start)

    def count_lines(self, start: int, end: int) -> int:
        """Return how many lines end between two positions."""
        pieces = range(start, end, _WINDOW)
        return sum(self.read(at, min(end, at + _WINDOW)).count(b"\n") for at in pieces)

    def match(self, pattern: re.Pattern[bytes], start: int, end: int) -> re.Match[bytes] | None:
        """Return the match of a pattern at a position."""
        return pattern.match(self._data, start, min(self.size, end))

    def find(self, text: bytes, start: int, end: int | None = None) -> int:
        """Return the position of some bytes; -1 if they do not occur."""
        stop = self.size if end is None else end
        while start < stop:
            after = min(stop, start + _WINDOW)
            found = self._data.find(text, start, after)
            if found >= 0:
                return found
            self._release(start, after)
            start = after if after == stop else after - _OVERLAP
        return -1

    def find_end(self, opaque: bytes, start: int) -> int:
        """Return the end of a comment or the like that begins at a position; -1 if it has none."""
        closing = OPAQUE[opaque]
        if closing in self._absent:
            return -1
        found = self.find(closing, start + len(opaque))
        if found < 0:
            # The next search would read to the end again.
            self._absent.add(closing)
            return -1
        return found + len(closing)

    def _release(self, start: int, end: int) -> None:
        """Let the system take back the memory of the bytes between two positions."""
        if hasattr(mmap, "MADV_DONTNEED"):
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._data.madvise(mmap.MADV_DONTNEED, first, end - first)

    def units(self) -> Iterator[Unit]:
        """Yield the outermost offers and categories, also those without an end tag."""
        opened: list[_Open] = []
        count = 0
        for kind, is_start, start, end, is_empty in self._tokens():
            if opened and opened[0].kind == "offer" and kind == "category":
                continue
            while len(opened) > 1 or (opened and opened[0].inner):
                is_bounded = count <= _MAX_INNER and len(opened) <= _MAX_DEPTH
                if is_bounded and end - opened[0].start <= self._max_unit:
                    break
                yield from _break(opened)
                count = sum(1 + len(each.inner) for each in opened)
            if is_start and not is_empty:
                opened.append(_Open(kind, start, []))
                count += 1
                continue
            unit = Unit(kind, True, start, end, []) if is_start else _close(opened, kind, end)
            if unit and opened:
                opened[-1].inner.append(unit)
                count += is_start
            elif unit:
                count = 0
                yield unit
        while opened:
            yield from _break(opened)

    def _tokens(self) -> Iterator[tuple[str, bool, int, int, bool]]:
        """Yield tags as (kind, whether it is a start tag, start, end, whether it is empty)."""
        at, size, released = 0, self.size, 0
        while at < size:
            if at - released >= _WINDOW:
                self._release(released, at)
                released = at
            stop = min(size, at + _WINDOW)
            token = _TOKEN.search(self._data, at, stop)
            if token is None:
                at = size if stop == size else stop - _OVERLAP
            elif opaque := token["opaque"]:
                end = self.find_end(b"<" + opaque, token.start())
                # A comment without an end hides all; the others are damage of their unit.
                at = end if end >= 0 else size if opaque == b"!--" else token.end()
            elif token["end"]:
                at = token.end()
                yield token["end"].decode(), False, token.start(), at, False
            else:
                tag = self.match(_TAG, token.end(), token.end() + self._max_unit)
                at = tag.end() if tag else token.end()
                is_empty = tag is not None and tag["empty"] is not None
                yield token["start"].decode(), True, token.start(), at, is_empty


def _break(opened: list[_Open]) -> Iterator[Unit]:
    """Treat the outermost unit as one without an end tag; yield it, and the units in it."""
    first = opened.pop(0)
    after = first.inner[0].start if first.inner else opened[0].start if opened else None
    yield Unit(first.kind, False, first.start, after, [])
    yield from first.inner


def _close(opened: list[_Open], kind: str, end: int) -> Unit | None:
    """Return the innermost unit of a kind, which ends here; None if there is none."""
    for position in range(len(opened) - 1, -1, -1):
        if opened[position].kind == kind:
            found = opened[position]
            inner = found.inner + [
                Unit(each.kind, False, each.start, None, []) for each in opened[position + 1 :]
            ]
            del opened[position:]
            return Unit(kind, True, found.start, end, inner)
    return None
