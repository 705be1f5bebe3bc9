"""Parsing and serialization of JSON, with exact whole numbers and a limit for the depth.

NaN and Infinity are accepted too, which some scrapers write for a missing value.
"""

import json
import math
from json import JSONDecodeError
from typing import Any

import msgspec
import orjson
from django.conf import settings

from marketplace.exceptions import NestingError, RecordLimitError, TooManyValuesError

# orjson is as fast, but rounds whole numbers beyond 64 bits silently.
_FAST_DECODER = msgspec.json.Decoder()

#: The most digits of a whole number that Python converts by default. The time is quadratic.
_MAX_DIGITS = 4300

_CONTAINERS = (dict, list)

#: All bytes but brackets and quotation marks.
_OTHER_BYTES = bytes(set(range(256)) - set(b'[]{}"'))

#: The values of a text with more bytes than `_LARGE` are counted before it is parsed, because each
#: takes up to 150 bytes of memory. Commas and opening brackets are counted, also in strings.
_LARGE, MAX_VALUES = 4 << 20, 2_000_000


def parse(data: bytes) -> Any:
    """Return the value of a JSON text in a form that PostgreSQL can store.

    NUL characters are removed from text, and lone surrogates become U+FFFD. NaN and Infinity become
    None. Whole numbers are exact; those of more than 4,300 digits become text, as do numbers beyond
    the range of floats, such as 1e400.

    :raises NestingError: if the text has more than INGEST_MAX_DEPTH levels
    :raises TooManyValuesError: if the text has more than 2,000,000 values
    :raises ValueError: if the text is not JSON; `explain` returns the reason
    """
    check_value_count(data)
    try:
        value = _FAST_DECODER.decode(data)
    except msgspec.DecodeError:
        # msgspec refuses lone surrogates, NaN and Infinity, which platforms publish.
        value = decode(data.decode())
        _check_depth(value)
        return _clean(value)
    except RecursionError:
        raise nesting_error() from None
    if not is_shallow(data, settings.INGEST_MAX_DEPTH):
        _check_depth(value)
    return _clean(value) if b"\\u0000" in data else value


def check_value_count(data: bytes) -> None:
    """Check a JSON text before it is parsed, or the beginning of one.

    :raises TooManyValuesError: if it has more than 2,000,000 values
    """
    if len(data) > _LARGE and sum(map(data.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise TooManyValuesError(f"has more than {MAX_VALUES:,} values")


def dumps(value: Any, option: int = 0) -> bytes:
    """Return a value as JSON, with whole numbers beyond 64 bits as strings of their digits.

    :param option: options of orjson
    :raises TypeError: if the value cannot be serialized
    """
    return storable(value, option)[1]


def storable(value: Any, option: int = 0) -> tuple[Any, bytes]:
    """Return a value as it will be read back from its JSON, and that JSON as `dumps` returns it.

    :param option: options of orjson
    :raises TypeError: if the value cannot be serialized
    """
    try:
        return value, orjson.dumps(value, option=option)
    except TypeError:
        value = clean(value)
        return value, orjson.dumps(value, option=option)


def explain(error: ValueError) -> str:
    """Return the reason for which a text could not be parsed, for the quarantine."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 at byte {error.start + 1:,}"
    if isinstance(error, JSONDecodeError):
        # The end of the line is not part of the text: an error at its end is in this line.
        position = min(error.pos, len(error.doc.rstrip()))
        column = position - error.doc.rfind("\n", 0, position)
        return f"is not JSON: {error.msg.removesuffix(' at')} at column {column:,}"
    if isinstance(error, RecordLimitError):
        return str(error)
    return f"is not JSON: {error}"


def clean(value: Any) -> Any:
    """Return a JSON value without NUL characters, lone surrogates and numbers beyond 64 bits.

    :raises NestingError: if the value has more than INGEST_MAX_DEPTH levels
    :raises ValueError: if a number has thousands of digits
    """
    _check_depth(value)
    return _clean(value, has_digits=True)


def is_shallow(data: bytes, depth: int) -> bool:
    """Return whether the brackets of a valid JSON text prove that it has at most `depth` levels.

    This is much faster than visiting each value. It returns False if there is no proof, for example
    if strings contain brackets.
    """
    if data.count(b"[") + data.count(b"{") <= depth:
        return True
    if b'\\"' in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = data.translate(None, _OTHER_BYTES).replace(b'""', b"")
    if b'"' in brackets:
        # An odd number of quotation marks precedes a bracket: it is part of a string.
        return False
    # Each replacement removes at most one level. The rest has at most half as many as brackets.
    while len(brackets) // 2 > depth:
        if depth <= 0:
            return False
        brackets, depth = brackets.replace(b"[]", b"").replace(b"{}", b""), depth - 2
    return True


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(settings.INGEST_MAX_DEPTH):
        level = [
            part
            for container in level
            for part in (container.values() if isinstance(container, dict) else container)
            if isinstance(part, _CONTAINERS)
        ]
        if not level:
            return
    raise nesting_error()


def nesting_error() -> NestingError:
    """Return the error about a record with too many levels."""
    return NestingError(
        f"is nested more than {settings.INGEST_MAX_DEPTH} levels deep (INGEST_MAX_DEPTH); raise "
        "that setting if the depth is right"
    )


def _clean(value: Any, *, has_digits: bool = False) -> Any:
    """Return a value in a form that PostgreSQL can store.

    :param has_digits: whether whole numbers beyond 64 bits become strings of their digits
    """
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(part, has_digits=has_digits) for part in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(part, has_digits=has_digits) for key, part in value.items()}
    if has_digits and type(value) is int and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _number(published: str) -> float | str:
    return published if math.isinf(number := float(published)) else number


_DECODER = json.JSONDecoder(
    parse_constant=lambda name: None, parse_int=_whole_number, parse_float=_number
)


def decode(text: str) -> Any:
    """Return the value of a JSON text, slower than `parse`, and with lone surrogates.

    :raises NestingError: if the text has too many levels for the decoder
    :raises JSONDecodeError: if the text is not JSON
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise nesting_error() from None
