"""Documents of sources in all formats: JSON, JSON lines, feeds and tables."""

import gzip
import io
import json
import re
import sys
from pathlib import Path

import pytest
import zstandard

from marketplace.exceptions import SourceError
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry
from tests import suites
from tests.marketplace.loading.reading import (
    TOO_DEEP,
    invalid_entries,
    read,
    read_damaged,
    valid_documents,
)


class TestFormats:
    def test_reads_one_object(self, file):
        assert valid_documents(read(file('{"id": 1}'))) == [{"id": 1}]

    def test_reads_the_elements_of_an_array(self, file):
        assert valid_documents(read(file('[\n {"id": 1},\n {"id": 2}\n]'))) == [
            {"id": 1},
            {"id": 2},
        ]

    def test_reads_json_lines_with_blank_lines(self, file):
        assert valid_documents(read(file('\n{"id": 1}\n\n{"id": 2}\n'))) == [{"id": 1}, {"id": 2}]

    def test_reads_lines_that_are_arrays(self, file):
        assert valid_documents(read(file('[{"id": 1}, {"id": 2}]\n[{"id": 3}]\n'))) == [
            {"id": 1},
            {"id": 2},
            {"id": 3},
        ]

    def test_reads_a_pretty_printed_object(self, file):
        text = json.dumps({"id": 1, "data": [{"x": 1}]}, indent=2)

        assert valid_documents(read(file(text))) == [{"id": 1, "data": [{"x": 1}]}]

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_unpacks_regardless_of_the_name(self, file, pack):
        assert valid_documents(read(file(pack(b'{"id": 1}')))) == [{"id": 1}]

    def test_unpacks_several_zstd_frames(self, file):
        data = zstandard.compress(b'{"id": 1}\n') + zstandard.compress(b'{"id": 2}\n')

        assert valid_documents(read(file(data))) == [{"id": 1}, {"id": 2}]

    def test_skips_zstd_frames_without_data(self, file):
        skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        data = skippable + zstandard.compress(b'{"id": 1}\n') + skippable

        assert read(file(data + zstandard.compress(b'{"id": 2}'))) == [
            Entry("line 1", {"id": 1}),
            Entry("line 2", {"id": 2}),
        ]

    @pytest.mark.parametrize(
        ("pack", "name"), [(gzip.compress, "gzip"), (zstandard.compress, "zstd")]
    )
    @pytest.mark.parametrize("rest", [b"<!-- cached -->", b"\n", b"\0\0x" * 100_000])
    def test_warns_of_bytes_after_the_packed_data(self, file, pack, name, rest):
        lines = b"".join(b'{"id": %d}\n' % number for number in range(3000))

        *entries, last = read(file(pack(lines) + rest))

        assert [entry.document["id"] for entry in entries] == list(range(3000))
        assert last == Entry(
            "",
            warning=f"The bytes after the end of the {name} data are not {name} and were ignored.",
        )

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_zeros_after_the_packed_data_are_padding(self, file, pack):
        assert read(file(pack(b'{"id": 1}') + bytes(1000))) == [Entry("document", {"id": 1})]

    def test_a_small_file_may_unpack_to_a_large_one(self, file):
        data = gzip.compress(b'{"id": 1}\n' + b" " * 50_000_000 + b'\n{"id": 2}\n')

        assert valid_documents(read(file(data), 60_000_000)) == [{"id": 1}, {"id": 2}]

    @pytest.mark.parametrize("blank", [b"\n" * 10_000, b"\xef\xbb\xbf\xef\xbb\xbf", b" \r\n"])
    def test_skips_blanks_before_a_text(self, file, blank):
        assert valid_documents(read(file(blank + b'{"id": 1}'))) == [{"id": 1}]

    def test_skips_a_byte_order_mark(self, file):
        assert valid_documents(read(file(b'\xef\xbb\xbf{"id": 1}'))) == [{"id": 1}]

    def test_reads_standard_input(self, monkeypatch):
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"id": 1}')))
        )

        assert valid_documents(read("-")) == [{"id": 1}]

    @pytest.mark.parametrize("text", ["17", '"text"', "null", "[1]"])
    def test_a_scalar_is_left_to_the_adapter(self, file, text):
        assert len(valid_documents(read(file(text)))) == 1

    def test_reads_the_rows_of_a_table(self, file):
        text = '\ufeffproduct_url,name\r\n/p/1,"a, ""b"""\r\n/p/2,\r\n'

        assert valid_documents(read(file(text, "table.csv"))) == [
            {"product_url": "/p/1", "name": 'a, "b"'},
            {"product_url": "/p/2", "name": ""},
        ]


