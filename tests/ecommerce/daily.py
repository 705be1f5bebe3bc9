"""Prices of an offer day by day, and in one currency, in plain Python."""

from decimal import Decimal

from ecommerce.models import Offer
from tests.amounts import convert, local_day, percent
from tests.ecommerce.markets import Price


def converted(offer: Offer, target: str = "UZS") -> Decimal | None:
    """Return the price of an offer in one currency, by the rate of the day it was last seen."""
    return convert(offer.price, offer.currency, local_day(offer.scraped_at), target)


def percent_below(price: Decimal, base: Decimal | None) -> Decimal | None:
    """Return by how many percent a price is below another one; None if that is 0 or unknown."""
    return percent(None if base is None else base - price, base)


def valid(points: list[Price]) -> list[Price]:
    """Return the points that are not outliers."""
    return [point for point in points if not point.is_outlier]


def by_day(points: list[Price], until: int = 0) -> dict[int, Price]:
    """Return the point in effect on each day, the oldest first.

    :returns: n → the point in effect from n to n - 1 days before TODAY; the least n is until + 1
    """
    ends = [*(point.day for point in points[1:]), until]
    return {
        day: point
        for point, end in zip(points, ends, strict=True)
        for day in range(point.day, end, -1)
    }


def prices_of(
    days: dict[int, Price], currency: str | None, first: int, count: int
) -> list[Decimal]:
    """Return the prices on the `count` days that precede a day, only those in the currency."""
    window = [days[day] for day in range(first + count, first, -1) if day in days]
    return [point.price for point in window if point.currency == currency]
