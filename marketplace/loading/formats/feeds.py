"""YML feeds (Yandex Market Language and its relatives): one document an offer or category.

A sound feed is read in one pass, in constant memory. At the first error the parser stops, and its
own recovery would guess what was meant, or end there. So a damaged feed is read once more: its
offers and categories are parsed one by one, each strictly, and the rest of the feed by itself.
A feed with something large in it is read that way, too, as a parser has all of a text, a comment or
a tag in memory.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import quoteattr

from django.conf import settings
from lxml import etree

from marketplace.exceptions import SourceError
from marketplace.loading.formats.feed_rest import MAX_TOKEN, LargeTagError, Rest
from marketplace.loading.formats.feed_units import Scanner, Unit
from marketplace.loading.formats.oversize import KEPT, too_large
from marketplace.loading.formats.yml import EVENTS, OPTIONS, Feed, Found, LargeFeedError

#: Bytes of a feed that are kept in memory, for reading it again; more are kept in a file.
_SPOOL = 16 << 20
_PIECE = 1 << 20
_MARK = b"<unit/>"
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")

#: Bytes of an offer from which on its nodes are counted before it is parsed, and how many it may
#: have: each takes some 500 bytes. Elements, attributes and entities are nodes.
_LARGE, MAX_NODES = 1 << 20, 200_000
_NODE = re.compile(rb"""<[^/!?]|&(?!(?:lt|gt|amp|quot|apos);|\#)|=\s*["']""")
_TEXT = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.DOTALL)


class _Damage(NamedTuple):
    """Where and why a feed is not well-formed."""

    line: int
    column: int
    reason: str

    @classmethod
    def of(cls, error: etree.XMLSyntaxError, dropped: int = 0) -> "_Damage":
        """Return an error of the parser.

        :param dropped: lines that it was not given
        """
        return cls(error.position[0] + dropped, error.position[1], _explain(error))


def read(stream: BinaryIO, name: str) -> Iterator[Found]:
    """Yield {"yml_catalog": head, "offer" | "category": element} for each offer and category.

    :raises SourceError: if it is no feed, declares entities, or is damaged but for single offers
    """
    with tempfile.SpooledTemporaryFile(_SPOOL) as copy:
        count = 0
        damage: _Damage | None = None
        feed = Feed(name)
        try:
            for found in feed.read(_Tee(stream, copy, feed)):
                count += 1
                yield found
            return
        except etree.XMLSyntaxError as error:
            damage = _Damage.of(error)
        except LargeFeedError:
            pass
        # The parsed part of the feed is freed.
        del feed
        while piece := stream.read(_PIECE):
            copy.write(piece)
        copy.flush()
        with closing(Scanner(copy.fileno(), settings.INGEST_MAX_RECORD)) as scanner:
            yield from islice(_DamagedFeed(name, scanner, damage).read(), count, None)


class _Tee:
    """A stream that keeps what is read from it, and shows it to the feed before the parser."""

    def __init__(self, stream: BinaryIO, copy: Any, feed: Feed) -> None:
        self._stream, self._copy, self._feed = stream, copy, feed

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        self._feed.expect(data)
        return data


