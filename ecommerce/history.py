"""The price history, which follows from the observations of offers.

The history of an offer depends only on the set of its observations, not on the order in which they
arrive. In the order of time:

- An unknown availability is the availability of the observation before.
- An offer that is out of stock may be observed without a price; the last price then stays valid.
  Before the first price, such an observation is ignored.
- There is a point for the first observation, and for each observation whose price, old price,
  currency or availability differs from the one before.
- If two observations have the same time, the first stored one wins.

Observations that arrive in order are appended. After a late arrival, the history is rebuilt from
all known observations. Of archived months, only the archived points are known: see
`ecommerce.archive.closed_months`.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from ecommerce.archive import closed_months
from ecommerce.records import Offer, PricePoint, Product
from marketplace.loading import staging
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, __file__)

#: Field of a PricePoint → SQL type.
COLUMNS = {
    "offer_external_id": "text",
    "recorded_at": "timestamptz",
    "price": "numeric(18,2)",
    "currency": "varchar(3)",
    "old_price": "numeric(18,2)",
    "is_available": "boolean",
    "available_amount": "integer",
}

#: Temporary table of the observations from which histories are rebuilt.
_SERIES = "stage_price_series"
_SERIES_COLUMNS = {"position": "bigint", **COLUMNS, "product_external_id": "text"}

#: Columns of the series, in the order of PricePoint's fields.
_SERIES_NAMES = ["position", *PricePoint._fields, "product_external_id"]

#: Temporary table of all known states of the offers in the series.
_KNOWN = "known_observations"
_KNOWN_COLUMNS = {
    "offer_id": "bigint",
    "rank": "integer",
    **_SERIES_COLUMNS,
    "price_change": "numeric(18,2)",
    "price_change_percent": "numeric(22,2)",
    "is_outlier": "boolean",
    "is_last": "boolean",
}
for _name in ("offer_external_id", "product_external_id"):
    _KNOWN_COLUMNS.pop(_name)


class SoldOut(NamedTuple):
    """An observation of a product whose offers are all out of stock."""

    product_external_id: str
    recorded_at: datetime


def observations_of(records: Iterable[Any], observed_at: datetime) -> list[PricePoint | SoldOut]:
    """Return the observations of prices in the records of an item: its offers, and past prices.

    Several observations of one offer and time become one, as in loading.
    """
    sold_out: list[PricePoint | SoldOut] = []
    past: dict[tuple[str, datetime], PricePoint] = {}
    current: dict[tuple[str, datetime], PricePoint] = {}
    for record in records:
        if isinstance(record, Offer):
            point = _point_of(record, observed_at)
            key = point[:2]
            current[key] = _combine(point, current[key]) if key in current else point
        elif isinstance(record, PricePoint) and record.recorded_at <= observed_at:
            past[record[:2]] = record
        elif isinstance(record, Product) and record.is_available is False:
            sold_out.append(SoldOut(record.external_id, observed_at))
    # The availability of a product is used only if the item has no offers.
    return list((past | current).values()) if current else [*past.values(), *sold_out]


def _point_of(offer: Offer, observed_at: datetime) -> PricePoint:
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


def _combine(newer: PricePoint, older: PricePoint) -> PricePoint:
    """Return one point for two records of an offer: the newer values, completed by the older."""
    if newer.price is None:
        newer = newer._replace(
            price=older.price, old_price=older.old_price, currency=older.currency
        )
    if newer.is_available is not None and older.is_available not in (None, newer.is_available):
        # The amount belongs to the other availability.
        older = older._replace(available_amount=None)
    values = (old if new is None else new for new, old in zip(newer, older, strict=True))
    return PricePoint._make(values)


def append_points(cursor: CursorWrapper, platform: str) -> int:
    """Write the points of a merged batch that are newer than the stored state.

    Marks last prices as outliers where the new ones reveal them. Late arrivals are left to
    `find_late` and `rebuild`.

    :return: the number of new points
    :raises ItemsRefusedError: if items would change an archived month
    """
    closed_months.refuse_changes(cursor, platform)
    cursor.execute(_sql("changed_prices"), {"platform": platform})
    count, has_past_prices, offers, times, prices = cursor.fetchone()
    if offers:
        _mark_outliers(cursor, offers, times, prices)
    if has_past_prices:
        _prepare_tables(cursor)
        cursor.execute(_sql("past_prices"))
        if cursor.rowcount:
            count += _rebuild(cursor, platform)
    return int(count)


def find_late(cursor: CursorWrapper, platform: str) -> list[str]:
    """Return the external ids of products whose histories must be rebuilt after a merged batch.

    These products have late arrivals in the batch that contradict their history.
    """
    cursor.execute(_sql("late_arrivals"), {"platform": platform})
    return [external_id for (external_id,) in cursor.fetchall() if external_id is not None]


def rebuild(
    cursor: CursorWrapper, platform: str, observations: Iterable[PricePoint | SoldOut]
) -> int:
    """Rebuild the histories of the observed offers; return the number of new points.

    For times without an observation, the stored points and the state of the offer before and after
    the batch count. Points that remain keep their ids. Safe to run again.

    :param observations: if two have the same time, the first one wins
    """
    _prepare_tables(cursor)
    rows = ((position, *_series_row(seen)) for position, seen in enumerate(observations))
    staging.copy(cursor, _SERIES, _SERIES_NAMES, rows)
    return _rebuild(cursor, platform)


def _series_row(observation: PricePoint | SoldOut) -> tuple[Any, ...]:
    """Return an observation as a row of stage_price_series, without its position."""
    if isinstance(observation, SoldOut):
        product, time = observation
        return (None, time, None, None, None, False, 0, product)
    return (*observation, None)


def _prepare_tables(cursor: CursorWrapper) -> None:
    """Create the temporary tables of a rebuild, or empty them."""
    cursor.execute(staging.definition(_SERIES, list(_SERIES_COLUMNS.items())))
    cursor.execute(staging.definition(_KNOWN, list(_KNOWN_COLUMNS.items())))
    staging.clear(cursor, [_SERIES, _KNOWN])


def _rebuild(cursor: CursorWrapper, platform: str) -> int:
    """Rebuild the histories of the offers in the series; return the number of new points."""
    cursor.execute(_sql("known_observations"), {"platform": platform})
    closed_months.add_archived_points(cursor, platform)
    # Without statistics, the planner may choose very slow joins.
    cursor.execute("ANALYZE known_observations")
    cursor.execute(_sql("rebuilt_history"), {})
    count, offers, times, states = cursor.fetchone()
    if offers:
        cursor.execute(
            _sql("removed_points"),
            {"offers": offers, "times": times, "first": times[0], "last": times[-1]},
        )
    if states:
        cursor.execute(_sql("current_offers"), {"states": states})
    return int(count)


def _mark_outliers(
    cursor: CursorWrapper, offers: list[int], times: list[datetime], prices: Any
) -> None:
    """Mark the last prices of offers that the new prices reveal to be outliers.

    :param times: the time of each offer's last price
    :param prices: the new price of each offer
    """
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
