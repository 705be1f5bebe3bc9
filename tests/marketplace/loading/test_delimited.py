"""Tables in text form: detection of encodings and delimiters, and errors in damaged rows."""

import io

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading.formats import delimited, dialects
from marketplace.loading.formats.delimited import Layout
from marketplace.loading.formats.entries import Entry

ROWS = [{"имя": "Чайник", "цена": "1,5"}, {"имя": "Стакан", "цена": "2,5"}]


def read(data, layout=None, **options):
    stream = io.BufferedReader(io.BytesIO(data if isinstance(data, bytes) else data.encode()))
    return list(delimited.read(stream, layout or Layout(), **options))


def documents(data, layout=None):
    return [entry.document for entry in read(data, layout) if not entry.fault]


def faults(data):
    return [(entry.place, entry.fault, entry.raw) for entry in read(data) if entry.fault]


def table(delimiter):
    rows = ["имя|цена", "Чайник|1,5", "Стакан|2,5"]
    if delimiter == ",":
        rows = ["имя|цена", 'Чайник|"1,5"', 'Стакан|"2,5"']
    return "\r\n".join(rows).replace("|", delimiter)


class TestEncoding:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1251"]
    )
    def test_is_detected_together_with_the_delimiter(self, encoding, delimiter):
        assert documents(table(delimiter).encode(encoding)) == ROWS

    def test_a_damaged_line_does_not_change_the_encoding_of_others(self):
        data = "имя,цена\nЧайник,1\n".encode() + b"\xd0,2\n" + "Стакан,3\n".encode()

        assert [row["имя"] for row in documents(data)] == ["Чайник", "Стакан"]
        assert faults(data) == [("line 3", "is not UTF-8", b"\xd0,2\n")]

    def test_is_detected_when_only_late_lines_have_letters(self):
        data = b"id,name\n" + b"1,a\n" * 5000 + "2,Чайник\n".encode("windows-1251")

        assert documents(data)[-1] == {"id": "2", "name": "Чайник"}

    def test_a_stated_one_is_used(self):
        data = "name,n\nДом,1\n".encode("koi8-r")

        assert documents(data, Layout(encoding="koi8-r")) == [{"name": "Дом", "n": "1"}]

    def test_nul_characters_are_dropped(self):
        assert documents("a,b\nx\0y,1\n") == [{"a": "xy", "b": "1"}]

    def test_truncated_utf_16_is_an_error_in_its_line(self):
        data = "id;name\n1;Дом\n2;Сту".encode("utf-16") + b"\x3b"

        assert documents(data) == [{"id": "1", "name": "Дом"}]
        assert [(place, fault) for place, fault, _ in faults(data)] == [("line 3", "is not UTF-16")]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_byte_order_mark_is_read_if_stated(self, encoding):
        data = "id;name\n1;Дом\n".encode(encoding)

        assert documents(data, Layout(encoding="utf-16")) == [{"id": "1", "name": "Дом"}]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_an_encoding_that_requires_a_byte_order_mark_is_refused_without_one(self, encoding):
        with pytest.raises(SourceError, match=f'Set encoding = "{encoding}-le" or "{encoding}-be"'):
            read("Дом".encode("utf-16-le"), Layout(encoding=encoding))

    def test_a_byte_that_a_stated_encoding_lacks_is_an_error(self):
        data = "id;name\n1;Дом\n".encode("windows-1251") + b"2;\x98\n"

        entries = read(data, Layout(encoding="windows-1251"))

        assert [entry.fault for entry in entries] == ["", "is not windows-1251"]

    def test_truncated_utf_8_is_an_error_in_its_line(self):
        data = b"id;name\n" + b"1;a\n" * 50 + "2;Сту".encode() + b"\xd0\n3;b\n"

        assert [place for place, *_ in faults(data)] == ["line 52"]
        assert documents(data)[-1] == {"id": "3", "name": "b"}
        assert len(documents(data)) == 51

    def test_an_unknown_encoding_is_refused_with_the_option_to_set(self):
        with pytest.raises(SourceError) as refusal:
            read("id;name\n1;да\n".encode("koi8-r"), name="table.csv")

        assert str(refusal.value) == (
            "table.csv is not UTF-8 from line 2 on, and its encoding cannot be determined. Set "
            'encoding = "…" under [table] of a mapping (windows-1251, koi8-r, cp866, iso-8859-5, '
            "mac-cyrillic, cp855, or any other encoding of Python), or convert the file to UTF-8."
        )


