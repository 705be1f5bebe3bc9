"""Texts, identifiers, tax numbers and titles."""

import re
import unicodedata
from decimal import Decimal
from html import unescape
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading.values.currencies import APOSTROPHES
from marketplace.loading.values.errors import invalid

#: Whole numbers up to this one are exact as floats.
MAX_EXACT = 2**53

_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"(?i)<\s*(br|/p|/li|/div|/h[1-6])\s*/?\s*>\r?\n?")
_NOT_WORD = re.compile(r"[^\w]+")


def text(value: Any, field: str) -> str | None:
    """Return trimmed text: "  a " → "a". Numbers become text; None and "" become None."""
    if value is None:
        return None
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    raise invalid(field, value, "is not text")


def plain_text(value: Any, field: str) -> str | None:
    """Return text without HTML.

    Tags are removed, line breaks and ends of blocks become line feeds, and entities are resolved.
    """
    published = text(value, field)
    if published is None or ("<" not in published and "&" not in published):
        return published
    return unescape(_TAG.sub(" ", _BREAK.sub("\n", published))).strip() or None


def identifier(value: Any, field: str) -> str:
    """Return a platform's id as text: 123 and "123" → "123".

    :raises PayloadError: also if the id is missing, or longer than 200 characters
    """
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        if abs(value) > MAX_EXACT:
            raise invalid(field, value, "is not exact: a float of more than 2^53")
        value = int(value)
    published = text(value, field)
    if published is None:
        raise PayloadError("is missing", field)
    if len(published) > 200:
        raise invalid(field, published, "is longer than 200 characters")
    return published


def tax_number(value: Any, field: str) -> str | None:
    """Return a tax number without white space: "987 654 321" → "987654321".

    A number of zeros only, which platforms publish for an unknown one, becomes None.
    """
    published = text(value, field)
    number = "".join(published.split()) if published else ""
    return number if number.strip("0") else None


def normalize_title(title: str | None) -> str | None:
    """Return a title in the normalized form used to compare titles of different platforms.

    The form is NFKC, casefolded, without apostrophes and punctuation, and with single spaces:
    "iPhone 15 Pro!" → "iphone 15 pro".
    """
    if not title:
        return None
    # NFKC would split an acute accent that serves as an apostrophe into a space and a mark.
    unified = unicodedata.normalize("NFKC", title.translate(APOSTROPHES)).casefold()
    words = _NOT_WORD.sub(" ", unified.replace("'", "")).replace("_", " ")
    return " ".join(words.split()) or None
