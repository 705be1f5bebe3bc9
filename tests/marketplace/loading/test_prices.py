"""Prices in text form are read if they have exactly one meaning, and refused otherwise."""

import importlib.util
import os
from decimal import Decimal
from pathlib import Path

import pytest

from marketplace.loading import values
from marketplace.loading.values import prices
from marketplace.loading.values.prices import NUMBER, PRICE, RATING, WHOLE, Style, in_currency

#: The tests of price-parser's source package, which hold its published examples.
EXAMPLES = Path(
    os.environ.get("PRICE_PARSER_EXAMPLES")
    or Path(__file__).resolve().parents[4] / "shared/price-parser/tests/test_price_parsing.py"
)


def number(text, style=PRICE):
    """Return the number of a text."""
    return prices.read(text, style).number


class TestPrice:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("7250", 7250),
            ("7\u00a0250\u2009000", 7250000),
            ("7 250,40 ₽", "7250.40"),
            ("14`300.00 GEL", 14300),
            ("3’250’000 so‘m", 3250000),
            ("1 000 000,00", 1000000),
            ("8,720.15", "8720.15"),
            ("8.720,15", "8720.15"),
            ("4.250.000 so'm", 4250000),
            ("12,34,500 ₹", 1234500),
            ("$12 700", 12700),
            ("12 y.e.", 12),
            ("340 у.е.", 340),
            ("от 2 300 000", 2300000),
            ("Цена: 45 000 сум за штуку", 45000),
            ("Rs.2500", 2500),
            ("7.25e3", 7250),
            ("$.85", "0.85"),
            ("12€ 85", "12.85"),
            ("2.350, 75 zł", "2350.75"),
            ("85. 50", "85.50"),
            ("500 сум (2 штуки)", 500),
            ("129,50 € (-20%)", "129.50"),
            ("42,50 € 42.50", "42.50"),
            ("7 400 złdo negocjacji", 7400),
            ("１２５００ 円", 12500),
            ("１２，５", "12.5"),
            ("٢٥٠٠ ر.س", 2500),
            ("١٢٫٥", "12.5"),
            ("\u200e2 500 сум\u200f", 2500),
            ("- $35.50", "35.50"),
            ("700/шт", 700),
            ("бесплатно", 0),
        ],
    )
    def test_is_read_in_common_notations(self, text, expected):
        assert number(text) == Decimal(expected)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1,5 млн сум", 1500000),
            ("1.5 mln soʻm", 1500000),
            ("2 млрд", 2000000000),
            ("3 mlrd so'm", 3000000000),
            ("15 тыс. ₽", 15000),
            ("15 тысяч рублей", 15000),
            ("700 ming so'm", 700000),
            ("700 минг сўм", 700000),
            ("70 мың теңге", 70000),
            ("12 tys. zł", 12000),
            ("15k", 15000),
            ("15к", 15000),
            ("$1.5M", 1500000),
        ],
    )
    def test_is_multiplied_by_the_word_after_it(self, text, expected):
        assert number(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "31.500 so'm",
            "31,500 сум",
            "31.500 тенге",
            "31.500 ₽",
            "$31,500",
            "Rp 31.500",
            "31.500 ₫",
            "31.500 Ft",
            "31,500 원",
            "31.500,-",
            "31.500,- kr",
            "31 500.-",
        ],
    )
    def test_an_ambiguous_one_is_resolved_by_its_currency(self, text):
        assert number(text) == 31500

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("1.600", "can mean 1600 or 1.6"),
            ("1,600", "can mean 1600 or 1.6"),
            ("31.500 KD", "can mean 31500 or 31.5"),
            ("1,234 млн", "can mean 1234000000 or 1234000"),
            ("100 - 200", "holds 2 numbers"),
            ("от 100 до 200 сум", "holds 2 numbers"),
            ("500\n200", "holds 2 numbers"),
            ("3 штуки за 900 сум", "holds 2 numbers"),
            ("−30%", "is a percentage"),
            ("30% OFF", "is a percentage"),
            ("Free delivery over $70+", "is a measure or a limit"),
            ("12.00 ft", "is a measure or a limit"),
            ("15 кг", "is a measure or a limit"),
            ("15 к", "can mean thousands or cents"),
            ("+500 сум", "is an addition to a price"),
            ("до 900 сум", "is the upper limit"),
            ("May, 2011", "has other words"),
            ("уточняйте (мин. заказ: 3)", "has other words"),
            ("сумма в млн: 3", "multiplied by a word that does not follow"),
            ("12.10.2024", "is not a number"),
            ("1,234,56", "is not a number"),
            ("...75", "is not a number"),
            ("сум", "is not a number"),
        ],
    )
    def test_an_uncertain_one_is_refused(self, text, reason):
        with pytest.raises(ValueError, match=reason):
            number(text)

    @pytest.mark.parametrize("text", ["-5", "−5 сум", "-$5", "(5)"])
    def test_may_be_negative(self, text):
        assert number(text) == -5

    def test_in_a_currency_other_than_that_of_the_record_is_refused(self):
        assert number("700 руб.", in_currency("RUB")) == 700
        with pytest.raises(ValueError, match="is not in USD, the currency of the record"):
            number("700 руб.", in_currency("USD"))

    @pytest.mark.parametrize(
        ("text", "currency"), [("15 руб.", "BYN"), ("15 сом", "KGS"), ("$15", "CAD")]
    )
    def test_the_name_of_a_currency_may_be_shared(self, text, currency):
        assert number(text, in_currency(currency)) == 15
        with pytest.raises(ValueError, match="is not in EUR, the currency of the record"):
            number(text, in_currency("EUR"))


