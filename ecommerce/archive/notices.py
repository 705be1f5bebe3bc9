"""Messages about months that charts and tables of the price history leave out."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import connections

from ecommerce.archive import months


def format_months(found: Iterable[date]) -> str:
    """Return months as a message names them, those in a row as one: `2025-01 to 2025-06`."""
    runs: list[list[date]] = []
    for month in sorted(set(found)):
        if runs and months.bounds(runs[-1][-1])[1].date() == month:
            runs[-1].append(month)
        else:
            runs.append([month])
    return ", ".join(
        f"{run[0]:%Y-%m}" if len(run) == 1 else f"{run[0]:%Y-%m} to {run[-1]:%Y-%m}" for run in runs
    )


def archived_months() -> list[date]:
    """Return the months that are read from the archive only, in order."""
    with connections[months.alias()].cursor() as cursor:
        return [each.month for each in months.file_months(cursor)]


def omitted_months(found: list[date]) -> str:
    """Return which months a query of the table leaves out, and how to read them; empty for none.

    :param found: the archived months
    """
    parts = []
    if found:
        parts.append(
            f"Archived months are left out: {format_months(found)}. Read them: python manage.py "
            "price_history PLATFORM OFFER. Bring one back: python manage.py db_unarchive "
            f"{found[-1]:%Y-%m}."
        )
    return " ".join([*parts, *filter(None, [lost_months()])])


def lost_months(since: datetime | None = None, until: datetime | None = None) -> str:
    """Return which months of a period were declared lost; empty for none."""
    found = []
    for gap in months.lost_months():
        first, following = months.bounds(gap.month)
        if (since is None or following > since) and (until is None or first < until):
            found.append(gap.month)
    return f"Lost months: {format_months(found)}. Their archived prices are gone." if found else ""
