"""YML feeds (Yandex Market Language and similar XML): one document per offer or category.

A valid feed is read in one pass, in constant memory. The parser stops at the first error, because
its recovery mode would guess the meaning of damaged data. A damaged feed is then read again: each
offer and category is parsed strictly on its own, and the bytes between them by another parser.
A feed with a very large text, comment or tag is read in the same way, because a parser holds each
of these in memory as a whole.
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
from marketplace.loading.formats.entries import EXCERPT_SIZE, Entry, size_fault
from marketplace.loading.formats.feed_gaps import MAX_TOKEN, Gaps, LargeTagError
from marketplace.loading.formats.feed_scanner import Element, Scanner
from marketplace.loading.formats.yml import EVENTS, OPTIONS, Feed, LargeFeedError

#: Bytes of a feed that are kept in memory for reading it again. A larger feed is kept in a file.
_SPOOL = 16 << 20
_PIECE = 1 << 20
#: The element that replaces an offer or category between the gaps. It must not be longer than the
#: shortest element that it replaces, or the columns in messages would shift.
_PLACEHOLDER = b"<unit/>"
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")

#: The nodes of an offer with more bytes than `_LARGE` are counted before it is parsed: elements,
#: attributes and entities. Each takes about 500 bytes of memory.
_LARGE, MAX_NODES = 1 << 20, 200_000
_NODE = re.compile(rb"""<[^/!?]|&(?!(?:lt|gt|amp|quot|apos);|\#)|=\s*["']""")
_TEXT = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.DOTALL)


class _Damage(NamedTuple):
    """The first place where a feed is not well-formed, and the reason."""

    line: int
    column: int
    reason: str

    @classmethod
    def of(cls, error: etree.XMLSyntaxError, dropped: int = 0) -> "_Damage":
        """Return the damage that the parser reports.

        :param dropped: the number of lines that were not passed to the parser
        """
        return cls(error.position[0] + dropped, error.position[1], _explain(error))


