"""The months of the price history in PostgreSQL: attached, being detached, archived or lost."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import Enum
from typing import NamedTuple

from django.db import OperationalError, connections, router
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic
from psycopg2.errors import LockNotAvailable
from psycopg2.sql import SQL, Composed, Identifier, Literal

from ecommerce.models import ArchivedMonth, LostMonth, PricePoint
from marketplace.exceptions import ArchiveError

TABLE = "ecommerce_price_history"

#: Seconds to wait for a lock, and for sessions that still read a partition to be detached.
LOCK_TIMEOUT = 60


class Place(Enum):
    """The state of a month's table.

    DETACHING: a detach was interrupted; new queries do not see the partition.
    """

    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"
    ABSENT = "absent"


#: State of a partition → the action of ALTER TABLE that detaches it.
_DETACHING = {
    Place.ATTACHED: "DETACH PARTITION {month} CONCURRENTLY",
    Place.DETACHING: "DETACH PARTITION {month} FINALIZE",
}


class FileMonth(NamedTuple):
    """A month whose points are read from files.

    :param rows: the number of rows, which must equal that in the manifest, like the content hash
    """

    month: date
    rows: int
    content_hash: str


class TableMonth(NamedTuple):
    """A month whose points are in a table.

    :param rows: counted in a small table, estimated in a large one
    :param bytes: including indexes
    """

    month: date
    place: Place
    rows: int
    is_estimate: bool
    bytes: int


_PLACE = """
SELECT inheriting.inhparent IS NOT NULL, coalesce(inheriting.inhdetachpending, false)
FROM pg_class AS class
LEFT JOIN pg_inherits AS inheriting
    ON class.oid = inheriting.inhrelid
    AND inheriting.inhparent = 'ecommerce_price_history'::regclass
WHERE class.oid = to_regclass(%(table)s)
"""

# Attached months are read from their table, even while they are being archived.
_FILE_MONTHS = """
SELECT month, row_count, content_hash
FROM ecommerce_archived_months AS a
WHERE
    NOT EXISTS (
        SELECT
        FROM pg_inherits AS i
        INNER JOIN pg_class AS c ON i.inhrelid = c.oid
        WHERE
            i.inhparent = 'ecommerce_price_history'::regclass
            AND NOT i.inhdetachpending
            AND c.relname = 'ecommerce_price_history_' || to_char(a.month, 'YYYY_MM')
    )
    AND (%(until)s::timestamptz IS NULL OR month::timestamp AT TIME ZONE 'UTC' < %(until)s)
    AND (
        %(since)s::timestamptz IS NULL
        OR (month + interval '1 month') AT TIME ZONE 'UTC' > %(since)s
    )
ORDER BY month
"""

_TABLE_MONTHS = r"""
SELECT
    class.relname,
    inheriting.inhparent IS NOT NULL,
    coalesce(inheriting.inhdetachpending, false),
    CASE
        WHEN class.reltuples > 0 AND class.relpages > 0
            THEN class.reltuples / class.relpages * (
                pg_relation_size(class.oid) / current_setting('block_size')::bigint
            )
        ELSE pg_stat_get_live_tuples(class.oid)
    END::bigint,
    pg_relation_size(class.oid),
    pg_total_relation_size(class.oid)
FROM pg_class AS class
LEFT JOIN pg_inherits AS inheriting
    ON class.oid = inheriting.inhrelid
    AND inheriting.inhparent = 'ecommerce_price_history'::regclass
WHERE
    class.relkind = 'r'
    AND class.relnamespace = current_schema()::regnamespace
    AND class.relname ~ '^ecommerce_price_history_\d{4}_\d\d$'
ORDER BY class.relname
"""

_LIMIT = "SELECT set_config('lock_timeout', %(seconds)s || 's', %(is_local)s)"

#: The rows of tables up to this many bytes are counted.
_COUNTED_SIZE = 16 * 1024 * 1024


def table_name(month: date) -> str:
    """Return the name of a month's table."""
    return f"{TABLE}_{month:%Y_%m}"


def bounds(month: date) -> tuple[datetime, datetime]:
    """Return the start of a month and of the next month, in UTC."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    start, end = (datetime(day.year, day.month, 1, tzinfo=UTC) for day in (month, following))
    return start, end


def alias() -> str:
    """Return the database of the price history."""
    return router.db_for_write(PricePoint)


def place(month: date) -> Place:
    """Return the state of a month's table."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(_PLACE, {"table": table_name(month)})
        return _place(*(cursor.fetchone() or (None, None)))


def _place(is_attached: bool | None, is_pending: bool | None) -> Place:
    if is_attached is None:
        return Place.ABSENT
    if is_pending:
        return Place.DETACHING
    return Place.ATTACHED if is_attached else Place.DETACHED


def file_months(
    cursor: CursorWrapper, since: datetime | None = None, until: datetime | None = None
) -> list[FileMonth]:
    """Return the archived months that overlap a period, as seen by the cursor's transaction."""
    cursor.execute(_FILE_MONTHS, {"since": since, "until": until})
    return [FileMonth(*row) for row in cursor.fetchall()]


