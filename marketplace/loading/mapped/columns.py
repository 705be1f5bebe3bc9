"""Columns: from the cells of a row to the value of a record field.

The mapping describes how a value is written. The type of the field determines the conversion.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Payload
from marketplace.loading.values.prices import NUMBER, PRICE, RATING, WHOLE, Style

#: The format of a time that is a number of seconds or milliseconds since 1970.
UNIX = "unix"

#: The prefix of ids that are tax numbers.
TAX_NUMBER_PREFIX = "inn:"


@dataclass(frozen=True)
class Column:
    """The columns of a value, and how the value is written.

    :param names: alternative columns: the first one that is not empty counts; "a.b" is key b of
        the object a
    :param constant: a fixed value; no column is read
    :param digest_of: columns whose texts are hashed to an id
    :param keys: key of an object → column
    :param pattern: selects its first group from the text; without a group, whether it matches
    :param replace: text → replacement; applied before all other options
    :param meanings: text → value; other texts are unknown
    :param prefix: text to prepend
    :param digits: the digits of a number in another numeral system, in order
    :param formats: formats of a time as for `strptime`, or "unix"; tried in order; without any,
        `values.instant` reads the time
    :param zone: the zone of times without one
    :param decimal: the decimal mark, for texts that do not show it
    :param style: the style of a price, as determined by the row and the table
    :param minor_units: published units per unit of the currency
    :param separator: the separator between the entries of a list
    :param latest_of: columns of times, of which the latest counts; None if one of them is empty
    """

    names: tuple[str, ...] = ()
    constant: Any = None
    digest_of: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None
    replace: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, Any] | None = None
    prefix: str = ""
    digits: str = ""
    formats: tuple[str, ...] = ()
    zone: ZoneInfo = values.TASHKENT
    decimal: str = ""
    style: Style | None = None
    minor_units: int = 1
    separator: str = ""
    latest_of: tuple[str, ...] = ()

    @property
    def alternatives(self) -> list[tuple[str, ...]]:
        """The columns that are read. A table must have one column of each tuple."""
        required = [*self.digest_of, *self.keys.values(), *self.latest_of]
        return [*([self.names] if self.names else []), *((name,) for name in required)]


#: Converts a published value to the value of a field: (value, name of the column, column) → value.
Converter = Callable[[Any, str, Column], Any]


def find(row: Payload, name: str) -> Any:
    """Return the cell of a column; "a.b" is the column of that name, or key b of the object a."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    nested = row.get(outer) if dot else None
    return find(nested, inner) if isinstance(nested, dict) else None


def read(column: Column, convert: Converter, row: Payload, empty: frozenset[str]) -> Any:
    """Return the value of a field; None if its cells are empty.

    :param empty: texts that stand for an empty cell
    :raises PayloadError: with the name of the column, if the value cannot be converted
    """
    if column.constant is not None:
        return convert(column.constant, "constant", column)
    if column.digest_of:
        return _digest(column, row, empty)
    if column.keys:
        cells = {key: _published(row, name, empty) for key, name in column.keys.items()}
        return {key: value for key, value in cells.items() if value is not None} or None
    if column.latest_of:
        columns = (replace(column, names=(name,), latest_of=()) for name in column.latest_of)
        times = [read(single, convert, row, empty) for single in columns]
        return None if None in times else max(times)
    for name in column.names:
        published = _published(row, name, empty)
        if published is not None:
            rewritten = _rewrite(published, column)
            return None if rewritten is None else convert(rewritten, name, column)
    return None


def _published(row: Payload, name: str, empty: frozenset[str]) -> Any:
    value = find(row, name)
    if isinstance(value, str):
        value = value.strip()
        return None if value in empty else value
    return value


def _digest(column: Column, row: Payload, empty: frozenset[str]) -> str | None:
    published = [_published(row, name, empty) for name in column.digest_of]
    if all(value is None for value in published):
        return None
    texts = [" ".join(str(value or "").split()) for value in published]
    digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=8)
    return column.prefix + digest.hexdigest()


def _rewrite(published: Any, column: Column) -> Any:
    """Return a published value as the mapping rewrites it; None if the result is empty."""
    if isinstance(published, dict | list):
        return published
    text = str(published)
    for old, new in column.replace.items():
        text = text.replace(old, new)
    if column.pattern:
        match = column.pattern.search(text)
        if not column.pattern.groups:
            return match is not None
        text = (match[1] or "").strip() if match else ""
        if not text:
            return None
    if column.meanings is not None:
        return column.meanings.get(text)
    is_rewritten = column.pattern or column.prefix or text != str(published)
    return column.prefix + text if is_rewritten else published


