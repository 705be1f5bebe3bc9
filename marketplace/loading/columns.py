"""Columns: from what a cell of a table says to the value of a record's field.

How a value is written is told by the mapping, what it becomes by the field's type.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Payload

#: The format of a time that is a number of seconds or milliseconds since 1970.
UNIX = "unix"

#: The prefix of ids that are tax numbers.
TAX_NUMBER_PREFIX = "inn:"

_PLAIN = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_NUMBER = re.compile(
    r"(?:(?<![\w.,])[-−]\s?)?(?<![\d.,])"
    r"(?:\d{1,3}(?:[\s'’`.,]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?![.,]?\d)"
)
_GROUPED = re.compile(r"[\s'’`]")
_THOUSANDS = re.compile(r"[.,]\d{3}$")
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True)
class Column:
    """Where a value stands in a row, and how it is written there.

    :param names: columns of which the first that is not empty counts; "a.b" is b inside of a
    :param constant: the value itself; no column is read
    :param digest_of: columns of which an id is made that is equal for equal texts
    :param keys: key of an object → column
    :param pattern: what to take of the text: its first group; whether it occurs, for true or false
    :param replace: text → what to write in its place, before anything else
    :param meanings: text → value; what is not listed is unknown
    :param prefix: what to put before the text
    :param digits: the digits, in order, in which a number is written
    :param formats: of a time, as for `strptime`, or "unix"; tried in order; ISO 8601 if none
    :param zone: the zone of times that name none
    :param decimal: the decimal mark, where it cannot be told
    :param minor_units: how many of the published unit make one of the currency
    :param separator: what stands between the entries of a list
    :param latest_of: columns of times, of which the latest counts; nothing if one of them is empty
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
    minor_units: int = 1
    separator: str = ""
    latest_of: tuple[str, ...] = ()

    @property
    def alternatives(self) -> list[tuple[str, ...]]:
        """The columns that are read; of each tuple, one is enough."""
        each = [*self.digest_of, *self.keys.values(), *self.latest_of]
        return [*([self.names] if self.names else []), *((name,) for name in each)]


#: Turns a published value into that of a field: (value, column's name, column) → value.
Converter = Callable[[Any, str, Column], Any]


def find(row: Payload, name: str) -> Any:
    """Return what a row has in a column; "a.b" is a column of that name, or b inside of a."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    nested = row.get(outer) if dot else None
    return find(nested, inner) if isinstance(nested, dict) else None


def read(column: Column, convert: Converter, row: Payload, empty: frozenset[str]) -> Any:
    """Return the value of a field; None if the row does not say it.

    :param empty: texts that say nothing
    :raises PayloadError: if it cannot become one, naming the column
    """
    if column.constant is not None:
        return convert(column.constant, "constant", column)
    if column.digest_of:
        return _digest(column, row, empty)
    if column.keys:
        said = {key: _published(row, name, empty) for key, name in column.keys.items()}
        return {key: value for key, value in said.items() if value is not None} or None
    if column.latest_of:
        each = (replace(column, names=(name,), latest_of=()) for name in column.latest_of)
        times = [read(one, convert, row, empty) for one in each]
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
    """Return a published value as the mapping rewrites it; None if it says nothing then."""
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
    """Return what makes a value of a record's field; its type decides, and its name for some."""
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


def takes_truth(convert: Converter) -> bool:
    """Return whether a field is true or false."""
    return convert in (_boolean, _availability)


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


def number(value: Any, name: str, decimal: str = "") -> Any:
    """Return the one number of a text as plain text: "28 308,50 ₽" → "28308.50".

    Numbers of JSON stay as they are.

    :param decimal: the decimal mark; where it cannot be told, "1,234", it must be given
    :raises PayloadError: if there is none, or several
    """
    text = values.plain_text(value, name) if isinstance(value, str) else None
    if text is None:
        return None if isinstance(value, str) else value
    if _PLAIN.fullmatch(text) and decimal != ",":
        return text
    found = _NUMBER.findall(text)
    if len(found) != 1:
        count = f"holds {len(found)} numbers" if found else "is not a number"
        raise PayloadError(f"{values.quote(text)} {count}", name)
    mark = decimal or _decimal_mark(found[0], name)
    kept = "".join(c for c in found[0] if c.isdigit() or c in ("-", "−", mark))
    return kept.replace("−", "-").replace(mark or ".", ".")


def _decimal_mark(text: str, name: str) -> str:
    """Return the decimal mark of a number: of two kinds of marks the last, of one a single one."""
    marks = [character for character in text if character in ".,"]
    if len(set(marks)) == 2:
        return marks[-1]
    if not marks or (len(marks) > 1 and _THOUSANDS.search(text)):
        return ""
    if len(marks) > 1:
        raise PayloadError(f"{values.quote(text)} is not a number", name)
    if _AMBIGUOUS.fullmatch(text.lstrip("-− ")) and not _GROUPED.search(text):
        raise PayloadError(
            f'{values.quote(text)} may be a thousand times more: say decimal = "," or "." in the '
            "mapping",
            name,
        )
    return marks[0]


def _price(value: Any, name: str, column: Column) -> Decimal | None:
    return values.price(number(value, name, column.decimal), name, column.minor_units)


def _count(value: Any, name: str, column: Column) -> int | None:
    return values.count(number(value, name, column.decimal), name)


def _boolean(value: Any, name: str, column: Column) -> bool | None:
    return values.boolean(value, name)


def _availability(value: Any, name: str, column: Column) -> bool | None:
    return values.availability(value, name)


def _instant(value: Any, name: str, column: Column) -> datetime | None:
    if not isinstance(value, str):
        return values.instant(value, name)
    moment = _moment(value, name, column)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=column.zone)
    return values.instant(moment.isoformat(), name)


def _moment(text: str, name: str, column: Column) -> datetime:
    for form in column.formats or ("",):
        try:
            if form == UNIX:
                seconds = float(text)
                return datetime.fromtimestamp(
                    seconds / 1000 if abs(seconds) > 1e11 else seconds, ZoneInfo("UTC")
                )
            return datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError):
            continue
    expected = " or ".join(map(values.quote, column.formats)) or "ISO 8601"
    raise PayloadError(f"{values.quote(text)} is not a time as {expected}", name)


def _object(value: Any, name: str, column: Column) -> dict[str, Any] | None:
    return values.mapping(value, name) or None


def _objects(value: Any, name: str, column: Column) -> list[dict[str, Any]] | None:
    return values.objects(value, name) or None


def split_texts(value: Any, name: str, column: Column) -> list[str] | None:
    """Return the entries of a list, or of a text that a separator cuts; None if there are none."""
    if isinstance(value, str):
        value = value.split(column.separator) if column.separator else [value]
    if not isinstance(value, list):
        raise PayloadError("is not a list", name)
    return [text for entry in value if (text := values.text(entry, name))] or None


def _plain_text(value: Any, name: str, column: Column) -> str | None:
    return values.plain_text(value, name)


def _coordinate(limit: int) -> Converter:
    return lambda value, name, column: values.coordinate(
        number(value, name, column.decimal), name, limit
    )


_BY_NAME: dict[str, Converter] = {
    "description": _plain_text,
    "inn": lambda value, name, column: values.tax_number(value, name),
    "currency": lambda value, name, column: values.currency(value, name),
    "is_available": _availability,
    "rating": lambda value, name, column: values.rating(number(value, name, column.decimal), name),
    "quantity": lambda value, name, column: values.decimal(
        number(value, name, column.decimal), name
    ),
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