class TestText:
    def test_removes_nul_characters(self, file):
        assert valid_documents(read(file(r'{"title": "a\u0000b", "n\u0000": ["\u0000"]}'))) == [
            {"title": "ab", "n": [""]}
        ]

    def test_replaces_lone_surrogates(self, file):
        assert valid_documents(read(file(r'{"title": "a\ud800b"}'))) == [{"title": "a\ufffdb"}]

    def test_keeps_pairs_of_surrogates(self, file):
        assert valid_documents(read(file(r'{"title": "\ud83d\ude00\ud800"}'))) == [
            {"title": "😀\ufffd"}
        ]

    @pytest.mark.parametrize("text", ['{"id": NaN}\n{"id": 1}', '[{"id": NaN}, {"id": 1}]'])
    def test_nan_and_infinity_are_unknown(self, file, text):
        assert valid_documents(read(file(text))) == [{"id": None}, {"id": 1}]

    @pytest.mark.parametrize(
        ("number", "value"),
        [
            ("1234567890123456789", 1234567890123456789),
            ("-123456789012345678", -123456789012345678),
            ("-1234567890123456789", -1234567890123456789),
            ("-9223372036854775808", -(2**63)),
            ("-9223372036854775809", -(2**63) - 1),
            ("18446744073709551615", 2**64 - 1),
            ("18446744073709551616", 2**64),
            ("123456789012345678901", 123456789012345678901),
            ("9" * 5000, "9" * 5000),
            ("123456789012345678.5", 123456789012345678.5),
            ("-0", 0),
            ("1e308", 1e308),
            ("1e400", "1e400"),
            ("-1.5E400", "-1.5E400"),
        ],
    )
    def test_numbers_are_exact_in_any_context(self, file, number, value):
        neighbors = ["", ', "t": "\\ud83d"', ', "t": NaN', ', "t": "99999999999999999999"']
        records = [f'{{"id": {number}{neighbor}}}' for neighbor in neighbors]

        for text in ["\n".join(records), f"[{','.join(records)}]", *records]:
            ids = [document["id"] for document in valid_documents(read(file(text)))]
            assert set(ids) == {value}
            assert {type(number) for number in ids} == {type(value)}

    def test_whole_numbers_in_a_damaged_text_are_exact(self, file):
        entries, _ = read_damaged(file('[{"id": 1234567890123456789}, {"id": 2 x}]'))

        assert valid_documents(entries) == [{"id": 1234567890123456789}]

    def test_whole_numbers_in_memory_equal_those_of_a_file(self):
        assert documents.clean({"id": 2**64, "price": [-(2**63)]}) == {
            "id": "18446744073709551616",
            "price": [-(2**63)],
        }

    def test_a_line_in_another_encoding_is_one_error(self, file):
        entries = read(file('{"id": 1}\n{"id": "Ж"}\n'.encode("windows-1251")))

        assert valid_documents(entries) == [{"id": 1}]
        assert invalid_entries(entries)[0].fault == "is not UTF-8 at byte 9"

    def test_a_line_that_is_nested_too_deeply_is_one_error(self, file):
        entries = read(file('{"id": 1}\n' + "[" * 100_000 + '\n{"id": 2}\n'))

        assert valid_documents(entries) == [{"id": 1}, {"id": 2}]
        [fault] = invalid_entries(entries)
        assert (fault.place, fault.fault) == ("line 2", TOO_DEEP)


