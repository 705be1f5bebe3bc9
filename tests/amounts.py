"""Amounts in one currency and their shares, computed in Python as questions compute them."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from tests import factories

CENT = Decimal("0.01")
TASHKENT = ZoneInfo("Asia/Tashkent")

#: Dollars are convertible from the second day on; for euros, no rate is known.
RATES = {date(2026, 8, 2): Decimal("12000.5"), date(2026, 9, 15): Decimal("12100.25")}


def create_rates(alias):
    """Create the rates in a database."""
    for day, rate in RATES.items():
        factories.rate(alias, rate_date=day, rate=rate)


def local_day(moment):
    """Return the day of a time in Tashkent; None for None."""
    return moment and moment.astimezone(TASHKENT).date()


def find_rate_day(currency, day, target="UZS"):
    """Return the day of the rate with which `convert` converts; None if it needs none."""
    if currency is None or day is None or currency == target or "EUR" in (currency, target):
        return None
    return max((rate_day for rate_day in RATES if rate_day <= day), default=None)


def convert(amount, currency, day, target="UZS"):
    """Return an amount in so'm or dollars; None without a rate."""
    if amount is None or currency is None or day is None:
        return None
    if currency == target:
        return amount
    rate_day = find_rate_day(currency, day, target)
    if rate_day is None:
        return None
    value = amount * RATES[rate_day] if target == "UZS" else amount / RATES[rate_day]
    return value.quantize(CENT, ROUND_HALF_UP)


def percent(part, whole):
    """Return the share in percent, rounded to 2 digits; None if it cannot be computed."""
    if part is None or not whole:
        return None
    return (100 * part / whole).quantize(CENT, ROUND_HALF_UP)


def total(amounts):
    """Return the sum of the known amounts; None if none is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def descending(value):
    """Return a sort key: greatest first, None last."""
    return (value is None, -(value or 0))


def text_order(text):
    """Return a sort key: None last."""
    return (text is None, text or "")
