"""The monthly partitions of the price history."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2.errors import DuplicateTable

from ecommerce.archive import layout, months, reading
from ecommerce.archive.months import Place

#: Months after the current one whose partitions are created in advance.
MONTHS_AHEAD = 3


class Partition(NamedTuple):
    """A month of the price history.

    :param state: "hot" (in PostgreSQL), "missing" (not created yet), "archived", "being archived"
        (in progress or interrupted), or "lost" (marked as lost, without points loaded since)
    :param rows: number of points; an estimate if the table is large
    :param bytes: size of the table with its indexes
    :param problem: why an archived month cannot be read; empty if it can
    :param lost_at: time at which the month was marked as lost
    """

    month: date
    state: str
    rows: int = 0
    is_estimate: bool = False
    bytes: int = 0
    archived_at: datetime | None = None
    problem: str = ""
    lost_at: datetime | None = None


def report(today: date) -> list[Partition]:
    """Return the months of the price history in order, with the months ahead that are missing."""
    marks = {mark.month: mark for mark in months.marks()}
    partitions = {month: Partition(month, "missing") for month in _months(today)}
    lost = months.lost_months()
    partitions |= {gap.month: Partition(gap.month, "lost", gap.row_count) for gap in lost}
    for month, mark in marks.items():
        state = "archived" if mark.archived_at else "being archived"
        partitions[month] = Partition(month, state, mark.row_count, archived_at=mark.archived_at)
    with connections[months.alias()].cursor() as cursor:
        for name, problem in lacking_files(cursor):
            month = layout.month_of(name)
            partitions[month] = partitions[month]._replace(problem=problem)
    for table in months.table_months():
        is_hot = table.place is Place.ATTACHED and table.month not in marks
        state = "hot" if is_hot else "being archived"
        partitions[table.month] = Partition(
            table.month, state, table.rows, table.is_estimate, table.bytes
        )
    for gap in lost:
        partitions[gap.month] = partitions[gap.month]._replace(lost_at=gap.abandoned_at)
    return [partitions[month] for month in sorted(partitions)]


def lost() -> list[str]:
    """Return the months of the price history that were marked as lost."""
    return [str(gap) for gap in months.lost_months()]


def lacking_files(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Return the archived months whose files are missing or unreadable, each with the reason.

    Only manifests are read.

    :param cursor: a cursor of the database, or of a copy that may have no table of archived months
    """
    cursor.execute("SELECT to_regclass('ecommerce_archived_months') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return []
    return [
        (f"{month:%Y-%m}", reason)
        for month, reason in reading.unreadable_months(months.file_months(cursor))
    ]


def names_ahead(today: date) -> list[str]:
    """Return the partition names of the current month and the months ahead."""
    return [f"ecommerce_price_history_{month:%Y_%m}" for month in _months(today)]


def ensure_ahead(alias: str, today: date) -> list[str]:
    """Create the missing partitions of the current month and the months ahead; return their names.

    Safe to run repeatedly and concurrently.

    :param today: a day of the current month, UTC
    """
    return ensure(alias, _months(today))


def ensure(alias: str, months: Iterable[date]) -> list[str]:
    """Create the missing partitions of some months; return their names.

    Safe to run repeatedly and concurrently.

    :param months: first days of months of UTC
    """
    names = [
        _create(alias, datetime(month.year, month.month, 1, tzinfo=UTC)) for month in sorted(months)
    ]
    return [name for name in names if name]


def _create(alias: str, start: datetime) -> str | None:
    """Create the partition of a month if it is missing; return its name, or None if it exists."""
    for is_last in (False, True):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT ecommerce_create_price_month(%(start)s)", {"start": start})
                name: str | None = cursor.fetchone()[0]
                return name
        except ProgrammingError as error:
            # A session that waited for another one to create the table may still have a stale
            # catalog cache, which its next statement refreshes.
            if is_last or not isinstance(error.__cause__, DuplicateTable):
                raise
    raise AssertionError("unreachable")


def _months(today: date) -> list[date]:
    """Return the first days of the current month and the months ahead."""
    months = [today.year * 12 + today.month - 1 + ahead for ahead in range(MONTHS_AHEAD + 1)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]
