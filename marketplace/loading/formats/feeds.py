"""YML feeds (Yandex Market Language and similar XML): one document per offer or category.

A scanner finds the offers and categories by their tags. Each of them is parsed strictly on its own,
so that a damaged one does not affect the others, and the bytes between them by another parser.
Memory is bounded by the largest record.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

from django.conf import settings
from lxml import etree

from marketplace.exceptions import SourceError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.entries import EXCERPT_SIZE, Entry, size_fault
from marketplace.loading.formats.feed_scanner import Element, Scanner
from marketplace.loading.formats.yml import EVENTS, OPTIONS, Feed

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


def read(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Yield {"yml_catalog": head, "offer" | "category": element} for each offer and category.

    :raises SourceError: if the source is not a feed, declares entities, or is damaged outside of
        its offers and categories
    """
    failure: Exception | None = None
    with tempfile.TemporaryFile() as copy:
        try:
            while piece := stream.read1(_PIECE):  # type: ignore[attr-defined] # it is buffered
                copy.write(piece)
        except unpacking.ERRORS as error:
            failure = error
        copy.flush()
        with closing(Scanner(copy.fileno(), settings.INGEST_MAX_RECORD)) as scanner:
            try:
                yield from _FeedReader(name, scanner).read()
            except SourceError:
                if failure is None:
                    raise
    if failure:
        raise failure


