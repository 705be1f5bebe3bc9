"""The body of a request as a stream: received within bounds, cut into lines, checked.

Nothing here ever holds more than a piece of the body, or one line of it. Size, number of documents,
ratio of compression, time and processor time are bounded: see `Limits`.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import Any, NamedTuple

from marketplace.exceptions import MarketplaceError, RecordLimitError
from marketplace.loading.formats import json_text

#: Bytes that are received at a time.
_PIECE = 1 << 16

#: Blank lines in a body; more are an attempt to keep the server busy.
_MAX_BLANK = 10_000

#: How many times its size a body may become when it is unpacked, once it is larger than `_SMALL`.
#: Payloads of platforms become 5 to 50 times as large; a bomb, a thousand times and more.
_MAX_RATIO, _SMALL = 200, 8 << 20

_BOM = b"\xef\xbb\xbf"

#: Digits of a length that is too large in any case.
_MANY_DIGITS = 19


class RefusedError(MarketplaceError):
    """Raised if a request is not taken.

    :param status: the HTTP status that says so
    :param line: the line of the body at fault; None if it is none
    :param headers: what the answer says beside the reason
    """

    def __init__(
        self,
        status: int,
        reason: str,
        line: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.line = line
        self.headers = dict(headers or {})


class Limits(NamedTuple):
    """The bounds of a body.

    :param size: bytes as it is sent
    :param seconds: within which it must be received
    :param processor_seconds: that receiving, unpacking, checking and storing it may take
    :param unpacked: bytes after unpacking
    :param line: bytes of its longest line
    :param records: documents, and lines that are not blank
    """

    size: int
    seconds: float
    processor_seconds: float
    unpacked: int
    line: int
    records: int


class Body:
    """What a client sends, piece by piece, bounded in size and time.

    A context: within it, a client that sends too slowly is cut off when its time is over. It is
    received and unpacked by the thread that made it.

    :raises RefusedError: if Content-Length is not a whole number
    """

    def __init__(self, environ: Mapping[str, Any], limits: Limits) -> None:
        self._stream: Any = environ["wsgi.input"]
        # gunicorn's own name for it; servers for development offer none.
        self._socket: socket.socket | None = environ.get("gunicorn.socket")
        self._length = _length(environ)
        # Whether reading ends where the body does, though nobody said how long it is.
        self._is_terminated = bool(environ.get("wsgi.input_terminated"))
        self.limits = limits
        self._seconds = limits.seconds
        self._deadline = time.monotonic() + limits.seconds
        # Of this thread alone: other requests do not count.
        self._processor_deadline = time.thread_time() + limits.processor_seconds
        self._received = 0
        self._is_at_end = False

    def __enter__(self) -> "Body":
        self._timer = Timer(self._seconds, self._cut_off)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def check_length(self) -> None:
        """Refuse what is announced to be too large before any of it is received.

        :raises RefusedError: with 413; with 411 if the end of the body could not be told
        """
        if self._length is not None and self._length > self.limits.size:
            raise self._too_large()
        if self._length is None and not self._is_terminated:
            raise RefusedError(411, "Content-Length is required. Send this header.")

    def pieces(self) -> Iterator[bytes]:
        """Yield the body up to its end.

        :raises RefusedError: if it is too large, too slow, or breaks off
        """
        while piece := self._receive():
            self._received += len(piece)
            if self._received > self.limits.size:
                raise self._too_large()
            yield piece
        if self._length is not None and self._received < self._length:
            raise self._broken_off()
        self._is_at_end = True

    def within_limits(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what was unpacked, which may be much more than was received.

        :raises RefusedError: if it takes too long, or is a decompression bomb
        """
        unpacked = 0
        for block in blocks:
            self._check_time()
            self._check_processor_time()
            unpacked += len(block)
            if unpacked > max(_SMALL, self._received * _MAX_RATIO):
                raise RefusedError(
                    413,
                    f"The body unpacks to more than {_MAX_RATIO} times its size "
                    f"({self._received:,} bytes became {unpacked:,}). Send it in smaller "
                    "requests, or without Content-Encoding.",
                )
            yield block

    def discard(self, seconds: float) -> None:
        """Receive the rest for some seconds, up to as much as would have been taken.

        So a client that first sends all and then reads gets to read the answer.
        """
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        left = self.limits.size
        with self, suppress(RefusedError):
            while not self._is_at_end and left > 0 and (piece := self._receive()):
                self._received += len(piece)
                left -= len(piece)

    def _receive(self) -> bytes:
        size = _PIECE if self._length is None else min(_PIECE, self._length - self._received)
        try:
            piece: bytes = self._stream.read(size) if size else b""
        except Exception:  # noqa: BLE001 # what a server raises for a damaged body is its own
            piece = b""
            if time.monotonic() < self._deadline:
                raise self._broken_off() from None
        self._check_time()
        return piece

    def _check_time(self) -> None:
        if time.monotonic() >= self._deadline:
            raise RefusedError(
                408,
                f"The body could not be received within {self._seconds:g} seconds. Send less at a "
                "time, or raise INGEST_API_TIMEOUT.",
            )

    def _check_processor_time(self) -> None:
        if time.thread_time() >= self._processor_deadline:
            raise RefusedError(
                413,
                f"The body takes more than {self.limits.processor_seconds:g} seconds of processor "
                "time. Send it in several requests, or raise INGEST_API_MAX_CPU.",
            )

    def _cut_off(self) -> None:
        """End the reading that waits for the client."""
        if self._socket is not None:
            # The connection may be closed already.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413,
            f"The body has more than {self.limits.size:,} bytes. Send it in several requests, or "
            "compressed, or raise INGEST_API_MAX_BODY.",
        )

    def _broken_off(self) -> RefusedError:
        of = "" if self._length is None else f" of {self._length:,}"
        return RefusedError(
            400, f"The body breaks off after {self._received:,}{of} bytes. Send it again."
        )


