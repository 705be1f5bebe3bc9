"""Bodies of requests: bounded, unpacked, cut into lines, whatever a client sends."""

import gzip
import io
import json
import zlib

import pytest
import zstandard

from marketplace.push.bodies import Body, Documents, Limits, RefusedError
from marketplace.push.body_encodings import unpack

MEGABYTE = 1 << 20

#: Of a request that does not say how long it is.
CHUNKED = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}


LIMITS = Limits(
    size=MEGABYTE,
    seconds=60,
    processor_seconds=60,
    unpacked=MEGABYTE,
    line=1000,
    records=10_000,
)


def body(data, environ=None, **limits):
    length = str(len(data))
    environ = {"wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": length} | (environ or {})
    return Body(environ, LIMITS._replace(**limits))


def lines(*blocks, **limits):
    return list(Documents(blocks, LIMITS._replace(**limits)).lines())


def in_pieces(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


def zstd_lines(count):
    """Return one frame of many documents, which unpacks to far more than it has bytes."""
    return zstandard.compress(b'{"id":1}\n' * count)


class TestBody:
    def test_yields_what_is_sent(self):
        data = bytes(range(256)) * 1000

        assert b"".join(body(data).pieces()) == data

    def test_refuses_an_announced_size_before_it_is_read(self):
        sent = body(b"", {"CONTENT_LENGTH": str(MEGABYTE + 1)})

        with pytest.raises(RefusedError, match="more than 1,048,576 bytes") as refused:
            sent.check_length()

        assert refused.value.status == 413

    def test_refuses_more_than_it_takes_where_no_size_is_announced(self):
        sent = body(bytes(3 * MEGABYTE), {**CHUNKED, "wsgi.input_terminated": True})
        sent.check_length()

        with pytest.raises(RefusedError, match="INGEST_API_MAX_BODY") as refused:
            list(sent.pieces())

        assert refused.value.status == 413
        assert sent._stream.tell() <= MEGABYTE + (1 << 16)

    def test_refuses_a_body_whose_end_cannot_be_told(self):
        with pytest.raises(RefusedError, match="Content-Length") as refused:
            body(b"{}", CHUNKED).check_length()

        assert refused.value.status == 411

    def test_refuses_what_breaks_off(self):
        with pytest.raises(RefusedError, match="after 2 of 10 bytes") as refused:
            list(body(b"{}", {"CONTENT_LENGTH": "10"}).pieces())

        assert refused.value.status == 400

    def test_refuses_what_the_server_cannot_read(self):
        class Broken:
            def read(self, size):
                raise ConnectionResetError

        with pytest.raises(RefusedError, match="breaks off after 0 of 2 bytes"):
            list(body(b"{}", {"wsgi.input": Broken()}).pieces())

    def test_refuses_what_takes_too_long(self):
        with pytest.raises(RefusedError, match="within 0 seconds") as refused:
            list(body(b"{}", seconds=0).pieces())

        assert refused.value.status == 408

    def test_refuses_what_takes_too_long_to_unpack(self):
        with pytest.raises(RefusedError, match="within 0 seconds"):
            list(body(b"{}", seconds=0).within_limits([b"{}"]))

    def test_refuses_what_takes_too_much_processor_time(self):
        with pytest.raises(RefusedError, match="INGEST_API_MAX_CPU") as refused:
            list(body(b"{}", processor_seconds=0).within_limits([b"{}"]))

        assert refused.value.status == 413

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_lines)])
    def test_refuses_a_bomb(self, encoding, pack):
        text = b'{"id":1}\n' * (2 * MEGABYTE)
        packed = pack(text) if pack is gzip.compress else pack(2 * MEGABYTE)
        sent = body(packed)
        unpacked = 0

        with pytest.raises(RefusedError, match="more than 200 times its size") as refused:
            for block in sent.within_limits(unpack(sent.pieces(), encoding)):
                unpacked += len(block)

        assert refused.value.status == 413
        assert unpacked <= 9 * MEGABYTE

    @pytest.mark.parametrize("length", ["-1", "1.5", "ten", "０", "0x10"])
    def test_refuses_a_length_that_is_not_a_number(self, length):
        with pytest.raises(RefusedError, match="Content-Length is not") as refused:
            body(b"{}", {"CONTENT_LENGTH": length})

        assert refused.value.status == 400

    def test_refuses_a_length_of_thousands_of_digits(self):
        with pytest.raises(RefusedError, match="more than 1,048,576 bytes"):
            body(b"{}", {"CONTENT_LENGTH": "9" * 5000}).check_length()

    def test_discards_the_rest_but_not_without_end(self):
        sent = body(bytes(5 * MEGABYTE))

        sent.discard(60)

        assert MEGABYTE <= sent._stream.tell() <= MEGABYTE + (1 << 16)


