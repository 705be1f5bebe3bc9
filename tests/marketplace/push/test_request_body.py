"""Bodies of requests: limits, decompression, and JSON lines."""

import gzip
import io
import json
import zlib

import pytest
import zstandard

from marketplace.exceptions import RequestError
from marketplace.push.content_encoding import decompress
from marketplace.push.json_lines import JsonLines
from marketplace.push.request_body import Limits, RequestBody

MEGABYTE = 1 << 20

#: Variables of a request without Content-Length.
CHUNKED = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}


LIMITS = Limits(
    size=MEGABYTE,
    seconds=60,
    processor_seconds=60,
    decompressed=MEGABYTE,
    line=1000,
    records=10_000,
)


def body(data, environ=None, **limits):
    length = str(len(data))
    environ = {"wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": length} | (environ or {})
    return RequestBody(environ, LIMITS._replace(**limits))


def lines(*blocks, **limits):
    return list(JsonLines(blocks, LIMITS._replace(**limits)).lines())


def in_pieces(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


def zstd_lines(count):
    """Return a zstd frame of many documents, with a high ratio of compression."""
    return zstandard.compress(b'{"id":1}\n' * count)


class TestBody:
    def test_yields_the_body(self):
        data = bytes(range(256)) * 1000

        assert b"".join(body(data).pieces()) == data

    def test_rejects_a_too_large_content_length(self):
        sent = body(b"", {"CONTENT_LENGTH": str(MEGABYTE + 1)})

        with pytest.raises(RequestError, match="more than 1,048,576 bytes") as raised:
            sent.check_length()

        assert raised.value.status == 413

    def test_rejects_a_too_large_chunked_body(self):
        sent = body(bytes(3 * MEGABYTE), {**CHUNKED, "wsgi.input_terminated": True})
        sent.check_length()

        with pytest.raises(RequestError, match="INGEST_API_MAX_BODY") as raised:
            list(sent.pieces())

        assert raised.value.status == 413
        assert sent._stream.tell() <= MEGABYTE + (1 << 16)

    def test_rejects_a_body_of_unknown_length(self):
        with pytest.raises(RequestError, match="Content-Length") as raised:
            body(b"{}", CHUNKED).check_length()

        assert raised.value.status == 411

    def test_rejects_an_incomplete_body(self):
        with pytest.raises(RequestError, match="after 2 of 10 bytes") as raised:
            list(body(b"{}", {"CONTENT_LENGTH": "10"}).pieces())

        assert raised.value.status == 400

    def test_rejects_a_body_that_the_server_cannot_read(self):
        class Broken:
            def read(self, size):
                raise ConnectionResetError

        with pytest.raises(RequestError, match="ends after 0 of 2 bytes"):
            list(body(b"{}", {"wsgi.input": Broken()}).pieces())

    def test_rejects_a_body_that_is_received_too_slowly(self):
        with pytest.raises(RequestError, match="within 0 seconds") as raised:
            list(body(b"{}", seconds=0).pieces())

        assert raised.value.status == 408

    def test_rejects_a_body_that_takes_too_long_to_decompress(self):
        with pytest.raises(RequestError, match="within 0 seconds"):
            list(body(b"{}", seconds=0).within_limits([b"{}"]))

    def test_rejects_a_body_that_takes_too_much_processor_time(self):
        with pytest.raises(RequestError, match="INGEST_API_MAX_CPU") as raised:
            list(body(b"{}", processor_seconds=0).within_limits([b"{}"]))

        assert raised.value.status == 413

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_lines)])
    def test_rejects_a_decompression_bomb(self, encoding, pack):
        text = b'{"id":1}\n' * (2 * MEGABYTE)
        packed = pack(text) if pack is gzip.compress else pack(2 * MEGABYTE)
        sent = body(packed)
        size = 0

        with pytest.raises(RequestError, match="more than 200 times its size") as raised:
            for block in sent.within_limits(decompress(sent.pieces(), encoding)):
                size += len(block)

        assert raised.value.status == 413
        assert size <= 9 * MEGABYTE

    @pytest.mark.parametrize("length", ["-1", "1.5", "ten", "０", "0x10"])
    def test_rejects_a_content_length_that_is_not_a_number(self, length):
        with pytest.raises(RequestError, match="Content-Length is not") as raised:
            body(b"{}", {"CONTENT_LENGTH": length})

        assert raised.value.status == 400

    def test_rejects_a_content_length_of_thousands_of_digits(self):
        with pytest.raises(RequestError, match="more than 1,048,576 bytes"):
            body(b"{}", {"CONTENT_LENGTH": "9" * 5000}).check_length()

    def test_discards_at_most_the_limit_of_the_size(self):
        sent = body(bytes(5 * MEGABYTE))

        sent.discard(60)

        assert MEGABYTE <= sent._stream.tell() <= MEGABYTE + (1 << 16)


