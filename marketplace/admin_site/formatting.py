"""Values as plain text: numbers, money, times, names. An unknown value is a dash, never 0."""

import re
from datetime import datetime
from decimal import Decimal

from django.db import models

from marketplace import humanize

DASH = "—"

#: The currency of Uzbekistan.
SOM = "UZS"

#: The currencies in which platforms publish prices: code and name.
CURRENCIES = (
    (SOM, "so'm (UZS)"),
    ("RUB", "rubles (RUB)"),
    ("KZT", "tenge (KZT)"),
    ("USD", "dollars (USD)"),
    ("EUR", "euros (EUR)"),
    ("PLN", "zlotys (PLN)"),
)

#: Labels of columns whose names do not yield a readable one.
_LABELS = {
    "area_sqm": "area, m²",
    "condition_text": "condition as published",
    "country_name": "country",
    "currency_text": "currency as published",
    "discount_percent": "discount",
    "district_canonical": "district (canonical)",
    "kazna_status": "treasury status",
    "kazna_status_id": "treasury status id",
    "measure_name": "unit",
    "min_price": "price",
    "order_count": "orders",
    "order_num": "line number",
    "price_change": "change",
    "price_change_percent": "change, %",
    "price_point_count": "price points",
    "product_count": "products",
    "review_count": "reviews",
    "savings_percent": "savings, %",
    "seen_count": "times seen",
}

#: Replacements for words of column names.
_WORDS = {
    "at": "",
    "count": "",
    "en": "(English)",
    "inn": "INN",
    "no": "number",
    "ru": "(Russian)",
    "sku": "SKU",
    "url": "URL",
    "uz": "(Uzbek)",
}


def label(name: str) -> str:
    """Return the label of a column: "is_available" becomes "available"."""
    if name in _LABELS:
        return _LABELS[name]
    words = re.sub(r"^(is|has)_", "", name).split("_")
    return " ".join(filter(None, (_WORDS.get(word, word) for word in words)))


def short_name(obj: models.Model) -> str:
    """Return the name or title of a row, or its full text if it has neither."""
    names = (getattr(obj, column, None) for column in ("name", "title", "variant_title"))
    return next(filter(None, names), str(obj))


def number(value: Decimal | float | None, places: int = 0) -> str:
    """Return a number with spaces between thousands: 5 300 716."""
    if value is None:
        return DASH
    return f"{value:,.{places}f}".replace(",", " ")


def money(amount: Decimal | None, currency: str | None) -> str:
    """Return an amount with its currency: 5 300 716 UZS. Hundredths are shown if not zero."""
    if amount is None:
        return DASH
    places = 0 if amount == amount.to_integral_value() else 2
    return f"{number(amount, places)} {currency or ''}".rstrip()


def signed_money(amount: Decimal | None, currency: str | None) -> str:
    """Return a difference of amounts with its sign: +12 000 UZS."""
    return f"{'+' if amount and amount > 0 else ''}{money(amount, currency)}"


def quantity(value: Decimal | None) -> str:
    """Return a quantity without trailing zeros: 12.5."""
    if value is None:
        return DASH
    text = number(value, 4)
    return text.rstrip("0").rstrip(".")


def percent(value: Decimal | None) -> str:
    """Return a percentage: 12.5 %."""
    if value is None:
        return DASH
    return f"{number(value, 2).rstrip('0').rstrip('.')} %"


def signed_percent(value: Decimal | None) -> str:
    """Return a relative change with its sign: +12.5 %."""
    return f"{'+' if value and value > 0 else ''}{percent(value)}"


def format_time(value: datetime | None) -> str:
    """Return a time in the project's time zone: 2025-11-22 18:17."""
    return DASH if value is None else humanize.format_time(value, has_offset=False)
