"""Amounts of money and their currencies."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from marketplace.loading.values import prices
from marketplace.loading.values.currencies import currency_code
from marketplace.loading.values.errors import invalid
from marketplace.loading.values.numbers import decimal
from marketplace.loading.values.prices import PRICE, Style
from marketplace.loading.values.texts import text

#: The smallest amount that does not fit numeric(18,2).
MAX_MONEY = Decimal(10) ** 16

#: Whole amounts below this one fit numeric(18,2) without further checks.
_MAX_WHOLE = 10**15
_CENT = Decimal("0.01")


def money(value: Any, field: str, minor_units: int = 1, style: Style = PRICE) -> Decimal | None:
    """Return an amount that fits numeric(18,2), rounded half up to 2 places.

    :param minor_units: published units per unit of the currency (100 for kopecks)
    :raises PayloadError: also if the amount is negative or too large
    """
    if type(value) is int and minor_units == 1 and 0 <= value < _MAX_WHOLE:
        # A fast path: most payloads publish whole numbers.
        return Decimal(value).quantize(_CENT)
    number = decimal(value, field, style)
    if number is None:
        return None
    if number < 0:
        raise invalid(field, value, "is negative")
    # Larger numbers would exceed the precision of the decimal context when they are rounded.
    # Rounding itself can reach the limit, so the amount is compared again.
    if number >= MAX_MONEY * minor_units:
        raise invalid(field, value, "is too large for numeric(18,2)")
    amount = (number / minor_units).quantize(_CENT, ROUND_HALF_UP)
    if amount >= MAX_MONEY:
        raise invalid(field, value, "is too large for numeric(18,2)")
    return amount


def price(value: Any, field: str, minor_units: int = 1, style: Style = PRICE) -> Decimal | None:
    """Return an amount as `money` does, but None for 0: platforms publish 0 for "no price"."""
    return money(value, field, minor_units, style) or None


def old_price(
    value: Any, field: str, price: Decimal, minor_units: int = 1, style: Style = PRICE
) -> Decimal | None:
    """Return the price before a discount; None if it is not higher than `price`.

    Platforms repeat the price in this field when there is no discount.
    """
    amount = money(value, field, minor_units, style)
    return amount if amount is not None and amount > price else None


def currency(value: Any, field: str) -> str | None:
    """Return the ISO 4217 code: "Сом", "сум", "so'm", "soʻm" → UZS, "у.е." → USD, "RUR" → RUB."""
    published = text(value, field)
    if published is None:
        return None
    code = currency_code(published)
    if code is None:
        raise invalid(field, value, "is not a known currency")
    return code


def amount_with_currency(value: Any, field: str) -> tuple[Decimal | None, str | None]:
    """Return an amount and its ISO 4217 code: "5 990 000 soʻm" → (Decimal("5990000.00"), "UZS")."""
    published = text(value, field)
    if published is None:
        return None, None
    try:
        reading = prices.read(published, PRICE)
    except ValueError as error:
        raise invalid(field, value, str(error)) from None
    return money(reading.number, field), currency(reading.currency, field)
