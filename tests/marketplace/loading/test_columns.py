"""Columns: cells are converted to the values of fields, or refused with the name of the column."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from classifieds.records import Listing
from ecommerce.records import Offer, Product
from marketplace.exceptions import PayloadError
from marketplace.loading.mapped import columns
from marketplace.loading.mapped.columns import Column

EMPTY = frozenset({"", "—"})
#: The digits of ids in URLs of OLX.
DIGITS = "0123456789abcdefghijklmnopqrstuwvxyzABCDEFGHIJKLMNOPQRSTUWVXYZ"


def read(text, record=Product, field="title", **options):
    """Return the value of a field for a cell."""
    if "pattern" in options:
        options["pattern"] = re.compile(options["pattern"])
    column = Column(names=("cell",), **options)
    return columns.read(column, columns.converter(record, field), {"cell": text}, EMPTY)


class TestPrice:
    def test_zero_means_no_price(self):
        assert read("0", Offer, "price") is None

    def test_minor_units_are_divided(self):
        assert read("128 500", Offer, "price", minor_units=100) == Decimal("1285.00")

    def test_a_negative_price_is_refused(self):
        with pytest.raises(PayloadError, match="is negative"):
            read("−84 ₽", Offer, "price")


class TestCount:
    def test_reads_a_whole_number_written_with_a_fraction(self):
        assert read("4399.0", Product, "review_count") == 4399

    def test_refuses_a_fraction(self):
        with pytest.raises(PayloadError, match="is not a whole number"):
            read("3.5", Product, "review_count")


class TestTime:
    def test_without_a_zone_is_in_tashkent(self):
        read_at = read("2025-12-03", Listing, "posted_at")

        assert read_at == datetime(2025, 12, 2, 19, tzinfo=UTC)

    def test_takes_the_first_format_that_fits(self):
        formats = ("%d %B %Y o %H:%M", "%d %B %Y")

        day = read("05 April 2025", Listing, "posted_at", formats=formats)
        minute = read("05 April 2025 o 23:35", Listing, "posted_at", formats=formats)

        assert day == datetime(2025, 4, 4, 19, tzinfo=UTC)
        assert minute == datetime(2025, 4, 5, 18, 35, tzinfo=UTC)

    def test_reads_seconds_and_milliseconds(self):
        expected = datetime(2024, 9, 15, tzinfo=UTC)

        assert read("1726358400", Listing, "posted_at", formats=("unix",)) == expected
        assert read("1726358400000", Listing, "posted_at", formats=("unix",)) == expected

    def test_replaces_names_of_months(self):
        said = read(
            "Dodane28 kwietnia 2025",
            Listing,
            "posted_at",
            replace={"kwietnia": "04"},
            pattern=r"(\d+ \d+ \d{4})",
            formats=("%d %m %Y",),
        )

        assert said == datetime(2025, 4, 27, 19, tzinfo=UTC)

    def test_refuses_another_format(self):
        with pytest.raises(PayloadError, match=r'is not a time as "%d\.%m\.%Y"'):
            read("2025-04-28", Listing, "posted_at", formats=("%d.%m.%Y",))


class TestText:
    def test_an_empty_text_of_the_mapping_is_unknown(self):
        assert read(" — ") is None

    def test_a_text_that_does_not_match_the_pattern_is_unknown(self):
        assert read("Zamienię", pattern=r"^(\d+)") is None

    def test_a_text_without_a_listed_meaning_is_unknown(self):
        meanings = {"Nowy": "new"}

        assert read("Nowy", Listing, "condition", meanings=meanings) == "new"
        assert read("Inny", Listing, "condition", meanings=meanings) is None

    def test_a_description_loses_its_html(self):
        assert read("a<br>b &amp; c", Product, "description") == "a\nb & c"

    def test_an_address_keeps_its_ampersands(self):
        assert read("https://x/?a=1&copy=2", Product, "url") == "https://x/?a=1&copy=2"


class TestIdentifier:
    def test_digits_convert_an_ad_number(self):
        assert read("46RGS", Listing, "external_id", digits=DIGITS) == "60741702"

    def test_a_character_that_is_not_a_digit_is_refused(self):
        with pytest.raises(PayloadError, match="is not written in the digits"):
            read("46-GS", Listing, "external_id", digits=DIGITS)

    def test_a_digest_is_equal_for_equal_texts(self):
        column = Column(digest_of=("title", "brand"), prefix="digest:")
        convert = columns.converter(Product, "external_id")

        def digest(title, brand):
            return columns.read(column, convert, {"title": title, "brand": brand}, EMPTY)

        assert digest("Ноутбук  14", "Asus ") == digest("Ноутбук 14", "Asus")
        assert digest("Ноутбук 14", "Asus") != digest("Ноутбук 15", "Asus")
        assert digest("ab", "c") != digest("a", "bc")
        assert digest("", "—") is None


class TestOthers:
    def test_a_pattern_without_a_group_is_true_or_false(self):
        assert read("1 000 у.е. Договорная", Listing, "is_negotiable", pattern="Договорная") is True
        assert read("1 000 у.е.", Listing, "is_negotiable", pattern="Договорная") is False
        assert read("", Listing, "is_negotiable", pattern="Договорная") is None

    def test_a_list_is_split_at_its_separator(self):
        assert read("a.jpg; b.jpg;", Product, "images", separator=";") == ["a.jpg", "b.jpg"]

    def test_a_text_is_a_list_of_one_entry(self):
        assert read("a.jpg", Product, "images") == ["a.jpg"]

    def test_an_object_is_built_from_columns(self):
        column = Column(keys={"brand_id": "id бренда", "color": "цвет"})
        convert = columns.converter(Product, "attributes")

        said = columns.read(column, convert, {"id бренда": "7", "цвет": ""}, EMPTY)

        assert said == {"brand_id": "7"}

    def test_finds_a_column_inside_an_object(self):
        row = {"details": {"Poj. silnika": "1 400 cm³"}, "a.b": 1}

        assert columns.find(row, "details.Poj. silnika") == "1 400 cm³"
        assert columns.find(row, "a.b") == 1
        assert columns.find(row, "details.Kolor") is None
