"""A scanner that finds the offers and categories of a feed by their tags.

It searches the bytes of the feed, in one pass and bounded memory, where a parser would stop at the
first error or use too much memory.
"""

import mmap
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

#: Bytes that are searched at a time. The system may reclaim their memory afterwards.
_WINDOW = 4 << 20
#: Bytes by which windows overlap: more than the length of a token.
_OVERLAP = 64

#: Levels of nested elements, and elements inside one element. The end tag of an element that
#: exceeds a limit is considered missing.
_MAX_DEPTH, _MAX_INNER = 100, 2_000

#: Start of a comment, CDATA section or processing instruction → its end.
_OPAQUE = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}

#: The pattern begins with a literal, for which the search is fast.
_TOKEN = re.compile(
    rb"<(?:(?P<opaque>!--|!\[CDATA\[|\?)|(?P<start>offer|category)(?=[\s/>])"
    rb"|/(?P<end>offer|category)\s{0,32}>)"
)
#: The rest of a start tag.
_TAG = re.compile(rb"""(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+(?P<empty>(?<=/))?>""")


class Element(NamedTuple):
    """The position of an offer or category in the bytes of a feed.

    :param kind: offer or category
    :param is_whole: whether the element has an end tag
    :param end: the end of the element; without an end tag, the start of the next element, or None
    :param inner: offers and categories inside the element
    """

    kind: str
    is_whole: bool
    start: int
    end: int | None
    inner: "list[Element]"


class _OpenElement(NamedTuple):
    """An element whose end tag has not been found yet."""

    kind: str
    start: int
    inner: list[Element]


class Scanner:
    """The bytes of a feed.

    :param file: the descriptor of a file that is not empty
    :param max_element: bytes of the largest element; the end tag of a larger one that contains
        other elements is considered missing
    """

    def __init__(self, file: int, max_element: int) -> None:
        self.size = os.fstat(file).st_size
        self._file = file
        self._data = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        self._max_element = max_element
        #: Ends of opaque sections that do not occur in the rest of the feed.
        self._absent: set[bytes] = set()

    def close(self) -> None:
        """Unmap the file."""
        self._data.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes between two positions."""
        # Reading through the map would add the bytes to the memory of this process.
        return os.pread(self._file, end - start, start)

    def count_lines(self, start: int, end: int) -> int:
        """Return the number of line ends between two positions."""
        pieces = range(start, end, _WINDOW)
        return sum(self.read(at, min(end, at + _WINDOW)).count(b"\n") for at in pieces)

    def _find_end(self, opaque: bytes, start: int) -> int:
        """Return the end of the opaque section that begins at a position; -1 if it has none."""
        closing = _OPAQUE[opaque]
        if closing in self._absent:
            return -1
        at = start + len(opaque)
        while at < self.size:
            after = min(self.size, at + _WINDOW)
            position = self._data.find(closing, at, after)
            if position >= 0:
                return position + len(closing)
            self._release(at, after)
            at = after if after == self.size else after - _OVERLAP
        # Remembered, so that the feed is not searched to its end again.
        self._absent.add(closing)
        return -1

    def _release(self, start: int, end: int) -> None:
        """Let the system reclaim the memory of the bytes between two positions."""
        if hasattr(mmap, "MADV_DONTNEED"):
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._data.madvise(mmap.MADV_DONTNEED, first, end - first)

    def elements(self) -> Iterator[Element]:
        """Yield the outermost offers and categories, including those without an end tag."""
        opened: list[_OpenElement] = []
        count = 0
        for kind, is_start, start, end, is_empty in self._tokens():
            if opened and opened[0].kind == "offer" and kind == "category":
                continue
            while len(opened) > 1 or (opened and opened[0].inner):
                is_bounded = count <= _MAX_INNER and len(opened) <= _MAX_DEPTH
                if is_bounded and end - opened[0].start <= self._max_element:
                    break
                yield from _break(opened)
                count = sum(1 + len(outer.inner) for outer in opened)
            if is_start and not is_empty:
                opened.append(_OpenElement(kind, start, []))
                count += 1
                continue
            element = Element(kind, True, start, end, []) if is_start else _close(opened, kind, end)
            if element and opened:
                opened[-1].inner.append(element)
                count += is_start
            elif element:
                count = 0
                yield element
        while opened:
            yield from _break(opened)

    def _tokens(self) -> Iterator[tuple[str, bool, int, int, bool]]:
        """Yield the tags of offers and categories: (kind, is start tag, start, end, is empty)."""
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
                end = self._find_end(b"<" + opaque, token.start())
                # A comment without an end extends to the end of the feed. Other sections without
                # an end are damage of their element.
                at = end if end >= 0 else size if opaque == b"!--" else token.end()
            elif token["end"]:
                at = token.end()
                yield token["end"].decode(), False, token.start(), at, False
            else:
                tag = _TAG.match(
                    self._data, token.end(), min(size, token.end() + self._max_element)
                )
                at = tag.end() if tag else token.end()
                is_empty = tag is not None and tag["empty"] is not None
                yield token["start"].decode(), True, token.start(), at, is_empty


def _break(opened: list[_OpenElement]) -> Iterator[Element]:
    """Close the outermost element without an end tag; yield it, and the elements inside it."""
    first = opened.pop(0)
    after = first.inner[0].start if first.inner else opened[0].start if opened else None
    yield Element(first.kind, False, first.start, after, [])
    yield from first.inner


def _close(opened: list[_OpenElement], kind: str, end: int) -> Element | None:
    """Close the innermost open element of a kind and return it; None if no such element is open."""
    for position in range(len(opened) - 1, -1, -1):
        if opened[position].kind == kind:
            closed = opened[position]
            inner = closed.inner + [
                Element(unclosed.kind, False, unclosed.start, None, [])
                for unclosed in opened[position + 1 :]
            ]
            del opened[position:]
            return Element(kind, True, closed.start, end, inner)
    return None
