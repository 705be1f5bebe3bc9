"""Objects that depend on the table of a month, so that it cannot be dropped."""

from datetime import date
from functools import partial

from django.db import connections

import ecommerce
from ecommerce.archive import months
from marketplace.exceptions import ArchiveError
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, ecommerce.__file__)


def names(month: date) -> list[str]:
    """Return the objects that depend on a month's table, such as `view monthly_prices`."""
    with connections[months.alias()].cursor() as cursor:
        cursor.execute(_sql("month_dependents"), {"table": months.table_name(month)})
        return [name for (name,) in cursor.fetchall()]


def require_none(month: date) -> None:
    """Check that no object depends on a month's table.

    :raises ArchiveError: if there are such objects; the message lists them
    """
    dependents = names(month)
    if dependents:
        table = months.table_name(month)
        raise ArchiveError(
            f"The table {table} cannot be dropped, because other objects depend on it: "
            f"{', '.join(dependents)}. The month is unchanged. Drop these objects, or define "
            f"them on {months.TABLE} instead; then run this again."
        )
