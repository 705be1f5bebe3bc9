"""The elements of YML feeds as documents, built from the events of an XML parser.

The parser resolves no entities and reads no external DTD. A feed that declares entities is refused:
feeds of marketplaces do not need them, and a small file can expand to a huge one through them.
"""

import re
from html import unescape
from typing import Any, Literal

from django.conf import settings
from lxml import etree

from marketplace.exceptions import NestingError, PayloadError, SourceError
from marketplace.loading.formats.entries import Entry
from marketplace.loading.formats.json_text import nesting_error

#: Options of all parsers of feeds.
OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "remove_pis": True,
}
EVENTS: tuple[Literal["start", "end", "comment"], ...] = ("start", "end", "comment")

#: HTML elements. An element that contains one of them is text with markup.
_MARKUP = re.compile(
    r"(?i)a|b|big|br|center|div|em|font|h[1-6]|hr|i|li|ol|p|small|span|strong|sub|sup|table|tbody"
    r"|td|th|tr|u|ul"
)
_SPACES = re.compile(r" {2,}")

#: Elements whose content is kept until they end.
_READ_WHOLE = ("name", "company", "url", "category")

#: Limits of the head of a feed, which each offer repeats: currencies, and characters of a text.
_MAX_CURRENCIES, _MAX_TEXT = 1_000, 10_000
_DECLARES = re.compile(rb"<!(ENTITY|ATTLIST)")


class Feed:
    """The state of reading one feed.

    :ivar offers: the number of offers that were read
    :ivar valid_count: the number of valid offers
    :ivar namespace: the default namespace of the elements as "{uri}"; usually empty
    :ivar root: the root element; None before it was read
    :ivar head: the data about the feed that are part of each document
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.offers = 0
        self.valid_count = 0
        self.namespace = ""
        self.root: Any = None
        self._before_root = b""
        self.head: dict[str, Any] = {
            "date": None,
            "name": None,
            "company": None,
            "url": None,
            "currencies": [],
            "comment": "",
        }

    def check_prolog(self, data: bytes) -> None:
        """Check bytes before the root, which the parser would expand in its attributes already.

        :raises SourceError: if the bytes declare entities or attributes
        """
        self._before_root += data
        declared = _DECLARES.search(self._before_root)
        if declared and b"<!DOCTYPE" in self._before_root[: declared.start()]:
            self._refuse("attributes" if declared[1] == b"ATTLIST" else "entities")

    def _refuse(self, declared: str) -> None:
        raise SourceError(
            f"{self.name} declares XML {declared} in its DOCTYPE and is refused: a feed does not "
            "need such declarations, which can make it expand without bound. Remove them."
        )

    def start(self, root: Any) -> None:
        """Take the root element.

        :raises SourceError: if it is not the root of a feed
        """
        self.root = root
        self._before_root = b""
        dtd = root.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            self._refuse("entities")
        qualified = etree.QName(root)
        if qualified.localname != "yml_catalog":
            raise SourceError(
                f"{self.name} is not a YML feed: its root is <{qualified.localname}>, expected "
                "<yml_catalog>. Specify a feed, or fetch this file again."
            )
        if qualified.namespace:
            self.namespace = f"{{{qualified.namespace}}}"
        self.head["date"] = root.get("date")
        before = root.getprevious()
        while before is not None:
            self.add_comment(before)
            before = before.getprevious()

    def add_comment(self, comment: Any) -> None:
        """Add a comment to the head, if it comes before the offers."""
        text = (comment.text or "").strip()
        comments = self.head["comment"]
        if not self.offers and len(comments) + len(text) < _MAX_TEXT and text not in comments:
            self.head["comment"] = f"{comments}\n{text}".strip()
        _release_before(comment)

    def end(self, element: Any) -> None:
        """Take an element outside of offers and categories that is complete."""
        tag, parent = self.tag(element), element.getparent()
        parent_tag = self.tag(parent) if parent is not None else ""
        if tag == "currency" and parent_tag == "currencies":
            self._add_currency(element)
        elif parent_tag == "shop" and tag in ("name", "company", "url"):
            self.head[tag] = _text(element).strip()[:_MAX_TEXT] or None
        if parent_tag not in _READ_WHOLE:
            _release(element)

    def _add_currency(self, element: Any) -> None:
        if len(self.head["currencies"]) >= _MAX_CURRENCIES:
            raise SourceError(
                f"{self.name} has more than {_MAX_CURRENCIES:,} currencies. Correct the feed, or "
                "fetch it again."
            )
        currency = {name: value[:_MAX_TEXT] for name, value in _attributes(element).items()}
        self.head["currencies"].append(currency)

    def tag(self, element: Any) -> str:
        """Return the tag of an element, without the feed's default namespace."""
        tag: str = element.tag
        return tag.removeprefix(self.namespace)

    def build(self, kind: str, element: Any) -> Entry:
        """Return the document of an offer or category."""
        place = self.place(kind)
        try:
            # The document and the element itself are two levels.
            entry = _entry(element, self.namespace, settings.INGEST_MAX_DEPTH - 2)
        except (RecursionError, NestingError):
            raw = etree.tostring(element, with_tail=False)[:_MAX_TEXT]
            return Entry(place, None, str(nesting_error()), raw)
        self.valid_count += kind == "offer"
        if kind == "category" and isinstance(entry, str):
            entry = {"#text": entry}
        # A copy of the head, which may still change.
        return Entry(place, {"yml_catalog": dict(self.head), kind: entry})

    def place(self, kind: str) -> str:
        """Count the next offer or category, and return its place for messages."""
        self.offers += kind == "offer"
        return f"offer {self.offers}" if kind == "offer" else "category"


