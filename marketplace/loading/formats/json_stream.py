"""JSON texts of any size, read piece by piece: the records in them, in bounded memory.

A text is an array, or objects that follow one another. An object that is too large to be parsed
whole, or damaged, and begins with one long list, as {"data": {"items": [{…}, …]}}, is yielded as
several such objects, each with a slice of the list.
"""

import re
from collections.abc import Iterator
from typing import Any

from marketplace.exceptions import SourceError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.json_pieces import STRING, DamagedError, Record, Text
from marketplace.loading.formats.json_text import parse

#: Bytes of a text that may be parsed whole.
MAX_WHOLE = 32 << 20

#: Elements and bytes of a slice of a list. They are not settings, because a resumed run counts the
#: slices that are done.
_SLICE = 1000
_SLICE_SIZE = 2 << 20

#: Elements of an array that may come before the first object.
_MAX_WAITING = 1000

#: The way from the beginning of an object to its list of records, with nothing before it: else
#: part of a record would be read as the whole of it.
_LIST = re.compile(rb"\s*((?:\{\s*" + STRING + rb"\s*:\s*){1,10}+)\[\s*\{", re.DOTALL)
_KEY = re.compile(STRING, re.DOTALL)

#: Place, document, fault, its bytes, warning.
Found = tuple[str, Any, str, bytes, str]


def read(text: Text, name: str) -> Iterator[Found]:
    """Yield the documents of a text: of an array, its elements.

    A record that is too large or nested too deeply is a fault; the reading goes on behind it.

    :param name: of the source, for messages
    :raises SourceError: behind the last sound document, if the text is damaged
    """
    try:
        yield from _array(text, name) if text.peek() == b"[" else _objects(text, name)
    except DamagedError as error:
        count = text.count
        before = f"The records before it were read ({count:,})" if count else "No record was read"
        raise SourceError(
            f"{name} is not valid JSON at {error.place}: {error}. {before}. Fetch or correct the "
            "file, and load it again."
        ) from None


def begins_with_list(data: bytes) -> bool:
    """Return whether a text is an object that begins with a list of objects."""
    return _LIST.match(data) is not None


def _array(text: Text, name: str) -> Iterator[Found]:
    waiting: list[Found] | None = []
    number = 0
    for each in _elements(text):
        number += 1
        found = (f"element {number}", each.value, each.fault, each.raw, "")
        # A record may be large: it is freed before the next one is read.
        del each
        if waiting is None:
            text.count += not found[2]
            yield found
            del found
            continue
        # Elements of a list of numbers are not records.
        waiting.append(found)
        if found[2] or isinstance(found[1], dict):
            del found
            text.count += sum(not fault for _, _, fault, *_ in waiting)
            yield from waiting
            waiting = None
        elif number == _MAX_WAITING:
            raise SourceError(
                f"{name} is an array, but its first {_MAX_WAITING:,} elements are not objects. "
                "Load a file with one object for each record."
            )
    if text.peek():
        text.fail("Extra data")
    yield from waiting or ()


def _objects(text: Text, name: str) -> Iterator[Found]:
    number = 0
    while first := text.peek():
        if first != b"{":
            text.fail("Extra data" if number else "Expecting value")
        number += 1
        yield from _object(text, f"document {number}", name)


def _object(text: Text, place: str, name: str) -> Iterator[Found]:
    end = text.find_end(min(text.max_record, MAX_WHOLE))
    if end > 0:
        try:
            value = parse(text.data[text.at : end])
        except ValueError:
            # Its list, or the second attempt, shows where it is damaged.
            pass
        else:
            text.at = end
            text.count += 1
            yield place, value, "", b"", ""
            return
    opening = _LIST.match(text.data, text.at)
    if opening:
        keys = [parse(key) for key in _KEY.findall(opening[1])]
        text.at = opening.end(1)
        yield from _slices(text, keys, place)
        yield from _beside(text, len(keys), name)
    else:
        each = text.record()
        text.count += not each.fault
        yield place, each.value, each.fault, each.raw, ""


def _slices(text: Text, keys: list[str], place: str) -> Iterator[Found]:
    """Yield the object that holds a list under some keys, with one slice of it after the other."""
    taken: list[Any] = []
    size = 0

    def found() -> Found:
        value: Any = taken
        for key in reversed(keys):
            value = {key: value}
        text.count += len(taken)
        return place, value, "", b"", ""

    try:
        for number, each in enumerate(_elements(text), 1):
            if each.fault:
                yield f"{place}, element {number}", None, each.fault, each.raw, ""
                continue
            taken.append(each.value)
            size += each.size
            if len(taken) == _SLICE or size >= _SLICE_SIZE:
                yield found()
                taken, size = [], 0
    except (DamagedError, *unpacking.ERRORS):
        if taken:
            yield found()
        raise
    if taken:
        yield found()


def _beside(text: Text, levels: int, name: str) -> Iterator[Found]:
    """Read on to the end of the objects around a list; yield a warning about their other keys."""
    keys: list[str] = []
    for _ in range(levels):
        mark = text.peek()
        if mark == b",":
            keys.extend(_members(text))
        elif mark == b"}":
            text.at += 1
        else:
            text.fail("Expecting ',' delimiter")
    if keys:
        shown = ", ".join(keys[:10])
        warning = f"{name} was read in parts: the keys behind its list were ignored: {shown}."
        yield "", None, "", b"", warning


def _members(text: Text) -> list[str]:
    """Return the keys of an object from a comma on."""
    at = text.at
    # The comma becomes a brace, so that the rest of the object is an object at the same place.
    text.data = text.data[:at] + b"{" + text.data[at + 1 :]
    each = text.record()
    if not each.value:
        text.fail(each.fault or "Expecting property name enclosed in double quotes")
    return list(each.value)


def _elements(text: Text) -> Iterator[Record]:
    """Yield the elements of the list that begins here, and pass its end."""
    text.at += 1
    if text.peek() == b"]":
        text.at += 1
        return
    while True:
        yield text.record()
        mark = text.peek()
        if mark not in (b",", b"]"):
            text.fail("Expecting ',' delimiter")
        text.at += 1
        if mark == b"]":
            return
