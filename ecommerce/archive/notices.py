"""Messages about the months that charts and tables of the price history omit."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import connections

from ecommerce.archive import months


def format_months(dates: Iterable[date]) -> str:
    """Return months as text, with consecutive months as a range: `2025-01 to 2025-06`."""
    ranges: list[list[date]] = []
    for month in sorted(set(dates)):
        if ranges and months.bounds(ranges[-1][-1])[1].date() == month:
            ranges[-1].append(month)
        else:
            ranges.append([month])
    return ", ".join(
        f"{first:%Y-%m}" if first == last else f"{first:%Y-%m} to {last:%Y-%m}"
        for first, last in ((consecutive[0], consecutive[-1]) for consecutive in ranges)
    )


def archived_months() -> list[date]:
    """Return the months whose points are only in the archive, in order."""
    with connections[months.alias()].cursor() as cursor:
        return [file_month.month for file_month in months.file_months(cursor)]


def omitted_months_message(
    archived: list[date], offer: str = "PLATFORM OFFER", since: datetime | None = None
) -> str:
    """Return a message about months that queries of the table omit; empty if there are none.

    :param archived: the archived months
    :param offer: the arguments of `price_history`
    :param since: leave out lost months that ended before this time
    """
    parts = []
    if archived:
        parts.append(
            f"Archived months are omitted: {format_months(archived)}. Read them: python manage.py "
            f"price_history {offer}. Unarchive a month: python manage.py db_unarchive "
            f"{archived[-1]:%Y-%m}."
        )
    return " ".join([*parts, *filter(None, [lost_months_message(since)])])


def lost_months_message(since: datetime | None = None, until: datetime | None = None) -> str:
    """Return a message about months of a period that were marked as lost; empty if none were."""
    lost = []
    for lost_month in months.lost_months():
        first, following = months.bounds(lost_month.month)
        if (since is None or following > since) and (until is None or first < until):
            lost.append(lost_month.month)
    return f"Lost months: {format_months(lost)}. Their archived prices are lost." if lost else ""