def _attributes(element: Any) -> dict[str, Any]:
    return {f"@{name}": value for name, value in element.items()}


def _entry(element: Any, namespace: str, levels: int) -> Any:
    """Return an element that has only text as text, and any other as a dict with lists of children.

    :param levels: levels of dicts and lists that the result may have
    :raises NestingError: if the element has more levels
    """
    entry = _attributes(element)
    if not len(element):
        text = (element.text or "").strip()
    elif _is_text(element, namespace):
        text = _SPACES.sub(" ", _text(element)).strip()
    else:
        if levels < 2:
            raise nesting_error()
        for child in element.iterchildren(tag=etree.Element):
            value = _entry(child, namespace, levels - 2)
            entry.setdefault(child.tag.removeprefix(namespace), []).append(value)
        text = (element.text or "").strip()
    if not entry and element.tag != "offer":
        return text
    if text:
        entry["#text"] = text
    return entry


def text_of(entry: Any, field: str) -> Any:
    """Return the text of an element of a document; None if it has only attributes.

    :raises PayloadError: if the element has child elements instead of text
    """
    if not isinstance(entry, dict):
        return entry
    if "#text" not in entry:
        children = [name for name in entry if not name.startswith("@")]
        if children:
            raise PayloadError(f"contains the element <{children[0]}> instead of text", field)
    return entry.get("#text")


def _is_text(element: Any, namespace: str) -> bool:
    """Return whether an element is text, perhaps with markup, and not a list of fields."""
    if element.tag.removeprefix(namespace) == "offer":
        return False
    children = list(element.iterchildren(tag=etree.Element))
    texts = [element.text, *(child.tail for child in element)]
    return (
        not children
        or any(text and not text.isspace() for text in texts)
        or any(_MARKUP.fullmatch(child.tag.removeprefix(namespace)) for child in children)
    )


def _text(element: Any) -> str:
    """Return all text in an element. Comments are omitted; markup becomes a blank."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            parts += [" ", _text(child), " "]
        elif child.tag is etree.Entity:
            # An entity of HTML, because no DTD is read.
            parts.append(unescape(child.text))
        parts.append(child.tail or "")
    return "".join(parts)


def _release(element: Any) -> None:
    """Release the memory of an element that was read, and of the siblings before it."""
    element.clear()
    _release_before(element)


def _release_before(element: Any) -> None:
    """Release the memory of the siblings before an element."""
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
