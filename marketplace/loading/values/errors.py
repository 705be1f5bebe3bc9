"""Error messages about published values."""

import reprlib
from typing import Any

from marketplace.exceptions import PayloadError


def invalid(field: str, value: Any, reason: str) -> PayloadError:
    """Return the error for a value that cannot be converted.

    :param reason: continues the quoted value, such as "is not a number"
    """
    return PayloadError(f"{quote(value)} {reason}", field)


def quote(value: Any) -> str:
    """Return a value for a message: one line of at most 80 characters, texts in double quotes."""
    if isinstance(value, str | bytes):
        return f'"{_shorten(_printable(value))}"'
    # reprlib limits the size of objects and lists, and the depth to which it descends.
    return _shorten(reprlib.repr(value) if isinstance(value, dict | list) else str(value))


def _shorten(text: str) -> str:
    return f"{text[:80]}…" if len(text) > 80 else text


def _printable(value: str | bytes) -> str:
    """Return the beginning of a text, with blanks instead of characters that are not printable."""
    text = value[:400].decode("utf-8", "replace") if isinstance(value, bytes) else value[:400]
    return "".join(c if c.isprintable() else " " for c in text).strip()