class TestDelimiter:
    def test_decimal_commas_are_not_delimiters_without_a_header(self):
        layout = Layout(header=False)

        assert documents("1;2,5\n2;3,5\n", layout) == [
            {"1": "1", "2": "2,5"},
            {"1": "2", "2": "3,5"},
        ]

    def test_a_comma_that_separates_more_than_decimals_is_a_delimiter(self):
        assert dialects.find_delimiter(["1,40;41,x\n", "2,42;43,y\n"]) == ","

    def test_commas_in_prices_are_not_delimiters(self):
        assert dialects.find_delimiter(["a;b\n", "1,5;2,5\n", "3,5;4,5\n"]) == ";"

    def test_a_delimiter_in_quotes_is_ignored(self):
        assert dialects.find_delimiter(["a\tb\n", '"x, y, z"\t1\n', '"u, v"\t2\n']) == "\t"

    def test_the_default_for_one_column_is_a_comma(self):
        assert documents("id\n1\n2\n") == [{"id": "1"}, {"id": "2"}]

    def test_a_stated_one_is_used(self):
        rows = documents('"Asus / "/"Ноутбук/14"/ 1\n', Layout(delimiter="/", header=False))

        assert rows == [{"1": "Asus / ", "2": "Ноутбук/14", "3": "1"}]


class TestHeader:
    def test_columns_without_a_header_are_named_by_position(self):
        assert documents("a,1\nb,2\n", Layout(header=False)) == [
            {"1": "a", "2": "1"},
            {"1": "b", "2": "2"},
        ]

    def test_columns_without_a_header_can_be_named(self):
        layout = Layout(header=False, names=("name", "n"))

        assert documents("a,1\n", layout) == [{"name": "a", "n": "1"}]

    def test_comes_after_blank_lines(self):
        assert documents("\ufeff\n\na,b\n1,2\n".encode()) == [{"a": "1", "b": "2"}]

    def test_a_repeated_header_is_skipped(self):
        assert documents("a,b\n1,2\na,b\n3,4\n") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]

    def test_is_passed_to_the_check(self):
        def check(names):
            raise SourceError(f"no price in {names}")

        with pytest.raises(SourceError, match=r"no price in \['a', 'b'\]"):
            read("a,b\n1,2\n", check=check)

    def test_columns_without_a_name_are_named_by_position(self):
        assert documents(",a,\n0,1,x\n") == [{"1": "0", "a": "1", "3": "x"}]

    def test_different_values_under_one_name_are_an_error(self):
        data = "id,name,name\n1,x,y\n2,z,z\n"

        assert documents(data) == [{"id": "2", "name": "z", "name (2)": "z"}]
        assert [(place, fault) for place, fault, _ in faults(data)] == [
            (
                "line 2",
                'has two values in columns named "name": "x" and "y"; give one of the columns '
                "another name",
            )
        ]

    def test_a_repeated_name_is_left_to_the_check(self):
        entries = read("id,name,name\n1,x,y\n", check=lambda names: None)

        assert entries == [Entry("line 2", {"id": "1", "name": "x", "name (2)": "y"})]


class TestQuotes:
    def test_a_quote_inside_an_unquoted_cell_is_an_error(self):
        data = 'id,price,name,note\n1,5"Silk, Crew",x\n2,5,"5"" x, y",z\n3,5"",,\n'

        assert [place for place, *_ in faults(data)] == ["line 2", "line 4"]
        assert documents(data) == [{"id": "2", "price": "5", "name": '5" x, y', "note": "z"}]

    def test_quotes_are_text_if_the_layout_has_none(self):
        data = 'id\tname\n1\tTV 32"\n2\t"x"\n'

        rows = documents(data, Layout(quote=""))

        assert [row["name"] for row in rows] == ['TV 32"', '"x"']

    def test_spaces_before_quotes_are_ignored(self):
        assert documents('id, name\n1, "x, y"\n') == [{"id": "1", "name": "x, y"}]

    def test_single_quotes_enclose_cells_if_most_rows_have_them(self):
        data = "id,name\n1,'x, y'\n2,'it''s'\n3,'z'\n"

        assert [row["name"] for row in documents(data)] == ["x, y", "it's", "z"]

    def test_single_quotes_are_text_otherwise(self):
        data = "id,name\n1,'x'\n2,men's\n3,z\n"

        assert [row["name"] for row in documents(data)] == ["'x'", "men's", "z"]

    def test_quotes_inside_a_cell_may_be_escaped(self):
        data = 'id,name\n1,"TV 32\\", black"\n2,"x"\n'

        assert [row["name"] for row in documents(data)] == ['TV 32", black', "x"]


class TestShortRows:
    def test_may_lack_the_columns_of_the_layout(self):
        entries = read("id,price,name\n1,5\n2\n", Layout(short_rows=("name",)))

        assert [(entry.document, entry.fault) for entry in entries] == [
            ({"id": "1", "price": "5", "name": ""}, ""),
            (None, 'has 1 column, the table has 3; short_rows does not name "price"'),
        ]

    def test_with_values_of_other_types_than_full_rows_are_errors(self):
        data = "id,title,price\n1,Lamp,5\n2,500\n3,Cup\n"

        entries = read(data, Layout(short_rows=True))

        assert [entry.fault for entry in entries] == [
            "",
            'has 2 columns, the table has 3; "500" in column "title" has a different type: the row '
            "may be shifted",
            "",
        ]


