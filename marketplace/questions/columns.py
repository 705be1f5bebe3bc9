"""The columns of answers: their types, and how a value is written for people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from marketplace.humanize import format_time
from marketplace.questions.links import Link

#: Written for a value that is unknown or could not be computed.
UNKNOWN = "—"


@dataclass(frozen=True)
class Column:
    """A column of an answer, as the head of the question declares it.

    :param currency: the column with the currency of an amount, for the type "money"
    :param total: the column with the number of all rows, for the type "coverage"
    :param title: language → label
    :param link: what a value leads to
    """

    name: str
    type: str = "text"
    currency: str = ""
    total: str = ""
    title: dict[str, str] = field(default_factory=dict)
    link: Link | None = None

    @property
    def label(self) -> str:
        """The English label; derived from the name if the head has none."""
        name = "link" if self.name == "url" else self.name.replace("_", " ")
        return self.title.get("en") or name

    @property
    def is_numeric(self) -> bool:
        """Whether values are aligned to the right."""
        return self.type in _NUMERIC

    def format(self, row: Mapping[str, Any]) -> str:
        """Return the value of a row as text for people."""
        value = row[self.name]
        return UNKNOWN if value is None else TYPES[self.type](self, value, row)


def _text(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _count(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    return f"{value:,}"


def _percent(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    return f"{value:,.1f} %"


def _money(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    amount = Decimal(value)
    places = 0 if amount == amount.to_integral_value() else 2
    currency = row.get(column.currency) or ""
    return f"{amount:,.{places}f} {currency}".replace(",", " ").strip()


def _date(column: Column, value: date, row: Mapping[str, Any]) -> str:
    return value.isoformat()


def _time(column: Column, value: datetime, row: Mapping[str, Any]) -> str:
    return format_time(value, has_offset=False)


def _days(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    return f"{value:,.0f} {'day' if value == 1 else 'days'}"


def _distance(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    return f"{value:,.1f} km"


def _coverage(column: Column, value: Any, row: Mapping[str, Any]) -> str:
    return f"{value:,}/{row[column.total]:,}"


#: Type → the function that writes a value: (column, value, row) → text.
TYPES: dict[str, Callable[[Column, Any, Mapping[str, Any]], str]] = {
    "text": _text,
    "count": _count,
    "percent": _percent,
    "money": _money,
    "date": _date,
    "time": _time,
    "days": _days,
    "distance": _distance,
    "coverage": _coverage,
    "link": _text,
    "image": _text,
    "coordinates": _text,
}

_NUMERIC = {"count", "percent", "money", "days", "distance", "coverage"}
