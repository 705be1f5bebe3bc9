"""Tables in text form: encodings and delimiters are told, damage is named."""

import io

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading import delimited
from marketplace.loading.delimited import Layout

ROWS = [{"имя": "Чайник", "цена": "1,5"}, {"имя": "Стакан", "цена": "2,5"}]


def read(data, layout=None, **options):
    stream = io.BufferedReader(io.BytesIO(data if isinstance(data, bytes) else data.encode()))
    return list(delimited.read(stream, layout or Layout(), **options))


def documents(data, layout=None):
    return [row for _, row, fault, _ in read(data, layout) if not fault]


def faults(data):
    return [(place, fault, raw) for place, _, fault, raw in read(data) if fault]


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
    def test_is_told_together_with_the_delimiter(self, encoding, delimiter):
        assert documents(table(delimiter).encode(encoding)) == ROWS

    def test_a_damaged_line_does_not_change_that_of_the_others(self):
        data = "имя,цена\nЧайник,1\n".encode() + b"\xd0,2\n" + "Стакан,3\n".encode()

        assert [row["имя"] for row in documents(data)] == ["Чайник", "Стакан"]
        assert faults(data) == [("line 3", "is not UTF-8", b"\xd0,2\n")]

    def test_is_told_where_only_late_lines_have_letters(self):
        data = b"id,name\n" + b"1,a\n" * 5000 + "2,Чайник\n".encode("windows-1251")

        assert documents(data)[-1] == {"id": "2", "name": "Чайник"}

    def test_a_given_one_counts(self):
        data = "name,n\nДом,1\n".encode("koi8-r")

        assert documents(data, Layout(encoding="koi8-r")) == [{"name": "Дом", "n": "1"}]

    def test_characters_that_postgresql_refuses_are_dropped(self):
        assert documents("a,b\nx\0y,1\n") == [{"a": "xy", "b": "1"}]


class TestDelimiter:
    def test_commas_in_prices_are_none(self):
        assert delimited.find_delimiter(["a;b\n", "1,5;2,5\n", "3,5;4,5\n"]) == ";"

    def test_that_in_quotes_is_none(self):
        assert delimited.find_delimiter(["a\tb\n", '"x, y, z"\t1\n', '"u, v"\t2\n']) == "\t"

    def test_a_table_of_one_column_has_a_comma(self):
        assert documents("id\n1\n2\n") == [{"id": "1"}, {"id": "2"}]

    def test_a_given_one_counts(self):
        found = documents('"Asus / "/"Ноутбук/14"/ 1\n', Layout(delimiter="/", header=False))

        assert found == [{"1": "Asus / ", "2": "Ноутбук/14", "3": " 1"}]


class TestHeader:
    def test_columns_without_one_are_named_by_position(self):
        assert documents("a,1\nb,2\n", Layout(header=False)) == [
            {"1": "a", "2": "1"},
            {"1": "b", "2": "2"},
        ]

    def test_columns_without_one_can_be_given_names(self):
        layout = Layout(header=False, names=("name", "n"))

        assert documents("a,1\n", layout) == [{"name": "a", "n": "1"}]

    def test_comes_after_blank_lines(self):
        assert documents("\ufeff\n\na,b\n1,2\n".encode()) == [{"a": "1", "b": "2"}]

    def test_is_no_row_where_it_stands_again(self):
        assert documents("a,b\n1,2\na,b\n3,4\n") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]

    def test_is_shown_to_who_may_refuse_it(self):
        def check(names):
            raise SourceError(f"no price in {names}")

        with pytest.raises(SourceError, match=r"no price in \['a', 'b'\]"):
            read("a,b\n1,2\n", check=check)


class TestDamage:
    def test_rows_of_another_width_are_faults(self):
        assert faults("a,b\n1\n1,2,3\n4,5\n") == [
            ("line 2", "has 1 columns, the table has 2", b"1\n"),
            ("line 3", "has 3 columns, the table has 2", b"1,2,3\n"),
        ]

    def test_short_rows_are_whole_where_the_layout_says_so(self):
        assert documents("a,b,c\n1\n", Layout(short_rows=True)) == [{"a": "1", "b": "", "c": ""}]

    def test_a_quote_that_is_never_closed_costs_its_own_line_only(self):
        data = 'a,b\n1,2\n3,"4\n' + "5,6\n" * 2000

        found = faults(data)

        assert [(place, raw) for place, _, raw in found] == [("line 3", b'3,"4\n')]
        assert len(documents(data)) == 2001

    def test_a_quote_that_is_never_closed_near_the_end_does_too(self):
        data = 'a,b\n1,"2\n3,4\n'

        assert documents(data) == [{"a": "3", "b": "4"}]
        assert [place for place, *_ in faults(data)] == ["line 2"]

    def test_lines_within_quotes_are_one_row(self):
        assert documents('a,b\n1,"x\ny"\n2,z\n') == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "z"}]

    def test_a_first_row_that_cannot_be_read_refuses_the_table(self):
        with pytest.raises(
            SourceError, match="The first row of the table cannot be read: is not C"
        ):
            read('a,"b\n1,2\n')
