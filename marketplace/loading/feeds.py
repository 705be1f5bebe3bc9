"""YML feeds (Yandex Market Language and its relatives): one document an offer or category.

A sound feed is read in one pass, in constant memory. At the first error the parser stops, and its
own recovery would guess what was meant, or end there. So a damaged feed is read once more: its
offers and categories are parsed one by one, each strictly, and the rest of the feed by itself.
"""

import mmap
import re
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import quoteattr

from lxml import etree

from marketplace.exceptions import SourceError
from marketplace.loading.yml import EVENTS, OPTIONS, Feed, Found, forget

#: Bytes of a feed that are kept in memory, for reading it again; more are kept in a file.
_SPOOL = 16 << 20

#: Bytes of an offer at most; a longer one lacks its end.
_MAX_UNIT = 16 << 20
_PIECE = 1 << 20
_MARK = b"<unit/>"
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")

#: Comments and the like, whose text is no markup, and the tags of what is parsed alone.
_TOKEN = re.compile(
    rb"<!--(?:.*?-->|.*)|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
    rb"|<(?P<start>offer|category)(?=[\s/>])"
    rb"""(?:(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+(?P<empty>(?<=/))?>)?"""
    rb"|</(?P<end>offer|category)\s*>",
    re.DOTALL,
)


def read(stream: BinaryIO, name: str) -> Iterator[Found]:
    """Yield {"yml_catalog": head, "offer" | "category": element} for each offer and category.

    :raises SourceError: if it is no feed, declares entities, or is damaged but for single offers
    """
    with tempfile.SpooledTemporaryFile(_SPOOL) as copy:
        count = 0
        try:
            for found in Feed(name).read(_Tee(stream, copy)):
                count += 1
                yield found
            return
        except etree.XMLSyntaxError as caught:
            error = caught
        while piece := stream.read(_PIECE):
            copy.write(piece)
        copy.flush()
        with mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from islice(_DamagedFeed(name, data, error).read(), count, None)


class _Tee:
    """A stream that keeps what is read from it."""

    def __init__(self, stream: BinaryIO, copy: Any) -> None:
        self._stream, self._copy = stream, copy

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        return data


class _Unit(NamedTuple):
    """An offer or category, by its place in the bytes of a feed.

    :param is_whole: whether it has its end tag
    :param end: where it ends; without an end tag, where the next one begins, None if there is none
    """

    kind: str
    is_whole: bool
    start: int
    end: int | None


