"""The documents of JSON: lines with a document each (JSON lines), or one text."""

import io
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecodeError
from typing import Any

from django.conf import settings

from marketplace.exceptions import NestingError, TooManyValuesError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.entries import EXCERPT_SIZE, Entry, Line, size_fault
from marketplace.loading.formats.json_reader import JsonReader
from marketplace.loading.formats.json_stream import MAX_WHOLE, JsonDocuments, begins_with_list
from marketplace.loading.formats.json_text import decode, explain, parse

_PIECE = 1 << 16


def read(stream: Any, name: str) -> Iterator[Entry | Line]:
    """Yield the lines of JSON lines without parsing them, or the documents of one JSON text.

    :raises SourceError: after the last valid document, if the text is damaged
    """
    max_record: int = settings.INGEST_MAX_RECORD
    head = _read_lines_ahead(stream, max_record)
    lines = io.BytesIO(head).readlines()
    if not _are_lines([line for line in lines if line.strip()][:3], max_record):
        del lines
        yield from _read_text(head, stream, name)
        return
    del head
    for number, line, size in _read_lines(stream, lines, max_record):
        place = f"line {number}"
        if size > max_record:
            yield Entry(place, fault=size_fault(size), raw=line)
        else:
            yield Line(place, line)
        # Releases its memory before the next line is read.
        del line


def elements(line: Line) -> Iterator[Entry]:
    """Yield the document of a line, or the elements of an array of documents."""
    try:
        value = parse(line.raw)
    except ValueError as error:
        yield Entry(line.place, fault=explain(error), raw=line.raw)
    else:
        yield from _documents(value, line.place, f"{line.place}, ")


def _documents(value: Any, place: str, prefix: str) -> Iterator[Entry]:
    if isinstance(value, list):
        for number, element in enumerate(value, 1):
            yield Entry(f"{prefix}element {number}", element)
    else:
        yield Entry(place, value)


def _read_text(head: bytes, stream: Any, name: str) -> Iterator[Entry]:
    """Yield the documents of a text: parsed whole, or one by one if it is large or damaged."""
    limit = min(settings.INGEST_MAX_RECORD, MAX_WHOLE)
    text = head + unpacking.read_some(stream, limit + 1 - len(head))
    del head
    try:
        whole = _documents(parse(text), "document", "") if len(text) <= limit else None
    except ValueError:
        whole = None
    if whole is None:
        yield from JsonDocuments(JsonReader(text, stream), name).read()
        return
    del text
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


def _are_lines(lines: list[bytes], max_record: int) -> bool:
    """Return whether each line is a document (JSON lines), or all form one text.

    :param lines: the first lines that are not blank, at most three
    """
    first, *others = lines
    if not others:
        # The first record is too large, and its line continues. Other records may follow.
        is_large = len(first) > max_record and first.lstrip().startswith(b"{")
        return is_large and not begins_with_list(first[:_PIECE].decode(errors="replace"))
    if _is_document(first):
        return True
    if any(map(_is_document, others)):
        # The first line is damaged, unless the lines are the beginning of one text.
        return not _is_beginning(lines)
    is_closed = first.rstrip().endswith((b"}", b"]"))
    return is_closed and others[0][:1] == first[:1]


def _is_document(line: bytes) -> bool:
    try:
        return isinstance(parse(line), dict | list)
    except TooManyValuesError:
        return True
    except ValueError:
        return False


def _is_beginning(lines: list[bytes]) -> bool:
    text = b"".join(lines).decode("utf-8", "replace").rstrip() + "\n"
    try:
        decode(text)
    except JSONDecodeError as error:
        return error.pos == len(text)
    except NestingError:
        return False
    return True


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
