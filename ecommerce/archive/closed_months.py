"""Archived months are closed: what loading may not change, and what it must know of them.

What tells of an archived month what the archive says already is loaded as usual. What would change
it is refused, alone: it waits in quarantine until the month is brought back. A price of the past
among what a newer payload tells stays in that payload.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

import ecommerce
from ecommerce.archive import months, reading
from marketplace.exceptions import ArchiveError, ItemsRefusedError
from marketplace.loading import staging
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, ecommerce.__file__)

_ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))

_OFFERS = "SELECT DISTINCT offer_id FROM known_observations"

_COLUMNS = (
    "offer_id",
    "recorded_at",
    "price",
    "old_price",
    "currency",
    "is_available",
    "available_amount",
    "price_change",
    "price_change_percent",
    "is_outlier",
    "rank",
    "position",
    "is_last",
)


class _Told(NamedTuple):
    """What a batch tells of a moment in an archived month; `item` is None if several do."""

    item: int | None
    offer_id: int
    at: datetime
    price: Any
    old_price: Any
    currency: str | None
    is_available: bool | None


def is_closed(cursor: CursorWrapper, moment: datetime) -> bool:
    """Return whether a moment is in the last archived month, or before it."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM ecommerce_archived_months "
        "WHERE month >= date_trunc('month', %(moment)s AT TIME ZONE 'UTC')::date)",
        {"moment": moment},
    )
    return bool(cursor.fetchone()[0])


def refuse_changes(cursor: CursorWrapper, platform: str) -> None:
    """Refuse the items of a staged and merged batch that would change an archived month.

    :raises ItemsRefusedError: if there are any, or the archive cannot be read, so that they may be
    """
    cursor.execute(_sql("archived_observations"), {"platform": platform})
    told = [_Told(*row) for row in cursor.fetchall()]
    if not told:
        return
    try:
        known = _points(cursor, platform, {each.offer_id for each in told})
    except ArchiveError as error:
        raise ItemsRefusedError(
            dict.fromkeys((t.item for t in told), _unread(cursor, error))
        ) from error
    refused = {each.item: _reason(each) for each in told if _is_news(each, known[each.offer_id])}
    if refused:
        raise ItemsRefusedError(refused)


def add_evidence(cursor: CursorWrapper, platform: str) -> None:
    """Add the archived points of the offers in known_observations to it.

    Where the archive cannot be read, offers without archived points need none.

    :raises ItemsRefusedError: if the archive cannot be read, and items of a staged batch need it
    :raises ArchiveError: if other work needs it, such as a replay
    """
    archived = months.file_months(cursor)
    if not archived:
        return
    cursor.execute(_OFFERS)
    offers = [offer for (offer,) in cursor.fetchall()]
    try:
        rows = reading.points_of(archived, offers, *_ALWAYS, platform)
    except ArchiveError as error:
        _refuse_unproven(cursor, platform, error)
        return
    staging.copy(cursor, "known_observations", _COLUMNS, ((*row, 1, 1, False) for row in rows))
    cursor.execute(_sql("archived_duplicates"))


def _refuse_unproven(cursor: CursorWrapper, platform: str, error: ArchiveError) -> None:
    """Refuse the items whose histories need the archive, which cannot be read."""
    cursor.execute(_sql("items_needing_archive"), {"platform": platform})
    is_needed, items = cursor.fetchone()
    if not is_needed:
        return
    reason = _unread(cursor, error)
    if not items:
        raise ArchiveError(reason) from error
    raise ItemsRefusedError(dict.fromkeys(items, reason)) from error


def _unread(cursor: CursorWrapper, error: ArchiveError) -> str:
    """Return why a record must wait for the archive, and the next step."""
    lost = [f"{month:%Y-%m}" for month, _ in reading.unreadable_months(months.file_months(cursor))]
    give_up = f" If they are lost: python manage.py db_archive --abandon {' '.join(lost)}."
    return (
        f"needs archived prices, which cannot be read: {error}{give_up if lost else ''} Then "
        "release this record."
    )


def _points(
    cursor: CursorWrapper, platform: str, offers: Iterable[int]
) -> dict[int, list[tuple[Any, ...]]]:
    """Return the points of offers, wherever they are, by time."""
    since, until = _ALWAYS
    values: dict[str, Any] = {"offers": list(offers), "since": since, "until": until}
    cursor.execute(_sql("price_points"), values)
    rows = cursor.fetchall()
    rows += reading.points_of(months.file_months(cursor), values["offers"], since, until, platform)
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row[:2]):
        found[row[0]].append(row)
    return found


def _is_news(told: _Told, points: list[tuple[Any, ...]]) -> bool:
    """Return whether an observation would change a history; by the rule of late_arrivals.sql."""
    place = bisect_right(points, told.at, key=lambda point: point[1])
    if not place:
        return True
    _, at, price, old_price, currency, is_available, *_, is_outlier = points[place - 1]
    if at == told.at:
        # The first state known of a moment counts.
        return False
    return (
        is_outlier is not None
        or (price, old_price, currency) != (told.price, told.old_price, told.currency)
        or (told.is_available is not None and told.is_available != is_available)
    )


def _reason(told: _Told) -> str:
    month = f"{told.at.astimezone(UTC):%Y-%m}"
    return (
        f"is of {month}, which is archived: python manage.py db_unarchive {month}, then release it"
    )
