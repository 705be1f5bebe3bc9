"""Numbers: decimals, whole numbers, counts, stock quantities, ratings and coordinates."""

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from marketplace.loading.values import prices
from marketplace.loading.values.errors import invalid
from marketplace.loading.values.prices import NUMBER, RATING, WHOLE, Style
from marketplace.loading.values.texts import MAX_EXACT, plain_text

_HUNDREDTH = Decimal("0.01")
_MICRODEGREE = Decimal("0.000001")

_MAX_INTEGER = 2**63 - 1
_MAX_COUNT = 2**31
_MAX_DIGITS = 400

#: A number with one possible meaning, unlike "1.600".
_UNAMBIGUOUS = re.compile(r"-?(?:\d+(?:\.(?:\d\d?|\d{4,}))?|(?:0|\d{4,})\.\d{3})", re.ASCII)


def decimal(value: Any, field: str, style: Style = NUMBER) -> Decimal | None:
    """Return a finite number: "28 308,50" → Decimal("28308.50"), "1,5 млн" → Decimal("1500000.0").

    :param style: how the numbers of the field are written
    :raises PayloadError: also if a text has several meanings, as "1.600" has, or holds no number
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        number = _decimal_of_text(value, field, style)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise invalid(field, value, "is not a number")
    else:
        number = Decimal(str(value))
    # Arithmetic on a number of a billion digits would not finish.
    if number is not None and (not number.is_finite() or number.adjusted() > _MAX_DIGITS):
        raise invalid(field, value, "is not a finite number")
    return number


def _decimal_of_text(text: str, field: str, style: Style) -> Decimal | None:
    if _UNAMBIGUOUS.fullmatch(text) and style.decimal != ",":
        return Decimal(text)
    published = plain_text(text, field)
    if published is None:
        return None
    try:
        return prices.read(published, style).number
    except ValueError as error:
        raise invalid(field, text, str(error)) from None


def rounded(number: Decimal, places: Decimal) -> Decimal:
    """Return a number rounded half away from zero, as PostgreSQL rounds: 12.345 → 12.35.

    :param places: the last decimal place to keep, such as Decimal("0.01")
    """
    return number.quantize(places, ROUND_HALF_UP)


def integer(value: Any, field: str, style: Style = WHOLE) -> int | None:
    """Return a whole number from 3, "3", 3.0, "4399.0" or "1,2 тыс. отзывов"; 3.5 is an error."""
    if value is None or (type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER):
        return value
    number = decimal(value, field, style)
    if number is None:
        return None
    if abs(number) > (MAX_EXACT if isinstance(value, float) else _MAX_INTEGER):
        raise invalid(field, value, "is too large")
    if number != number.to_integral_value():
        raise invalid(field, value, "is not a whole number")
    return int(number)


def count(value: Any, field: str, style: Style = WHOLE) -> int | None:
    """Return a whole number from 0 to 2^31 - 1."""
    if type(value) is int and 0 <= value < _MAX_COUNT:
        return value
    number = integer(value, field, style)
    if number is not None and not 0 <= number < _MAX_COUNT:
        raise invalid(field, value, f"is not a whole number from 0 to {_MAX_COUNT - 1:,}")
    return number


def in_stock(quantity: int | None) -> bool | None:
    """Return whether a quantity is above 0; None if it is unknown."""
    return None if quantity is None else quantity > 0


def total(quantities: Iterable[Any], field: str) -> int | None:
    """Return the sum of the counts that are known; None if none of them is known."""
    counts = [number for value in quantities if (number := count(value, field)) is not None]
    return count(sum(counts), field) if counts else None


def rating(value: Any, field: str, style: Style = RATING) -> Decimal | None:
    """Return a rating between 0 and 5 with two places; 0 means "not rated yet" and becomes None."""
    number = decimal(value, field, style)
    if not number:
        return None
    if not 0 <= number <= 5:
        raise invalid(field, value, "is not between 0 and 5")
    return rounded(number, _HUNDREDTH)


def coordinate(value: Any, field: str, limit: int, style: Style = NUMBER) -> Decimal | None:
    """Return degrees with six places.

    :param limit: the largest absolute value: 90 for a latitude, 180 for a longitude
    """
    number = decimal(value, field, replace(style, limit=limit))
    if number is None:
        return None
    if abs(number) > limit:
        raise invalid(field, value, f"is not between -{limit} and {limit}")
    return rounded(number, _MICRODEGREE)
