"""The monthly partitions of the price history."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2.errors import DuplicateTable

from ecommerce.archive import layout, months, reading
from ecommerce.archive.months import Place

#: Months after the current one that have a partition before anything is loaded into them.
MONTHS_AHEAD = 3


class Partition(NamedTuple):
    """A month of the price history.

    :param state: "hot", "missing" ahead, "archived"; "being archived" where that was interrupted;
        "lost" where an archived month was declared so, and nothing was loaded since
    :param lost_at: when the month was declared lost
    :param rows: counted, or estimated in a large table
    :param bytes: of the table with its indexes
    :param problem: why an archived month cannot be read; empty if nothing is known of that
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
    """Return the months of the price history in order, and those ahead that are missing."""
    marks = {mark.month: mark for mark in months.marks()}
    found = {month: Partition(month, "missing") for month in _months(today)}
    lost = months.lost_months()
    found |= {each.month: Partition(each.month, "lost", each.row_count) for each in lost}
    for month, mark in marks.items():
        state = "archived" if mark.archived_at else "being archived"
        found[month] = Partition(month, state, mark.row_count, archived_at=mark.archived_at)
    with connections[months.alias()].cursor() as cursor:
        for name, problem in lacking_files(cursor):
            month = layout.month_of(name)
            found[month] = found[month]._replace(problem=problem)
    for each in months.table_months():
        is_hot = each.place is Place.ATTACHED and each.month not in marks
        state = "hot" if is_hot else "being archived"
        found[each.month] = Partition(each.month, state, each.rows, each.is_estimate, each.bytes)
    for gap in lost:
        found[gap.month] = found[gap.month]._replace(lost_at=gap.abandoned_at)
    return [found[month] for month in sorted(found)]


def lost() -> list[str]:
    """Return the months of the price history that were declared lost."""
    return [str(each) for each in months.lost_months()]


def lacking_files(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Return the archived months that a database names and the archive lacks, and the reason.

    Reads no file but manifests. The database may be a copy, or older than archives of months.
    """
    cursor.execute("SELECT to_regclass('ecommerce_archived_months') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return []
    return [
        (f"{month:%Y-%m}", why)
        for month, why in reading.unreadable_months(months.file_months(cursor))
    ]


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