class _FeedReader:
    """The documents of a feed."""

    def __init__(self, name: str, scanner: Scanner) -> None:
        self._feed = Feed(name)
        self._max_element: int = settings.INGEST_MAX_RECORD
        self._scanner = scanner
        #: The end of the bytes that were parsed, and how many lines of them were not passed on.
        self._at = self._dropped = 0
        #: Parses the gaps, with a placeholder for each element; None once a gap is damaged. It
        #: refuses texts, comments and tags of more than 10 MB.
        self._parser: Any = etree.XMLPullParser(events=EVENTS, **OPTIONS)
        self._element_parser = etree.XMLParser(huge_tree=True, **OPTIONS)
        #: The elements that are open in the gaps, from the root down.
        self._open: list[Any] = []
        self._placeholders = 0
        #: The innermost open element, and what precedes an element that is parsed alone in it.
        self._head: tuple[Any, bytes] = (None, b"")
        #: The number of the line, the column and the reason of the first damage of a gap.
        self._damage: tuple[int, int, str] | None = None

    def read(self) -> Iterator[Entry]:
        """Yield all documents and errors, in their order.

        :raises SourceError: after the last document, if a gap is damaged; at once, if the damage is
            before the first offer
        """
        for element in self._scanner.elements():
            if element.end is None:
                break
            yield from self._read_element(element, element.end)
        self._parse_gap(self._scanner.size)
        if self._parser is not None:
            self._close()
        if self._damage:
            raise self._failure(*self._damage)

    def _read_element(self, element: Element, end: int) -> Iterator[Entry]:
        self._parse_gap(element.start)
        if element.kind == "category" and not self._is_inside("categories"):
            for inner in element.inner:
                if inner.end is not None:
                    yield from self._read_element(inner, inner.end)
            return
        size = end - element.start
        raw = self._scanner.read(
            element.start, end if size <= self._max_element else element.start + EXCERPT_SIZE
        )
        self._replace(element.start, end, raw)
        yield self._parse_alone(element, size, raw)

    def _is_inside(self, tag: str) -> bool:
        return bool(self._open) and self._feed.tag(self._open[-1]) == tag

    def _parse_gap(self, end: int) -> None:
        """Parse the bytes between the last element and a position."""
        for at in range(self._at, end, _PIECE):
            self._feed_parser(self._scanner.read(at, min(end, at + _PIECE)))
        self._at = max(self._at, end)

    def _replace(self, start: int, end: int, raw: bytes) -> None:
        """Parse a placeholder instead of an element, with blanks that preserve lines and columns.

        If the parser does not report the placeholder, it is still waiting for the end of a damaged
        token before it. It is then closed, because the element depends on the gap before it.
        """
        blanks, self._at = b"", end
        if end - start > min(len(raw), _PIECE):
            self._dropped += self._scanner.count_lines(start, end)
        else:
            lines, last = raw.count(b"\n"), len(raw) - raw.rfind(b"\n") - 1
            blanks = b"\n" * lines + b" " * (last if lines else last - len(_PLACEHOLDER))
        count = self._placeholders
        self._feed_parser(_PLACEHOLDER + blanks)
        if self._parser is not None and self._placeholders == count:
            self._close()

    def _feed_parser(self, data: bytes) -> None:
        if self._parser is None:
            return
        if self._feed.root is None:
            self._feed.check_prolog(data)
        try:
            self._parser.feed(data)
            self._take_events()
        except etree.XMLSyntaxError as error:
            self._note(error)

    def _take_events(self) -> None:
        for event, element in self._parser.read_events():
            if event == "start":
                self._open.append(element)
                if self._feed.root is None:
                    self._feed.start(element)
            elif event == "comment":
                self._feed.add_comment(element)
            else:
                self._open.pop()
                self._placeholders += self._feed.tag(element) == "unit"
                self._feed.end(element)

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
        line, column = error.position
        self._parser, self._damage = None, (line + self._dropped, column, _explain(error))
        if not self._feed.offers:
            raise self._failure(*self._damage)

    def _parse_alone(self, element: Element, size: int, raw: bytes) -> Entry:
        """Return the document of an element.

        :param size: the bytes of the element
        :param raw: the bytes themselves, or the first ones of an element that is too large
        """
        fault = ""
        if size > self._max_element:
            fault = size_fault(size)
        elif size > _LARGE and len(_NODE.findall(_TEXT.sub(b"", raw))) > MAX_NODES:
            fault = f"has more than {MAX_NODES:,} elements and attributes"
        if fault:
            return Entry(self._feed.place(element.kind), None, fault, raw[:EXCERPT_SIZE])
        try:
            if not element.is_whole:
                raise ValueError(f"</{element.kind}> is missing")
            root = etree.fromstring(self._wrap(raw), self._element_parser)
        except etree.XMLSyntaxError as error:
            fault = _explain(error)
        except ValueError as error:
            fault = str(error)
        else:
            return self._feed.build(element.kind, root[0])
        return Entry(self._feed.place(element.kind), None, f"is not XML: {fault}", raw.rstrip())

    def _wrap(self, raw: bytes) -> bytes:
        """Return the bytes of an element as a document with the declarations of the feed."""
        parent = self._open[-1] if self._open else None
        if parent is None or self._head[0] is not parent:
            self._head = (parent, self._build_head(parent))
        return self._head[1] + raw + b"</feed>"

    def _build_head(self, parent: Any) -> bytes:
        declaration = _DECLARATION.match(self._scanner.read(0, EXCERPT_SIZE))
        spaces = "".join(
            f" xmlns{':' * bool(prefix)}{prefix or ''}={quoteattr(uri)}"
            for prefix, uri in (parent.nsmap if parent is not None else {}).items()
        )
        doctype = "" if self._feed.root is None else self._feed.root.getroottree().docinfo.doctype
        head = f"{doctype}<feed{spaces}>".encode("ascii", "xmlcharrefreplace")
        return (declaration[0] if declaration else b"") + head

    def _failure(self, line: int, column: int, reason: str) -> SourceError:
        outcome = "No offer was read"
        if self._feed.offers:
            outcome = f"The valid offers were read ({self._feed.valid_count:,})"
        return SourceError(
            f"{self._feed.name} is not valid XML at line {line:,}, column {column:,}: {reason}. "
            f"{outcome}. Fetch or correct the file, and load it again."
        )


def _explain(error: etree.XMLSyntaxError) -> str:
    """Return the parser's message without the place at its end."""
    return str(error.msg).rpartition(", line ")[0] or str(error.msg)
