"""Reading sources: packed or not, damaged or not."""

import gzip
import io
import json
import sys

import pytest
import zstandard

from marketplace.exceptions import SourceError
from marketplace.loading import documents
from marketplace.loading.documents import Entry

LIMIT = 1 << 20


def read(path, limit=LIMIT):
    return list(documents.read(str(path), limit))


def sound(entries):
    return [entry.document for entry in entries if not entry.fault]


def faults(entries):
    return [entry for entry in entries if entry.fault]


@pytest.fixture
def file(tmp_path):
    def write(data, name="source.json"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


class TestForms:
    def test_reads_one_object(self, file):
        assert sound(read(file('{"id": 1}'))) == [{"id": 1}]

    def test_reads_the_elements_of_an_array(self, file):
        assert sound(read(file('[\n {"id": 1},\n {"id": 2}\n]'))) == [{"id": 1}, {"id": 2}]

    def test_reads_json_lines_with_blank_ones_between(self, file):
        assert sound(read(file('\n{"id": 1}\n\n{"id": 2}\n'))) == [{"id": 1}, {"id": 2}]

    def test_reads_lines_that_are_arrays(self, file):
        assert sound(read(file('[{"id": 1}, {"id": 2}]\n[{"id": 3}]\n'))) == [
            {"id": 1},
            {"id": 2},
            {"id": 3},
        ]

    def test_reads_a_pretty_printed_object(self, file):
        text = json.dumps({"id": 1, "data": [{"x": 1}]}, indent=2)

        assert sound(read(file(text))) == [{"id": 1, "data": [{"x": 1}]}]

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_unpacks_whatever_the_name_is(self, file, pack):
        assert sound(read(file(pack(b'{"id": 1}')))) == [{"id": 1}]

    def test_unpacks_several_zstd_frames(self, file):
        data = zstandard.compress(b'{"id": 1}\n') + zstandard.compress(b'{"id": 2}\n')

        assert sound(read(file(data))) == [{"id": 1}, {"id": 2}]

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
    def test_ignores_what_follows_the_packed_data_with_a_warning(self, file, pack, name, rest):
        lines = b"".join(b'{"id": %d}\n' % number for number in range(3000))

        *entries, last = read(file(pack(lines) + rest))

        assert [entry.document["id"] for entry in entries] == list(range(3000))
        assert last == Entry(
            "",
            warning=f"the bytes after the end of the {name} data are not {name} and were ignored.",
        )

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_zeros_after_the_packed_data_are_padding(self, file, pack):
        assert read(file(pack(b'{"id": 1}') + bytes(1000))) == [Entry("document", {"id": 1})]

    def test_a_small_file_may_unpack_to_much(self, file):
        data = gzip.compress(b'{"id": 1}\n' + b" " * 50_000_000 + b'\n{"id": 2}\n')

        assert sound(read(file(data), 60_000_000)) == [{"id": 1}, {"id": 2}]

    def test_skips_a_byte_order_mark(self, file):
        assert sound(read(file(b'\xef\xbb\xbf{"id": 1}'))) == [{"id": 1}]

    def test_reads_standard_input(self, monkeypatch):
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"id": 1}')))
        )

        assert sound(read("-")) == [{"id": 1}]

    def test_reads_the_rows_of_a_table(self, file):
        text = '\ufeffproduct_url,name\r\n/p/1,"a, ""b"""\r\n/p/2,\r\n'

        assert sound(read(file(text, "table.csv"))) == [
            {"product_url": "/p/1", "name": 'a, "b"'},
            {"product_url": "/p/2", "name": ""},
        ]


class TestText:
    def test_removes_nul_characters(self, file):
        assert sound(read(file(r'{"title": "a\u0000b", "n\u0000": ["\u0000"]}'))) == [
            {"title": "ab", "n": [""]}
        ]

    def test_replaces_lone_surrogates(self, file):
        assert sound(read(file(r'{"title": "a\ud800b"}'))) == [{"title": "a\ufffdb"}]

    def test_keeps_pairs_of_surrogates(self, file):
        assert sound(read(file(r'{"title": "\ud83d\ude00\ud800"}'))) == [{"title": "😀\ufffd"}]

    @pytest.mark.parametrize("text", ['{"id": NaN}\n{"id": 1}', '[{"id": NaN}, {"id": 1}]'])
    def test_numbers_that_are_none_are_unknown(self, file, text):
        assert sound(read(file(text))) == [{"id": None}, {"id": 1}]

    def test_integers_beyond_64_bits_are_floats(self, file):
        text = '{"id": 1, "n": ' + "9" * 30 + ', "t": "\\ud800"}'

        assert sound(read(file(text))) == [{"id": 1, "n": 1e30, "t": "\ufffd"}]

    def test_a_line_of_another_encoding_costs_that_line_only(self, file):
        entries = read(file('{"id": 1}\n{"id": "Ж"}\n'.encode("windows-1251")))

        assert sound(entries) == [{"id": 1}]
        assert "utf-8" in faults(entries)[0].fault

    def test_what_is_nested_too_deeply_costs_that_line_only(self, file):
        entries = read(file('{"id": 1}\n' + "[" * 100_000 + '\n{"id": 2}\n'))

        assert sound(entries) == [{"id": 1}, {"id": 2}]
        assert faults(entries)[0].place == "line 2"


