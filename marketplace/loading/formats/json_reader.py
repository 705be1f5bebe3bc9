"""A reader of one JSON text of any size, value by value, in bounded memory."""

import codecs
import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple, NoReturn

from django.conf import settings

from marketplace.exceptions import RecordLimitError
from marketplace.loading.formats import unpacking
from marketplace.loading.formats.entries import EXCERPT_SIZE, size_fault
from marketplace.loading.formats.json_text import check_value_count, nesting_error, parse

_PIECE = 1 << 18
_SPACE = re.compile(r"[ \t\n\r]*")
#: Finds the end of a value. Numbers stay text, because the value itself is not used.
_ENDS = JSONDecoder(parse_int=str, parse_float=str)
#: An escaped character, or one that may change the depth.
_MARK = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
#: Characters of the longest token whose beginning may be damaged only because it is cut off:
#: -Infinity. Strings, which may be longer, have an error of their own.
_TOKEN = 10
_ERRORS = "surrogateescape"


class Record(NamedTuple):
    """A value of a JSON text, or the error for a value that is too large or too deep.

    :param size: the size in bytes
    :param fault: why the value cannot be loaded; empty for a valid value
    :param raw: the bytes of an invalid value; of one that is too large, the first ones
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

    :param head: the first bytes of the text
    :param stream: the rest of the text
    :ivar max_record: bytes of the largest record
    :ivar at: the position of the next token in `text`
    """

    def __init__(self, head: bytes, stream: Any) -> None:
        self.text = ""
        self.at = 0
        self.max_record: int = settings.INGEST_MAX_RECORD
        self._head = memoryview(head)
        self._stream = stream
        # A byte that is not UTF-8 becomes a lone surrogate, so that the records before it are read.
        self._decoder = codecs.getincrementaldecoder("utf-8")(_ERRORS)
        #: Line and column of the first character in memory.
        self._begin = (1, 1)

    def peek(self) -> str:
        """Skip white space and return the next character; empty at the end of the text."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr] # matches
            if self.at < len(self.text) or not self._refill():
                return self.text[self.at : self.at + 1]

    def skip(self, mark: str) -> None:
        """Skip a character, which must be the next one."""
        if self.peek() != mark:
            self.fail(f"Expecting '{mark}' delimiter")
        self.at += 1

    def record(self) -> Record:
        """Read the next value.

        :raises DamagedError: if the value is not JSON, or truncated
        """
        try:
            return self.whole(self.max_record)
        except RecordLimitError as error:
            return self._skip_value(str(error))

    def whole(self, limit: int) -> Record:
        """Read the next value, or leave the position unchanged.

        :param limit: the largest size in bytes
        :raises RecordLimitError: if the value is too large (without a text) or too deep, or has too
            many values
        :raises DamagedError: if the value is not JSON, or truncated
        """
        self.peek()
        end = self._find_end(limit)
        try:
            raw = self.text[self.at : end].encode()
        except UnicodeEncodeError as error:
            self.fail("the text is not UTF-8", self.at + error.start)
        if len(raw) > limit:
            raise RecordLimitError
        value = parse(raw)
        self.at = end
        return Record(value, len(raw))

    def _find_end(self, limit: int) -> int:
        while True:
            try:
                end = _ENDS.raw_decode(self.text, self.at)[1]
            except RecursionError:
                raise nesting_error() from None
            except JSONDecodeError as error:
                is_string = error.msg.startswith("Unterminated string")
                reason = error.msg.removesuffix(" at").removesuffix(" starting")
                if not is_string and error.pos < len(self.text) - _TOKEN:
                    self.fail(reason, error.pos)
                if not self._refill_value(limit):
                    self.fail(reason, error.pos)
            else:
                # Other values may continue in the next piece.
                is_closed = self.text[end - 1] in '"]}' or len(self.text) - end > _TOKEN
                if is_closed or not self._refill_value(limit):
                    return end

    def _refill_value(self, limit: int) -> bool:
        """Append a piece to the value that begins at the position, unless it is too large."""
        if len(self.text) - self.at > limit:
            raise RecordLimitError
        check_value_count(self.text[self.at :].encode(errors=_ERRORS))
        return self._refill()

    def _skip_value(self, fault: str) -> Record:
        """Skip the next value, which may have any size and depth.

        :param fault: why the value cannot be loaded; empty if it is too large
        """
        if self.peek() not in ("{", "[", '"'):
            self.fail("the number is too long")
        place = self._place(self.at)
        kept = self.max_record if fault else EXCERPT_SIZE
        raw, size, value_end = bytearray(), 0, _ValueEnd()
        while True:
            end, is_closed = value_end.find(self.text, self.at)
            piece = self.text[self.at : end].encode(errors=_ERRORS)
            size += len(piece)
            raw += piece[: kept - len(raw)]
            self.at = end
            if is_closed:
                return Record(None, size, fault or size_fault(size), bytes(raw))
            if not self._refill():
                raise DamagedError("the value does not end", *place)

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        """Raise the error for a position, by default that of the next token."""
        raise DamagedError(reason, *self._place(self.at if at is None else at))

    def _place(self, at: int) -> tuple[int, int]:
        line, column = self._begin
        lines = self.text.count("\n", 0, at)
        if lines:
            return line + lines, at - self.text.rfind("\n", 0, at)
        return line, column + at

    def _refill(self) -> bool:
        """Drop the text that was read and append the next piece; return whether there was one."""
        # The piece grows with the text that is kept, so that copying takes linear time in total.
        size = max(_PIECE, (len(self.text) - self.at) // 2)
        piece = bytes(self._head[:size]) or unpacking.read_some(self._stream, size)
        self._head = self._head[size:]
        if not piece:
            # Raises the error of damaged packed data.
            self._stream.peek(1)
        text = self._decoder.decode(piece, final=not piece)
        if not text and piece:
            return self._refill()
        if text:
            self._begin = self._place(self.at)
            self.text, self.at = self.text[self.at :] + text, 0
        return bool(text)


class _ValueEnd:
    """A search for the end of an array, an object or a string, in pieces of a text."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_in_string = False

    def find(self, text: str, at: int) -> tuple[int, bool]:
        """Search a piece from a position; return where the search ended, and if the value did."""
        for match in _MARK.finditer(text, at):
            mark, at = match[0], match.end()
            if mark == '"':
                self._is_in_string = not self._is_in_string
            elif mark in "[]{}" and not self._is_in_string:
                self._depth += 1 if mark in "[{" else -1
            if not self._depth and not self._is_in_string:
                return at, True
        # A backslash at the end escapes the first character of the next piece.
        return max(at, len(text) - text.endswith("\\")), False
