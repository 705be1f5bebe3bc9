"""Offers with random prices, and their daily prices in plain Python."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from ecommerce.models import Offer
from tests import factories
from tests.factories import SEEN

DAY = timedelta(days=1)

#: UZS for one unit, on each day from RATES_SINCE days before SEEN. The tenge has no rate.
RATES = {"UZS": Decimal(1), "USD": Decimal(12000), "RUB": Decimal(150)}
RATES_SINCE = 40


class Price(NamedTuple):
    """A price point.

    :param day: number of days before SEEN
    """

    day: int
    price: Decimal
    currency: str | None = "UZS"
    old_price: Decimal | None = None
    is_available: bool | None = True
    is_outlier: bool | None = None


def add_rates() -> None:
    """Store the rates."""
    for currency in ("USD", "RUB"):
        day = (SEEN - RATES_SINCE * DAY).date()
        factories.rate("ecommerce", currency=currency, rate_date=day, rate=RATES[currency])


def convert(price: Decimal, currency: str | None, day: int = 0) -> Decimal | None:
    """Return a price in UZS, by the rates of a number of days before SEEN."""
    if currency == "UZS":
        return price
    if currency not in RATES or day > RATES_SINCE:
        return None
    return price * RATES[currency]


def add_offer(prices: list[Price], **fields: Any) -> Offer:
    """Store an offer with its history, the oldest price first; its state is the last price."""
    last = prices[-1]
    state = {"price": last.price, "currency": last.currency, "is_available": last.is_available}
    offer = factories.offer(**{**state, "old_price": last.old_price, **fields})
    before = None
    for point in prices:
        change = None
        if before and before.currency == point.currency:
            change = point.price - before.price
        factories.price_point(
            offer=offer,
            recorded_at=SEEN - point.day * DAY,
            price_change=change,
            price_change_percent=change and round(100 * change / before.price, 2),
            **_columns(point),
        )
        before = point
    return offer


def _columns(point: Price) -> dict[str, Any]:
    values = point._asdict()
    del values["day"]
    return values


def random_prices(random: Random, first_day: int = 400) -> list[Price]:
    """Return a history, the oldest price first: few values, so that some are the same."""
    days = sorted(random.sample(range(first_day), random.randint(1, 8)), reverse=True)
    currency = random.choice(["UZS", "UZS", "UZS", "USD", "RUB", "KZT", None])
    prices = []
    for day in days:
        price = Decimal(random.choice([80, 90, 95, 100, 100, 110, 120]))
        prices.append(
            Price(
                day,
                price,
                random.choice([currency] * 9 + ["UZS"]),
                random.choice([None, price, price + 20, Decimal(150)]),
                random.choice([True, True, True, False, None]),
                random.choice([None] * 6 + [False, True]) if 0 < day < days[0] else None,
            )
        )
    return prices


def daily_prices(prices: list[Price], currency: str | None, days: int) -> list[Decimal]:
    """Return the price of each of the days before SEEN, the oldest first, without outliers.

    Days without a price in the currency are left out.
    """
    valid = [point for point in prices if not point.is_outlier]
    series = []
    for day in range(days, 0, -1):
        in_effect = [point for point in valid if point.day >= day]
        if in_effect and in_effect[-1].currency == currency:
            series.append(in_effect[-1].price)
    return series