class Documents:
    """The lines of a body, each of which is a JSON object or an array of objects.

    :param count: the documents of the lines that were yielded
    """

    def __init__(self, blocks: Iterable[bytes], limits: Limits) -> None:
        self._blocks = blocks
        self._limits = limits
        self.count = 0

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, blank ones too.

        :raises RefusedError: if a line is not JSON or is too long, if there are too many lines or
            documents, or if there is no document
        """
        blank = 0
        for number, line in enumerate(self._cut(), 1):
            if line.strip():
                self.count += _count(line, number)
            else:
                blank += 1
            if blank > _MAX_BLANK:
                raise RefusedError(400, f"Line {number} is one blank line too many.", number)
            # A line may be an array of many documents, or of none.
            if max(self.count, number - blank) > self._limits.records:
                raise self._too_many(number)
            yield line
        if not self.count:
            raise RefusedError(
                400, "There is no document in the body. Send one JSON object a line."
            )

    def _cut(self) -> Iterator[bytes]:
        begun, number, size = b"", 1, 0
        for block in self._blocks:
            size += len(block)
            if size > self._limits.unpacked:
                raise RefusedError(
                    413,
                    f"The body has more than {self._limits.unpacked:,} bytes when it is unpacked. "
                    "Send it in several requests, or raise INGEST_API_MAX_UNPACKED.",
                )
            *whole, rest = block.split(b"\n")
            if whole:
                whole[0] = begun + whole[0]
                begun = b""
            for line in whole:
                yield self._checked(line, number)
                number += 1
            begun = self._checked(begun + rest, number)
        if begun:
            yield begun

    def _checked(self, line: bytes, number: int) -> bytes:
        if len(line) > self._limits.line:
            raise RefusedError(
                413,
                f"Line {number} has more than {self._limits.line:,} bytes. Send one document a "
                "line, or raise INGEST_API_MAX_LINE.",
                number,
            )
        return line.removeprefix(_BOM) if number == 1 else line

    def _too_many(self, number: int) -> RefusedError:
        return RefusedError(
            413,
            f"The body has more than {self._limits.records:,} documents. Send it in several "
            "requests, or raise INGEST_API_MAX_RECORDS.",
            number,
        )


def _count(line: bytes, number: int) -> int:
    """Return how many documents a line holds.

    :raises RefusedError: if it is neither an object nor an array of objects
    """
    try:
        value = json_text.parse(line)
    except ValueError as error:
        advice = "" if isinstance(error, RecordLimitError) else " Send one JSON document a line."
        text = f"Line {number} {json_text.explain(error)}.{advice}"
        raise RefusedError(400, text, number) from None
    found = value if isinstance(value, list) else [value]
    for document in found:
        if not isinstance(document, dict):
            raise RefusedError(
                400,
                f"Line {number} holds a document of type {type(document).__name__}, expected an "
                "object.",
                number,
            )
    return len(found)


def _length(environ: Mapping[str, Any]) -> int | None:
    """Return the length that the headers state; None if the body comes in chunks until it ends.

    :raises RefusedError: if Content-Length is not a whole number
    """
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        return None if environ.get("HTTP_TRANSFER_ENCODING") else 0
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError(400, "Content-Length is not a whole number. Correct this header.")
    # Python refuses to convert thousands of digits.
    return int(text) if len(text) < _MANY_DIGITS else 10**_MANY_DIGITS
