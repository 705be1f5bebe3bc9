"""Limits: records that are too large or too deep are rejected alone; large texts are streamed."""

import json

import pytest

from marketplace.exceptions import NestingError, SourceError
from marketplace.loading.formats import json_stream, json_text
from marketplace.loading.formats.json_reader import JsonReader
from marketplace.loading.formats.json_stream import JsonDocuments
from tests.marketplace.loading import reading
from tests.marketplace.loading.reading import (
    LIMIT,
    TOO_DEEP,
    invalid_entries,
    read_damaged,
    valid_documents,
)

SMALL = [
    {"id": number, "t": 'a"]}\\' * (number % 4), "l": [[{}], {"x": "\\"}]} for number in range(9)
]
LARGE = {"id": 99, "t": "\\" * 400 + '"' * 400}


def nested(levels):
    return "[" * levels + "]" * levels


def read(path, limit=500):
    return reading.read(path, limit)


class Trickle:
    """A stream that returns a few bytes at a time."""

    def __init__(self, data, step):
        self.data, self.step = data, step

    def read1(self, size):
        piece, self.data = self.data[: self.step], self.data[self.step :]
        return piece

    def peek(self, size):
        return self.data[:size]


class TestSize:
    @pytest.mark.parametrize("place", [0, 1, 4, 9])
    def test_a_line_that_is_too_large_is_rejected_alone(self, file, place):
        lines = [json.dumps(record) for record in SMALL]
        large = json.dumps(LARGE)
        lines.insert(place, large)

        entries = read(file("\n".join(lines) + "\n"))

        assert valid_documents(entries) == SMALL
        [fault] = invalid_entries(entries)
        assert fault.place == f"line {place + 1}"
        assert fault.fault.startswith(
            f"has {len(large) + 1:,} bytes, more than INGEST_MAX_RECORD (500)"
        )
        assert fault.raw == large.encode()[:1024]

    @pytest.mark.parametrize("indent", [None, 1])
    @pytest.mark.parametrize("place", [0, 4, 9])
    def test_an_element_that_is_too_large_is_rejected_alone(self, file, place, indent):
        records = [*SMALL[:place], LARGE, *SMALL[place:]]

        entries = read(file(json.dumps(records, indent=indent)))

        assert valid_documents(entries) == SMALL
        [fault] = invalid_entries(entries)
        assert fault.place == f"element {place + 1}"
        assert "more than INGEST_MAX_RECORD (500)" in fault.fault

    def test_a_document_whose_list_is_not_at_its_beginning_is_rejected(self, file):
        text = json.dumps({"id": 1, "skus": SMALL}) + "\n" + json.dumps(SMALL[3])

        entries = read(file(text))

        assert valid_documents(entries) == [SMALL[3]]
        assert "more than INGEST_MAX_RECORD (500)" in invalid_entries(entries)[0].fault


class TestStreaming:
    @pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 999])
    def test_the_result_does_not_depend_on_the_size_of_the_pieces(
        self, monkeypatch, settings, step
    ):
        settings.INGEST_MAX_RECORD = 500
        monkeypatch.setattr(json_stream, "MAX_WHOLE", 100)
        monkeypatch.setattr("marketplace.loading.formats.json_reader._PIECE", 1)
        records = [*SMALL, LARGE, *SMALL, 17, "te\\xt", None, True]
        for indent in (None, 2):
            stream = Trickle(json.dumps(records, indent=indent).encode(), step)

            entries = list(JsonDocuments(JsonReader(b"", stream), "x").read())

            assert valid_documents(entries) == [*SMALL, *records[10:]]
            assert [entry.place for entry in invalid_entries(entries)] == ["element 10"]

    def test_an_object_with_a_list_is_read_in_slices(self, file, monkeypatch):
        monkeypatch.setattr(json_stream, "_SLICE", 4)

        entries = read(file(json.dumps({"data": {"items": SMALL}})), 100)

        slices = [SMALL[:4], SMALL[4:8], SMALL[8:]]
        assert [entry.document for entry in entries] == [
            {"data": {"items": part}} for part in slices
        ]

    def test_a_warning_names_the_keys_after_the_list(self, file):
        text = json.dumps({"data": {"items": SMALL, "total": 9}, "next": "]}"})

        *entries, last = read(file(text), 200)

        assert [entry.document for entry in entries] == [{"data": {"items": SMALL}}]
        assert last.warning == (
            "source.json was read in parts: the keys after its list were ignored: total, next."
        )

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (', "total": tru}', "Expecting value"),
            (",}", "Expecting property name enclosed in double quotes"),
            ("]", "Expecting ',' delimiter"),
            ("", "Expecting ',' delimiter"),
            ("}]", "Extra data"),
        ],
    )
    def test_damage_after_the_list_is_an_error(self, file, damage, reason):
        entries, error = read_damaged(file(json.dumps({"items": SMALL})[:-1] + damage), 200)

        assert valid_documents(entries) == [{"items": SMALL}]
        assert f": {reason}. The records before the error were read (9)." in error

    def test_the_column_of_damage_counts_the_characters_of_all_pieces(self, monkeypatch, settings):
        settings.INGEST_MAX_RECORD = 40
        monkeypatch.setattr("marketplace.loading.formats.json_reader._PIECE", 1)
        text = '[{"id": "Ж"},\n{"id": "ЖЖЖ"}, {"id": "Ж", "x": tru}]'
        stream, entries = Trickle(text.encode(), 3), []

        with pytest.raises(SourceError, match="at line 2, column 33: Expecting value"):
            entries.extend(JsonDocuments(JsonReader(b"", stream), "x").read())

    def test_a_list_of_numbers_is_refused(self, file):
        with pytest.raises(SourceError, match="its first 1,000 elements are not objects"):
            read(file(json.dumps(list(range(2000)))))