class TestDamage:
    def test_a_broken_line_costs_that_line_only(self, file):
        entries = read(file('{"id": 1}\n{"id": 2, "name": tru}\n{"id": 3}\n'))

        assert sound(entries) == [{"id": 1}, {"id": 3}]
        [fault] = faults(entries)
        assert fault.place == "line 2"
        assert fault.raw == b'{"id": 2, "name": tru}\n'

    def test_a_broken_first_line_costs_that_line_only(self, file):
        entries = read(file('{"id": 1, "name": tru}\n{"id": 2}\n'))

        assert sound(entries) == [{"id": 2}]
        assert faults(entries)[0].place == "line 1"

    def test_a_broken_element_costs_that_element_only(self, file):
        entries = read(file('[{"id": 1},\n{"id": 2, "name": tru, "sub": [{"x": 1}]},\n{"id": 3}]'))

        assert sound(entries) == [{"id": 1}, {"id": 3}]
        assert faults(entries)[0].raw == b'{"id": 2, "name": tru, "sub": [{"x": 1}]}'

    def test_a_broken_record_deep_in_a_page_costs_that_record_only(self, file):
        text = '{"data": {"products": [{"id": 1}, {"id": 2 "x": []}, {"id": 3}], "total": 3}}'

        entries = read(file(text))

        assert sound(entries) == [{"data": {"products": [{"id": 1}, {"id": 3}], "total": 3}}]
        assert faults(entries)[0].raw == b'{"id": 2 "x": []}'

    @pytest.mark.parametrize(
        "broken",
        ['{"id": 2, "name": "never closed}', '{"id": 2, "sub": {"x": 1}', '{"id": 2, "sub": [1}'],
    )
    def test_goes_on_at_the_next_sibling_where_brackets_do_not_match(self, file, broken):
        entries = read(file('[{"id": 1}, ' + broken + ', {"id": 3}, {"id": 4}]'))

        assert sound(entries) == [{"id": 1}, {"id": 3}, {"id": 4}]
        assert faults(entries)[0].raw == broken.encode()

    def test_several_broken_records_cost_only_themselves(self, file):
        entries = read(file('[{"id": 1}, {"id": x}, {"id": 3}, {"id": y}, {"id": 5}]'))

        assert sound(entries) == [{"id": 1}, {"id": 3}, {"id": 5}]
        assert [fault.raw for fault in faults(entries)] == [b'{"id": x}', b'{"id": y}']

    def test_the_end_of_a_cut_off_text_costs_the_last_record_only(self, file):
        entries = read(file('{"data": [{"id": 1}, {"id": 2}, {"id": 3, "name": "cut o'))

        assert sound(entries) == [{"data": [{"id": 1}, {"id": 2}]}]
        assert faults(entries)[0].raw == b'{"id": 3, "name": "cut o'

    def test_two_quotes_that_are_missing_cost_their_two_records_only(self, file):
        records = [f'{{"id": {n}, "name": "n{n}", "x": [{{"id": 7}}]}}' for n in range(10)]
        for n in (2, 8):
            records[n] = records[n].replace(f'"n{n}"', f'n{n}"')

        entries = read(file("[" + ",\n".join(records) + "]"))

        assert [document["id"] for document in sound(entries)] == [0, 1, 3, 4, 5, 6, 7, 9]
        assert len(faults(entries)) == 2

    @pytest.mark.parametrize(
        "text",
        [
            '[{"id": 1} {"id": 2}]',
            '[{"id": 1},, {"id": 2},]',
            '[{"id": 1}},{"id": 2}]',
            '{"id": 1}{"id": 2}',
            '{"id": 1}, {"id": 2}',
        ],
    )
    def test_a_comma_too_few_or_too_many_costs_nothing(self, file, text):
        entries = read(file(text))

        assert sound(entries) == [{"id": 1}, {"id": 2}]
        assert faults(entries) == []

    def test_words_between_records_are_set_apart(self, file):
        entries = read(file('[{"id": 1}, oops {"id": 2}]'))

        assert sound(entries) == [{"id": 1}, {"id": 2}]
        assert faults(entries)[0].raw == b"oops"

    def test_a_first_line_that_is_cut_off_costs_that_line_only(self, file):
        entries = read(file('{"id": 1, "sku": [{"i\n{"id": 2}\n{"id": 3}\n'))

        assert sound(entries) == [{"id": 2}, {"id": 3}]
        assert faults(entries)[0].place == "line 1"

    def test_an_element_alone_on_its_line_is_no_line_of_its_own(self, file):
        entries = read(file('[\n{"id": 1}\n]\n'))

        assert [entry.document for entry in entries] == [{"id": 1}]

    def test_a_quote_that_is_never_closed_costs_its_line_only(self, file):
        rows = [f"{n},a" for n in range(300)]
        rows[5] = '5,"open'

        entries = read(file("id,name\n" + "\n".join(rows) + "\n", "table.csv"))

        assert len(sound(entries)) == 299
        [fault] = faults(entries)
        assert (fault.place, fault.raw) == ("line 7", b'5,"open\n')

    def test_rows_may_have_line_breaks_and_much_text(self, file):
        text = 'id,name\n1,"a\nb"\n2,"' + "x" * 200_000 + '"\n'

        assert [row["name"][:3] for row in sound(read(file(text, "t.csv")))] == ["a\nb", "xxx"]

    def test_a_row_of_another_encoding_costs_that_row_only(self, file):
        data = "id,name\n1,Ж\n".encode() + "2,Ж\n".encode("windows-1251") + b"3,c\n"

        entries = read(file(data, "table.csv"))

        assert [row["id"] for row in sound(entries)] == ["1", "3"]
        assert faults(entries)[0].fault == "is not UTF-8"

    def test_a_row_of_another_width_costs_that_row_only(self, file):
        entries = read(file("id,name\n1,a\n2\n3,c\n", "table.csv"))

        assert sound(entries) == [{"id": "1", "name": "a"}, {"id": "3", "name": "c"}]
        assert faults(entries)[0].fault == "has 1 columns, the table has 2"


