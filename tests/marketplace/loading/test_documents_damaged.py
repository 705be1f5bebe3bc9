"""Damaged and large JSON: valid records are read, and errors are reported with their place."""

import json

import pytest

from tests.marketplace.loading.reading import (
    invalid_entries,
    read,
    read_damaged,
    valid_documents,
)


class TestDamage:
    def test_a_broken_line_is_one_error(self, file):
        entries = read(file('{"id": 1}\n{"id": 2, "name": tru}\n{"id": 3}\n'))

        assert valid_documents(entries) == [{"id": 1}, {"id": 3}]
        [fault] = invalid_entries(entries)
        assert fault.place == "line 2"
        assert fault.raw == b'{"id": 2, "name": tru}\n'

    def test_a_broken_first_line_is_one_error(self, file):
        entries = read(file('{"id": 1, "name": tru}\n{"id": 2}\n'))

        assert valid_documents(entries) == [{"id": 2}]
        assert invalid_entries(entries)[0].place == "line 1"

    def test_the_error_of_a_line_names_its_column(self, file):
        [fault] = invalid_entries(read(file('{"id": 1}\n{"id": tru}\n')))

        assert fault.fault == "is not JSON: Expecting value at column 8"

    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    def test_an_error_at_the_end_of_a_line_is_in_that_line(self, file, end):
        [fault] = invalid_entries(read(file('{"id": 1}\n{"id": 22' + end)))

        assert fault.fault == "is not JSON: Expecting ',' delimiter at column 10"

    @pytest.mark.parametrize(
        ("text", "records", "line", "column"),
        [
            ('[{"id": 1},\n {"id": 2, "name": tru, "sub": [{"x": 1}]},\n {"id": 3}]', [1], 2, 20),
            ('[{"id": 1}, {"id": 2},', [1, 2], 1, 23),
            ('[{"id": 1}, {"id": 2, "name": "cut o', [1], 1, 31),
            ('[{"id": 1} {"id": 2}]', [1], 1, 12),
            ('[{"id": 1},, {"id": 2}]', [1], 1, 12),
            ('[{"id": 1}}, {"id": 2}]', [1], 1, 11),
            ('[{"id": 1}]]', [1], 1, 12),
            ('{"id": 1}{"id": 2}, {"id": 3}', [1, 2], 1, 19),
            ('{"id": 1} {"id": 2', [1], 1, 19),
            ('[{"id": 1}, ' + "[" * 100_000, [1], 1, 13),
        ],
    )
    def test_records_before_the_damage_are_read(self, file, text, records, line, column):
        entries, error = read_damaged(file(text))

        assert [entry.document["id"] for entry in entries] == records
        assert error.startswith(f"source.json is not valid JSON at line {line}, column {column}: ")
        assert error.endswith(
            f". The records before the error were read ({len(records)}). "
            "Fetch or correct the file, and load it again."
        )

    def test_records_before_another_encoding_are_read(self, file):
        entries, error = read_damaged(file('[{"id": 1},\n{"id": "Ж"}]'.encode("windows-1251")))

        assert valid_documents(entries) == [{"id": 1}]
        assert "is not valid JSON at line 2, column 9: the text is not UTF-8." in error

    @pytest.mark.parametrize(
        ("text", "document"),
        [
            ('{"items":[{"id":1},', {"items": [{"id": 1}]}),
            (
                '{"data": {"products": [{"id": 1}, {"id": 2 "x": []}], "total": 3}}',
                {"data": {"products": [{"id": 1}]}},
            ),
            ('{"data": [{"id": 1}, {"id": 2}], "total": tru}', {"data": [{"id": 1}, {"id": 2}]}),
        ],
    )
    def test_an_object_keeps_the_valid_records_of_its_list(self, file, text, document):
        entries, error = read_damaged(file(text))

        assert valid_documents(entries) == [document]
        assert "is not valid JSON at line 1" in error

    @pytest.mark.parametrize(
        "text",
        [
            '{"id":1,"prices":[012, 1 000]}',
            '{"prices":[1, 2, 012]}',
            '{"id": 1, "skus": [{"id": 2}, {"id": 3',
            '{"id": tru}',
        ],
    )
    def test_a_part_of_a_record_is_not_read_as_a_record(self, file, text):
        entries, error = read_damaged(file(text))

        assert entries == []
        assert "No record was read. Fetch or correct the file" in error

    @pytest.mark.parametrize(
        "text", ['{"id": 1}{"id": 2}', '{\n"id": 1\n}\n{\n"id": 2\n}\n', '{"id": 1}\n\n{"id": 2}']
    )
    def test_objects_may_follow_one_another(self, file, text):
        entries = read(file(text))

        assert [entry.document for entry in entries] == [{"id": 1}, {"id": 2}]

    @pytest.mark.parametrize(
        "text",
        [
            '[{"id": 1},\n{"id": 2}\n]\n',
            '[{"id": 1},\n{"id": 2}\n,{"id": 3}]\n',
            '{"items":\n{"id": 1}\n}',
            '[\n{"id": 1}\n,\n{"id": 2}\n]',
            "[\n[]\n,\n[]\n]",
        ],
    )
    def test_records_of_a_valid_text_may_be_on_lines_of_their_own(self, file, text):
        value = json.loads(text)

        documents = [entry.document for entry in read(file(text))]

        assert documents == (value if isinstance(value, list) else [value])

    def test_a_truncated_first_line_is_one_error(self, file):
        entries = read(file('{"id": 1, "sku": [{"i\n{"id": 2}\n{"id": 3}\n'))

        assert valid_documents(entries) == [{"id": 2}, {"id": 3}]
        assert invalid_entries(entries)[0].place == "line 1"

    def test_an_element_on_its_own_line_is_not_json_lines(self, file):
        entries = read(file('[\n{"id": 1}\n]\n'))

        assert [entry.document for entry in entries] == [{"id": 1}]

    def test_an_unclosed_quote_is_one_error(self, file):
        rows = [f"{n},a" for n in range(300)]
        rows[5] = '5,"open'

        entries = read(file("id,name\n" + "\n".join(rows) + "\n", "table.csv"))

        assert len(valid_documents(entries)) == 299
        [fault] = invalid_entries(entries)
        assert (fault.place, fault.raw) == ("line 7", b'5,"open\n')

    def test_rows_may_have_line_breaks_and_long_texts(self, file):
        text = 'id,name\n1,"a\nb"\n2,"' + "x" * 200_000 + '"\n'

        assert [row["name"][:3] for row in valid_documents(read(file(text, "t.csv")))] == [
            "a\nb",
            "xxx",
        ]

    def test_a_row_in_another_encoding_is_one_error(self, file):
        data = "id,name\n1,Жалюзи белые\n".encode() + "2,Жакет\n".encode("windows-1251") + b"3,c\n"

        entries = read(file(data, "table.csv"))

        assert [row["id"] for row in valid_documents(entries)] == ["1", "3"]
        assert invalid_entries(entries)[0].fault == "is not UTF-8"

    def test_a_row_with_another_number_of_cells_is_one_error(self, file):
        entries = read(file("id,name\n1,a\n2\n3,c\n", "table.csv"))

        assert valid_documents(entries) == [{"id": "1", "name": "a"}, {"id": "3", "name": "c"}]
        assert invalid_entries(entries)[0].fault == "has 1 column, the table has 2"