class _DamagedFeed:
    """A feed that is not well-formed, whose offers and categories are parsed one by one.

    :param error: why it is not
    """

    def __init__(self, name: str, data: mmap.mmap, error: etree.XMLSyntaxError) -> None:
        self._data = data
        self._error = error
        self._feed = Feed(name)
        #: Parses the rest, with an empty element in place of each; None once the rest is damaged.
        self._parser: Any = etree.XMLPullParser(events=EVENTS, **OPTIONS)
        #: The elements that are open in the rest, from the root down.
        self._open: list[Any] = []
        self._marks = 0
        #: Up to where the feed was parsed.
        self._at = 0

    def read(self) -> Iterator[Found]:
        """Yield all documents from the beginning, and the faults in their places.

        :raises SourceError: at the end, if more is damaged than single offers or categories; before
            the first offer, if that is where
        """
        faults, at = 0, 0
        while unit := _find_unit(self._data, at):
            self._parse_rest(unit.start)
            if unit.kind == "category" and not self._is_inside("categories"):
                at = unit.start + 1
                continue
            if unit.end is None:
                break
            self._mark(self._data[unit.start : unit.end].split(b"\n"))
            at = self._at = unit.end
            found = self._parse_alone(unit)
            faults += bool(found[2])
            yield found
        self._parse_rest(len(self._data))
        self._finish(faults)

    def _is_inside(self, tag: str) -> bool:
        return bool(self._open) and self._feed.tag(self._open[-1]) == tag

    def _parse_rest(self, end: int) -> None:
        """Parse what stands between the last unit and a position."""
        for start in range(self._at, end, _PIECE):
            self._feed_parser(self._data[start : min(end, start + _PIECE)])
        self._at = end

    def _mark(self, lines: list[bytes]) -> None:
        """Parse an empty element in place of a unit, and blanks so that places stay as they are.

        The parser waits for what could complete a damaged token; so it is asked whether it came so
        far, as the unit depends on what stands before it.
        """
        count = self._marks
        width = len(lines[-1]) - (len(_MARK) if len(lines) == 1 else 0)
        self._feed_parser(_MARK + b"\n" * (len(lines) - 1) + b" " * width)
        if self._parser is not None and self._marks == count:
            self._close()

    def _feed_parser(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed(data)
            self._take_events()
        except etree.XMLSyntaxError as error:
            self._note(error)

    def _take_events(self) -> None:
        for event, element in self._parser.read_events():
            if event == "start":
                self._open.append(element)
            # The head is what it tells; of documents it has none.
            list(self._feed.take([(event, element)]))
            if event == "end":
                self._open.pop()
                if element.tag.removeprefix(self._feed.names) == "unit":
                    self._marks += 1
                    forget(element)

    def _close(self) -> None:
        """Have the parser read what it waits with."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            self._note(error)

    def _note(self, error: etree.XMLSyntaxError) -> None:
        """Go on without the rest, as it is damaged.

        :raises SourceError: if no offer was read yet, as each depends on what comes before it
        """
        self._parser, self._error = None, error
        if not self._feed.offers:
            raise self._damaged("No offer was read")

    def _parse_alone(self, unit: _Unit) -> Found:
        raw = self._data[unit.start : unit.end]
        try:
            if not unit.is_whole:
                raise ValueError(f"</{unit.kind}> is missing")
            root = etree.fromstring(self._wrap(raw), etree.XMLParser(**OPTIONS))
        except etree.XMLSyntaxError as error:
            fault = _explain(error)
        except ValueError as error:
            fault = str(error)
        else:
            return self._feed.found(unit.kind, root[0])
        return self._feed.place(unit.kind), None, f"is not XML: {fault}", raw.rstrip()

    def _wrap(self, raw: bytes) -> bytes:
        """Return the bytes of an element as a document with the declarations of the feed."""
        declaration = _DECLARATION.match(self._data)
        names = self._open[-1].nsmap if self._open else {}
        spaces = "".join(
            f" xmlns{':' * bool(prefix)}{prefix or ''}={quoteattr(uri)}"
            for prefix, uri in names.items()
        )
        doctype = "" if self._feed.root is None else self._feed.root.getroottree().docinfo.doctype
        head = f"{doctype}<feed{spaces}>".encode("ascii", "xmlcharrefreplace")
        return (declaration[0] if declaration else b"") + head + raw + b"</feed>"

    def _finish(self, faults: int) -> None:
        if self._parser is not None:
            self._close()
        if self._parser is None or not faults:
            raise self._damaged(f"The sound offers were read ({self._feed.sound:,})")

    def _damaged(self, outcome: str) -> SourceError:
        line, column = self._error.position
        return SourceError(
            f"{self._feed.name} is not valid XML at line {line:,}, column {column:,}: "
            f"{_explain(self._error)}. {outcome}. Fetch or correct the file, and load it again."
        )


def _find_unit(data: mmap.mmap, at: int) -> _Unit | None:
    """Return the next offer or category from a position on."""
    kind, start, depth = b"", 0, 0
    inner: int | None = None
    for token in _TOKEN.finditer(data, at):
        begun, ended, is_empty = token["start"], token["end"], token["empty"] is not None
        if kind and token.end() - start > _MAX_UNIT:
            break
        if begun and not kind:
            kind, start, depth = begun, token.start(), 1 - is_empty
        elif begun and (begun == kind or kind == b"category"):
            inner = inner or token.start()
            depth += begun == kind and not is_empty
        elif kind and ended == kind:
            depth -= 1
        if kind and not depth:
            return _Unit(kind.decode(), True, start, token.end())
    return _Unit(kind.decode(), False, start, inner) if kind else None


def _explain(error: etree.XMLSyntaxError) -> str:
    """Return the parser's reason without the place, which follows it."""
    return str(error.msg).rpartition(", line ")[0] or str(error.msg)
