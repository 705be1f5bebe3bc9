"""The months of the price history as PostgreSQL has them: attached, on their way out, archived."""

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

#: Seconds to wait for a lock, and for sessions that still read what is to be detached.
LOCK_TIMEOUT = 60


class Place(Enum):
    """Where the table of a month is.

    DETACHING: a detaching that was interrupted; new queries see it no more.
    """

    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"
    ABSENT = "absent"


#: What takes a month out, by where it is.
_DETACHING = {
    Place.ATTACHED: "DETACH PARTITION {month} CONCURRENTLY",
    Place.DETACHING: "DETACH PARTITION {month} FINALIZE",
}


class FileMonth(NamedTuple):
    """A month that is read from files.

    :param rows: like `content_hash` what its manifest must say
    """

    month: date
    rows: int
    content_hash: str


class TableMonth(NamedTuple):
    """A month that has a table.

    :param rows: counted in a small table, estimated in a large one
    :param bytes: with its indexes
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

# What is attached is read there, even if it is about to be archived.
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

#: Rows of a table of up to this many bytes are counted.
_COUNTED_SIZE = 16 * 1024 * 1024


def table_name(month: date) -> str:
    """Return the name of a month's table."""
    return f"{TABLE}_{month:%Y_%m}"


def bounds(month: date) -> tuple[datetime, datetime]:
    """Return when a month of UTC begins, and when the next one does."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    first, after = (datetime(each.year, each.month, 1, tzinfo=UTC) for each in (month, following))
    return first, after


def alias() -> str:
    """Return the database of the price history."""
    return router.db_for_write(PricePoint)


def place(month: date) -> Place:
    """Return where the table of a month is."""
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
    """Return the archived months that a period touches, as the cursor's snapshot sees them."""
    cursor.execute(_FILE_MONTHS, {"since": since, "until": until})
    return [FileMonth(*row) for row in cursor.fetchall()]


def marks() -> list[ArchivedMonth]:
    """Return the months that are archived, or about to be."""
    return list(ArchivedMonth.objects.using(alias()).order_by("month"))


def lost_months() -> list[LostMonth]:
    """Return the months that were declared lost."""
    return list(LostMonth.objects.using(alias()).order_by("month"))


def mark_of(month: date) -> ArchivedMonth | None:
    """Return what the database says of an archived month; None if it is not archived."""
    return ArchivedMonth.objects.using(alias()).filter(month=month).first()


def table_months() -> list[TableMonth]:
    """Return the months that have a table, in order."""
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
    where = _place(is_attached, is_pending)
    return TableMonth(date(int(year), int(number), 1), where, rows, is_estimate, total)


# Changes

_OWNER = """
SELECT
    pg_get_userbyid(relowner), pg_has_role(relowner, 'USAGE'), current_user
FROM pg_class
WHERE oid = to_regclass(%(table)s)
"""


def require_owner() -> None:
    """Look whether the connected role may move months, before anything is written.

    :raises ArchiveError: if it is not the owner of the price history
    """
    with connections[alias()].cursor() as cursor:
        cursor.execute(_OWNER, {"table": TABLE})
        owner, is_owner, user = cursor.fetchone() or (None, True, None)
    if not is_owner:
        raise ArchiveError(
            f"{user} may not move months of the price history: only the owner of {TABLE} may, "
            f"which is {owner}. Run this as {owner} or as the superuser: name it in DB_USER or "
            "ECOMMERCE_DATABASE_URL, for this command."
        )


def mark(month: date, rows: int, content_hash: str) -> None:
    """Close a month: no point of it is loaded from now on."""
    ArchivedMonth.objects.using(alias()).update_or_create(
        month=month,
        defaults={"row_count": rows, "content_hash": content_hash, "archived_at": None},
    )


def detach(month: date) -> None:
    """Take a month out of the price history, without stopping those who read or load.

    Goes on with what was interrupted. Waits for all that was begun before.

    :raises ArchiveError: if a session that began before does not end
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
            "backup or a long query; pg_stat_activity lists it. The month is closed, and no row of "
            "it is lost: run python manage.py db_archive again when that session has ended."
        ) from error


def attach(month: date) -> None:
    """Take a month's table back into the price history."""
    _execute(_alter("ATTACH PARTITION {month} FOR VALUES FROM ({first}) TO ({following})", month))


def reopen(month: date) -> None:
    """Let points of a month be loaded again: nothing of it is archived."""
    ArchivedMonth.objects.using(alias()).filter(month=month).delete()


def abandon(mark: ArchivedMonth, now: datetime) -> None:
    """Declare an archived month lost: it is open again, and has no rows."""
    with atomic(using=alias()):
        LostMonth.objects.using(alias()).update_or_create(
            month=mark.month, defaults={"row_count": mark.row_count, "abandoned_at": now}
        )
        reopen(mark.month)


def drop(month: date, now: datetime) -> None:
    """Drop the table of a month that is detached, and note that it is archived. Safe to repeat."""
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
    """Execute what must not be part of a transaction."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(_LIMIT, {"seconds": LOCK_TIMEOUT, "is_local": False})
        try:
            cursor.execute(statement)
        finally:
            cursor.execute("RESET lock_timeout")


def names(months: Iterable[date]) -> str:
    """Return months as a message names them."""
    return ", ".join(f"{month:%Y-%m}" for month in sorted(set(months)))
