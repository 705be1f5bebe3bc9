"""The history of prices, as it follows from the observations of an offer.

The history of an offer is a function of the set of its observations, in whatever order they came.
In the order of time, an unknown availability is that of the observation before. An offer
that is out of stock may be observed without a price: then the last price stays; before there is
one, such an observation says nothing. There is a point for the first observation, and for each
whose price, old price, currency or availability is another than before. Of two observations of one
moment, the one that was stored first counts.

Observations that come in the order of time are appended. A late one has the history rebuilt from
all known observations. Of archived months the archived points are all that is known: see
`ecommerce.archive.closed_months`.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from ecommerce.archive import closed_months
from ecommerce.records import Offer, PricePoint, Product
from marketplace.exceptions import MergeRequiredError
from marketplace.loading import staging
from marketplace.postgresql.sql_files import read_sql

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
_SERIES_COLUMNS = {"position": "bigint", **COLUMNS, "product_external_id": "text"}

#: In the order of the fields of a PricePoint.
_SERIES_NAMES = ["position", *PricePoint._fields, "product_external_id"]

_EVIDENCE = "known_observations"
_EVIDENCE_COLUMNS = {
    "offer_id": "bigint",
    "rank": "integer",
    **_SERIES_COLUMNS,
    "price_change": "numeric(18,2)",
    "price_change_percent": "numeric(22,2)",
    "is_outlier": "boolean",
    "is_last": "boolean",
}
for _name in ("offer_external_id", "product_external_id"):
    _EVIDENCE_COLUMNS.pop(_name)


class SoldOut(NamedTuple):
    """An observation of a product, all of whose offers are out of stock."""

    product_external_id: str
    recorded_at: datetime


def points_of(records: Iterable[Any], observed_at: datetime) -> list[PricePoint | SoldOut]:
    """Return the observations that the records of an item are: its offers, and prices of the past.

    Of several for one offer and moment, the one that loading would keep.
    """
    sold_out: list[PricePoint | SoldOut] = []
    found: dict[tuple[str, datetime], PricePoint] = {}
    current: dict[tuple[str, datetime], PricePoint] = {}
    for record in records:
        if isinstance(record, Offer):
            point = _current(record, observed_at)
            key = point[:2]
            current[key] = _completed(point, current[key]) if key in current else point
        elif isinstance(record, PricePoint) and record.recorded_at <= observed_at:
            found[record[:2]] = record
        elif isinstance(record, Product) and record.is_available is False:
            sold_out.append(SoldOut(record.external_id, observed_at))
    # What is said of a product counts where nothing is said of its offers.
    return list((found | current).values()) if current else [*found.values(), *sold_out]


def _current(offer: Offer, observed_at: datetime) -> PricePoint:
    amount = offer.stock_quantity
    if offer.price is None or (amount is None and offer.is_available is False):
        amount = 0
    return PricePoint(
        offer_external_id=offer.external_id,
        recorded_at=observed_at,
        price=offer.price,
        currency=offer.currency,
        old_price=offer.old_price,
        is_available=offer.is_available,
        available_amount=amount,
    )


def _completed(newer: PricePoint, older: PricePoint) -> PricePoint:
    """Return what two records of one offer in an item say together."""
    if newer.price is None:
        newer = newer._replace(
            price=older.price, old_price=older.old_price, currency=older.currency
        )
    if newer.is_available is not None and older.is_available not in (None, newer.is_available):
        # What was in stock by the other record says nothing of this one.
        older = older._replace(available_amount=None)
    values = (old if new is None else new for new, old in zip(newer, older, strict=True))
    return PricePoint._make(values)


def begin(cursor: CursorWrapper, offers: list[int], since: datetime) -> int:
    """Write the first points of offers that were just created; return how many they are.

    :param since: when the first of them was observed
    :raises MergeRequiredError: if that may be in an archived month, which takes no points
    """
    if closed_months.is_closed(cursor, since):
        raise MergeRequiredError(f"Months up to that of {since:%Y-%m-%d} may be archived.")
    cursor.execute(_sql("first_points"), {"offers": offers})
    return int(cursor.rowcount)


def append(cursor: CursorWrapper, platform: str) -> int:
    """Write the points of a merged batch, as far as it is newer than what was known.

    Returns how many points are new. Marks the outliers that it reveals.

    :raises ItemsRefusedError: if items would change a month that is archived
    """
    closed_months.refuse_changes(cursor, platform)
    cursor.execute(_sql("changed_prices"), {"platform": platform})
    count, has_past, offers, times, prices = cursor.fetchone()
    if offers:
        _mark(cursor, offers, times, prices)
    if has_past:
        _clear(cursor)
        cursor.execute(_sql("past_prices"))
        if cursor.rowcount:
            count += _rebuild(cursor, platform)
    return int(count)


def find_late(cursor: CursorWrapper, platform: str) -> list[str]:
    """Return the external_ids of the products whose histories a merged batch contradicts.

    It does so where it tells of a moment before the newest that is known, and another state than
    the history has then.
    """
    cursor.execute(_sql("late_arrivals"), {"platform": platform})
    return [external_id for (external_id,) in cursor.fetchall() if external_id is not None]


def rebuild(
    cursor: CursorWrapper, platform: str, observations: Iterable[PricePoint | SoldOut]
) -> int:
    """Make the histories of the offers that are observed anew; return how many points are new.

    A moment of which no observation is given has the state that the history has then, or that the
    offer had before the batch or has now. A point that stays keeps its id. Safe to run again.

    :param observations: of two of a moment, the first counts
    """
    _clear(cursor)
    rows = ((position, *_series(seen)) for position, seen in enumerate(observations))
    staging.copy(cursor, _SERIES, _SERIES_NAMES, rows)
    return _rebuild(cursor, platform)


def _series(seen: PricePoint | SoldOut) -> tuple[Any, ...]:
    """Return an observation as a row of stage_price_series, without its position."""
    if isinstance(seen, SoldOut):
        return (None, seen.recorded_at, None, None, None, False, 0, seen.product_external_id)
    return (*seen, None)


def _clear(cursor: CursorWrapper) -> None:
    """Make the temporary tables of a rebuild, or empty them."""
    cursor.execute(staging.definition(_SERIES, list(_SERIES_COLUMNS.items())))
    cursor.execute(staging.definition(_EVIDENCE, list(_EVIDENCE_COLUMNS.items())))
    staging.clear(cursor, [_SERIES, _EVIDENCE])


def _rebuild(cursor: CursorWrapper, platform: str) -> int:
    """Bring the history to what stage_price_series and all that is stored say."""
    cursor.execute(_sql("known_observations"), {"platform": platform})
    closed_months.add_archived_points(cursor, platform)
    # Joins of a table without statistics may take forever.
    cursor.execute("ANALYZE known_observations")
    cursor.execute(_sql("rebuilt_history"), {})
    count, gone, times, states = cursor.fetchone()
    if gone:
        cursor.execute(
            _sql("removed_points"),
            {"offers": gone, "times": times, "first": times[0], "last": times[-1]},
        )
    if states:
        cursor.execute(_sql("current_offers"), {"states": states})
    return int(count)


def _mark(cursor: CursorWrapper, offers: list[int], times: list[datetime], prices: Any) -> None:
    """Mark the last prices that a new one shows to be outliers."""
    cursor.execute(
        _sql("outlier_marks"),
        {
            "offers": offers,
            "times": times,
            "prices": prices,
            "first": min(times),
            "last": max(times),
        },
    )
