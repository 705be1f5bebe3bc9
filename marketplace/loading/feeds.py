"""YML feeds (Yandex Market Language and its relatives): one document an offer or category.

The parser resolves no entities and reads no external DTD. A feed that declares entities is
refused: no marketplace's feed needs them, and they are how small files become huge ones.
"""

import re
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree

from marketplace.exceptions import SourceError

#: (place, document, fault, raw bytes): a document, or a damaged offer.
Found = tuple[str, Any, str, bytes]

_OFFER = re.compile(rb"<offer[\s>].*?</offer\s*>", re.DOTALL)
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
_SPOOL = 16 << 20


def read(stream: BinaryIO, name: str) -> Iterator[Found]:
    """Yield {"yml_catalog": head, "offer" | "category": element} for each offer and category.

    :raises SourceError: if it is no feed, declares entities, or ends before its end
    """
    with tempfile.SpooledTemporaryFile(_SPOOL) as copy:
        feed = _Feed(name)
        try:
            yield from feed.read(_Tee(stream, copy))
        except etree.XMLSyntaxError as error:
            # The parser cannot go on behind an error; the offers behind it are found by their tags.
            copy.write(stream.read())
            copy.seek(0)
            yield from feed.read_rest(copy.read(), error)


class _Tee:
    """A stream that keeps what is read from it."""

    def __init__(self, stream: BinaryIO, copy: Any) -> None:
        self._stream, self._copy = stream, copy

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        return data


class _Feed:
    """The state of reading one feed: its head, and how many offers came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offers = 0
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
        events = etree.iterparse(
            stream,
            events=("start", "end", "comment"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            remove_pis=True,
            huge_tree=True,
        )
        root = None
        for event, element in events:
            if event == "comment":
                self._add_comment(element)
            elif event == "start":
                if root is None:
                    root = element
                    self._start(root)
            else:
                yield from self._end(element)

    def read_rest(self, data: bytes, error: etree.XMLSyntaxError) -> Iterator[Found]:
        """Yield the offers that the parser did not reach, each parsed alone."""
        declaration = _DECLARATION.match(data)
        prefix = declaration[0] if declaration else b""
        rest = list(_OFFER.finditer(data))[self.offers :]
        for match in rest:
            self.offers += 1
            try:
                element = etree.fromstring(prefix + match[0], _parser())
            except etree.XMLSyntaxError as fault:
                yield f"offer {self.offers}", None, f"is not XML: {fault.msg}", match[0]
            else:
                yield self._found("offer", element)
        if not data.rstrip().endswith(b">") or not rest:
            raise SourceError(
                f"{self.name} is not valid XML at line {error.lineno}: {error.msg}. The offers "
                "that could be read were loaded; fetch the file again."
            )

    def _start(self, root: Any) -> None:
        dtd = root.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            raise SourceError(
                f"{self.name} declares XML entities and is refused: they are not needed in a "
                "feed, and can make it expand without bound. Remove the declarations."
            )
        if root.tag != "yml_catalog":
            raise SourceError(f"{self.name} is no YML feed: its root is <{root.tag}>.")
        self.head["date"] = root.get("date")
        before = root.getprevious()
        while before is not None:
            self._add_comment(before)
            before = before.getprevious()

    def _add_comment(self, comment: Any) -> None:
        text = (comment.text or "").strip()
        if not self.offers and text not in self.head["comment"]:
            self.head["comment"] = f"{self.head['comment']}\n{text}".strip()

    def _end(self, element: Any) -> Iterator[Found]:
        parent = element.getparent()
        inside = parent.tag if parent is not None else ""
        if element.tag == "offer":
            self.offers += 1
            yield self._found("offer", element)
            _forget(element)
        elif element.tag == "category" and inside == "categories":
            yield self._found("category", element)
        elif element.tag == "currency" and inside == "currencies":
            self.head["currencies"].append(_attributes(element))
        elif inside == "shop" and element.tag in ("name", "company", "url"):
            self.head[element.tag] = (element.text or "").strip() or None

    def _found(self, kind: str, element: Any) -> Found:
        entry = _entry(element)
        if kind == "category" and isinstance(entry, str):
            entry = {"#text": entry}
        place = f"offer {self.offers}" if kind == "offer" else "category"
        # The head of this moment: comments may still follow.
        return place, {"yml_catalog": dict(self.head), kind: entry}, "", b""


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True)


def _attributes(element: Any) -> dict[str, Any]:
    return {f"@{name}": value for name, value in element.attrib.items()}


def _entry(element: Any) -> Any:
    """Return an element as text if it has nothing else, else as a dict; children are lists."""
    found = _attributes(element)
    for child in element.iterchildren(tag=etree.Element):
        found.setdefault(child.tag, []).append(_entry(child))
    text = (element.text or "").strip()
    if not found and element.tag != "offer":
        return text
    if text:
        found["#text"] = text
    return found


def _forget(element: Any) -> None:
    """Free the memory of an element that was read, and of those before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