def read(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Yield {"yml_catalog": head, "offer" | "category": element} for each offer and category.

    :raises SourceError: if the source is not a feed, declares entities, or is damaged outside of
        its offers and categories
    """
    with tempfile.SpooledTemporaryFile(_SPOOL) as copy:
        count = 0
        damage: _Damage | None = None
        feed = Feed(name)
        try:
            for entry in feed.read(_Tee(stream, copy, feed)):
                count += 1
                yield entry
            return
        except etree.XMLSyntaxError as error:
            damage = _Damage.of(error)
        except LargeFeedError:
            pass
        # Releases the parsed part of the feed.
        del feed
        while piece := stream.read(_PIECE):
            copy.write(piece)
        copy.flush()
        with closing(Scanner(copy.fileno(), settings.INGEST_MAX_RECORD)) as scanner:
            yield from islice(_DamagedFeed(name, scanner, damage).read(), count, None)


class _Tee:
    """A stream that copies the bytes that the parser reads, and lets the feed check them first."""

    def __init__(self, stream: BinaryIO, copy: Any, feed: Feed) -> None:
        self._stream, self._copy, self._feed = stream, copy, feed

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        self._feed.expect(data)
        return data


class _DamagedFeed:
    """A damaged or large feed, whose offers and categories are parsed one by one.

    :param damage: the error of the parser; None if the feed may be well-formed
    """

    def __init__(self, name: str, scanner: Scanner, damage: _Damage | None) -> None:
        self._damage = damage
        self._feed = Feed(name)
        self._max_element: int = settings.INGEST_MAX_RECORD
        self._scanner = scanner
        self._gaps = Gaps(scanner)
        #: Parses the gaps, with a placeholder for each element; None once a gap is damaged.
        self._parser: Any = etree.XMLPullParser(events=EVENTS, **OPTIONS)
        #: The elements that are open in the gaps, from the root down.
        self._open: list[Any] = []
        self._placeholders = 0
        self._faults = 0

    def read(self) -> Iterator[Entry]:
        """Yield all documents and errors, in their order.

        :raises SourceError: after the last document, if a gap is damaged; at once, if the damage is
            before the first offer
        """
        if b"\0" in self._scanner.read(0, 200):
            raise self._failure("The feed is UTF-16; only feeds in UTF-8 can be read past damage")
        for element in self._scanner.elements():
            if element.end is None:
                self._refuse_open(element)
                break
            yield from self._read_element(element)
        self._parse_gap(self._scanner.size)
        self._finish()

    def _read_element(self, element: Element) -> Iterator[Entry]:
        self._parse_gap(element.start)
        if element.kind == "category" and not self._is_inside("categories"):
            for inner in element.inner:
                if inner.end is not None:
                    yield from self._read_element(inner)
            return
        end: int = element.end  # type: ignore[assignment] # only the last one may have no end
        self._replace(element.start, end)
        entry = self._parse_alone(element, end)
        self._faults += bool(entry.fault)
        yield entry

    def _refuse_open(self, element: Element) -> None:
        """Refuse a feed that ends in the middle of an offer, if that offer is large."""
        if self._scanner.size - element.start > MAX_TOKEN:
            if self._damage is None:
                self._damage = self._damage_at(element.start, f"</{element.kind}> is missing")
            raise self._failure(f"The valid offers were read ({self._feed.valid_count:,})")

    def _is_inside(self, tag: str) -> bool:
        return bool(self._open) and self._feed.tag(self._open[-1]) == tag

    def _parse_gap(self, end: int) -> None:
        """Parse the bytes between the last element and a position."""
        try:
            for piece in self._gaps.read(end):
                self._feed_parser(piece)
        except LargeTagError as error:
            self._damage = self._damage_at(error.start, f"a tag is larger than {MAX_TOKEN:,} bytes")
            raise self._failure(
                f"The valid offers were read ({self._feed.valid_count:,})"
            ) from None

    def _replace(self, start: int, end: int) -> None:
        """Parse a placeholder instead of an element, with blanks that preserve lines and columns.

        If the parser does not report the placeholder, it is still waiting for the end of a damaged
        token before it. It is then closed, because the element depends on the gap before it.
        """
        count = self._placeholders
        self._feed_parser(_PLACEHOLDER + self._gaps.skip(start, end, len(_PLACEHOLDER)))
        if self._parser is not None and self._placeholders == count:
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
                self._placeholders += element.tag.removeprefix(self._feed.namespace) == "unit"
            # Updates the head of the feed. The gaps have no documents.
            list(self._feed.take([(event, element)]))

    def _close(self) -> None:
        """Let the parser process the bytes that it holds back."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            self._note(error)

    def _note(self, error: etree.XMLSyntaxError) -> None:
        """Note the damage of a gap, and stop parsing gaps.

        :raises SourceError: if no offer was read yet, because offers depend on the bytes before
        """
        self._parser, self._damage = None, _Damage.of(error, self._gaps.dropped)
        if not self._feed.offers:
            raise self._failure("No offer was read")

    def _parse_alone(self, element: Element, end: int) -> Entry:
        if end - element.start > self._max_element:
            raw = self._scanner.read(element.start, element.start + EXCERPT_SIZE)
            fault = size_fault(end - element.start, self._max_element)
            return Entry(self._feed.place(element.kind), None, fault, raw)
        raw = self._scanner.read(element.start, end)
        if len(raw) > _LARGE and len(_NODE.findall(_TEXT.sub(b"", raw))) > MAX_NODES:
            fault = f"has more than {MAX_NODES:,} elements and attributes"
            return Entry(self._feed.place(element.kind), None, fault, raw[:EXCERPT_SIZE])
        try:
            if not element.is_whole:
                raise ValueError(f"</{element.kind}> is missing")
            root = etree.fromstring(self._wrap(raw), etree.XMLParser(**OPTIONS))
        except etree.XMLSyntaxError as error:
            fault = _explain(error)
        except ValueError as error:
            fault = str(error)
        else:
            return self._feed.build(element.kind, root[0])
        return Entry(self._feed.place(element.kind), None, f"is not XML: {fault}", raw.rstrip())

    def _wrap(self, raw: bytes) -> bytes:
        """Return the bytes of an element as a document with the declarations of the feed."""
        declaration = _DECLARATION.match(self._scanner.read(0, EXCERPT_SIZE))
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
            raise self._failure(f"The valid offers were read ({self._feed.valid_count:,})")

    def _damage_at(self, position: int, reason: str) -> _Damage:
        line, column = self._gaps.place(position)
        return _Damage(line, column, reason)

    def _failure(self, outcome: str) -> SourceError:
        damage = self._damage or self._damage_at(0, "something in it is too large")
        return SourceError(
            f"{self._feed.name} is not valid XML at line {damage.line:,}, column "
            f"{damage.column:,}: {damage.reason}. {outcome}. Fetch or correct the file, and load "
            "it again."
        )


def _explain(error: etree.XMLSyntaxError) -> str:
    """Return the parser's message without the place at its end."""
    return str(error.msg).rpartition(", line ")[0] or str(error.msg)
