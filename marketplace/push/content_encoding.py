"""Decompression of request bodies: gzip or zstd, a bounded block at a time.

Unlike `loading.unpacking`, which reads files, it rejects bytes after the compressed data and zstd
windows of more than 8 MiB, because the data comes from any client with a token.
"""

import zlib
from collections.abc import Iterator

import zstandard

from marketplace.exceptions import RequestError

#: Accepted values of `Content-Encoding`.
ENCODINGS = ("identity", "gzip", "x-gzip", "zstd")

#: Bytes of a decompressed block at most.
_BLOCK_SIZE = 1 << 18

#: Bytes of zstd that are decompressed at a time: at most 32,000 times as many result from them.
_ZSTD_PIECE_SIZE = 512

#: Memory of a zstd frame at most, in bytes. RFC 8878 recommends to support this size.
_ZSTD_WINDOW_SIZE = 8 << 20


def decompress(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield decompressed blocks of bounded size.

    :param encoding: one of `ENCODINGS`
    :raises RequestError: during the iteration, if the data is damaged or incomplete
    """
    if encoding == "identity":
        return pieces
    return _decompress(pieces, "zstd" if encoding == "zstd" else "gzip")


def _decompress(pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
    try:
        yield from _decompress_zstd(pieces) if kind == "zstd" else _decompress_gzip(pieces)
    except EOFError:
        raise RequestError(400, f"The {kind} data is truncated. Send the body again.") from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise RequestError(
            400,
            f"The body is not valid {kind}: {error}. Correct the body or the Content-Encoding "
            "header.",
        ) from None


def _decompress_gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    member = None
    for piece in pieces:
        rest = piece
        while rest:
            if member is None or member.eof:
                # Zeros after a member are padding.
                rest = rest.lstrip(b"\0") if member else rest
                member = zlib.decompressobj(wbits=31) if rest else member
                continue
            yield member.decompress(rest, _BLOCK_SIZE)
            rest = member.unused_data if member.eof else member.unconsumed_tail
    while member and not member.eof:
        block = member.decompress(b"", _BLOCK_SIZE)
        if not block:
            raise EOFError
        yield block


def _decompress_zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    frame = None
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_PIECE_SIZE):
            rest = piece[start : start + _ZSTD_PIECE_SIZE]
            while rest:
                if frame is None or frame.eof:
                    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_SIZE)
                    frame = decompressor.decompressobj()
                block = frame.decompress(rest)
                rest = frame.unused_data if frame.eof else b""
                yield from (
                    block[at : at + _BLOCK_SIZE] for at in range(0, len(block), _BLOCK_SIZE)
                )
    if frame and not frame.eof:
        raise EOFError
