"""Mapping files: what is wrong in one is named with its file, section and field."""

import re

import pytest
from django.conf import settings

from ecommerce.records import Offer, PricePoint, Product
from marketplace.exceptions import SourceError
from marketplace.loading import mapping

SOUND = """
[table]
delimiter = ";"
empty = ["—"]
observed_at = "seen"

[skip]
title = "ТОП"

[product]
external_id = { column = "url", pattern = 'ID(\\d+)' }
title = ["name", "title"]

[offer]
external_id = "sku"
price = "price"
currency = { constant = "сум" }
"""


@pytest.fixture
def load(tmp_path):
    def write_and_load(text, database="ecommerce"):
        path = tmp_path / "map.toml"
        path.write_text(text)
        return mapping.load(str(path), database)

    return write_and_load


class TestLoad:
    def test_the_first_section_is_what_a_row_is_about(self, load):
        sections = load(SOUND).sections

        assert [(each.name, each.record) for each in sections] == [
            ("product", Product),
            ("offer", Offer),
        ]

    def test_names_the_columns_that_a_table_must_have(self, load):
        assert load(SOUND).columns() == [
            ("[skip] title", ("title",)),
            ("[product] external_id", ("url",)),
            ("[product] title", ("name", "title")),
            ("[offer] external_id", ("sku",)),
            ("[offer] price", ("price",)),
            ("[table] observed_at", ("seen",)),
        ]

    def test_a_digest_needs_all_of_its_columns(self, load):
        text = '[product]\nexternal_id = { digest_of = ["title", "brand"] }'

        assert [names for _, names in load(text).columns()] == [("title",), ("brand",)]

    def test_a_section_can_have_a_name_of_its_own(self, load):
        text = '[lot]\nexternal_id = "id"\n[customer]\nrecord = "organization"\nexternal_id = "inn"'

        found = load(text, "procurement").sections[1]

        assert (found.name, found.record.__name__) == ("customer", "Organization")

    def test_a_record_without_an_id_can_accompany_others(self, load):
        point = '\n[price_point]\nrecorded_at = "day"\nprice = "price"'

        assert load(SOUND + point).sections[-1].record is PricePoint

    @pytest.mark.parametrize("database", ["ecommerce", "classifieds"])
    def test_those_that_are_shipped_are_sound_and_commented(self, database):
        files = list((settings.BASE_DIR / database / "columns").glob("*.toml"))

        assert files
        for file in files:
            assert mapping.load(str(file), database).sections
            assert file.read_text().startswith("# ")

    def test_the_example_of_the_readme_is_sound(self, load):
        example = (settings.BASE_DIR / "README.md").read_text().split("```toml\n")[1]

        assert [each.name for each in load(example.split("```")[0]).sections] == [
            "product",
            "offer",
        ]


WRONG = [
    ("title", "is not TOML"),
    ('title = "x"', "map.toml, [title]: stands outside of a section. Put it under [table] or"),
    ("[table]", "map.toml, [table]: is all there is. Add a section: category, seller, product"),
    ("[table]\ndelimeter = ';'", "map.toml, [table]: 'delimeter' is no option. Use one of: enc"),
    ("[table]\nheader = 'no'", "map.toml, [table]: header is of type str. Make it one of type bo"),
    ("[table]\nencoding = 'cp-x'\n[product]\nexternal_id='a'", "'cp-x' is no encoding"),
    ("[table]\ndelimiter = '::'\n[product]\nexternal_id='a'", "longer than a character"),
    ("[skip]\ntitle = 5\n[product]\nexternal_id='a'", "map.toml, [skip] title: is neither a"),
    ("[lot]\nexternal_id = 'id'", "map.toml, [lot]: 'lot' is no record type. Use one of: cat"),
    ("[product]\ntitle = 'a'", "map.toml, [product]: has no external_id. A row is about the fi"),
    ("[product]\nexternal_id='a'\ntitel='b'", "[product] titel: is no field of this record typ"),
    ("[product]\nexternal_id='a'\ntitel='b'", "Did you mean: title."),
    ("[product]\nexternal_id=5", "[product] external_id: is neither a column's name nor a tabl"),
    ("[product]\nexternal_id={colum='a'}", "external_id: 'colum' is no option. Use one of: colu"),
    ("[product]\nexternal_id={prefix='a'}", "does not say where the value comes from"),
    ("[product]\nexternal_id={column='a', constant='b'}", "does not say where the value comes"),
    ("[product]\nexternal_id={column='a', pattern='('}", "its pattern is wrong: "),
    ("[product]\nexternal_id={column='a', pattern='x'}", "its pattern has no group. Put what t"),
    ("[product]\nexternal_id={column=[5]}", "column holds what is no text"),
    ("[product]\nexternal_id='a'\nrating={constant=7}", "rating: constant: 7 is not between 0"),
    ("[product]\nexternal_id='a'\ntitle={column='a', minor_units=0}", "minor_units or decimal"),
    ("[seller]\nexternal_id='a'\nregistered_at={column='a', format='x'}", "is no format of a ti"),
    ("[seller]\nexternal_id='a'\nregistered_at={column='a', zone='Mars'}", "is no time zone"),
    ("[offer]\nexternal_id='a'\nprice='p'", "[offer]: has no product_external_id. Say which co"),
    ("[product]\nexternal_id='a'\n[offer]\nexternal_id='b'", "map.toml, [offer]: has no price."),
    ("[price_point]\noffer_external_id='a'\nrecorded_at='b'\nprice='c'", "has no external_id"),
]


class TestErrors:
    @pytest.mark.parametrize(("text", "message"), WRONG)
    def test_name_the_place_and_the_next_step(self, load, text, message):
        with pytest.raises(SourceError, match=re.escape(message)):
            load(text)

    def test_a_file_that_is_missing(self):
        with pytest.raises(SourceError, match=r"Cannot read the mapping no\.toml: No such file"):
            mapping.load("no.toml", "ecommerce")

    def test_a_file_in_another_encoding(self, tmp_path):
        path = tmp_path / "map.toml"
        path.write_bytes("[product]\ntitle = 'Имя'".encode("windows-1251"))

        with pytest.raises(SourceError, match="is not UTF-8"):
            mapping.load(str(path), "ecommerce")