class TestValues:
    @pytest.mark.parametrize("form", ["{},{},{}", "[{},{},{}]"])
    @pytest.mark.parametrize("many", ['{"l":[1,2,3,4,5,6]}', '{"l":[{},{},{},{}]}'])
    def test_a_record_with_too_many_values_is_rejected_alone(self, file, monkeypatch, form, many):
        monkeypatch.setattr(json_text, "_LARGE", 10)
        monkeypatch.setattr(json_text, "MAX_VALUES", 6)
        form = form.replace(",", "\n") if form[0] == "{" else form

        entries = read(file(form.format('{"id": 1}', many, '{"id": 2}')))

        assert valid_documents(entries) == [{"id": 1}, {"id": 2}]
        [fault] = invalid_entries(entries)
        assert (fault.fault, fault.raw.strip()) == ("has more than 6 values", many.encode())

    def test_a_line_with_too_many_records_is_rejected_alone(self, file, monkeypatch):
        monkeypatch.setattr(json_text, "_LARGE", 10)
        monkeypatch.setattr(json_text, "MAX_VALUES", 6)

        entries = read(file("[{},{},{},{}]\n{}\n{}"))

        assert (valid_documents(entries), len(invalid_entries(entries))) == ([{}, {}], 1)


class TestDepth:
    def test_is_counted_outside_of_strings(self):
        sound = '{"t": ' + json.dumps(["[{" * 200]) + ', "l": ' + nested(99) + "}"

        assert json_text.parse(sound.encode())["l"]

    @pytest.mark.parametrize("levels", [101, 254, 600, 980, 1023, 1025, 3000, 100_000])
    @pytest.mark.parametrize("neighbor", ["1", "NaN", '"\\u0000"', "9" * 30])
    def test_is_limited_whatever_the_neighboring_value(self, levels, neighbor):
        text = f"[{neighbor}, {nested(levels - 1)}]"

        with pytest.raises(NestingError, match=r"is nested more than 100 levels deep \(INGEST_MAX"):
            json_text.parse(text.encode())

    @pytest.mark.parametrize("levels", [101, 1000, 50_000])
    @pytest.mark.parametrize("form", ["{},{},{}", "[{},{},{}]", '{{"items": [{},{},{}]}}'])
    def test_a_deep_record_is_rejected_alone(self, file, levels, form):
        deep = '{"l": ' + nested(levels - 1) + "}"
        form = form.replace(",", "\n") if form[0] == "{" and form[1] == "}" else form

        entries = read(file(form.format('{"id": 1}', deep, '{"id": 2}')), LIMIT)

        text = json.dumps(valid_documents(entries))
        assert '{"id": 1}' in text
        assert '{"id": 2}' in text
        assert [(entry.fault, entry.raw.strip()) for entry in invalid_entries(entries)] == [
            (TOO_DEEP, deep.encode())
        ]

    def test_of_payloads_in_memory_is_limited_too(self):
        value = []
        for _ in range(2000):
            value = [value]

        with pytest.raises(NestingError):
            json_text.clean(value)
