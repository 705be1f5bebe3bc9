"""The documents of a source: JSON, JSON lines, a YML feed or a CSV table.

The format and the compression (gzip, zstd or none) are recognized by the content, not by the name.
Sources may have any size: memory is bounded by the largest record and by the largest text that is
parsed whole. Damaged data is yielded as an error with its place and bytes, and reading continues
with the next valid document.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import starmap
from typing import Any, NamedTuple

from marketplace.exceptions import SourceError
from marketplace.loading.formats import (
    decimal_marks,
    delimited,
    feeds,
    json_stream,
    json_text,
    unpacking,
)
from marketplace.loading.formats.json_reader import JsonReader
from marketplace.loading.formats.json_text import clean, parse
from marketplace.loading.formats.large_records import EXCERPT_SIZE, size_fault
from marketplace.loading.formats.unpacking import STANDARD_INPUT

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
_PIECE = 1 << 16
_BLANK = re.compile(rb"(?:\s++|\xef\xbb\xbf)*+")


class Entry(NamedTuple):
    """A document, damaged data in place of a document, or a warning.

    :param place: the place in the source, for messages: "line 17"
    :param document: the parsed document; None if it is damaged
    :param fault: why the document could not be read; empty for a valid document
    :param raw: the damaged bytes
    :param warning: a warning about the source, without a document
    """

    place: str
    document: Any = None
    fault: str = ""
    raw: bytes = b""
    warning: str = ""


class Line(NamedTuple):
    """A line of JSON lines that has not been parsed."""

    place: str
    raw: bytes


#: Reads a source that is not JSON as a table with a known layout: (stream, name) → documents.
TableReader = Callable[[Any, str], Iterator[Entry]]


def read(path: str, max_record: int, read_table: TableReader | None = None) -> Iterator[Entry]:
    """Yield the documents of a file, or of standard input for "-".

    :param max_record: bytes of the largest JSON record, after unpacking
    :param read_table: reads a source that is not JSON
    :raises SourceError: if the source cannot be opened, is empty or has an unknown format; also
        after the last valid document, if the source is truncated
    """
    yield from _read(path, max_record, read_table, _elements)


def _read(
    path: str,
    max_record: int,
    read_table: TableReader | None,
    read_line: Callable[[bytes, str], Iterator[Any]],
) -> Iterator[Any]:
    name = unpacking.source_name(path)
    warnings: list[str] = []
    try:
        with ExitStack() as opened:
            stream = unpacking.open_source(path, opened, warnings.append)
            yield from _read_stream(stream, path, max_record, read_table, read_line)
    except unpacking.ERRORS as error:
        raise SourceError(
            f"{name} is truncated or damaged: {error}. Fetch the file again and load it once more; "
            "records that were loaded are not loaded twice."
        ) from error
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror or error}.") from error
    yield from (Entry("", warning=warning) for warning in warnings)


def read_unparsed(path: str, max_record: int) -> Iterator[Entry | Line]:
    """Yield the documents of a source as `read` does, but JSON lines without parsing them.

    The caller can compare their bytes with those that were loaded before.

    :raises SourceError: as `read`
    """
    yield from _read(path, max_record, None, lambda line, place: iter([Line(place, line)]))


def elements(line: Line) -> Iterator[Entry]:
    """Yield the document of a line, or the elements of an array of documents."""
    return _elements(line.raw, line.place)


def _read_stream(
    stream: Any,
    path: str,
    max_record: int,
    read_table: TableReader | None,
    read_line: Callable[[bytes, str], Iterator[Any]],
) -> Iterator[Any]:
    name = unpacking.source_name(path)
    head = _skip_blank(stream)
    start = head.lstrip()[:1]
    if not start:
        raise SourceError(f"{name} is empty.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not read_table:
        raise SourceError(f"{name} is UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 {path}.")
    if read_table and start not in b"{[":
        yield from read_table(stream, name)
    elif start == b"<":
        for place, document, fault, raw in decimal_marks.add_decimal_mark(feeds.read(stream, name)):
            yield Entry(place, document, fault, raw)
    elif start in b"{[" or _is_value(head):
        yield from _read_json(stream, name, max_record, read_line)
    elif _is_table(head):
        for place, document, fault, raw in delimited.read(stream, delimited.Layout(), name=name):
            yield Entry(place, document, fault, raw)
    else:
        raise SourceError(
            f"{name} is neither JSON, nor a YML feed, nor a CSV table with a row below its header. "
            f"It starts with: {_excerpt(head)}. Specify a file of the platform, or fetch this "
            "file again."
        )


def _skip_blank(stream: Any) -> bytes:
    """Skip byte order marks, white space before XML and blank pages; return the next bytes."""
    while head := stream.peek(4096):
        blank = _BLANK.match(head).end()  # type: ignore[union-attr] # always matches
        if blank == len(head) or (blank and head[blank : blank + 1] == b"<"):
            stream.read(blank)
        elif head.startswith(_BOM):
            stream.read(len(_BOM))
        else:
            return bytes(head)
    return b""


def _is_value(head: bytes) -> bool:
    """Return whether a source is JSON without records: a number, text, true, false or null."""
    try:
        parse(head)
    except ValueError:
        return False
    return True


def _is_table(head: bytes) -> bool:
    """Return whether a source is a table: a line has as many cells as the header.

    A page with an error message may have commas too, but not equally many in several lines.
    """
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    is_cut_off = len(lines) < 3 and len(head) >= 4096
    for mark in delimited.DELIMITERS:
        first, *others = csv.reader(lines, delimiter=mark)
        if len(first) > 1 and (is_cut_off or any(len(row) == len(first) for row in others)):
            return True
    return False


def _excerpt(head: bytes) -> str:
    """Return the beginning of a source, with replacements for characters that are not printable."""
    text = head.lstrip()[:40].decode("utf-8", "replace").split("\n")[0]
    return "".join(char if char.isprintable() else "\ufffd" for char in text).strip()


def _read_json(
    stream: Any, name: str, max_record: int, read_line: Callable[[bytes, str], Iterator[Any]]
) -> Iterator[Any]:
    """Yield the documents of JSON lines, or of one JSON text of any number of lines."""
    head = _read_lines_ahead(stream, max_record)
    lines = io.BytesIO(head).readlines()
    filled = [line for line in lines if line.strip()][:3]
    are_lines = _are_lines(filled, max_record)
    # Releases the memory of large lines while the rest is read.
    del filled
    if are_lines:
        del head
        for number, line, size in _read_lines(stream, lines, max_record):
            place = f"line {number}"
            if size > max_record:
                yield Entry(place, fault=size_fault(size, max_record), raw=line)
            else:
                yield from read_line(line, place)
            del line
        return
    limit = min(max_record, json_stream.MAX_WHOLE)
    del lines
    text = head + unpacking.read_some(stream, limit + 1 - len(head))
    del head
    try:
        whole = _documents(parse(text)) if len(text) <= limit else None
    except ValueError:
        whole = None
    reader = JsonReader(text, stream, max_record)
    del text
    if whole is None:
        yield from starmap(Entry, json_stream.read(reader, name))
        return
    del reader
    yield from whole
    # Raises the error of damaged packed data.
    stream.peek(1)


def _read_lines_ahead(stream: Any, size: int) -> bytes:
    """Return the beginning of a source: three filled lines, or more than `size` bytes."""
    data, count = bytearray(), 0
    # The next read raises the error of damaged data again.
    with suppress(*unpacking.ERRORS):
        while len(data) <= size and count < 3 and (piece := stream.read1(_PIECE)):
            data += piece
            count += sum(bool(line.strip()) for line in piece.split(b"\n")[:-1])
    return bytes(data)


def _are_lines(filled: list[bytes], max_record: int) -> bool:
    """Return whether a source is JSON lines, by its first lines that are not blank."""
    if len(filled) > 1:
        return json_text.are_lines(filled)
    # The first record is too large, and its line continues. Other records may follow.
    is_large = len(filled[0]) > max_record and filled[0].lstrip().startswith(b"{")
    return is_large and not json_stream.begins_with_list(filled[0])


def _read_lines(
    stream: Any, first: list[bytes], max_record: int
) -> Iterator[tuple[int, bytes, int]]:
    """Yield the lines that are not blank: number, bytes, size. Lines that are too large are cut.

    :param first: lines that were read already, the last one perhaps in part; the list is emptied
    """
    number = 0
    first.reverse()
    while True:
        line = first.pop() if first else b""
        if not line.endswith(b"\n"):
            line += stream.readline(max(1, max_record + 1 - len(line)))
        if not line:
            return
        size = len(line)
        if size > max_record:
            if not line.endswith(b"\n"):
                size += _skip_line(stream)
            line = line[:EXCERPT_SIZE]
        number += 1
        if size > max_record or line.strip():
            yield number, line, size


def _skip_line(stream: Any) -> int:
    """Skip the rest of a line and return its size in bytes."""
    size = 0
    while piece := stream.readline(_PIECE):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _elements(data: bytes, place: str) -> Iterator[Entry]:
    """Yield a document, or the elements of an array of documents."""
    try:
        value = parse(data)
    except ValueError as error:
        yield Entry(place, fault=json_text.explain(error), raw=data)
        return
    if not isinstance(value, list):
        yield Entry(place, value)
        return
    for number, element in enumerate(value, 1):
        yield Entry(f"{place}, element {number}", element)


def _documents(value: Any) -> Iterator[Entry]:
    if isinstance(value, list):
        yield from (Entry(f"element {number}", element) for number, element in enumerate(value, 1))
    else:
        yield Entry("document", value)
