"""The elements of YML feeds as documents, as a parser comes upon them.

The parser resolves no entities and reads no external DTD. A feed that declares entities is
refused: no marketplace's feed needs them, and they are how small files become huge ones.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, Literal

from django.conf import settings
from lxml import etree

from marketplace.exceptions import NestingError, PayloadError, SourceError
from marketplace.loading.formats.json_text import nesting_error

#: (place, document, fault, raw bytes): a document, or a damaged offer.
Found = tuple[str, Any, str, bytes]

#: Of all parsers of feeds.
OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "remove_pis": True,
    "huge_tree": True,
}
EVENTS: tuple[Literal["start", "end", "comment"], ...] = ("start", "end", "comment")

#: Elements of HTML: an element that holds one of them is text with markup.
_MARKUP = re.compile(
    r"(?i)a|b|big|br|center|div|em|font|h[1-6]|hr|i|li|ol|p|small|span|strong|sub|sup|table|tbody"
    r"|td|th|tr|u|ul"
)
_SPACES = re.compile(r" {2,}")

#: Elements whose text is read with all markup in it, when they end.
_READ_WHOLE = ("name", "company", "url", "category")

#: Bytes of an offer, and bytes without any element or comment, that are parsed at once; and
#: elements of an offer.
_MAX_BYTES, _MAX_TOKEN, _MAX_ELEMENTS = 4 << 20, 1 << 20, 100_000

#: Currencies, and characters of a text, in the head of a feed: it is repeated with each offer.
_MAX_CURRENCIES, _MAX_TEXT = 1_000, 10_000
_DECLARES = re.compile(rb"<!(ENTITY|ATTLIST)")


class LargeFeedError(Exception):
    """Raised if something in a feed is too large to be parsed with the rest."""


class Feed:
    """The state of reading one feed: its head, and how many offers came.

    :param names: the default namespace of its elements, as "{uri}"; mostly empty
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.offers = 0
        #: How many of them are sound.
        self.sound = 0
        self.names = ""
        self.root: Any = None
        #: The offer that is being read: what stands in it is its own, even another offer.
        self._offer: Any = None
        #: Bytes that were read, at the last element or comment, and where the offer began.
        self._bytes = self._event_at = self._offer_at = 0
        self._elements = 0
        self._before_root = b""
        self.head: dict[str, Any] = {
            "date": None,
            "name": None,
            "company": None,
            "url": None,
            "currencies": [],
            "comment": "",
        }

    def read(self, stream: Any) -> Iterator[Found]:
        """Yield documents until the end, or until the parser stops."""
        return self.take(etree.iterparse(stream, events=EVENTS, **OPTIONS))

    def expect(self, data: bytes) -> None:
        """Take note of bytes before the parser gets them.

        :raises LargeFeedError: if the parser would keep too much in memory
        :raises SourceError: if they declare entities
        """
        self._bytes += len(data)
        if self.root is None:
            self._check_prolog(data)
        start = self._event_at if self._offer is None else self._offer_at
        if self._bytes - self._event_at > _MAX_TOKEN or self._bytes - start > _MAX_BYTES:
            raise LargeFeedError

    def _check_prolog(self, data: bytes) -> None:
        """Refuse declarations: the parser would expand them in attributes even of the root."""
        # Without the zeros of UTF-16.
        self._before_root += data.replace(b"\0", b"")
        declared = _DECLARES.search(self._before_root)
        if declared and b"<!DOCTYPE" in self._before_root[: declared.start()]:
            self._refuse("attributes" if declared[1] == b"ATTLIST" else "entities")

    def _refuse(self, declared: str) -> None:
        raise SourceError(
            f"{self.name} declares XML {declared} and is refused: they are not needed in a "
            "feed, and can make it expand without bound. Remove the declarations."
        )

    def take(self, events: Any) -> Iterator[Found]:
        """Yield the documents that the parser's events complete.

        :raises LargeFeedError: if an offer has too many elements
        """
        for event, element in events:
            self._event_at = self._bytes
            if event == "end":
                yield from self._end(element)
            elif event == "comment":
                self._add_comment(element)
            elif self._offer is not None:
                self._elements += 1
                if self._elements > _MAX_ELEMENTS:
                    raise LargeFeedError
            elif self.root is None:
                self._start(element)
            elif self.tag(element) == "offer":
                self._offer, self._offer_at, self._elements = element, self._bytes, 0

    def _start(self, root: Any) -> None:
        self.root = root
        self._before_root = b""
        dtd = root.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            self._refuse("entities")
        qualified = etree.QName(root)
        if qualified.localname != "yml_catalog":
            raise SourceError(
                f"{self.name} is not a YML feed: its root is <{qualified.localname}>, expected "
                "<yml_catalog>. Name a feed, or fetch it again."
            )
        if qualified.namespace:
            self.names = f"{{{qualified.namespace}}}"
        self.head["date"] = root.get("date")
        before = root.getprevious()
        while before is not None:
            self._add_comment(before)
            before = before.getprevious()

    def _add_comment(self, comment: Any) -> None:
        if self._offer is not None:
            return
        text = (comment.text or "").strip()
        known = self.head["comment"]
        if not self.offers and len(known) + len(text) < _MAX_TEXT and text not in known:
            self.head["comment"] = f"{known}\n{text}".strip()
        _forget_before(comment)

    def _end(self, element: Any) -> Iterator[Found]:
        if self._offer is not None:
            if element is self._offer:
                self._offer = None
                yield self.found("offer", element)
                _forget(element)
            return
        tag, parent = self.tag(element), element.getparent()
        inside = self.tag(parent) if parent is not None else ""
        if tag == "category" and inside == "categories":
            yield self.found("category", element)
        elif tag == "currency" and inside == "currencies":
            self._add_currency(element)
        elif inside == "shop" and tag in ("name", "company", "url"):
            self.head[tag] = _text(element).strip()[:_MAX_TEXT] or None
        if inside not in _READ_WHOLE:
            _forget(element)

    def _add_currency(self, element: Any) -> None:
        if len(self.head["currencies"]) >= _MAX_CURRENCIES:
            raise SourceError(
                f"{self.name} has more than {_MAX_CURRENCIES:,} currencies. Correct the feed, or "
                "fetch it again."
            )
        found = {name: value[:_MAX_TEXT] for name, value in _attributes(element).items()}
        self.head["currencies"].append(found)

    def tag(self, element: Any) -> str:
        """Return the tag of an element, without the feed's default namespace."""
        tag: str = element.tag
        return tag.removeprefix(self.names)

    def found(self, kind: str, element: Any) -> Found:
        """Return the document of an offer or category."""
        place = self.place(kind)
        try:
            # The document and the element itself are two levels.
            entry = _entry(element, self.names, settings.INGEST_MAX_DEPTH - 2)
        except (RecursionError, NestingError):
            raw = etree.tostring(element, with_tail=False)[:_MAX_TEXT]
            return place, None, str(nesting_error()), raw
        self.sound += kind == "offer"
        if kind == "category" and isinstance(entry, str):
            entry = {"#text": entry}
        # The head of this moment: comments may still follow.
        return place, {"yml_catalog": dict(self.head), kind: entry}, "", b""

    def place(self, kind: str) -> str:
        """Return where the next offer or category is, and count it."""
        self.offers += kind == "offer"
        return f"offer {self.offers}" if kind == "offer" else "category"


