"""The history of prices: what the observations of an offer amount to.

The history of an offer is a function of the set of its observations, in whatever order they came.
In the order of time, an availability that nobody told is that of the observation before. There is a
point for the first observation, and for each whose price, old price, currency or availability is
another than before. Of two observations of one moment, the one that was stored first counts.

What comes in the order of time is appended. What comes late makes the history anew, from all
observations that are known. Of archived months the archived points are all that is known: see
`ecommerce.archive.closing`.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.db.backends.utils import CursorWrapper

from ecommerce.archive import closing
from ecommerce.records import Offer, PricePoint
from marketplace.loading import staging
from marketplace.loading.creation import Unfit
from marketplace.sqlfiles import read_sql

_sql = partial(read_sql, __file__)

#: Record field → SQL type.
COLUMNS = {
    "offer_external_id": "text",
    "recorded_at": "timestamptz",
    "price": "numeric(18,2)",
    "currency": "varchar(3)",
    "old_price": "numeric(18,2)",
    "is_available": "boolean",
    "available_amount": "integer",
}

_SERIES = "stage_price_series"
_SERIES_COLUMNS = {"position": "bigint", **COLUMNS}

_EVIDENCE = "price_evidence"
_EVIDENCE_COLUMNS = {
    "offer_id": "bigint",
    "rank": "integer",
    **_SERIES_COLUMNS,
    "price_change": "numeric(18,2)",
    "price_change_percent": "numeric(22,2)",
    "is_glitch": "boolean",
    "is_last": "boolean",
}
_EVIDENCE_COLUMNS.pop("offer_external_id")


def points_of(records: Iterable[Any], observed_at: datetime) -> list[PricePoint]:
    """Return the observations that the records of an item are: its offers, and prices of the past.

    Of several for one offer and moment, the one that loading would keep.
    """
    found: dict[tuple[str, datetime], PricePoint] = {}
    current: dict[tuple[str, datetime], PricePoint] = {}
    for record in records:
        if isinstance(record, Offer):
            point = _current(record, observed_at)
            key = point[:2]
            current[key] = _completed(point, current[key]) if key in current else point
        elif isinstance(record, PricePoint) and record.recorded_at <= observed_at:
            found[record[:2]] = record
    return list((found | current).values())


def _current(offer: Offer, observed_at: datetime) -> PricePoint:
    return PricePoint(
        offer_external_id=offer.external_id,
        recorded_at=observed_at,
        price=offer.price,
        currency=offer.currency,
        old_price=offer.old_price,
        is_available=offer.is_available,
        available_amount=offer.stock_quantity,
    )


def _completed(newer: PricePoint, older: PricePoint) -> PricePoint:
    """Return what two records of one offer in an item say together."""
    values = (old if new is None else new for new, old in zip(newer, older, strict=True))
    return PricePoint._make(values)


def begin(cursor: CursorWrapper, offers: list[int], since: datetime) -> int:
    """Write the first points of offers that were just created; return how many they are.

    :param since: when the first of them was observed
    :raises Unfit: if that may be in an archived month, which takes no points
    """
    if closing.is_closed(cursor, since):
        raise Unfit(f"Months up to that of {since:%Y-%m-%d} may be archived.")
    cursor.execute(_sql("price_begin"), {"offers": offers})
    return int(cursor.rowcount)


def append(cursor: CursorWrapper, platform: str) -> int:
    """Write the points of a merged batch, as far as it is newer than what was known.

    Returns how many points are new. Marks the glitches that it reveals.

    :raises Refused: if items would change a month that is archived
    """
    closing.refuse_changes(cursor, platform)
    cursor.execute(_sql("price_news"), {"platform": platform})
    count, has_past, offers, times, prices = cursor.fetchone()
    if offers:
        _mark(cursor, offers, times, prices)
    if has_past:
        _clear(cursor)
        cursor.execute(_sql("price_told"))
        if cursor.rowcount:
            count += _rebuild(cursor, platform)
    return int(count)


def find_late(cursor: CursorWrapper, platform: str) -> list[str]:
    """Return the external_ids of the products whose histories a merged batch contradicts.

    It does so where it tells of a moment before the newest that is known, and another state than
    the history has then.
    """
    cursor.execute(_sql("price_late"))
    return [external_id for (external_id,) in cursor.fetchall() if external_id is not None]


def rebuild(cursor: CursorWrapper, platform: str, observations: Iterable[PricePoint]) -> int:
    """Make the histories of the offers that are observed anew; return how many points are new.

    A moment of which no observation is given has the state that the history has then, or that the
    offer had before the batch or has now. A point that stays keeps its id. Safe to run again.

    :param observations: of two of a moment, the first counts
    """
    _clear(cursor)
    rows = ((position, *point) for position, point in enumerate(observations))
    # The fields of a record are the columns, in their order.
    staging.copy(cursor, _SERIES, ["position", *PricePoint._fields], rows)
    return _rebuild(cursor, platform)


def _clear(cursor: CursorWrapper) -> None:
    """Make the temporary tables of a rebuild, or empty them."""
    cursor.execute(staging.definition(_SERIES, list(_SERIES_COLUMNS.items())))
    cursor.execute(staging.definition(_EVIDENCE, list(_EVIDENCE_COLUMNS.items())))
    staging.clear(cursor, [_SERIES, _EVIDENCE])


def _rebuild(cursor: CursorWrapper, platform: str) -> int:
    """Bring the history to what stage_price_series and all that is stored say."""
    cursor.execute(_sql("price_evidence"), {"platform": platform})
    closing.add_evidence(cursor, platform)
    # Joins of a table without statistics may take forever.
    cursor.execute("ANALYZE price_evidence")
    cursor.execute(_sql("price_rebuild"), {})
    count, gone, times, offers, states = cursor.fetchone()
    if gone:
        cursor.execute(
            _sql("price_removal"),
            {"offers": gone, "times": times, "first": times[0], "last": times[-1]},
        )
    if offers:
        cursor.execute(_sql("price_availability"), {"offers": offers, "states": states})
    return int(count)


def _mark(cursor: CursorWrapper, offers: list[int], times: list[datetime], prices: Any) -> None:
    """Mark the last prices that a new one shows to be glitches."""
    cursor.execute(
        _sql("price_doubts"),
        {
            "offers": offers,
            "times": times,
            "prices": prices,
            "first": min(times),
            "last": max(times),
        },
    )