class TestDamage:
    def test_rows_with_another_number_of_cells_are_errors(self):
        assert faults("a,b\n1\n1,2,3\n4,5\n") == [
            ("line 2", "has 1 column, the table has 2", b"1\n"),
            ("line 3", "has 3 columns, the table has 2", b"1,2,3\n"),
        ]

    def test_short_rows_are_valid_if_the_layout_allows_them(self):
        assert documents("a,b,c\n1\n", Layout(short_rows=True)) == [{"a": "1", "b": "", "c": ""}]

    def test_an_unclosed_quote_affects_only_its_line(self):
        data = 'a,b\n1,2\n3,"4\n' + "5,6\n" * 2000

        entries = faults(data)

        assert [(place, raw) for place, _, raw in entries] == [("line 3", b'3,"4\n')]
        assert len(documents(data)) == 2001

    def test_an_unclosed_quote_near_the_end_affects_only_its_line(self):
        data = 'a,b\n1,"2\n3,4\n'

        assert documents(data) == [{"a": "3", "b": "4"}]
        assert [place for place, *_ in faults(data)] == ["line 2"]

    def test_lines_within_quotes_are_one_row(self):
        assert documents('a,b\n1,"x\ny"\n2,z\n') == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "z"}]

    def test_a_first_row_that_cannot_be_read_refuses_the_table(self):
        with pytest.raises(
            SourceError, match=r"The first row of the table \(line 1\) cannot be read: it is not C"
        ):
            read('a,"b\n1,2\n')


class TestLargeRecords:
    """A record that is larger than INGEST_MAX_RECORD is one error."""

    @pytest.fixture(autouse=True)
    def _small(self, settings):
        settings.INGEST_MAX_RECORD = 5_000

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "utf-16"])
    def test_a_long_line_is_one_error(self, end, encoding):
        long = f"Дом {'x' * 9_000}"
        data = end.join(["имя,цена", "Чайник белый,1", f"{long},2", "Стакан,3", ""]).encode(
            encoding
        )

        assert [row["цена"] for row in documents(data)] == ["1", "3"]
        [(place, fault, raw)] = faults(data)
        assert place == "line 3"
        assert fault.startswith("has 9,0")
        assert "more than INGEST_MAX_RECORD (5,000)" in fault
        assert raw.startswith("Дом xxx".encode())
        assert len(raw) in range(1024, 1028)

    @pytest.mark.parametrize("text", ["x" * 9_000 + "\na,b", "a,b\n" + "x" * 9_000 + "\na,b"])
    def test_quoted_lines_of_a_large_row_are_not_rows(self, text):
        data = f'n,t\n1,"{text}\nc,d\n""e"",f"\n2,"{text}\nc,d"\n3,"x"\n'

        assert documents(data) == [{"n": "3", "t": "x"}]
        assert [place for place, _, _ in faults(data)] == [
            "line 2",
            f"line {data[: data.index('2,')].count(chr(10)) + 1}",
        ]

    def test_an_unclosed_quote_does_not_include_later_rows(self):
        data = 'n,t\n1,"' + "x" * 9_000 + "\n2,y\n" + '3,"z"\n'

        assert documents(data) == [{"n": "2", "t": "y"}, {"n": "3", "t": "z"}]
        assert [place for place, _, _ in faults(data)] == ["line 2"]

    def test_the_lines_of_a_row_count_together(self):
        data = 'n,t\n1,"' + "a line of text\n" * 500 + '"\n2,y\n'

        assert documents(data) == [{"n": "2", "t": "y"}]
        assert "more than INGEST_MAX_RECORD (5,000)" in faults(data)[0][1]

    def test_a_header_that_is_too_large_is_refused(self):
        with pytest.raises(SourceError, match=r"\(line 1\) cannot be read: it has 9"):
            documents("a," + "x" * 9_000 + "\n1,2\n")

    def test_a_line_of_zeros_is_an_error(self):
        data = "n,t\n1,x\n" + "\0" * 9_000 + "\n2,y\n"

        assert [row["n"] for row in documents(data)] == ["1", "2"]
        assert len(faults(data)) == 1


class TestManyColumns:
    def test_too_many_columns_are_refused(self):
        header = ",".join(map(str, range(delimited.MAX_COLUMNS + 1)))

        with pytest.raises(SourceError, match="has 16,385 columns"):
            documents(f"{header}\n1,2\n")

    def test_a_row_with_too_many_cells_is_refused_before_parsing(self):
        data = "n,t\n1,x\n" + "a," * 1_000_001 + "\n2,y\n"

        assert [row["n"] for row in documents(data)] == ["1", "2"]
        assert faults(data)[0][1] == "has more than 1,000,000 delimiters"
