"""The documents of JSON texts of any size, in bounded memory.

A text is an array, or a sequence of objects. An object that begins with one long list, such as
{"data": {"items": [{…}, …]}}, and is damaged or too large to be parsed whole, is yielded as several
such objects, each with a slice of the list.
"""

import re
from collections.abc import Iterator
from typing import Any

from marketplace.exceptions import SourceError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.json_reader import STRING, DamagedError, JsonReader, Record
from marketplace.loading.formats.json_text import parse

#: Bytes of the largest text that is parsed whole.
MAX_WHOLE = 32 << 20

#: Elements and bytes of a slice of a list. They are not settings, because a resumed run skips the
#: number of slices that were loaded.
_SLICE = 1000
_SLICE_SIZE = 2 << 20

#: Elements of an array that may come before the first object.
_MAX_BEFORE_OBJECT = 1000

#: The keys from the beginning of an object to its list of records. Each must be the first key of
#: its object, because the other keys would be missing from the slices.
_LIST = re.compile(rb"\s*((?:\{\s*" + STRING + rb"\s*:\s*){1,10}+)\[\s*\{", re.DOTALL)
_KEY = re.compile(STRING, re.DOTALL)

#: The fields of an `Entry`: place, document, error, raw bytes, warning.
EntryFields = tuple[str, Any, str, bytes, str]


def read(reader: JsonReader, name: str) -> Iterator[EntryFields]:
    """Yield the documents of a text; those of an array are its elements.

    A record that is too large or nested too deeply is an error, and reading continues after it.

    :param name: the name of the source, for messages
    :raises SourceError: after the last valid document, if the text is damaged
    """
    try:
        yield from _array(reader, name) if reader.peek() == b"[" else _objects(reader, name)
    except DamagedError as error:
        count = reader.count
        before = (
            f"The records before the error were read ({count:,})" if count else "No record was read"
        )
        raise SourceError(
            f"{name} is not valid JSON at {error.place}: {error}. {before}. Fetch or correct the "
            "file, and load it again."
        ) from None


def begins_with_list(data: bytes) -> bool:
    """Return whether a text is an object that begins with a list of objects."""
    return _LIST.match(data) is not None


def _array(reader: JsonReader, name: str) -> Iterator[EntryFields]:
    #: Entries before the first object; None after it.
    waiting: list[EntryFields] | None = []
    number = 0
    for record in _elements(reader):
        number += 1
        entry = (f"element {number}", record.value, record.fault, record.raw, "")
        # A record may be large. Its memory is released before the next one is read.
        del record
        if waiting is None:
            reader.count += not entry[2]
            yield entry
            del entry
            continue
        # Elements of a list of numbers are not records.
        waiting.append(entry)
        if entry[2] or isinstance(entry[1], dict):
            del entry
            reader.count += sum(not fault for _, _, fault, *_ in waiting)
            yield from waiting
            waiting = None
        elif number == _MAX_BEFORE_OBJECT:
            raise SourceError(
                f"{name} is an array, but its first {_MAX_BEFORE_OBJECT:,} elements are not "
                "objects. Load a file with one object for each record."
            )
    if reader.peek():
        reader.fail("Extra data")
    yield from waiting or ()


def _objects(reader: JsonReader, name: str) -> Iterator[EntryFields]:
    number = 0
    while first := reader.peek():
        if first != b"{":
            reader.fail("Extra data" if number else "Expecting value")
        number += 1
        yield from _object(reader, f"document {number}", name)


def _object(reader: JsonReader, place: str, name: str) -> Iterator[EntryFields]:
    end = reader.find_end(min(reader.max_record, MAX_WHOLE))
    if end > 0:
        try:
            value = parse(reader.data[reader.at : end])
        except ValueError:
            # Reading the object again, by slices or as a record, reports the place of the damage.
            pass
        else:
            reader.at = end
            reader.count += 1
            yield place, value, "", b"", ""
            return
    opening = _LIST.match(reader.data, reader.at)
    if opening:
        keys = [parse(key) for key in _KEY.findall(opening[1])]
        reader.at = opening.end(1)
        yield from _slices(reader, keys, place)
        yield from _skip_other_keys(reader, len(keys), name)
    else:
        record = reader.record()
        reader.count += not record.fault
        yield place, record.value, record.fault, record.raw, ""


def _slices(reader: JsonReader, keys: list[str], place: str) -> Iterator[EntryFields]:
    """Yield the object with a list under nested keys once for each slice of the list."""
    elements: list[Any] = []
    size = 0

    def build_entry() -> EntryFields:
        value: Any = elements
        for key in reversed(keys):
            value = {key: value}
        reader.count += len(elements)
        return place, value, "", b"", ""

    try:
        for number, record in enumerate(_elements(reader), 1):
            if record.fault:
                yield f"{place}, element {number}", None, record.fault, record.raw, ""
                continue
            elements.append(record.value)
            size += record.size
            if len(elements) == _SLICE or size >= _SLICE_SIZE:
                yield build_entry()
                elements, size = [], 0
    except (DamagedError, *unpacking.ERRORS):
        if elements:
            yield build_entry()
        raise
    if elements:
        yield build_entry()


def _skip_other_keys(reader: JsonReader, levels: int, name: str) -> Iterator[EntryFields]:
    """Skip the rest of the objects around a list; yield a warning about their other keys."""
    keys: list[str] = []
    for _ in range(levels):
        mark = reader.peek()
        if mark == b",":
            keys.extend(_members(reader))
        elif mark == b"}":
            reader.at += 1
        else:
            reader.fail("Expecting ',' delimiter")
    if keys:
        names = ", ".join(keys[:10])
        warning = f"{name} was read in parts: the keys after its list were ignored: {names}."
        yield "", None, "", b"", warning


def _members(reader: JsonReader) -> list[str]:
    """Read the rest of an object from a comma, and return its keys."""
    at = reader.at
    # The comma becomes a brace, so that the rest of the object is an object at the same place.
    reader.data = reader.data[:at] + b"{" + reader.data[at + 1 :]
    record = reader.record()
    if not record.value:
        reader.fail(record.fault or "Expecting property name enclosed in double quotes")
    return list(record.value)


def _elements(reader: JsonReader) -> Iterator[Record]:
    """Yield the elements of the list that begins here, and skip its end."""
    reader.at += 1
    if reader.peek() == b"]":
        reader.at += 1
        return
    while True:
        yield reader.record()
        mark = reader.peek()
        if mark not in (b",", b"]"):
            reader.fail("Expecting ',' delimiter")
        reader.at += 1
        if mark == b"]":
            return
