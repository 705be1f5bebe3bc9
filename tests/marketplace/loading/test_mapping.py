"""Mapping files: errors are reported with the file, section and field."""

import re

import pytest
from django.conf import settings

from ecommerce.records import Offer, PricePoint, Product
from marketplace.exceptions import SourceError
from marketplace.loading.mapped import mapping

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
    def test_the_first_section_is_the_main_record(self, load):
        sections = load(SOUND).sections

        assert [(section.name, section.record) for section in sections] == [
            ("product", Product),
            ("offer", Offer),
        ]

    def test_lists_the_columns_that_a_table_must_have(self, load):
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

        section = load(text, "procurement").sections[1]

        assert (section.name, section.record.__name__) == ("customer", "Organization")

    def test_a_record_without_an_id_can_belong_to_others(self, load):
        point = '\n[price_point]\nrecorded_at = "day"\nprice = "price"'

        assert load(SOUND + point).sections[-1].record is PricePoint

    @pytest.mark.parametrize("database", ["ecommerce", "classifieds"])
    def test_shipped_mappings_are_valid_and_commented(self, database):
        files = list((settings.BASE_DIR / database / "columns").glob("*.toml"))

        assert files
        for file in files:
            assert mapping.load(str(file), database).sections
            assert file.read_text().startswith("# ")

    def test_the_documented_example_is_valid(self, load):
        example = (settings.BASE_DIR / "docs" / "tables.md").read_text().split("```toml\n")[1]

        assert [section.name for section in load(example.split("```")[0]).sections] == [
            "product",
            "offer",
        ]


MAIN = "[product]\nexternal_id='a'\n"
WRONG = [
    ("title", "is not TOML"),
    ('title = "x"', "map.toml, title: is outside of a section. Put it under [table] or a record t"),
    ("[table]", "map.toml, [table]: there is no section of a record type. Add one of: category, "),
    ("[table]\ndelimeter = ';'", '[table]: "delimeter" is not an option. Did you mean: delimiter'),
    ("[table]\nxyz = ';'", '[table]: "xyz" is not an option. Use one of: platform, encoding, deli'),
    ("[table]\nheader = 'no'", "[table]: header is text in quotes. It must be true or false or a "),
    (
        "[table]\nheader = []",
        "map.toml, [table]: header is empty or has a duplicate name. Name each c",
    ),
    ("[table]\nheader = ['a', 'a']", "map.toml, [table]: header is empty or has a duplicate name."),
    ("[table]\nempty = [5]", "map.toml, [table]: empty has an entry that is not text. Put its ent"),
    ("[table]\nencoding = 'cp-x'\n" + MAIN, '[table]: unknown encoding "cp-x". Use one like'),
    ("[table]\nencoding = 'base64'\n" + MAIN, 'unknown encoding "base64". Use one like "win'),
    ("[table]\ndelimiter = '::'\n" + MAIN, '[table]: delimiter "::" is not valid. Use one cha'),
    ("[table]\nquote = '|'\n" + MAIN, '[table]: quote "|" is not a quotation mark. Use \'"\', "'),
    ("[table]\nshort_rows = [1]\n" + MAIN, "[table]: short_rows has an entry that is not text."),
    ("[skip]\ntitle = 5\n" + MAIN, "map.toml, [skip] title: is neither text nor a list of texts"),
    ("[lot]\nexternal_id = 'id'", 'map.toml, [lot]: "lot" is not a record type. Use one of: cat'),
    ("[a]\nrecord = []", "map.toml, [a]: [] is not a record type. Use one of: category, seller"),
    ("[product]\ntitle = 'a'", "map.toml, [product]: has no external_id. The first section "),
    (MAIN + "titel='b'", "[product] titel: is not a field of this record type. Did you mean: tit"),
    (MAIN + "xyz='b'", "[product] xyz: is not a field of this record type. Use one of: external_"),
    ("[product]\nexternal_id=5", "[product] external_id: is neither the name of a column nor a t"),
    ("[product]\nexternal_id={colum='a'}", '"colum" is not an option. Did you mean: column.'),
    ("[product]\nexternal_id={prefix='a'}", "has no source for its value. Use exactly one of: co"),
    ("[product]\nexternal_id={column='a', constant='b'}", "has both column and constant. Use exa"),
    ("[product]\nexternal_id=[]", "[product] external_id: column is empty. Name a column."),
    ("[product]\nexternal_id={digest_of=[]}", "external_id: digest_of is empty. Name a column."),
    ("[product]\nexternal_id={column='a', pattern='('}", 'pattern "(" is not a regular expressio'),
    ("[product]\nexternal_id={column='a', pattern='x'}", "its pattern has no group. Put the part"),
    ("[product]\nexternal_id={column='a', replace={''='b'}}", "replace has an empty key. Name t"),
    ("[product]\nexternal_id={column=[5]}", "column has an entry that is not text. Put its entr"),
    (MAIN + "rating={constant=7}", "[product] rating: constant "),
    (MAIN + "title={column='a', minor_units=0}", "title: minor_units is less than 1. Use 100 for"),
    (MAIN + "title={column='a', decimal='x'}", 'title: decimal "x" is not valid. Use "," or "'),
    ("[seller]\nexternal_id='a'\nregistered_at={column='a', format='x'}", 'format "x" is not a'),
    ("[seller]\nexternal_id='a'\nregistered_at={column='a', zone='Mars'}", 'zone "Mars" is not a'),
    ("[offer]\nexternal_id='a'\nprice='p'", "[offer]: has no product_external_id. Add the colum"),
    (MAIN + "[offer]\nexternal_id='b'", "map.toml, [offer]: has no price. Add the column that ho"),
    ("[price_point]\noffer_external_id='a'\nrecorded_at='b'\nprice='c'", "has no external_id"),
    (MAIN + "chain='c'", "map.toml, [product] chain: this record type has no parents. Use it in ["),
    (
        "[category]\nexternal_id='c'\n" + MAIN,
        "map.toml, [category]: comes first, so rows with the same id in it would be one record. "
        "Move [product] to the top: the first section is the main record of a row.",
    ),
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
