"""What a source holds: JSON, JSON lines, a YML feed or a CSV table, as a stream of documents.

Sources are plain, gzip or zstd, whatever their name; JSON lines, sound feeds and tables of any size
are read in constant memory. What is damaged is yielded as a fault with its place and bytes, and
the reading goes on where the next sound document begins.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from marketplace.exceptions import SourceError
from marketplace.loading import delimited, feeds, repair, unpacking
from marketplace.loading.unpacking import STANDARD_INPUT

__all__ = [
    "STANDARD_INPUT",
    "Entry",
    "Line",
    "TableReader",
    "clean",
    "elements",
    "parse",
    "read",
    "read_unparsed",
]

_BOM = b"\xef\xbb\xbf"


class Entry(NamedTuple):
    """A document, the damaged place where one should be, or a warning.

    :param place: where in the source, for messages: "line 17"
    :param document: the parsed document; None if it is damaged
    :param fault: why it could not be read; empty if it could
    :param raw: the damaged bytes
    :param warning: what a person should know of the source; then there is no document
    """

    place: str
    document: Any = None
    fault: str = ""
    raw: bytes = b""
    warning: str = ""


class Line(NamedTuple):
    """A line of JSON lines that is not parsed yet."""

    place: str
    raw: bytes


#: Reads what is no JSON as a table of a known form: (stream, name of the source) → documents.
TableReader = Callable[[Any, str], Iterator[Entry]]


def read(path: str, max_document: int, read_table: TableReader | None = None) -> Iterator[Entry]:
    """Yield the documents of a file, or of standard input for "-".

    :param max_document: bytes of the largest single JSON document, after unpacking
    :param read_table: reads whatever is no JSON
    :raises SourceError: if it cannot be opened, is empty or of no known form; also after the last
        sound document, if it is truncated
    """
    yield from _read(path, max_document, read_table, _elements)


def _read(
    path: str,
    max_document: int,
    read_table: TableReader | None,
    read_line: Callable[[bytes, str], Iterator[Any]],
) -> Iterator[Any]:
    name = "standard input" if path == STANDARD_INPUT else Path(path).name
    warnings: list[str] = []
    try:
        with ExitStack() as opened:
            stream = unpacking.open_source(path, opened, warnings.append)
            yield from _read_stream(stream, name, max_document, read_table, read_line)
    except unpacking.ERRORS as error:
        raise SourceError(
            f"{name} is truncated or damaged: {error}. Fetch the file again and load it once more; "
            "what was loaded of it is not loaded twice."
        ) from error
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror or error}.") from error
    yield from (Entry("", warning=warning) for warning in warnings)


def read_unparsed(path: str, max_document: int) -> Iterator[Entry | Line]:
    """Yield the documents of a source as `read` does, but JSON lines as they are.

    So that what was loaded before can be recognized by its bytes.

    :raises SourceError: as `read`
    """
    yield from _read(path, max_document, None, lambda line, place: iter([Line(place, line)]))


def elements(line: Line) -> Iterator[Entry]:
    """Yield the document that a line holds, or the elements of an array of documents."""
    return _elements(line.raw, line.place)


def parse(data: bytes) -> Any:
    """Return the JSON value of some bytes, without what PostgreSQL cannot store.

    NUL characters are removed from text, lone surrogates become U+FFFD.

    :raises ValueError: if it is no JSON
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        # The strict parser refuses lone surrogates and NaN, which platforms do publish.
        return clean(repair.decode(data.decode()))
    return clean(value) if b"\\u0000" in data else value


def clean(value: Any) -> Any:
    """Return a JSON value without NUL characters and lone surrogates.

    :raises ValueError: if it is nested too deeply
    """
    try:
        return _clean(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(entry) for key, entry in value.items()}
    return value


