"""Sources as streams of unpacked bytes: plain, gzip or zstd, recognized by their content."""

import io
import sys
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from marketplace.exceptions import SourceError

STANDARD_INPUT = "-"

#: Errors of unpacking damaged or truncated data.
ERRORS = (EOFError, zlib.error, zstandard.ZstdError)

_PIECE = 1 << 16

#: Bytes of the largest zstd window, which is held in memory: the default limit of the zstd command.
_MAX_WINDOW = 1 << 27

#: A source is refused as a decompression bomb if it unpacks to more bytes than this, and to more
#: than `max_ratio` times its size.
_MIN_BOMB = 64 << 20


class _Format(NamedTuple):
    """A format of packed data: a sequence of members (gzip) or frames (zstd).

    :param is_start: whether bytes begin a member or frame
    :param start: returns a decompressor for one member or frame
    :param step: packed bytes that are unpacked at once
    :param max_ratio: the largest ratio of unpacked to packed size that is accepted
    :param unpack: returns the unpacked bytes of a piece: (decompressor, piece) → bytes
    """

    name: str
    is_start: Callable[[bytes], bool]
    start: Callable[[], Any]
    step: int
    max_ratio: int
    unpack: Callable[[Any, memoryview], bytes]


_GZIP = _Format(
    "gzip",
    lambda head: head.startswith(b"\x1f\x8b"),
    lambda: zlib.decompressobj(wbits=31),
    1 << 12,
    # The window is 32 KiB, so JSON and tables shrink to about a hundredth at most.
    200,
    lambda member, piece: member.decompress(piece, _PIECE),
)
_ZSTD = _Format(
    "zstd",
    # A data frame or a skippable frame (RFC 8878).
    lambda head: (
        head.startswith(b"\x28\xb5\x2f\xfd")
        or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F)
    ),
    lambda: zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj(),
    # The library cannot limit its output: a block of 4 bytes may unpack to 128 KiB, and a step of
    # 256 bytes to 8 MiB.
    1 << 8,
    # With a large window, a file with the data of many days packs to little more than the changes.
    1000,
    lambda member, piece: member.decompress(piece),
)


def open_source(path: str, opened: ExitStack, warn: Callable[[str], None]) -> Any:
    """Return a file, or standard input for "-", as an unpacked stream with `peek`.

    :param opened: receives the file and the stream, to close them
    :param warn: called with warnings about the source after it was read
    :raises SourceError: if standard input is closed; while reading, also if the source is a
        decompression bomb, or its zstd window is too large
    :raises OSError: if the file cannot be opened
    """
    packed: Any = sys.stdin.buffer if sys.stdin else None
    if packed is None and path == STANDARD_INPUT:
        raise SourceError("Standard input is closed. Pipe the payloads in, or specify a file.")
    if path != STANDARD_INPUT:
        packed = opened.enter_context(Path(path).open("rb"))  # noqa: SIM115 # closed by `opened`
    head = packed.peek(4)[:4]
    for packing in (_GZIP, _ZSTD):
        if packing.is_start(head):
            unpacked = _Unpacked(packed, packing, source_name(path), warn)
            return opened.enter_context(io.BufferedReader(unpacked, _PIECE))
    return packed


def source_name(path: str) -> str:
    """Return the name of a source for messages."""
    return "standard input" if path == STANDARD_INPUT else Path(path).name


def read_some(stream: Any, size: int) -> bytes:
    """Return at least `size` bytes; fewer at the end of the stream, or before damaged packed data.

    The next read raises the error of the damaged data.
    """
    data = bytearray()
    with suppress(*ERRORS):
        while len(data) < size and (piece := stream.read1(_PIECE)):
            data += piece
    return bytes(data)


class _Unpacked(io.RawIOBase):
    """The unpacked members or frames of a stream.

    Unlike the readers of the libraries, this class detects a truncated last zstd frame, and it
    ignores bytes after the last member or frame, as the command line tools do.
    """

    def __init__(
        self, packed: Any, packing: _Format, name: str, warn: Callable[[str], None]
    ) -> None:
        self._packed = packed
        self._packing = packing
        self._name = name
        self._warn = warn
        self._member = packing.start()
        # Memory views, so that the rest of a large piece is not copied for each portion.
        #: Packed bytes that were read and are not unpacked yet.
        self._rest = memoryview(b"")
        #: Unpacked bytes that were not returned yet.
        self._ready = memoryview(b"")
        self._packed_size = self._unpacked_size = 0
        self._is_finished = False
        self._failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._failure:
            raise self._failure
        try:
            while not self._ready and not self._is_finished:
                if self._member.eof:
                    self._start_member()
                else:
                    self._unpack()
        except (*ERRORS, SourceError) as error:
            self._failure = self._explain(error)
            raise self._failure from None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _explain(self, error: Exception) -> Exception:
        if "requires too much memory" not in str(error):
            return error
        return SourceError(
            f"{self._name} needs a zstd window of more than {_MAX_WINDOW >> 20} MiB. Pack it again "
            "without --long and --ultra, or unpack it with zstd -d --long=31 and load the result."
        )

    def _unpack(self) -> None:
        if not self._rest and not self._read():
            raise EOFError(f"unexpected end of {self._packing.name} data")
        piece = self._rest[: self._packing.step]
        self._ready = memoryview(self._packing.unpack(self._member, piece))
        left = len(self._member.unconsumed_tail) + len(self._member.unused_data)
        self._rest = self._rest[len(piece) - left :]
        self._unpacked_size += len(self._ready)
        self._packed_size += len(piece) - left
        self._check_ratio()

    def _read(self) -> bool:
        """Read more packed bytes; return whether there were any."""
        piece = self._packed.read(_PIECE)
        self._rest = memoryview(bytes(self._rest) + piece)
        return bool(piece)

    def _check_ratio(self) -> None:
        size, packed, ratio = self._unpacked_size, self._packed_size, self._packing.max_ratio
        if size > _MIN_BOMB and size > packed * ratio:
            raise SourceError(
                f"{self._name} is a decompression bomb: its first {packed:,} bytes unpack to more "
                f"than {ratio:,} times their size (1 : {size // packed:,}). The rest was not "
                f"read. If the size is right, unpack it with {self._packing.name} -d and load the "
                "result."
            )

    def _start_member(self) -> None:
        if len(self._rest) < 4:
            self._read()
        if self._packing.is_start(bytes(self._rest[:4])):
            self._member = self._packing.start()
            return
        self._is_finished = True
        # Zeros are padding, not damage.
        if bytes(self._rest).strip(b"\0"):
            name = self._packing.name
            self._warn(
                f"The bytes after the end of the {name} data are not {name} and were ignored."
            )
