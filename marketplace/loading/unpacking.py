"""Sources as streams of unpacked bytes: plain, gzip or zstd, whatever their name."""

import io
import sys
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from marketplace.exceptions import SourceError

STANDARD_INPUT = "-"

#: What unpacking raises if the packed data are damaged or cut off.
ERRORS = (EOFError, zlib.error, zstandard.ZstdError)

_PIECE = 1 << 16


class _Form(NamedTuple):
    """A form of packed data: members (gzip) or frames (zstd), one after the other."""

    name: str
    is_start: Callable[[bytes], bool]
    start: Callable[[], Any]


_GZIP = _Form(
    "gzip",
    lambda head: head.startswith(b"\x1f\x8b"),
    lambda: zlib.decompressobj(wbits=31),
)
_ZSTD = _Form(
    "zstd",
    # A frame of data, or one that is to be skipped (RFC 8878).
    lambda head: (
        head.startswith(b"\x28\xb5\x2f\xfd")
        or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F)
    ),
    lambda: zstandard.ZstdDecompressor().decompressobj(),
)


def open_source(path: str, opened: ExitStack, warn: Callable[[str], None]) -> Any:
    """Return a file, or standard input for "-", as an unpacked stream with `peek`.

    :param opened: closes what is opened here
    :param warn: takes warnings about the source, once it was read
    :raises SourceError: if standard input is closed
    :raises OSError: if the file cannot be opened
    """
    packed: Any = sys.stdin.buffer if sys.stdin else None
    if packed is None and path == STANDARD_INPUT:
        raise SourceError("Standard input is closed. Pipe the payloads in, or name a file.")
    if path != STANDARD_INPUT:
        packed = opened.enter_context(Path(path).open("rb"))  # noqa: SIM115 # closed by `opened`
    head = packed.peek(4)[:4]
    for form in (_GZIP, _ZSTD):
        if form.is_start(head):
            return opened.enter_context(io.BufferedReader(_Unpacked(packed, form, warn), _PIECE))
    return packed


class _Unpacked(io.RawIOBase):
    """The unpacked members or frames of a stream.

    Unlike the libraries' own readers, it notices that the last zstd frame is cut off, and ignores
    bytes after the last member or frame, as the command line tools do.
    """

    def __init__(self, packed: Any, form: _Form, warn: Callable[[str], None]) -> None:
        self._packed = packed
        self._form = form
        self._warn = warn
        self._member = form.start()
        #: Packed bytes that were read and not unpacked yet.
        self._rest = b""
        self._ready = b""
        self._is_over = False
        self._failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._failure:
            raise self._failure
        try:
            while not self._ready and not self._is_over:
                if self._member.eof:
                    self._start_member()
                else:
                    self._unpack()
        except ERRORS as error:
            self._failure = error
            raise
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _unpack(self) -> None:
        piece = self._rest or self._packed.read(_PIECE)
        if not piece:
            raise EOFError(f"the {self._form.name} data end in the middle")
        if self._form is _ZSTD:
            self._ready, self._rest = self._member.decompress(piece), b""
        else:
            # Bounded, as a few bytes of gzip may become many.
            self._ready = self._member.decompress(piece, _PIECE)
            self._rest = self._member.unconsumed_tail

    def _start_member(self) -> None:
        head = self._member.unused_data
        if len(head) < 4:
            head += self._packed.read(_PIECE)
        if self._form.is_start(head):
            self._member, self._rest = self._form.start(), head
            return
        self._is_over = True
        # Zeros are padding, and no damage.
        if head.strip(b"\0"):
            self._warn(
                f"The bytes after the end of the {self._form.name} data are not {self._form.name} "
                "and were ignored."
            )