class TestEvidence:
    def test_the_mapping_determines_the_decimal_mark(self):
        assert number("1.600", Style(decimal=",")) == 1600
        assert number("1.600", Style(decimal=".")) == Decimal("1.6")
        with pytest.raises(ValueError, match='does not fit the decimal mark ","'):
            number("16.50", Style(decimal=","))

    def test_the_currency_determines_whether_there_are_decimals(self):
        assert number("1.600", in_currency("UZS")) == 1600
        assert number("1,600", in_currency("KZT")) == 1600
        with pytest.raises(ValueError, match="can mean"):
            number("1.600", in_currency("RUB"))

    def test_other_prices_determine_the_decimal_mark(self):
        assert number("1.600", in_currency("RUB", ",")) == 1600
        assert number("1.600", in_currency("RUB", ".")) == Decimal("1.6")

    def test_the_user_takes_precedence(self):
        assert number("1.600", in_currency("UZS", ".", stated=",")) == 1600
        assert number("1.600", in_currency("UZS", stated=".")) == Decimal("1.6")
        assert number("1.600 руб", in_currency("RUB", ",", stated=".")) == Decimal("1.6")
        assert number("1.600 млн", in_currency("RUB", stated=".")) == 1_600_000
        # A number with one meaning keeps it.
        assert number("5.50", in_currency("UZS", stated=",")) == Decimal("5.5")
        assert number("1.600.000", in_currency("UZS", stated=".")) == 1_600_000

    def test_contradictory_evidence_is_not_used(self):
        with pytest.raises(ValueError, match="can mean"):
            number("1.600", in_currency("UZS", "."))
        with pytest.raises(ValueError, match="can mean"):
            number("1.600 ₽", Style(is_price=True, evidence="."))

    @pytest.mark.parametrize(
        ("texts", "mark"),
        [
            (["1.600", "2.300.000"], ","),
            (["1,600", "12.50"], "."),
            (["1.600", "1600.000", "0.500"], "."),
            (["1.600", "15 тыс.", "700", "1.2 mln"], ""),
            (["1,600.00", "1 990,50"], ""),
            ([], ""),
        ],
    )
    def test_all_prices_must_agree(self, texts, mark):
        assert prices.find_decimal_mark(texts) == mark

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1.600", True),
            ("от 1,600 ₽", True),
            ("1 600,500", False),
            ("1.600.000", False),
            ("1600.500", False),
            ("0.125", False),
            ("16.50", False),
        ],
    )
    def test_is_needed_for_three_digits_after_one_separator(self, text, expected):
        assert prices.is_ambiguous(text) is expected


class TestUnpublished:
    @pytest.mark.parametrize("text", ["договорная", "Цена договорная", "kelishiladi", "по запросу"])
    def test_a_negotiable_price_is_unknown(self, text):
        assert values.price(text, "price") is None


class TestOtherNumbers:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1,2 тыс. отзывов", 1200),
            ("1.234 отзыва", 1234),
            ("221 845 km", 221845),
            ("2-комн", 2),
            ("4399.0", 4399),
        ],
    )
    def test_whole_numbers_have_no_decimals(self, text, expected):
        assert number(text, WHOLE) == expected

    def test_a_whole_number_may_have_decimal_zeros(self):
        with pytest.raises(ValueError, match=r"can mean 5000 or 5"):
            number("5.000", WHOLE)

    def test_a_limit_determines_the_decimal_mark(self):
        assert number("4,667", RATING) == Decimal("4.667")
        assert number("69.240", Style(limit=180)) == Decimal("69.240")

    def test_may_be_percentages(self):
        assert number("−84%", NUMBER) == -84


def load_examples():
    """Return the published examples of price-parser; skip the test if they are missing."""
    if not EXAMPLES.is_file():
        pytest.skip(
            f"the tests of price-parser's source package are not at {EXAMPLES}; "
            "set PRICE_PARSER_EXAMPLES to its tests/test_price_parsing.py"
        )
    spec = importlib.util.spec_from_file_location("price_parser_examples", EXAMPLES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lists = [value for name, value in vars(module).items() if name.startswith("PRICE_PARSING")]
    return [example for examples in lists for example in examples]


def outcome(example):
    """Return the outcome for an example: "right", "wrong", "refused", "none" or "not a price"."""
    mark = example.decimal_separator if example.decimal_separator in (".", ",") else ""
    try:
        amount = number(example.price_raw or "", Style(is_price=True, decimal=mark))
    except ValueError:
        return "none" if example.amount is None else "refused"
    if amount is None:
        return "none" if example.amount is None else "refused"
    if example.amount is None:
        return "not a price"
    return "right" if amount == example.amount else "wrong"


def test_published_examples_are_read_right_or_refused():
    outcomes = [outcome(example) for example in load_examples()]

    assert len(outcomes) >= 1185
    assert outcomes.count("wrong") == outcomes.count("not a price") == 0
    assert outcomes.count("refused") <= 40