def _attributes(element: Any) -> dict[str, Any]:
    return {f"@{name}": value for name, value in element.attrib.items()}


def _entry(element: Any, names: str, levels: int) -> Any:
    """Return an element as text if it has nothing else, else as a dict; children are lists.

    :param levels: of dicts and lists that it may have
    :raises NestingError: if it has more of them
    """
    found = _attributes(element)
    if not len(element):
        text = (element.text or "").strip()
    elif _is_text(element, names):
        text = _SPACES.sub(" ", _text(element)).strip()
    else:
        if levels < 2:
            raise nesting_error()
        for child in element.iterchildren(tag=etree.Element):
            value = _entry(child, names, levels - 2)
            found.setdefault(child.tag.removeprefix(names), []).append(value)
        text = (element.text or "").strip()
    if not found and element.tag != "offer":
        return text
    if text:
        found["#text"] = text
    return found


def text_of(entry: Any, field: str) -> Any:
    """Return the text of an element of a document, None if it has only attributes.

    :raises PayloadError: if it holds other elements instead of text
    """
    if not isinstance(entry, dict):
        return entry
    if "#text" not in entry:
        inner = [name for name in entry if not name.startswith("@")]
        if inner:
            raise PayloadError(f"has no text but the element <{inner[0]}>", field)
    return entry.get("#text")


def _is_text(element: Any, names: str) -> bool:
    """Return whether an element is text, maybe with markup in it, and not a list of fields."""
    if element.tag.removeprefix(names) == "offer":
        return False
    children = list(element.iterchildren(tag=etree.Element))
    texts = [element.text, *(child.tail for child in element)]
    return (
        not children
        or any(text and not text.isspace() for text in texts)
        or any(_MARKUP.fullmatch(child.tag.removeprefix(names)) for child in children)
    )


def _text(element: Any) -> str:
    """Return all text in an element: comments vanish, markup separates words."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            parts += [" ", _text(child), " "]
        elif child.tag is etree.Entity:
            # Known by name from HTML only, as no DTD is read.
            parts.append(unescape(child.text))
        parts.append(child.tail or "")
    return "".join(parts)


def _forget(element: Any) -> None:
    """Free the memory of an element that was read, and of those before it."""
    element.clear()
    _forget_before(element)


def _forget_before(element: Any) -> None:
    """Free the memory of the siblings before an element."""
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
