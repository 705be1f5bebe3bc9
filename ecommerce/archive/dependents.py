"""Objects that depend on the table of a month, and keep it from being dropped."""

from datetime import date
from functools import partial

from django.db import connections

import ecommerce
from ecommerce.archive import months
from marketplace.exceptions import ArchiveError
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, ecommerce.__file__)


def names(month: date) -> list[str]:
    """Return what depends on a month's table, as PostgreSQL describes it: `view monthly_prices`."""
    with connections[months.alias()].cursor() as cursor:
        cursor.execute(_sql("month_dependents"), {"table": months.table_name(month)})
        return [name for (name,) in cursor.fetchall()]


def require_none(month: date) -> None:
    """Refuse to go on if something depends on a month's table.

    :raises ArchiveError: if so, with the names
    """
    found = names(month)
    if found:
        table = months.table_name(month)
        raise ArchiveError(
            f"The table {table} cannot be dropped, because these depend on it: {', '.join(found)}. "
            f"The month stays as it is. Drop them, or define them on {months.TABLE} instead; then "
            "run this again."
        )
