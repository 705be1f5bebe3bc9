"""The elements of YML feeds as documents, as a parser comes upon them.

The parser resolves no entities and reads no external DTD. A feed that declares entities is
refused: no marketplace's feed needs them, and they are how small files become huge ones.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, Literal

from lxml import etree

from marketplace.exceptions import PayloadError, SourceError

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

    def take(self, events: Any) -> Iterator[Found]:
        """Yield the documents that the parser's events complete."""
        for event, element in events:
            if event == "end":
                yield from self._end(element)
            elif event == "comment":
                self._add_comment(element)
            elif self.root is None:
                self._start(element)
            elif self._offer is None and self.tag(element) == "offer":
                self._offer = element

    def _start(self, root: Any) -> None:
        self.root = root
        dtd = root.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            raise SourceError(
                f"{self.name} declares XML entities and is refused: they are not needed in a "
                "feed, and can make it expand without bound. Remove the declarations."
            )
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
        text = (comment.text or "").strip()
        if not self.offers and self._offer is None and text not in self.head["comment"]:
            self.head["comment"] = f"{self.head['comment']}\n{text}".strip()

    def _end(self, element: Any) -> Iterator[Found]:
        if self._offer is not None:
            if element is self._offer:
                self._offer = None
                yield self.found("offer", element)
                forget(element)
            return
        tag, parent = self.tag(element), element.getparent()
        inside = self.tag(parent) if parent is not None else ""
        if tag == "category" and inside == "categories":
            yield self.found("category", element)
        elif tag == "currency" and inside == "currencies":
            self.head["currencies"].append(_attributes(element))
        elif inside == "shop" and tag in ("name", "company", "url"):
            self.head[tag] = _text(element).strip() or None

    def tag(self, element: Any) -> str:
        """Return the tag of an element, without the feed's default namespace."""
        tag: str = element.tag
        return tag.removeprefix(self.names)

    def found(self, kind: str, element: Any) -> Found:
        """Return the document of an offer or category."""
        place = self.place(kind)
        try:
            entry = _entry(element, self.names)
        except RecursionError:
            return place, None, "is nested too deeply", etree.tostring(element)[:100_000]
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


def _entry(element: Any, names: str) -> Any:
    """Return an element as text if it has nothing else, else as a dict; children are lists."""
    found = _attributes(element)
    if not len(element):
        text = (element.text or "").strip()
    elif _is_text(element, names):
        text = _SPACES.sub(" ", _text(element)).strip()
    else:
        for child in element.iterchildren(tag=etree.Element):
            found.setdefault(child.tag.removeprefix(names), []).append(_entry(child, names))
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


def forget(element: Any) -> None:
    """Free the memory of an element that was read, and of those before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