class _DamagedFeed:
    """A feed that is damaged or large, whose offers and categories are parsed one by one.

    :param damage: why it is not well-formed; None if it may be
    """

    def __init__(self, name: str, scanner: Scanner, damage: _Damage | None) -> None:
        self._damage = damage
        self._feed = Feed(name)
        self._max_unit: int = settings.INGEST_MAX_RECORD
        self._scanner = scanner
        self._rest = Rest(scanner)
        #: Parses the rest, with an empty element in place of each; None once the rest is damaged.
        self._parser: Any = etree.XMLPullParser(events=EVENTS, **OPTIONS)
        #: The elements that are open in the rest, from the root down.
        self._open: list[Any] = []
        self._marks = 0
        self._faults = 0

    def read(self) -> Iterator[Found]:
        """Yield all documents from the beginning, and the faults in their places.

        :raises SourceError: at the end, if more is damaged than single offers or categories; before
            the first offer, if that is where
        """
        if b"\0" in self._scanner.read(0, 200):
            raise self._failure("It is UTF-16, and only UTF-8 can be read past damage")
        for unit in self._scanner.units():
            if unit.end is None:
                self._refuse_open(unit)
                break
            yield from self._read_unit(unit)
        self._parse_rest(self._scanner.size)
        self._finish()

    def _read_unit(self, unit: Unit) -> Iterator[Found]:
        self._parse_rest(unit.start)
        if unit.kind == "category" and not self._is_inside("categories"):
            for inner in unit.inner:
                if inner.end is not None:
                    yield from self._read_unit(inner)
            return
        end: int = unit.end  # type: ignore[assignment] # those without an end are the last ones
        self._mark(unit.start, end)
        found = self._parse_alone(unit, end)
        self._faults += bool(found[2])
        yield found

    def _refuse_open(self, unit: Unit) -> None:
        """Refuse a feed that ends in the middle of an offer, if the rest of it is large."""
        if self._scanner.size - unit.start > MAX_TOKEN:
            if self._damage is None:
                self._damage = self._damage_at(unit.start, f"</{unit.kind}> is missing")
            raise self._failure(f"The sound offers were read ({self._feed.sound:,})")

    def _is_inside(self, tag: str) -> bool:
        return bool(self._open) and self._feed.tag(self._open[-1]) == tag

    def _parse_rest(self, end: int) -> None:
        """Parse what stands between the last unit and a position."""
        try:
            for piece in self._rest.read(end):
                self._feed_parser(piece)
        except LargeTagError as error:
            self._damage = self._damage_at(error.start, f"a tag is larger than {MAX_TOKEN:,} bytes")
            raise self._failure(f"The sound offers were read ({self._feed.sound:,})") from None

    def _mark(self, start: int, end: int) -> None:
        """Parse an empty element in place of a unit, and blanks so that places stay as they are.

        The parser waits for what could complete a damaged token; so it is asked whether it came so
        far, as the unit depends on what stands before it.
        """
        count = self._marks
        self._feed_parser(_MARK + self._rest.skip(start, end, len(_MARK)))
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
            elif event == "end":
                self._open.pop()
                self._marks += element.tag.removeprefix(self._feed.names) == "unit"
            # The head is what it tells; of documents it has none.
            list(self._feed.take([(event, element)]))

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
        self._parser, self._damage = None, _Damage.of(error, self._rest.dropped)
        if not self._feed.offers:
            raise self._failure("No offer was read")

    def _parse_alone(self, unit: Unit, end: int) -> Found:
        if end - unit.start > self._max_unit:
            raw = self._scanner.read(unit.start, unit.start + KEPT)
            fault = too_large(end - unit.start, self._max_unit)
            return self._feed.place(unit.kind), None, fault, raw
        raw = self._scanner.read(unit.start, end)
        if len(raw) > _LARGE and len(_NODE.findall(_TEXT.sub(b"", raw))) > MAX_NODES:
            fault = f"has more than {MAX_NODES:,} elements and attributes"
            return self._feed.place(unit.kind), None, fault, raw[:KEPT]
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
        declaration = _DECLARATION.match(self._scanner.read(0, KEPT))
        names = self._open[-1].nsmap if self._open else {}
        spaces = "".join(
            f" xmlns{':' * bool(prefix)}{prefix or ''}={quoteattr(uri)}"
            for prefix, uri in names.items()
        )
        doctype = "" if self._feed.root is None else self._feed.root.getroottree().docinfo.doctype
        head = f"{doctype}<feed{spaces}>".encode("ascii", "xmlcharrefreplace")
        return (declaration[0] if declaration else b"") + head + raw + b"</feed>"

    def _finish(self) -> None:
        if self._parser is not None:
            self._close()
        if self._parser is None or (self._damage and not self._faults):
            raise self._failure(f"The sound offers were read ({self._feed.sound:,})")

    def _damage_at(self, position: int, reason: str) -> _Damage:
        line, column = self._rest.place(position)
        return _Damage(line, column, reason)

    def _failure(self, outcome: str) -> SourceError:
        damage = self._damage or self._damage_at(0, "something in it is too large")
        return SourceError(
            f"{self._feed.name} is not valid XML at line {damage.line:,}, column "
            f"{damage.column:,}: {damage.reason}. {outcome}. Fetch or correct the file, and load "
            "it again."
        )


def _explain(error: etree.XMLSyntaxError) -> str:
    """Return the parser's reason without the place, which follows it."""
    return str(error.msg).rpartition(", line ")[0] or str(error.msg)