class TestRefusal:
    def test_names_a_missing_file(self, tmp_path):
        with pytest.raises(SourceError, match=r"Cannot read .*absent\.json: No such file"):
            read(tmp_path / "absent.json")

    @pytest.mark.parametrize("data", [b"", b" \n\n ", gzip.compress(b"")])
    def test_says_that_a_source_is_empty(self, file, data):
        with pytest.raises(SourceError, match=r"source\.json is empty"):
            read(file(data))

    def test_names_an_encoding_that_it_does_not_read(self, file):
        with pytest.raises(SourceError, match=r"is UTF-16\. Convert it"):
            read(file('{"id": 1}'.encode("utf-16")))

    def test_says_that_standard_input_is_closed(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)

        with pytest.raises(SourceError, match="Standard input is closed"):
            read("-")

    def test_says_that_a_source_is_of_no_known_form(self, file):
        with pytest.raises(SourceError, match="neither JSON, nor a YML feed, nor a CSV table"):
            read(file("hello"))

    def test_says_where_a_text_without_records_is_broken(self, file):
        with pytest.raises(SourceError, match="not valid JSON at line 1, column 8"):
            read(file('{"id": tru}'))

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_loads_what_a_truncated_source_holds_before_it_says_so(self, file, pack):
        # Lines that do not repeat, so that half of the packed bytes is about half of the lines.
        lines = b"".join(b'{"id": %d}\n' % (n * 7919 % 100_003) for n in range(20_000))
        packed = pack(lines)
        path = file(packed[: len(packed) * 3 // 4])
        found = []

        with pytest.raises(SourceError, match="truncated or damaged"):
            for entry in documents.read(str(path), LIMIT):
                found.append(entry.document)

        assert len(found) > 1000
        assert found[:2] == [{"id": 0}, {"id": 7919}]

    def test_refuses_a_text_that_does_not_fit_in_memory(self, file):
        with pytest.raises(SourceError, match="INGEST_MAX_DOCUMENT"):
            read(file(json.dumps([{"id": n} for n in range(100)], indent=1)), limit=500)