def marks() -> list[ArchivedMonth]:
    """Return the months that are archived or being archived."""
    return list(ArchivedMonth.objects.using(alias()).order_by("month"))


def lost_months() -> list[LostMonth]:
    """Return the months that were marked as lost."""
    return list(LostMonth.objects.using(alias()).order_by("month"))


def mark_of(month: date) -> ArchivedMonth | None:
    """Return the record of an archived month in the database; None if it is not archived."""
    return ArchivedMonth.objects.using(alias()).filter(month=month).first()


def table_months() -> list[TableMonth]:
    """Return the months whose points are in tables, in order."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(_TABLE_MONTHS)
        return [_month(cursor, *row) for row in cursor.fetchall()]


def _month(
    cursor: CursorWrapper,
    name: str,
    is_attached: bool,
    is_pending: bool,
    rows: int,
    size: int,
    total: int,
) -> TableMonth:
    year, number = name.removeprefix(f"{TABLE}_").split("_")
    is_estimate = size > _COUNTED_SIZE
    if not is_estimate:
        cursor.execute(SQL("SELECT count(*) FROM {}").format(Identifier(name)))
        rows = cursor.fetchone()[0]
    state = _place(is_attached, is_pending)
    return TableMonth(date(int(year), int(number), 1), state, rows, is_estimate, total)


# Changes

_OWNER = """
SELECT
    pg_get_userbyid(relowner), pg_has_role(relowner, 'USAGE'), current_user
FROM pg_class
WHERE oid = to_regclass(%(table)s)
"""


def require_owner() -> None:
    """Check that the current role may move months.

    :raises ArchiveError: if it is not the owner of the price history
    """
    with connections[alias()].cursor() as cursor:
        cursor.execute(_OWNER, {"table": TABLE})
        owner, is_owner, user = cursor.fetchone() or (None, True, None)
    if not is_owner:
        raise ArchiveError(
            f"{user} may not move months of the price history: only {owner}, the owner of {TABLE}, "
            f"may do so. Run this command as {owner} or as a superuser: set DB_USER or "
            "ECOMMERCE_DATABASE_URL."
        )


def mark(month: date, rows: int, content_hash: str) -> None:
    """Close a month: its points are not loaded from now on."""
    ArchivedMonth.objects.using(alias()).update_or_create(
        month=month,
        defaults={"row_count": rows, "content_hash": content_hash, "archived_at": None},
    )


def detach(month: date) -> None:
    """Detach the partition of a month, without blocking queries and loads.

    An interrupted detach is completed. Transactions that use the partition are waited for.

    :raises ArchiveError: if such a transaction does not end in time
    """
    action = _DETACHING.get(place(month))
    if action is None:
        return
    try:
        _execute_alone(_alter(action, month))
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise ArchiveError(
            f"A session has used the price history for more than {LOCK_TIMEOUT} seconds, such as a "
            "backup or a long query; pg_stat_activity lists it. The month is closed, and none of "
            "its rows is lost: run python manage.py db_archive again when that session has ended."
        ) from error


def attach(month: date) -> None:
    """Attach the table of a month to the price history."""
    _execute(_alter("ATTACH PARTITION {month} FOR VALUES FROM ({first}) TO ({following})", month))


def reopen(month: date) -> None:
    """Open a month, which is not archived any more: its points are loaded again."""
    ArchivedMonth.objects.using(alias()).filter(month=month).delete()


def abandon(mark: ArchivedMonth, now: datetime) -> None:
    """Declare an archived month lost: it is opened, without rows."""
    with atomic(using=alias()):
        LostMonth.objects.using(alias()).update_or_create(
            month=mark.month, defaults={"row_count": mark.row_count, "abandoned_at": now}
        )
        reopen(mark.month)


def drop(month: date, now: datetime) -> None:
    """Drop the detached table of a month, and record that it is archived. It can be repeated."""
    with atomic(using=alias()):
        _execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(table_name(month))))
        marks = ArchivedMonth.objects.using(alias()).filter(month=month)
        marks.update(archived_at=now)


def _alter(action: str, month: date) -> Composed:
    first, following = bounds(month)
    return SQL("ALTER TABLE {table} " + action).format(
        table=Identifier(TABLE),
        month=Identifier(table_name(month)),
        first=Literal(first.isoformat()),
        following=Literal(following.isoformat()),
    )


def _execute(statement: Composed) -> None:
    with atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute(_LIMIT, {"seconds": LOCK_TIMEOUT, "is_local": True})
        cursor.execute(statement)


def _execute_alone(statement: Composed) -> None:
    """Execute a statement outside a transaction."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(_LIMIT, {"seconds": LOCK_TIMEOUT, "is_local": False})
        try:
            cursor.execute(statement)
        finally:
            cursor.execute("RESET lock_timeout")


def names(months: Iterable[date]) -> str:
    """Return months as text for messages."""
    return ", ".join(f"{month:%Y-%m}" for month in sorted(set(months)))
