"""Unpacking: decompression bombs and large windows are refused."""

import gzip
import json
import os

import pytest
import zstandard

from marketplace.loading.formats import unpacking
from tests.marketplace.loading.reading import read, read_damaged, valid_documents


@pytest.fixture
def small_bombs(monkeypatch):
    monkeypatch.setattr(unpacking, "_MIN_BOMB", 1 << 20)


@pytest.mark.usefixtures("small_bombs")
class TestBombs:
    @pytest.mark.parametrize("unit", [b" ", b"{}\n", b"["])
    @pytest.mark.parametrize(
        ("pack", "limit", "ratio"),
        [(gzip.compress, "200", "1,0"), (zstandard.compress, "1,000", "")],
    )
    def test_are_refused_with_their_ratio(self, file, pack, limit, ratio, unit):
        path = file(pack(unit * (3_000_000 // len(unit))))

        _, error = read_damaged(path)

        assert "source.json is a decompression bomb: its first " in error
        assert f"more than {limit} times their size (1 : {ratio}" in error

    def test_repetitive_data_are_not_a_bomb(self, file):
        lines = b"".join(b'{"id": %d, "t": "%s"}\n' % (n, b"x" * 80) for n in range(40_000))

        entries = read(file(zstandard.compress(lines)))

        assert len(valid_documents(entries)) == 40_000

    def test_a_window_that_is_too_large_is_refused(self, file):
        how = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
        packer = zstandard.ZstdCompressor(compression_params=how).compressobj()

        _, error = read_damaged(file(packer.compress(b'{"id": 1}') + packer.flush()))

        assert error.startswith("source.json needs a zstd window of more than 128 MiB.")


def test_many_small_frames_and_members_are_read(file):
    for pack in (gzip.compress, zstandard.compress):
        lines = [json.dumps({"id": number, "t": os.urandom(8).hex()}) for number in range(3000)]

        entries = read(file(b"".join(pack(line.encode() + b"\n") for line in lines)))

        assert [json.dumps(document) for document in valid_documents(entries)] == lines
