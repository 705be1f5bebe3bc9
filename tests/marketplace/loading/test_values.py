"""Conversions to canonical values."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from marketplace.loading import values


class TestAmount:
    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            ("5 990 000 soʻm", (Decimal("5990000.00"), "UZS")),
            ("28\u00a0308,50 ₽", (Decimal("28308.50"), "RUB")),
            ("12 у.е.", (Decimal("12.00"), "USD")),
            ("12 y.e.", (Decimal("12.00"), "USD")),
            ("12 u.e.", (Decimal("12.00"), "USD")),
            ("$11 900", (Decimal("11900.00"), "USD")),
            ("1.299.000 so'm", (Decimal("1299000.00"), "UZS")),
            ("1,2 mln soʼm", (Decimal("1200000.00"), "UZS")),
            ("15", (Decimal("15.00"), None)),
            ("", (None, None)),
        ],
    )
    def test_separates_number_and_currency(self, published, expected):
        assert values.amount_with_currency(published, "price") == expected

    @pytest.mark.parametrize("published", ["1 2 quarks", "-5 сум"])
    def test_refuses_texts_without_an_amount(self, published):
        with pytest.raises(PayloadError, match=r"^price: "):
            values.amount_with_currency(published, "price")


class TestMoney:
    def test_counts_minor_units(self):
        assert values.money(359050, "priceU", minor_units=100) == Decimal("3590.50")

    @pytest.mark.parametrize("value", [-1, "x", True, "1_000", "9" * 17, "9999999999999999.999"])
    def test_refuses_amounts_that_do_not_fit(self, value):
        with pytest.raises(PayloadError, match=r"^price: "):
            values.money(value, "price")

    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("12.345", None),
            (12.345, "12.35"),
            (12.344, "12.34"),
            (0.125, "0.13"),
            ("1234.565", "1234.57"),
            ("1 234,50", "1234.50"),
        ],
    )
    def test_rounds_half_up(self, value, amount):
        if amount is None:
            with pytest.raises(PayloadError, match=r"can mean 12345 or 12\.345"):
                values.money(value, "price")
        else:
            assert values.money(value, "price") == Decimal(amount)

    def test_half_a_kopeck_is_rounded_up(self):
        assert values.money(12345, "price", minor_units=1000) == Decimal("12.35")


class TestRating:
    @pytest.mark.parametrize(
        ("value", "expected"), [("4,667", "4.67"), (4.665, "4.67"), ("4.5", "4.50"), ("1.000", 1)]
    )
    def test_rounds_half_up(self, value, expected):
        assert values.rating(value, "rating") == Decimal(expected)


class TestCount:
    @pytest.mark.parametrize(
        ("value", "expected"), [("1,2 тыс. отзывов", 1200), ("1.234", 1234), ("12 шт", 12)]
    )
    def test_is_read_from_text(self, value, expected):
        assert values.count(value, "reviews") == expected


class TestBoolean:
    @pytest.mark.parametrize("value", [True, 1, "Ha", "xa", "bor", "Mavjud", "да", "есть", "ҳа"])
    def test_yes(self, value):
        assert values.boolean(value, "available") is True

    @pytest.mark.parametrize(
        "value",
        [
            False,
            0,
            "yo'q",
            "yo‘q",
            "yoʻq",
            "yoʼq",
            "Yo`q",
            "yo´q",
            "yoq",
            "нет",
            "Mavjud  emas",
            "йўқ",
        ],
    )
    def test_no(self, value):
        assert values.boolean(value, "available") is False

    def test_refuses_other_words(self):
        with pytest.raises(PayloadError, match='available: "maybe" is neither true nor false'):
            values.boolean("maybe", "available")


class TestQuote:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("it's", '"it\'s"'),
            ("a\nb\x00c", '"a b c"'),
            (b"\xd0\xb4\xff", '"д\ufffd"'),
            ("x" * 100, f'"{"x" * 80}…"'),
            (Decimal("1.5"), "1.5"),
            (True, "True"),
        ],
    )
    def test_shows_a_value_in_one_line(self, value, expected):
        assert values.quote(value) == expected


class TestCurrency:
    @pytest.mark.parametrize(
        ("published", "code"),
        [
            ("Сом", "UZS"),
            ("сум", "UZS"),
            ("so'm", "UZS"),
            ("soʻm", "UZS"),
            ("у.е.", "USD"),
            ("RUR", "RUB"),
            ("kzt", "KZT"),
        ],
    )
    def test_recognizes_the_names_in_use(self, published, code):
        assert values.currency(published, "currency") == code


class TestInstant:
    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            ("2026-07-03 18:10", datetime(2026, 7, 3, 13, 10, tzinfo=UTC)),
            ("2026-07-03T18:10:00.123456789Z", datetime(2026, 7, 3, 18, 10, 0, 123456, UTC)),
            (1764999913495, datetime(2025, 12, 6, 5, 45, 13, 495000, UTC)),
            (1726358400, datetime(2024, 9, 15, tzinfo=UTC)),
        ],
    )
    def test_without_a_zone_is_in_tashkent(self, published, expected):
        assert values.instant(published, "date") == expected

    @pytest.mark.parametrize("published", ["yesterday", "0001-01-01", 1e30, True, []])
    def test_refuses_texts_that_are_not_times(self, published):
        with pytest.raises(PayloadError, match=r"^date: "):
            values.instant(published, "date")


class TestNormalizeTitle:
    @pytest.mark.parametrize(
        ("title", "normalized"),
        [
            ("iPhone 15 Pro!", "iphone 15 pro"),
            ("  Oʻzbek   so'm ", "ozbek som"),
            ("Ｗｉ－Ｆｉ «роутер»", "wi fi роутер"),
            ("!!!", None),
            (None, None),
        ],
    )
    def test_has_one_form_for_all_platforms(self, title, normalized):
        assert values.normalize_title(title) == normalized


class TestOtherFormsOfInstants:
    @pytest.mark.parametrize(
        "published",
        [
            "30.11.2026 09:05",
            "30.11.2026 9:05:00",
            "30.11.2026, 09:05",
            "2026-11-30 9:05",
            "2026/11/30 09:05",
            "2026-11-30 9:05 +0500",
            "2026-11-30T9:05:00.123 +05:00",
            "Mon, 30 Nov 2026 09:05:00 +0500",
            "30 Nov 2026 04:05:00 GMT",
            "1796011500",
            "1796011500000",
        ],
    )
    def test_are_read(self, published):
        moment = values.instant(published, "date").replace(microsecond=0)

        assert moment == datetime(2026, 11, 30, 9, 5, tzinfo=values.TASHKENT)

    @pytest.mark.parametrize(
        "published", ["11/30/2026 09:05", "30.13.2026", "30.11.2026 25:05", "9 Foo 2026", "вчера"]
    )
    def test_other_texts_are_errors(self, published):
        with pytest.raises(PayloadError, match="is not a time"):
            values.instant(published, "date")


class TestAvailability:
    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            (True, True),
            (0, False),
            ("12", True),
            ("In stock", True),
            ("https://schema.org/OutOfStock", False),
            ("out_of_stock", False),
            ("ДА", True),
            ("В наличии", True),
            ("нет в наличии.", False),
            ("Распродано", False),
            ("Sotuvda bor", True),
            ("mavjud emas", False),
            ("Yoʻq", False),
            ("Мавжуд", True),
            ("Йўқ", False),
            ("под заказ", None),
            ("unknown", None),
            ("pre-order", None),
            ("—", None),
            ("", None),
            (None, None),
        ],
    )
    def test_words_of_several_languages(self, published, expected):
        assert values.availability(published, "avail") is expected

    def test_an_unknown_word_is_an_error(self):
        with pytest.raises(PayloadError, match='avail: "maybe" is not a known availability'):
            values.availability("maybe", "avail")


class TestIdentifier:
    def test_is_the_same_for_a_number_and_a_text(self):
        assert {values.identifier(published, "id") for published in (123, 123.0, "123 ")} == {"123"}

    def test_an_inexact_float_is_an_error(self):
        with pytest.raises(PayloadError, match="is not exact"):
            values.identifier(float("12345678901234567"), "id")