class TestDecompress:
    @pytest.mark.parametrize(
        ("encoding", "pack"),
        [
            ("identity", bytes),
            ("gzip", gzip.compress),
            ("x-gzip", gzip.compress),
            ("zstd", zstandard.compress),
            ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
            ("gzip", lambda data: gzip.compress(data) + b"\0" * 20),
            (
                "zstd",
                lambda data: zstandard.compress(data[:7]) + zstandard.compress(data[7:]),
            ),
        ],
    )
    @pytest.mark.parametrize("size", [1, 100, 1 << 16])
    def test_yields_the_data(self, encoding, pack, size):
        data = b"".join(b'{"id": %d}\n' % number for number in range(500))

        decompressed = b"".join(decompress(in_pieces(pack(data), size), encoding))

        assert decompressed == data

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_lines)])
    def test_blocks_are_bounded(self, encoding, pack):
        packed = pack(b'{"id":1}\n' * 2_000_000) if pack is gzip.compress else pack(2_000_000)

        sizes = [len(block) for block in decompress(in_pieces(packed, 1 << 16), encoding)]

        assert sum(sizes) == 18_000_000
        assert max(sizes) <= MEGABYTE

    @pytest.mark.parametrize("keep", [5, 100, -1])
    @pytest.mark.parametrize(
        ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
    )
    def test_rejects_incomplete_data(self, encoding, pack, keep):
        packed = pack(b"".join(b'{"id": %d}\n' % (number**5) for number in range(500)))

        with pytest.raises(RequestError, match="is truncated") as raised:
            list(decompress(in_pieces(packed[:keep], 1 << 16), encoding))

        assert raised.value.status == 400

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_rejects_data_that_are_not_compressed(self, encoding):
        with pytest.raises(RequestError, match=f"not valid {encoding}") as raised:
            list(decompress(iter([b'{"id": 1}\n']), encoding))

        assert raised.value.status == 400

    def test_rejects_a_wrong_checksum(self):
        packed = bytearray(gzip.compress(b'{"id": 1}\n'))
        packed[-5] ^= 1

        with pytest.raises(RequestError, match="not valid gzip"):
            list(decompress(iter([bytes(packed)]), "gzip"))

    def test_rejects_a_frame_with_a_large_window(self):
        wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
        packed = zstandard.ZstdCompressor(compression_params=wide).compressobj()
        data = packed.compress(b"{}\n" * 100) + packed.flush()

        with pytest.raises(RequestError, match="too much memory"):
            list(decompress(iter([data]), "zstd"))

    def test_accepts_empty_data(self):
        assert list(decompress(iter([]), "gzip")) == []
        assert list(decompress(iter([]), "zstd")) == []

    def test_rejects_deflate(self):
        with pytest.raises(RequestError):
            list(decompress(iter([zlib.compress(b"{}")]), "gzip"))


class TestJsonLines:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_lines_do_not_depend_on_blocks(self, size):
        text = '\ufeff{"id": 1}\r\n\n[{"id": "ё"}, {}]\n  \n{"id": 3}'.encode()
        documents = JsonLines(in_pieces(text, size), LIMITS)

        yielded = list(documents.lines())

        assert yielded == [
            b'{"id": 1}\r',
            b"",
            '[{"id": "ё"}, {}]'.encode(),
            b"  ",
            b'{"id": 3}',
        ]
        assert documents.document_count == 4

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b'{"id": 1', "is not JSON"),
            (b"<html>", "is not JSON"),
            (b'{"id": 1}{"id": 2}', "is not JSON"),
            (b'{"id": "\xff"}', "is not UTF-8"),
            (b"17", "type int"),
            (b'"text"', "type str"),
            (b"null", "type NoneType"),
            (b"[1]", "type int"),
            (b"[[{}]]", "type list"),
            (b"[" * 500 + b"]" * 500, "type list|nested"),
        ],
    )
    def test_error_names_the_line(self, line, reason):
        with pytest.raises(RequestError, match=reason) as raised:
            lines(b"{}\n" * 16 + line + b"\n{}\n")

        assert (raised.value.status, raised.value.line) == (400, 17)
        assert "Line 17" in str(raised.value)

    def test_error_about_depth_names_the_setting(self):
        deep = b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}"

        with pytest.raises(RequestError, match=r"raise that setting if the depth is right\.$"):
            lines(deep)

    @pytest.mark.parametrize("text", [b"", b"\n\n  \n", b"[]\n", b"\xef\xbb\xbf"])
    def test_rejects_a_body_without_documents(self, text):
        with pytest.raises(RequestError, match="no document") as raised:
            lines(text)

        assert (raised.value.status, raised.value.line) == (400, None)

    def test_rejects_too_many_blank_lines(self):
        with pytest.raises(RequestError, match="blank") as raised:
            lines(b"{}\n" + b"\n" * 20_000)

        assert (raised.value.status, raised.value.line) == (400, 10_002)

    def test_rejects_a_too_long_line_before_its_end(self):
        def blocks():
            yield b"{}\n" + b" " * 600
            yield b" " * 600
            raise AssertionError("the rest of the line was read")

        with pytest.raises(RequestError, match="more than 1,000 bytes") as raised:
            list(JsonLines(blocks(), LIMITS).lines())

        assert (raised.value.status, raised.value.line) == (413, 2)

    def test_accepts_a_line_of_the_largest_size(self):
        line = json.dumps({"a": "x" * 990}).encode()
        assert len(line) == 1000 - 1

        assert lines(line + b" \n{}") == [line + b" ", b"{}"]

    def test_rejects_too_large_decompressed_data(self):
        with pytest.raises(RequestError, match="when it is decompressed") as raised:
            lines(b"{}\n" * 10, b"{}\n" * 10, decompressed=40)

        assert raised.value.status == 413

    @pytest.mark.parametrize("line", [b"{}\n", b"[{},{}]\n", b"[]\n"])
    def test_rejects_too_many_documents(self, line):
        with pytest.raises(RequestError, match="more than 10 documents") as raised:
            lines(b"\n" + line * 11, records=10)

        assert raised.value.status == 413
        assert "INGEST_API_MAX_RECORDS" in str(raised.value)

    def test_blank_lines_do_not_count_as_documents(self):
        assert len(lines(b"{}\n\n" * 10, records=10)) == 20