def _read_stream(
    stream: Any,
    name: str,
    max_document: int,
    read_table: TableReader | None,
    read_line: Callable[[bytes, str], Iterator[Any]],
) -> Iterator[Any]:
    head = stream.peek(4096)
    if head.startswith(_BOM):
        stream.read(len(_BOM))
        head = head[len(_BOM) :]
    start = head.lstrip()[:1]
    if not start:
        raise SourceError(f"{name} is empty.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not read_table:
        raise SourceError(f"{name} is UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 {name}.")
    if read_table and start not in b"{[":
        yield from read_table(stream, name)
    elif start == b"<":
        for place, document, fault, raw in feeds.read(stream, name):
            yield Entry(place, document, fault, raw)
    elif start in b"{[":
        yield from _read_json(stream, name, max_document, read_line)
    elif any(mark.encode() in head.split(b"\n", 1)[0] for mark in delimited.DELIMITERS):
        for place, document, fault, raw in delimited.read(stream, delimited.Layout()):
            yield Entry(place, document, fault, raw)
    else:
        raise SourceError(
            f"{name} is neither JSON, nor a YML feed, nor a CSV table: it starts with "
            f"{head[:40]!r}."
        )


def _read_json(
    stream: Any, name: str, max_document: int, read_line: Callable[[bytes, str], Iterator[Any]]
) -> Iterator[Any]:
    """Yield the documents of JSON lines, or of one JSON text over any number of lines."""
    head: list[bytes] = []
    while len([line for line in head if line.strip()]) < 2:
        line = _read_line(stream, name, max_document)
        if not line:
            break
        head.append(line)
    filled = [line for line in head if line.strip()]
    if len(filled) == 2 and _is_line(*filled):
        for number, line in _read_lines(stream, head, name, max_document):
            yield from read_line(line, f"line {number}")
        return
    text = b"".join(head) + stream.read(max_document + 1)
    if len(text) > max_document:
        raise SourceError(
            f"{name} holds one JSON text of more than {max_document >> 20} MB. Write one record "
            "a line (JSON lines), or raise INGEST_MAX_DOCUMENT."
        )
    yield from _read_text(text, name)


def _read_line(stream: Any, name: str, max_document: int) -> bytes:
    line: bytes = stream.readline(max_document + 1)
    if len(line) > max_document:
        raise SourceError(
            f"{name} holds a record of more than {max_document >> 20} MB. "
            "Raise INGEST_MAX_DOCUMENT if that is right."
        )
    return line


def _is_line(first: bytes, second: bytes) -> bool:
    """Return whether the first line is a document of its own, even if it is a damaged one."""
    for line in (first, second):
        try:
            value = parse(line)
        except ValueError:
            continue
        # Behind a bracket alone, an object on a line is an element of a text over several lines.
        is_record = isinstance(value, dict) and first.strip() not in (b"[", b"{")
        return line is first or is_record
    return first.rstrip()[-1:] == b"}" and second.startswith(first[:2])


def _read_lines(
    stream: Any, first: list[bytes], name: str, max_document: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers."""
    number, lines = 0, iter(first)
    while True:
        line = next(lines, None)
        if line is None:
            line = _read_line(stream, name, max_document)
            if not line:
                return
        number += 1
        if line.strip():
            yield number, line


def _elements(data: bytes, place: str) -> Iterator[Entry]:
    """Yield a document, or the elements of an array of documents."""
    try:
        value = parse(data)
    except ValueError as error:
        yield Entry(place, fault=f"is not JSON: {error}", raw=data)
        return
    if not isinstance(value, list):
        yield Entry(place, value)
        return
    for number, element in enumerate(value, 1):
        yield Entry(f"{place}, element {number}", element)


def _read_text(text: bytes, name: str) -> Iterator[Entry]:
    """Yield the documents of one JSON text; what is damaged in it is cut out first."""
    cuts: list[repair.Cut] = []
    try:
        value = parse(text)
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not UTF-8 at byte {error.start:,}. Convert it.") from None
    except ValueError:
        value, cuts = repair.parse_damaged(text.decode(), name)
        value = clean(value)
    for cut in cuts:
        yield Entry(f"character {cut.start}", fault=f"is not JSON: {cut.reason}", raw=cut.raw)
    if isinstance(value, list):
        for number, element in enumerate(value, 1):
            yield Entry(f"element {number}", element)
    else:
        yield Entry("document", value)
