"""The monthly partitions of the price history."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import ProgrammingError, connections
from psycopg2.errors import DuplicateTable

#: Months after the current one that have a partition before anything is loaded into them.
MONTHS_AHEAD = 3


def names_ahead(today: date) -> list[str]:
    """Return the names of the current month's partition and of those ahead."""
    return [f"ecommerce_price_history_{month:%Y_%m}" for month in _months(today)]


def ensure_ahead(alias: str, today: date) -> list[str]:
    """Create the partitions of the current month and of those ahead; return the new ones' names.

    Safe to run twice and at once.

    :param today: a day of the current month, UTC
    """
    return ensure(alias, _months(today))


def ensure(alias: str, months: Iterable[date]) -> list[str]:
    """Create the partitions of some months that are missing; return the new ones' names.

    Safe to run twice and at once.

    :param months: first days of months of UTC
    """
    names = [
        _create(alias, datetime(month.year, month.month, 1, tzinfo=UTC)) for month in sorted(months)
    ]
    return [name for name in names if name]


def _create(alias: str, start: datetime) -> str | None:
    """Create a month's partition if it is missing; return the name of a new one."""
    for is_last in (False, True):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT ecommerce_create_price_month(%(start)s)", {"start": start})
                name: str | None = cursor.fetchone()[0]
                return name
        except ProgrammingError as error:
            # Who waited for another session to create it may still know it as missing: what a
            # session knows of the catalog is renewed with its next statement.
            if is_last or not isinstance(error.__cause__, DuplicateTable):
                raise
    raise AssertionError("unreachable")


def _months(today: date) -> list[date]:
    """Return the first days of the current month and of those ahead."""
    months = [today.year * 12 + today.month - 1 + ahead for ahead in range(MONTHS_AHEAD + 1)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]
