"""Values of parameters: what is accepted, and what is refused with a reason."""

from datetime import date
from decimal import Decimal

import pytest

from marketplace.exceptions import ParameterError
from marketplace.questions import parameters
from marketplace.questions.parameters import Parameter


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr(parameters.timezone, "localdate", lambda: date(2026, 3, 31))


def parameter(kind, **declaration):
    return Parameter("value", kind, "ecommerce", **declaration)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "  iphone 15 ", "iphone 15"),
        ("number", "1 250,5", Decimal("1250.5")),
        ("date", "2026-03-15", date(2026, 3, 15)),
        ("date", "2026-02", date(2026, 2, 1)),
        ("date", "today", date(2026, 3, 31)),
        ("date", "-7d", date(2026, 3, 24)),
        ("date", "-2w", date(2026, 3, 17)),
        ("date", "-1m", date(2026, 2, 28)),
        ("date", "-1y", date(2025, 3, 31)),
        ("flag", "Yes", True),
        ("flag", "0", False),
        ("platform", "uzum", "uzum"),
        ("currency", "usd", "USD"),
        ("point", "41.31, 69.28", "(41.31,69.28)"),
        ("product", "uzum:12345", "uzum:12345"),
        ("text", "", None),
    ],
)
def test_texts_are_read(kind, text, value):
    assert parameter(kind).read(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("number", "many", "is not a number: many"),
        ("number", "Infinity", "is not a number"),
        ("date", "2026-02-30", "is not a date"),
        ("date", "-9999y", "is not a date"),
        ("flag", "perhaps", "is neither yes nor no"),
        ("platform", "olx", "is not a platform of ecommerce: olx. Use uzum, "),
        ("currency", "euros", "is not a currency code"),
        ("point", "91,10", "is not a point"),
        ("point", "here", "is not a point"),
        ("product", "12345", "is not an id such as uzum:12345"),
        ("product", "olx:1", "is not a platform of ecommerce"),
        ("text", "x" * 10_000, "has more than 1,000 characters"),
        ("text", "a\0b", "has a NUL character"),
    ],
)
def test_other_texts_are_refused(kind, text, reason):
    with pytest.raises(ParameterError, match=f"^value {reason.replace('.', '[.]')}"):
        parameter(kind).read(text)


def test_bounds_and_choices():
    number = parameter("number", minimum=Decimal(0), maximum=Decimal(100))
    choice = parameter("choice", choices=("day", "month"))

    assert number.read("100") == 100
    assert choice.read("day") == "day"
    with pytest.raises(ParameterError, match="is less than 0"):
        number.read("-1")
    with pytest.raises(ParameterError, match="is greater than 100"):
        number.read("101")
    with pytest.raises(ParameterError, match="is not one of day, month: year"):
        choice.read("year")


def test_the_default_applies_only_if_nothing_is_stated():
    with_default = parameter("date", default="-7d")

    assert with_default.read(None) == date(2026, 3, 24)
    assert with_default.read("") is None
    with pytest.raises(ParameterError, match="is required"):
        parameter("date", default="-7d", is_required=True).read("")


def test_an_address_also_fills_its_parts():
    seller = parameter("seller")

    assert seller.placeholders("uzum:a:b") == {
        "value": "uzum:a:b",
        "value_platform": "uzum",
        "value_external_id": "a:b",
    }
    assert set(seller.placeholders(None).values()) == {None}
    assert parameter("text").placeholders("uzum:a") == {"value": "uzum:a"}
