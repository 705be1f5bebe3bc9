"""The documents of a source: JSON, JSON lines, a YML feed or a CSV table.

The format and the compression (gzip, zstd or none) are recognized by the content, not by the name.
Sources may have any size: memory is bounded by the largest record and by the largest text that is
parsed whole. Damaged data is yielded as an error with its place and bytes, and reading continues
with the next valid document.
"""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from marketplace.exceptions import SourceError
from marketplace.loading.formats import decimal_marks, delimited, feeds, json_documents, unpacking
from marketplace.loading.formats.entries import Entry, Line
from marketplace.loading.formats.json_documents import elements
from marketplace.loading.formats.json_text import clean, parse
from marketplace.loading.formats.unpacking import STANDARD_INPUT

__all__ = ["STANDARD_INPUT", "Entry", "Line", "clean", "elements", "read", "read_unparsed"]

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"(?:\s++|\xef\xbb\xbf)*+")

#: Reads a source that is not JSON as a table with a known layout: (stream, name) → documents.
TableReader = Callable[[Any, str], Iterator[Entry]]


def read(path: str, read_table: TableReader | None = None) -> Iterator[Entry]:
    """Yield the documents of a file, or of standard input for "-".

    :param read_table: reads a source that is not JSON
    :raises SourceError: if the source cannot be opened, is empty or has an unknown format; also
        after the last valid document, if the source is truncated
    """
    for entry in read_unparsed(path, read_table):
        if isinstance(entry, Line):
            yield from elements(entry)
        else:
            yield entry
        # Releases its memory before the next one is read.
        del entry


def read_unparsed(path: str, read_table: TableReader | None = None) -> Iterator[Entry | Line]:
    """Yield the documents of a source as `read` does, but JSON lines without parsing them.

    The caller can compare their bytes with those that were loaded before.

    :raises SourceError: as `read`
    """
    name = unpacking.source_name(path)
    warnings: list[str] = []
    try:
        with ExitStack() as opened:
            stream = unpacking.open_source(path, opened, warnings.append)
            yield from _read_stream(stream, path, read_table)
    except unpacking.ERRORS as error:
        raise SourceError(
            f"{name} is truncated or damaged: {error}. Fetch the file again and load it once more; "
            "records that were loaded are not loaded twice."
        ) from error
    except OSError as error:
        raise SourceError(f"Cannot read {path}: {error.strerror or error}.") from error
    yield from (Entry("", warning=warning) for warning in warnings)


def _read_stream(stream: Any, path: str, read_table: TableReader | None) -> Iterator[Entry | Line]:
    name = unpacking.source_name(path)
    head = _skip_blank(stream)
    start = head.lstrip()[:1]
    if not start:
        raise SourceError(f"{name} is empty.")
    is_utf_16 = head.startswith((b"\xff\xfe", b"\xfe\xff")) or (start == b"<" and b"\0" in head)
    if is_utf_16 and not read_table:
        raise SourceError(f"{name} is UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 {path}.")
    if read_table and start not in b"{[":
        yield from read_table(stream, name)
    elif start == b"<":
        yield from decimal_marks.add_decimal_mark(feeds.read(stream, name))
    elif start in b"{[" or _is_value(head):
        yield from json_documents.read(stream, name)
    elif _is_table(head):
        yield from delimited.read(stream, delimited.Layout(), name=name)
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
