"""Unpacking the body of a request: gzip or zstd, a bounded block at a time.

Unlike `loading.unpacking`, which reads files, it refuses bytes after the packed data and zstd
windows of more than 8 MiB, because anybody with a token can send them.
"""

import zlib
from collections.abc import Iterator

import zstandard

from marketplace.push.bodies import RefusedError

#: What `Content-Encoding` may say.
ENCODINGS = ("identity", "gzip", "x-gzip", "zstd")

#: Bytes that are unpacked at a time.
_STEP = 1 << 18

#: Bytes of zstd that are unpacked at a time: they become at most 32,000 times as many.
_ZSTD_PIECE = 512

#: Bytes of memory that a zstd frame may ask for; what RFC 8878 recommends to support.
_ZSTD_WINDOW = 8 << 20


def unpack(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield what compressed pieces hold, a bounded block at a time.

    :param encoding: one of `ENCODINGS`
    :raises RefusedError: while they are unpacked, if they are damaged or cut off
    """
    if encoding == "identity":
        return pieces
    return _unpack(pieces, "zstd" if encoding == "zstd" else "gzip")


def _unpack(pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
    try:
        yield from _unpack_zstd(pieces) if kind == "zstd" else _unpack_gzip(pieces)
    except EOFError:
        raise RefusedError(400, f"The {kind} data are cut off. Send the body again.") from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise RefusedError(
            400, f"The body is not sound {kind}: {error}. Correct it, or Content-Encoding."
        ) from None


def _unpack_gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    member = None
    for piece in pieces:
        rest = piece
        while rest:
            if member is None or member.eof:
                # Zeros behind a member are padding.
                rest = rest.lstrip(b"\0") if member else rest
                member = zlib.decompressobj(wbits=31) if rest else member
                continue
            yield member.decompress(rest, _STEP)
            rest = member.unused_data if member.eof else member.unconsumed_tail
    while member and not member.eof:
        block = member.decompress(b"", _STEP)
        if not block:
            raise EOFError
        yield block


def _unpack_zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    frame = None
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_PIECE):
            rest = piece[start : start + _ZSTD_PIECE]
            while rest:
                if frame is None or frame.eof:
                    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
                    frame = unpacker.decompressobj()
                block = frame.decompress(rest)
                rest = frame.unused_data if frame.eof else b""
                yield from (block[at : at + _STEP] for at in range(0, len(block), _STEP))
    if frame and not frame.eof:
        raise EOFError
