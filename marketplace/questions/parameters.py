"""The parameters of questions: their types, and how a value is read from text."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from marketplace.exceptions import ParameterError
from marketplace.registry import get_database

#: Maximum number of characters of a value.
MAX_LENGTH = 1000

_RELATIVE = re.compile(r"-(\d{1,4})([dwmy])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_POINT = re.compile(r"(-?\d{1,2}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)")
_ADDRESS = re.compile(r"([a-z]+):(.+)")
_CURRENCY = re.compile(r"[A-Z]{3}")

#: Days, or months, of each unit of a relative date.
_DAYS, _MONTHS = {"d": 1, "w": 7}, {"m": 1, "y": 12}

#: Words that are read as yes and no.
_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a question, as its head declares it.

    :param alias: the database of the question
    :param default: the text that is read if the user specifies none; empty for no value
    :param choices: the accepted values of the type "choice"
    :param minimum: the least accepted number
    :param maximum: the greatest accepted number
    :param title: language → label
    """

    name: str
    type: str
    alias: str
    default: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    title: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The English label; derived from the name if the head has none."""
        name = "group by" if self.name == "by" else self.name.replace("_", " ")
        return self.title.get("en") or name

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted values; empty if they cannot be listed."""
        if self.type == "platform":
            return get_database(self.alias).platforms
        return self.choices

    @property
    def hint(self) -> str:
        """Return an example of a value, for the form."""
        return _HINTS.get(self.type, "")

    def read(self, text: str | None) -> Any:
        """Return the value of a text, in the type that the SQL expects; None for no value.

        :raises ParameterError: if the text is not a value of the parameter's type
        """
        text = (self.default if text is None else text).strip()
        if len(text) > MAX_LENGTH:
            raise self.error(f"has more than {MAX_LENGTH:,} characters")
        if "\0" in text:
            raise self.error("has a NUL character")
        if not text:
            if self.is_required:
                raise self.error("is required")
            return None
        return TYPES[self.type](self, text)

    def placeholders(self, value: Any) -> dict[str, Any]:
        """Return the placeholders of the SQL that a value fills.

        The address of a row also fills `NAME_platform` and `NAME_external_id`.

        :param value: a result of `read`
        """
        if TYPES[self.type] is not _address:
            return {self.name: value}
        platform, _, external_id = (value or "").partition(":")
        return {
            self.name: value,
            f"{self.name}_platform": platform or None,
            f"{self.name}_external_id": external_id or None,
        }

    def as_json(self, value: Any) -> Any:
        """Return a value in a form that JSON has, and that `read` accepts as text.

        :param value: a result of `read`
        """
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, date):
            return value.isoformat()
        return value.strip("()") if value and self.type == "point" else value

    def error(self, reason: str) -> ParameterError:
        """Return the error for an invalid value."""
        return ParameterError(self.name, reason)


def _text(parameter: Parameter, text: str) -> str:
    return text


def _number(parameter: Parameter, text: str) -> Decimal:
    try:
        number = Decimal(text.replace(" ", "").replace(",", "."))
    except InvalidOperation:
        raise parameter.error(f"is not a number: {text[:50]}") from None
    if not number.is_finite():
        raise parameter.error(f"is not a number: {text[:50]}")
    if parameter.minimum is not None and number < parameter.minimum:
        raise parameter.error(f"is less than {parameter.minimum}")
    if parameter.maximum is not None and number > parameter.maximum:
        raise parameter.error(f"is greater than {parameter.maximum}")
    return number


def _date(parameter: Parameter, text: str) -> date:
    """Read 2026-11-30, 2026-11 (its first day), today, or a relative date: -7d, -2w, -3m, -1y."""
    today = timezone.localdate()
    if text == "today":
        return today
    try:
        if match := _RELATIVE.fullmatch(text):
            return _subtract(today, int(match[1]), match[2])
        if match := _MONTH.fullmatch(text):
            return date(int(match[1]), int(match[2]), 1)
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise parameter.error(
            f"is not a date: {text[:50]}. Write 2026-11-30, 2026-11, today or -7d (also w, m, y)"
        ) from None


def _subtract(day: date, count: int, unit: str) -> date:
    if unit in _DAYS:
        return day - timedelta(days=count * _DAYS[unit])
    months = day.year * 12 + day.month - 1 - count * _MONTHS[unit]
    first = date(months // 12, months % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def _flag(parameter: Parameter, text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise parameter.error(f"is neither yes nor no: {text[:50]}") from None


def _choice(parameter: Parameter, text: str) -> str:
    if text not in parameter.choices:
        raise parameter.error(f"is not one of {', '.join(parameter.choices)}: {text[:50]}")
    return text


def _platform(parameter: Parameter, text: str) -> str:
    platforms = get_database(parameter.alias).platforms
    if text not in platforms:
        raise parameter.error(
            f"is not a platform of {parameter.alias}: {text[:50]}. Use {', '.join(platforms)}"
        )
    return text


def _currency(parameter: Parameter, text: str) -> str:
    if not _CURRENCY.fullmatch(text.upper()):
        raise parameter.error(f"is not a currency code such as UZS or USD: {text[:50]}")
    return text.upper()


def _point(parameter: Parameter, text: str) -> str:
    """Read a latitude and a longitude, such as 41.31,69.28; return them as "(41.31,69.28)"."""
    match = _POINT.fullmatch(text)
    if not match or abs(float(match[1])) > 90 or abs(float(match[2])) > 180:
        raise parameter.error(f"is not a point such as 41.31,69.28: {text[:50]}")
    return f"({match[1]},{match[2]})"


def _address(parameter: Parameter, text: str) -> str:
    """Read the address of a row, platform:id, such as uzum:12345."""
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise parameter.error(f"is not an id such as uzum:12345: {text[:50]}")
    _platform(parameter, match[1])
    return text


#: Type → the function that reads a text: (parameter, text) → value.
TYPES: dict[str, Callable[[Parameter, str], Any]] = {
    "text": _text,
    "number": _number,
    "money": _number,
    "date": _date,
    "flag": _flag,
    "choice": _choice,
    "platform": _platform,
    "currency": _currency,
    "category": _text,
    "city": _text,
    "point": _point,
    "product": _address,
    "offer": _address,
    "seller": _address,
    "listing": _address,
    "lot": _address,
    "organization": _address,
}

#: Type → an example of a value.
_HINTS = {
    "date": "-7d or 2026-11-30",
    "point": "41.31,69.28",
    "currency": "UZS",
    "city": "Tashkent",
    "product": "uzum:12345",
    "offer": "uzum:12345",
    "seller": "uzum:12345",
    "listing": "olx:12345",
    "lot": "uzex:12345",
    "organization": "uzex:12345",
}