class TestUnpack:
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
    def test_yields_what_was_packed(self, encoding, pack, size):
        data = b"".join(b'{"id": %d}\n' % number for number in range(500))

        found = b"".join(unpack(in_pieces(pack(data), size), encoding))

        assert found == data

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_lines)])
    def test_yields_little_at_a_time(self, encoding, pack):
        packed = pack(b'{"id":1}\n' * 2_000_000) if pack is gzip.compress else pack(2_000_000)

        sizes = [len(block) for block in unpack(in_pieces(packed, 1 << 16), encoding)]

        assert sum(sizes) == 18_000_000
        assert max(sizes) <= MEGABYTE

    @pytest.mark.parametrize("keep", [5, 100, -1])
    @pytest.mark.parametrize(
        ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
    )
    def test_refuses_what_is_cut_off(self, encoding, pack, keep):
        packed = pack(b"".join(b'{"id": %d}\n' % (number**5) for number in range(500)))

        with pytest.raises(RefusedError, match="are cut off") as refused:
            list(unpack(in_pieces(packed[:keep], 1 << 16), encoding))

        assert refused.value.status == 400

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_refuses_what_is_not_packed(self, encoding):
        with pytest.raises(RefusedError, match=f"not sound {encoding}") as refused:
            list(unpack(iter([b'{"id": 1}\n']), encoding))

        assert refused.value.status == 400

    def test_refuses_what_has_a_wrong_checksum(self):
        packed = bytearray(gzip.compress(b'{"id": 1}\n'))
        packed[-5] ^= 1

        with pytest.raises(RefusedError, match="not sound gzip"):
            list(unpack(iter([bytes(packed)]), "gzip"))

    def test_refuses_a_frame_that_asks_for_much_memory(self):
        wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
        packed = zstandard.ZstdCompressor(compression_params=wide).compressobj()
        data = packed.compress(b"{}\n" * 100) + packed.flush()

        with pytest.raises(RefusedError, match="too much memory"):
            list(unpack(iter([data]), "zstd"))

    def test_is_not_held_up_by_nothing(self):
        assert list(unpack(iter([]), "gzip")) == []
        assert list(unpack(iter([]), "zstd")) == []

    def test_deflate_is_not_gzip(self):
        with pytest.raises(RefusedError):
            list(unpack(iter([zlib.compress(b"{}")]), "gzip"))


class TestDocuments:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_cuts_lines_wherever_blocks_end(self, size):
        text = '\ufeff{"id": 1}\r\n\n[{"id": "ё"}, {}]\n  \n{"id": 3}'.encode()
        documents = Documents(in_pieces(text, size), LIMITS)

        found = list(documents.lines())

        assert found == [
            b'{"id": 1}\r',
            b"",
            '[{"id": "ё"}, {}]'.encode(),
            b"  ",
            b'{"id": 3}',
        ]
        assert documents.count == 4

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
    def test_names_the_line_at_fault(self, line, reason):
        with pytest.raises(RefusedError, match=reason) as refused:
            lines(b"{}\n" * 16 + line + b"\n{}\n")

        assert (refused.value.status, refused.value.line) == (400, 17)
        assert "Line 17" in str(refused.value)

    def test_advises_on_depth_and_not_on_lines_if_a_line_is_too_deep(self):
        deep = b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}"

        with pytest.raises(RefusedError, match=r"raise that setting if the depth is right\.$"):
            lines(deep)

    @pytest.mark.parametrize("text", [b"", b"\n\n  \n", b"[]\n", b"\xef\xbb\xbf"])
    def test_refuses_a_body_without_documents(self, text):
        with pytest.raises(RefusedError, match="no document") as refused:
            lines(text)

        assert (refused.value.status, refused.value.line) == (400, None)

    def test_refuses_blank_lines_without_end(self):
        with pytest.raises(RefusedError, match="blank") as refused:
            lines(b"{}\n" + b"\n" * 20_000)

        assert (refused.value.status, refused.value.line) == (400, 10_002)

    def test_refuses_a_line_that_is_too_long_before_it_ends(self):
        def blocks():
            yield b"{}\n" + b" " * 600
            yield b" " * 600
            raise AssertionError("it went on reading")

        with pytest.raises(RefusedError, match="more than 1,000 bytes") as refused:
            list(Documents(blocks(), LIMITS).lines())

        assert (refused.value.status, refused.value.line) == (413, 2)

    def test_takes_a_line_of_the_largest_size(self):
        line = json.dumps({"a": "x" * 990}).encode()
        assert len(line) == 1000 - 1

        assert lines(line + b" \n{}") == [line + b" ", b"{}"]

    def test_refuses_what_unpacks_to_too_much(self):
        with pytest.raises(RefusedError, match="when it is unpacked") as refused:
            lines(b"{}\n" * 10, b"{}\n" * 10, unpacked=40)

        assert refused.value.status == 413

    @pytest.mark.parametrize("line", [b"{}\n", b"[{},{}]\n", b"[]\n"])
    def test_refuses_too_many(self, line):
        with pytest.raises(RefusedError, match="more than 10 documents") as refused:
            lines(b"\n" + line * 11, records=10)

        assert refused.value.status == 413
        assert "INGEST_API_MAX_RECORDS" in str(refused.value)

    def test_blank_lines_are_no_documents(self):
        assert len(lines(b"{}\n\n" * 10, records=10)) == 20
