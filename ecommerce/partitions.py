"""The monthly partitions of the price history that are made ahead of time."""

from datetime import UTC, date, datetime

from django.db import connections

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
    names = [_ensure(alias, month) for month in _months(today)]
    return [name for name in names if name]


def _months(today: date) -> list[datetime]:
    """Return the first moments of the current month and of those ahead."""
    months = [today.year * 12 + today.month - 1 + ahead for ahead in range(MONTHS_AHEAD + 1)]
    return [datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in months]


def _ensure(alias: str, month: datetime) -> str | None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT ecommerce_create_price_month(%(month)s)", {"month": month})
        (name,) = cursor.fetchone()
    return str(name) if name else None
