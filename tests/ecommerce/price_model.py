"""A model of the price history of an offer, computed one observation at a time."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from ecommerce.models import PricePoint

CENT = Decimal("0.01")

#: Columns of the fields of a `Point`.
COLUMNS = (
    "recorded_at",
    "price",
    "old_price",
    "currency",
    "is_available",
    "available_amount",
    "price_change",
    "price_change_percent",
    "is_outlier",
)


class Seen(NamedTuple):
    """An observation of an offer; `available` is None if unknown.

    An observation without a price means that the offer is out of stock.
    """

    at: datetime
    price: Decimal | None
    old_price: Decimal | None = None
    currency: str | None = "UZS"
    available: bool | None = None
    amount: int | None = None


class Point(NamedTuple):
    """A row of the history."""

    at: datetime
    price: Decimal
    old_price: Decimal | None
    currency: str | None
    available: bool | None
    amount: int | None
    change: Decimal | None
    percent: Decimal | None
    is_outlier: bool | None


def history(observations, is_marking=True):
    """Return the points of an offer.

    :param observations: in the order in which they were stored
    """
    points, counts, known = [], [], None
    for seen in states(observations):
        known = known if seen.available is None else seen.available
        last = points[-1] if points else None
        if last and last[1:5] == (seen.price, seen.old_price, seen.currency, known):
            counts[-1] += 1
            continue
        points.append(_point(seen, known, last))
        counts.append(1)
    return _marked(points, counts) if is_marking else points


def availability(observations):
    """Return the last known availability."""
    known = [seen.available for seen in states(observations) if seen.available is not None]
    return known[-1] if known else None


def stored(**offers):
    """Return the stored points in chronological order."""
    rows = PricePoint.objects.filter(**{f"offer__{name}": value for name, value in offers.items()})
    return [Point(*row) for row in rows.order_by("recorded_at").values_list(*COLUMNS)]


def states(observations):
    """Return the observations in chronological order, each with the price in effect."""
    begin = min((seen.at for seen in observations if seen.price is not None), default=None)
    first = {}
    for seen in observations:
        if seen.price is not None or (begin and seen.at > begin):
            first.setdefault(seen.at, seen)
    points = []
    for at in sorted(first):
        seen = first[at]
        if seen.price is None:
            *_, last = points
            seen = last._replace(at=at, available=False, amount=0)
        points.append(seen)
    return points


def _point(seen, known, last):
    change = percent = None
    if last and last.currency == seen.currency:
        change = seen.price - last.price
        if last.price:
            percent = (change * 100 / last.price).quantize(CENT, ROUND_HALF_UP)
    return Point(*seen[:4], known, seen.amount, change, percent, None)


def _marked(points, counts):
    marked = list(points)
    for index in range(1, len(points) - 1):
        before, point, after = points[index - 1 : index + 2]
        is_alone = counts[index] == 1 and not marked[index - 1].is_outlier
        is_same = before.currency == point.currency == after.currency
        if is_alone and is_same and is_outlier(point.price, before.price, after.price):
            marked[index] = point._replace(is_outlier=True)
    return marked


def is_outlier(price, before, after):
    if not before or abs(after - before) > before * Decimal("0.05"):
        return False
    low, high = sorted((before, after))
    return price * 2 <= low or any(
        low * factor * Decimal("0.95") <= price <= high * factor * Decimal("1.05")
        for factor in (10, 100)
    )
