"""The documents of a JSON text of any size, in bounded memory.

A text is an array, or a sequence of objects. An object that begins with one long list, such as
{"data": {"items": [{…}, …]}}, and cannot be parsed whole is yielded as several such objects, each
with a slice of the list.
"""

import re
from collections.abc import Iterator
from typing import Any

from marketplace.exceptions import RecordLimitError, SourceError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.entries import Entry
from marketplace.loading.formats.json_reader import DamagedError, JsonReader, Record
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
_KEY = r'"(?:[^"\\]|\\.)*+"'
_LIST = re.compile(rf"\s*+((?:\{{\s*+{_KEY}\s*+:\s*+){{1,10}}+)\[\s*+\{{", re.DOTALL)


def begins_with_list(text: str) -> bool:
    """Return whether a text is an object that begins with a list of objects."""
    return _LIST.match(text) is not None


class JsonDocuments:
    """The documents of one text.

    :param name: the name of the source, for messages
    """

    def __init__(self, reader: JsonReader, name: str) -> None:
        self._reader = reader
        self._name = name
        #: Valid records that were read.
        self._count = 0

    def read(self) -> Iterator[Entry]:
        """Yield the documents; those of an array are its elements.

        A record that is too large or nested too deeply is an error, and reading continues after it.

        :raises SourceError: after the last valid document, if the text is damaged
        """
        try:
            yield from self._array() if self._reader.peek() == "[" else self._objects()
        except DamagedError as error:
            outcome = "No record was read"
            if self._count:
                outcome = f"The records before the error were read ({self._count:,})"
            raise SourceError(
                f"{self._name} is not valid JSON at {error.place}: {error}. {outcome}. Fetch or "
                "correct the file, and load it again."
            ) from None

    def _entry(self, place: str, record: Record) -> Entry:
        self._count += not record.fault
        return Entry(place, record.value, record.fault, record.raw)

    def _array(self) -> Iterator[Entry]:
        has_objects = False
        for number, record in enumerate(self._elements(), 1):
            has_objects = has_objects or isinstance(record.value, dict)
            yield self._entry(f"element {number}", record)
            # A record may be large. Its memory is released before the next one is read.
            del record
            if number == _MAX_BEFORE_OBJECT and not has_objects:
                raise SourceError(
                    f"{self._name} is an array, but its first {number:,} elements are not objects. "
                    "Load a file with one object for each record."
                )
        if self._reader.peek():
            self._reader.fail("Extra data")

    def _objects(self) -> Iterator[Entry]:
        number = 0
        while first := self._reader.peek():
            if first != "{":
                self._reader.fail("Extra data" if number else "Expecting value")
            number += 1
            yield from self._object(f"document {number}")

    def _object(self, place: str) -> Iterator[Entry]:
        reader = self._reader
        try:
            record = reader.whole(min(reader.max_record, MAX_WHOLE))
        except (DamagedError, RecordLimitError):
            if opening := _LIST.match(reader.text, reader.at):
                reader.at = opening.end(1)
                keys = [parse(key.encode()) for key in re.findall(_KEY, opening[1])]
                yield from self._slices(keys, place)
                yield from self._skip_other_keys(len(keys))
                return
            record = reader.record()
        yield self._entry(place, record)

    def _slices(self, keys: list[str], place: str) -> Iterator[Entry]:
        """Yield the object with a list under nested keys once for each slice of the list."""
        elements: list[Any] = []
        size = 0

        def build_entry() -> Entry:
            value: Any = elements
            for key in reversed(keys):
                value = {key: value}
            self._count += len(elements)
            return Entry(place, value)

        try:
            for number, record in enumerate(self._elements(), 1):
                if record.fault:
                    yield Entry(f"{place}, element {number}", None, record.fault, record.raw)
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

    def _skip_other_keys(self, levels: int) -> Iterator[Entry]:
        """Skip the rest of the objects around a list; yield a warning about their other keys."""
        reader = self._reader
        keys: list[str] = []
        for _ in range(levels):
            while reader.peek() == ",":
                reader.skip(",")
                if reader.peek() != '"':
                    reader.fail("Expecting property name enclosed in double quotes")
                keys.append(str(reader.record().value))
                reader.skip(":")
                reader.record()
            if reader.peek() != "}":
                reader.fail("Expecting ',' delimiter")
            reader.skip("}")
        if keys:
            names = ", ".join(keys[:10])
            warning = (
                f"{self._name} was read in parts: the keys after its list were ignored: {names}."
            )
            yield Entry("", warning=warning)

    def _elements(self) -> Iterator[Record]:
        """Yield the elements of the list that begins here, and skip its end."""
        reader = self._reader
        reader.skip("[")
        if reader.peek() == "]":
            reader.skip("]")
            return
        while True:
            yield reader.record()
            if reader.peek() == "]":
                reader.skip("]")
                return
            reader.skip(",")