def converter(record: type[Any], name: str) -> Converter:
    """Return the converter of a record field, by the type of the field or, for some, its name."""
    hint = get_type_hints(record)[name]
    kinds = [part for part in get_args(hint) if part is not NoneType]
    kind = kinds[0] if NoneType in get_args(hint) else hint
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.endswith("external_id"):
        return _identifier
    if get_origin(kind) is list:
        return split_texts if get_args(kind) == (str,) else _objects
    return _BY_TYPE[get_origin(kind) or kind]


def is_boolean(convert: Converter) -> bool:
    """Return whether a field is true or false."""
    return convert in (_boolean, _availability)


def is_price(convert: Converter) -> bool:
    """Return whether a field is a price. The prices of a table share a decimal mark."""
    return convert is _price


def in_style(column: Column, style: Style) -> Column:
    """Return the column of a price with a style; the decimal mark of the column has precedence."""
    return replace(column, style=_style(style, column))


def texts(column: Column, row: Payload) -> Iterator[str]:
    """Yield the texts in the alternative columns of a field."""
    for name in column.names:
        published = find(row, name)
        if isinstance(published, str):
            yield published


def _identifier(value: Any, name: str, column: Column) -> str:
    if column.prefix == TAX_NUMBER_PREFIX:
        value = values.tax_number(value, name)
    if not column.digits:
        return values.identifier(value, name)
    number = 0
    for character in values.identifier(value, name):
        digit = column.digits.find(character)
        if digit < 0:
            raise PayloadError(
                f"{values.quote(value)} is not written in the digits of the mapping", name
            )
        number = number * len(column.digits) + digit
    return str(number)


def _style(style: Style, column: Column) -> Style:
    """Return a style with the decimal mark of a column, if the column states it."""
    return replace(style, decimal=column.decimal) if column.decimal else style


def _price(value: Any, name: str, column: Column) -> Decimal | None:
    return values.price(value, name, column.minor_units, column.style or _style(PRICE, column))


def _area(value: Any, name: str, column: Column) -> Decimal | None:
    return values.price(value, name, column.minor_units, _style(NUMBER, column))


def _quantity(value: Any, name: str, column: Column) -> Decimal | None:
    return values.decimal(value, name, _style(NUMBER, column))


def _count(value: Any, name: str, column: Column) -> int | None:
    return values.count(value, name, _style(WHOLE, column))


def _boolean(value: Any, name: str, column: Column) -> bool | None:
    return values.boolean(value, name)


def _availability(value: Any, name: str, column: Column) -> bool | None:
    return values.availability(value, name)


def _instant(value: Any, name: str, column: Column) -> datetime | None:
    if not isinstance(value, str) or not column.formats:
        return values.instant(value, name, column.zone)
    for time_format in column.formats:
        with suppress(ValueError):
            if time_format == UNIX:
                return values.instant(float(value), name)
            time = datetime.strptime(value, time_format)
            return values.instant(time.isoformat(), name, column.zone)
    expected = " or ".join(map(values.quote, column.formats))
    raise PayloadError(f"{values.quote(value)} is not a time as {expected}", name)


def _object(value: Any, name: str, column: Column) -> dict[str, Any] | None:
    return values.mapping(value, name) or None


def _objects(value: Any, name: str, column: Column) -> list[dict[str, Any]] | None:
    return values.objects(value, name) or None


def split_texts(value: Any, name: str, column: Column) -> list[str] | None:
    """Return the entries of a list, or of a text with separators; None if there are none."""
    if isinstance(value, str):
        value = value.split(column.separator) if column.separator else [value]
    if not isinstance(value, list):
        raise PayloadError("is not a list", name)
    return [text for entry in value if (text := values.text(entry, name))] or None


def _plain_text(value: Any, name: str, column: Column) -> str | None:
    return values.plain_text(value, name)


def _coordinate(limit: int) -> Converter:
    return lambda value, name, column: values.coordinate(value, name, limit, _style(NUMBER, column))


_BY_NAME: dict[str, Converter] = {
    "description": _plain_text,
    "inn": lambda value, name, column: values.tax_number(value, name),
    "currency": lambda value, name, column: values.currency(value, name),
    "is_available": _availability,
    "rating": lambda value, name, column: values.rating(value, name, _style(RATING, column)),
    "quantity": _quantity,
    "area_sqm": _area,
    "latitude": _coordinate(90),
    "longitude": _coordinate(180),
}
_BY_TYPE: dict[Any, Converter] = {
    str: lambda value, name, column: values.text(value, name),
    int: _count,
    Decimal: _price,
    bool: _boolean,
    datetime: _instant,
    dict: _object,
}