class TestRefusal:
    def test_names_a_missing_file(self, tmp_path):
        with pytest.raises(SourceError, match=r"Cannot read .*absent\.json: No such file"):
            read(tmp_path / "absent.json")

    @pytest.mark.parametrize(
        "data", [b"", b" \n\n ", gzip.compress(b"")], ids=["none", "blank", "gzip"]
    )
    def test_reports_an_empty_source(self, file, data):
        with pytest.raises(SourceError, match=r"source\.json is empty"):
            read(file(data))

    @pytest.mark.parametrize(
        "data", ['{"id": 1}'.encode("utf-16"), "<yml_catalog/>".encode("utf-16-le")]
    )
    def test_reports_an_unsupported_encoding(self, file, data):
        path = file(data)
        command = re.escape(f"iconv -f UTF-16 -t UTF-8 {path}.")

        with pytest.raises(SourceError, match=rf"is UTF-16\. Convert it: {command}"):
            read(path)

    def test_reports_a_closed_standard_input(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)

        with pytest.raises(SourceError, match="Standard input is closed"):
            read("-")

    def test_reports_an_unknown_format(self, file):
        with pytest.raises(SourceError, match="neither JSON, nor a YML feed, nor a CSV table"):
            read(file("hello"))

    @pytest.mark.parametrize(
        "text",
        [
            "Error 429: too many, try later",
            'cb([{"id":1}]);',
            'cb([{"id":1},\n{"id":2}]);\n',
            "id,name\n",
            "Sorry, not now.\nTry again.\n",
        ],
    )
    def test_a_page_is_not_a_table(self, file, text):
        with pytest.raises(SourceError) as error:
            read(file(text))

        start = text.split("\n")[0]
        assert f"a row below its header. It starts with: {start}. Specify a file" in str(
            error.value
        )

    def test_an_excerpt_is_readable_text(self, file):
        with pytest.raises(SourceError, match="It starts with: PK\ufffd\ufffdab\\. Specify"):
            read(file(b"PK\x03\x04ab"))

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_reads_the_read_documentsbefore_a_truncation(self, file, pack):
        # Lines that do not repeat, so that half of the packed bytes is about half of the lines.
        lines = b"".join(b'{"id": %d}\n' % (n * 7919 % 100_003) for n in range(20_000))
        packed = pack(lines)
        path = file(packed[: len(packed) * 3 // 4])
        read_documents = []

        with pytest.raises(SourceError, match="truncated or damaged"):
            for entry in documents.read(str(path)):
                read_documents.append(entry.document)

        assert len(read_documents) > 1000
        assert read_documents[:2] == [{"id": 0}, {"id": 7919}]

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    @pytest.mark.parametrize("indent", [None, 1])
    def test_reads_the_records_of_a_truncated_text(self, file, pack, indent):
        records = [{"id": number * 7919 % 100_003} for number in range(20_000)]
        packed = pack(json.dumps(records, indent=indent).encode())

        entries, error = read_damaged(file(packed[: len(packed) * 3 // 4]), 1 << 24)

        assert len(entries) > 1000
        assert [entry.document for entry in entries] == records[: len(entries)]
        assert "source.json is truncated or damaged: unexpected end of " in error

    def test_reports_a_wrong_checksum_of_a_valid_text(self, file):
        packed = bytearray(gzip.compress(b'[{"id": 1}]'))
        packed[-8] ^= 1

        assert "incorrect data check" in read_damaged(file(bytes(packed)))[1]


class TestSuite:
    """The JSON Parsing Test Suite: `y_` must be read, `n_` must not, `i_` may be either."""

    @pytest.fixture
    def suite(self, tmp_path):
        paths = []
        for name, data in suites.members("jsontestsuite.tar.gz").items():
            paths.append(tmp_path / Path(name).name)
            paths[-1].write_bytes(data)
        return sorted(path for path in paths if path.suffix == ".json")

    @staticmethod
    def is_read(path):
        try:
            return not invalid_entries(read(path))
        except SourceError:
            return False

    def test_reads_valid_texts(self, suite):
        valid = [path for path in suite if path.name.startswith("y_")]

        assert len(valid) > 90
        assert [path.name for path in valid if not self.is_read(path)] == []

    def test_refuses_invalid_texts_except_nan_and_infinity(self, suite):
        invalid = [path for path in suite if path.name.startswith("n_")]

        assert len(invalid) > 180
        assert [path.name for path in invalid if self.is_read(path)] == [
            "n_number_NaN.json",
            "n_number_infinity.json",
            "n_number_minus_infinity.json",
        ]

    def test_survives_the_rest(self, suite):
        for path in suite:
            self.is_read(path)
