"""The body of a request as a stream, bounded in size, time and processor time.

Only one piece of the body is in memory at a time.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import Any, NamedTuple

from marketplace.exceptions import RequestError

#: Bytes that are received at a time.
_PIECE_SIZE = 1 << 16

#: Ratio of compression that is accepted for bodies with more than `_RATIO_FREE_SIZE` bytes when
#: decompressed. Payloads have ratios from 5 to 50, decompression bombs of a thousand and more.
_MAX_RATIO, _RATIO_FREE_SIZE = 200, 8 << 20

#: Number of digits from which a length is too large in any case.
_MAX_LENGTH_DIGITS = 19


class Limits(NamedTuple):
    """The limits of a body.

    :param size: bytes as received
    :param seconds: time in which the body must be received
    :param processor_seconds: processor time for receiving, decompressing, checking and storing
    :param decompressed: bytes after decompression
    :param line: bytes of the longest line
    :param records: number of documents, and of lines that are not blank
    """

    size: int
    seconds: float
    processor_seconds: float
    decompressed: int
    line: int
    records: int


class RequestBody:
    """The body of a request, read in pieces and bounded in size and time.

    As a context manager, it ends the connection of a client that is too slow when the time is
    over. The thread that created it must read it.

    :raises RequestError: if Content-Length is not a whole number
    """

    def __init__(self, environ: Mapping[str, Any], limits: Limits) -> None:
        self._stream: Any = environ["wsgi.input"]
        # Only gunicorn provides the socket. Development servers do not.
        self._socket: socket.socket | None = environ.get("gunicorn.socket")
        self._length = _content_length(environ)
        # Whether the server ends the stream with the body if its length is unknown.
        self._is_terminated = bool(environ.get("wsgi.input_terminated"))
        self.limits = limits
        self._seconds = limits.seconds
        self._deadline = time.monotonic() + limits.seconds
        # Processor time of this thread, without that of other requests.
        self._processor_deadline = time.thread_time() + limits.processor_seconds
        self._received = 0
        self._is_at_end = False

    def __enter__(self) -> "RequestBody":
        self._timer = Timer(self._seconds, self._stop_reading)
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
        """Reject a body by its announced length, before any of it is received.

        :raises RequestError: 413 if it is too large, 411 if its end cannot be determined
        """
        if self._length is not None and self._length > self.limits.size:
            raise self._too_large()
        if self._length is None and not self._is_terminated:
            raise RequestError(411, "Content-Length is required. Send this header.")

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces as received.

        :raises RequestError: if it is too large, too slow or incomplete
        """
        while piece := self._receive():
            self._received += len(piece)
            if self._received > self.limits.size:
                raise self._too_large()
            yield piece
        if self._length is not None and self._received < self._length:
            raise self._incomplete()
        self._is_at_end = True

    def within_limits(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield decompressed blocks of the body.

        :raises RequestError: if it takes too long, or is a decompression bomb
        """
        decompressed = 0
        for block in blocks:
            self._check_time()
            self._check_processor_time()
            decompressed += len(block)
            if decompressed > max(_RATIO_FREE_SIZE, self._received * _MAX_RATIO):
                raise RequestError(
                    413,
                    f"The body decompresses to more than {_MAX_RATIO} times its size "
                    f"({self._received:,} bytes became {decompressed:,}). Send it in smaller "
                    "requests, or without Content-Encoding.",
                )
            yield block

    def discard(self, seconds: float) -> None:
        """Receive and discard the rest, up to the limit of the size and for a limited time.

        A client that sends the whole body before it reads can then read the response.
        """
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        remaining = self.limits.size
        with self, suppress(RequestError):
            while not self._is_at_end and remaining > 0 and (piece := self._receive()):
                self._received += len(piece)
                remaining -= len(piece)

    def _receive(self) -> bytes:
        size = _PIECE_SIZE
        if self._length is not None:
            size = min(_PIECE_SIZE, self._length - self._received)
        try:
            piece: bytes = self._stream.read(size) if size else b""
        except Exception:  # noqa: BLE001 # each server has its own errors for a damaged body
            piece = b""
            if time.monotonic() < self._deadline:
                raise self._incomplete() from None
        self._check_time()
        return piece

    def _check_time(self) -> None:
        if time.monotonic() >= self._deadline:
            raise RequestError(
                408,
                f"The body could not be received within {self._seconds:g} seconds. Send less at a "
                "time, or raise INGEST_API_TIMEOUT.",
            )

    def _check_processor_time(self) -> None:
        if time.thread_time() >= self._processor_deadline:
            raise RequestError(
                413,
                f"The body takes more than {self.limits.processor_seconds:g} seconds of processor "
                "time. Send it in several requests, or raise INGEST_API_MAX_CPU.",
            )

    def _stop_reading(self) -> None:
        """End a read that is waiting for the client."""
        if self._socket is not None:
            # The connection may be closed already.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"The body has more than {self.limits.size:,} bytes. Send it in several requests, or "
            "compressed, or raise INGEST_API_MAX_BODY.",
        )

    def _incomplete(self) -> RequestError:
        of_length = "" if self._length is None else f" of {self._length:,}"
        return RequestError(
            400, f"The body ends after {self._received:,}{of_length} bytes. Send it again."
        )


def _content_length(environ: Mapping[str, Any]) -> int | None:
    """Return the announced length, or None if the body is chunked.

    :raises RequestError: if Content-Length is not a whole number
    """
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        return None if environ.get("HTTP_TRANSFER_ENCODING") else 0
    if not (text.isascii() and text.isdecimal()):
        raise RequestError(400, "Content-Length is not a whole number. Correct this header.")
    # Python does not convert thousands of digits.
    return int(text) if len(text) < _MAX_LENGTH_DIGITS else 10**_MAX_LENGTH_DIGITS
