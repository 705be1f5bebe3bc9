"""Conversion of published values to canonical ones: "28 308,50 so'm" to Decimal("28308.50").

Adapters and mappings call these functions with a published value and the name of its field, which
appears in error messages. A function returns None for None and for an empty text, because an
unknown value is None, never 0. It raises `PayloadError`, which names the field, for a value that
it cannot convert.
"""

from marketplace.loading.values.amounts import (
    MAX_MONEY,
    amount_with_currency,
    currency,
    money,
    old_price,
    price,
)
from marketplace.loading.values.booleans import availability, boolean
from marketplace.loading.values.containers import entries, mapping, memoize, objects
from marketplace.loading.values.errors import quote
from marketplace.loading.values.numbers import (
    coordinate,
    count,
    decimal,
    in_stock,
    integer,
    rating,
    rounded,
    total,
)
from marketplace.loading.values.texts import (
    identifier,
    normalize_title,
    plain_text,
    tax_number,
    text,
)
from marketplace.loading.values.times import TASHKENT, instant

__all__ = [
    "MAX_MONEY",
    "TASHKENT",
    "amount_with_currency",
    "availability",
    "boolean",
    "coordinate",
    "count",
    "currency",
    "decimal",
    "entries",
    "identifier",
    "in_stock",
    "instant",
    "integer",
    "mapping",
    "memoize",
    "money",
    "normalize_title",
    "objects",
    "old_price",
    "plain_text",
    "price",
    "quote",
    "rating",
    "rounded",
    "tax_number",
    "text",
    "total",
]
