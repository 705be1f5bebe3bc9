"""A reader of one JSON text, piece by piece: it returns one value at a time in bounded memory."""

import re
from json import JSONDecodeError
from typing import Any, NamedTuple, NoReturn

from marketplace.exceptions import RecordLimitError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.json_text import explain, parse
from marketplace.loading.formats.large_records import EXCERPT_SIZE, size_fault

#: A string as a regular expression. All expressions here are possessive: they never backtrack.
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'

_PIECE = 1 << 18
_SPACE = re.compile(rb"[ \t\n\r]*")
_CONTINUATION = bytes(range(0x80, 0xC0))
_FLAT = rb'[\[{](?:[^"\[\]{}]++|' + STRING + rb")*+[\]}]"
#: Bytes that do not change the depth. They may be followed by a byte that does, or by the quote of
#: a string that continues in the next piece.
_NEXT = re.compile(rb'(?:[^"\[\]{}]++|' + STRING + rb"|" + _FLAT + rb')*+(["\[\]{}])?', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR_END = re.compile(rb'[\s,:"\[\]{}]')


class Record(NamedTuple):
    """A value of a JSON text, or the error for a value that is too large or too deep.

    :param size: the size in bytes
    :param fault: why the value cannot be loaded; empty for a valid value
    :param raw: the bytes of an invalid value
    """

    value: Any
    size: int
    fault: str = ""
    raw: bytes = b""


class DamagedError(Exception):
    """A text is not valid JSON at a line and a column, both counted from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.place = f"line {line:,}, column {column:,}"


class JsonReader:
    """The part of a JSON text that is in memory, and the position of the next token in it.

    :param data: the beginning of the text
    :param stream: the rest of the text
    :param max_record: bytes of the largest record
    :ivar at: the position of the next token in `data`
    :ivar count: the number of records that were read
    """

    def __init__(self, data: bytes, stream: Any, max_record: int) -> None:
        self.data = data
        self.at = 0
        self.count = 0
        self.max_record = max_record
        self._stream = stream
        #: Line and column of the first byte in memory.
        self._begin = (1, 1)

    def peek(self) -> bytes:
        """Skip white space and return the next byte; empty at the end of the text."""
        while True:
            self.at = _SPACE.match(self.data, self.at).end()  # type: ignore[union-attr] # matches
            if self.at < len(self.data) or not self._refill():
                return self.data[self.at : self.at + 1]

    def record(self) -> Record:
        """Read the next value.

        :raises DamagedError: if the value is not JSON, or truncated
        """
        self.peek()
        end = self.find_end(self.max_record)
        if end < 0 and len(self.data) - self.at > self.max_record:
            return self._skip()
        raw = self.data[self.at : end] if end >= 0 else self.data[self.at :]
        try:
            value = parse(raw)
        except UnicodeDecodeError as error:
            self.fail("the text is not UTF-8", error.start)
        except JSONDecodeError as error:
            reason = error.msg.removesuffix(" at").removesuffix(" starting")
            self.fail(reason, len(error.doc[: error.pos].encode()))
        except RecordLimitError as error:
            if end < 0:
                self.fail(str(error))
            value, fault = None, explain(error)
        else:
            fault = ""
        self.at += len(raw)
        return Record(value, len(raw), fault, raw if fault else b"")

    def find_end(self, limit: int) -> int:
        """Return the end of the next value; -1 if it is larger than a limit, or truncated."""
        first = self.data[self.at : self.at + 1]
        if first not in (b"{", b"[", b'"'):
            return self._find_scalar_end(limit)
        end, at = _End(first), self.at + 1
        while (position := end.find(self.data, at)) < 0:
            at = len(self.data) - self.at
            if at > limit or not self._refill():
                return -1
        return position if position - self.at <= limit else -1

    def _find_scalar_end(self, limit: int) -> int:
        at = self.at
        while not (match := _SCALAR_END.search(self.data, at)):
            at = len(self.data) - self.at
            if at > limit:
                return -1
            if not self._refill():
                return len(self.data)
        return match.start()

    def _skip(self) -> Record:
        """Skip the next value, which may have any size, and keep only its beginning."""
        excerpt, size = self.data[self.at : self.at + EXCERPT_SIZE], 0
        if excerpt[:1] not in (b"{", b"[", b'"'):
            self.fail("the number is too long")
        end, at = _End(excerpt[:1]), self.at + 1
        while (position := end.find(self.data, at)) < 0:
            size += len(self.data) - self.at
            self.at = len(self.data)
            if not self._refill():
                self.fail("the text ends within an array, an object or a string")
            at = 0
        size += position - self.at
        self.at = position
        return Record(None, size, size_fault(size, self.max_record), excerpt)

    def fail(self, reason: str, offset: int = 0) -> NoReturn:
        """Raise the error for a place.

        :param offset: bytes between the next token and the place
        """
        raise DamagedError(reason, *self._place(self.at + offset))

    def _place(self, at: int) -> tuple[int, int]:
        before = self.data[:at]
        line, column = self._begin
        lines = before.count(b"\n")
        if lines:
            before, column = before[before.rfind(b"\n") + 1 :], 1
        return line + lines, column + len(before.translate(None, _CONTINUATION))

    def _refill(self) -> bool:
        """Drop the bytes that were read and append the next piece; return whether there was one."""
        # The piece grows with the bytes that are kept, so that copying takes linear time in total.
        piece = unpacking.read_some(self._stream, max(_PIECE, (len(self.data) - self.at) // 2))
        if not piece:
            # Raises the error of damaged packed data.
            self._stream.peek(1)
            return False
        self._begin = self._place(self.at)
        self.data, self.at = self.data[self.at :] + piece, 0
        return True


class _End:
    """A search for the end of an array, an object or a string, from its second byte."""

    def __init__(self, first: bytes) -> None:
        self._is_in_string = first == b'"'
        self._depth = 0 if self._is_in_string else 1
        self._is_escaped = False

    def find(self, data: bytes, at: int) -> int:
        """Return the end of the value; -1 if it continues in the next piece."""
        while True:
            if self._is_in_string:
                at = self._find_quote(data, at)
                if at < 0 or not self._depth:
                    return at
            match = _NEXT.match(data, at)
            mark, at = match[1], match.end()  # type: ignore[index,union-attr] # always matches
            if mark is None:
                return -1
            if mark == b'"':
                self._is_in_string = True
            elif mark in b"[{":
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return at

    def _find_quote(self, data: bytes, at: int) -> int:
        end = _IN_STRING.match(data, at + self._is_escaped).end()  # type: ignore[union-attr]
        self._is_in_string = end == len(data) or data[end] != ord('"')
        # The match stops at a quote, or at a lone backslash at the end of the piece.
        self._is_escaped = self._is_in_string and end < len(data)
        return -1 if self._is_in_string else end + 1
