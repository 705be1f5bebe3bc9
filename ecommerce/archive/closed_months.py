"""Loading into archived months, which are closed.

An item that confirms the archived prices is loaded as usual. An item that would change them is
quarantined, and can be released after db_unarchive. If a newer payload contains a past price, that
price stays in the payload only.
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


class _Observation(NamedTuple):
    """An observation of a batch in an archived month; `item` is None if several items have it."""

    item: int | None
    offer_id: int
    at: datetime
    price: Any
    old_price: Any
    currency: str | None
    is_available: bool | None


def refuse_changes(cursor: CursorWrapper, platform: str) -> None:
    """Refuse the items of a staged and merged batch that would change an archived month.

    :raises ItemsRefusedError: if there are such items, or if the archive cannot be read
    """
    cursor.execute(_sql("archived_observations"), {"platform": platform})
    observations = [_Observation(*row) for row in cursor.fetchall()]
    if not observations:
        return
    try:
        points = _points(cursor, platform, {observed.offer_id for observed in observations})
    except ArchiveError as error:
        reason = _unreadable_reason(cursor, error)
        items = (observed.item for observed in observations)
        raise ItemsRefusedError(dict.fromkeys(items, reason)) from error
    refused = {
        observed.item: _closed_reason(observed)
        for observed in observations
        if _changes_history(observed, points[observed.offer_id])
    }
    if refused:
        raise ItemsRefusedError(refused)


def add_archived_points(cursor: CursorWrapper, platform: str) -> None:
    """Add the archived points of the offers in the table known_observations to that table.

    If the archive cannot be read, only offers with archived points are affected.

    :raises ItemsRefusedError: if the archive cannot be read and items of a staged batch need it
    :raises ArchiveError: if the archive cannot be read and another task needs it, such as a replay
    """
    archived = months.file_months(cursor)
    if not archived:
        return
    cursor.execute(_OFFERS)
    offers = [offer for (offer,) in cursor.fetchall()]
    try:
        rows = reading.points_of(archived, offers, *_ALWAYS, platform)
    except ArchiveError as error:
        _refuse_dependent_items(cursor, platform, error)
        return
    staging.copy(cursor, "known_observations", _COLUMNS, ((*row, 1, 1, False) for row in rows))
    cursor.execute(_sql("archived_duplicates"))


def _refuse_dependent_items(cursor: CursorWrapper, platform: str, error: ArchiveError) -> None:
    """Refuse the items whose histories need the unreadable archive."""
    cursor.execute(_sql("items_needing_archive"), {"platform": platform})
    is_needed, items = cursor.fetchone()
    if not is_needed:
        return
    reason = _unreadable_reason(cursor, error)
    if not items:
        raise ArchiveError(reason) from error
    raise ItemsRefusedError(dict.fromkeys(items, reason)) from error


def _unreadable_reason(cursor: CursorWrapper, error: ArchiveError) -> str:
    """Return why a record must wait for the archive, and the next step."""
    unreadable = reading.unreadable_months(months.file_months(cursor))
    names = [f"{month:%Y-%m}" for month, _ in unreadable]
    abandon = (
        " If the archived months are lost: python manage.py db_archive --abandon "
        f"{' '.join(names)}."
    )
    return (
        f"needs archived prices, which cannot be read: {error}{abandon if names else ''} Then "
        "release this record."
    )


def _points(
    cursor: CursorWrapper, platform: str, offers: Iterable[int]
) -> dict[int, list[tuple[Any, ...]]]:
    """Return offer id → its points in PostgreSQL and in the archive, in chronological order."""
    since, until = _ALWAYS
    values: dict[str, Any] = {"offers": list(offers), "since": since, "until": until}
    cursor.execute(_sql("price_points"), values)
    rows = cursor.fetchall()
    rows += reading.points_of(months.file_months(cursor), values["offers"], since, until, platform)
    points = defaultdict(list)
    for row in sorted(rows, key=lambda row: row[:2]):
        points[row[0]].append(row)
    return points


def _changes_history(observed: _Observation, points: list[tuple[Any, ...]]) -> bool:
    """Return whether an observation would change a history, by the rule for late arrivals."""
    index = bisect_right(points, observed.at, key=lambda point: point[1])
    if not index:
        return True
    _, at, price, old_price, currency, is_available, *_, is_outlier = points[index - 1]
    if at == observed.at:
        # If two states have the same time, the first stored one wins.
        return False
    return (
        is_outlier is not None
        or (price, old_price, currency) != (observed.price, observed.old_price, observed.currency)
        or (observed.is_available is not None and observed.is_available != is_available)
    )


def _closed_reason(observed: _Observation) -> str:
    month = f"{observed.at.astimezone(UTC):%Y-%m}"
    return (
        f"belongs to archived month {month}: python manage.py db_unarchive {month}, then release it"
    )
