"""Random lots and their amounts in one currency, computed in Python."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from procurement.models import Lot
from tests import factories

CENT = Decimal("0.01")
TASHKENT = ZoneInfo("Asia/Tashkent")

#: The period of the deals. Some are at the hours in which the day in Tashkent is not that in UTC.
FIRST_DAY, LAST_DAY = date(2026, 8, 1), date(2026, 10, 31)

#: Dollars are convertible from the second day on; for euros, no rate is known.
RATES = {date(2026, 8, 2): Decimal("12000.5"), date(2026, 9, 15): Decimal("12100.25")}


def local_day(moment):
    return moment.astimezone(TASHKENT).date()


def convert(amount, currency, day, target="UZS"):
    """Return an amount in so'm or dollars; None without a rate."""
    if amount is None or currency is None or day is None:
        return None
    if currency == target:
        return amount
    days = [rate_day for rate_day in RATES if rate_day <= day]
    if "EUR" in (currency, target) or not days:
        return None
    rate = RATES[max(days)]
    value = amount * rate if target == "UZS" else amount / rate
    return value.quantize(CENT, ROUND_HALF_UP)


def amount_of(lot, field="deal_cost", target="UZS"):
    """Return a cost of a lot in one currency, at the day of its deal."""
    day = lot.deal_date and local_day(lot.deal_date)
    return convert(getattr(lot, field), lot.currency, day, target)


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


def create(seed, count=80):
    """Create organizations, rates and lots; return the lots."""
    choose = random.Random(seed)
    for day, rate in RATES.items():
        factories.rate("procurement", rate_date=day, rate=rate)
    organizations = [
        factories.organization(
            external_id=f"o{number}",
            inn=choose.choice((None, f"20000000{number}")),
            name=choose.choice((None, f"Organization {number}")),
            region=choose.choice((None, "Bukhara", "Navoi")),
        )
        for number in range(8)
    ]
    lots = [_lot(choose, number, organizations) for number in range(count)]
    Lot.objects.bulk_create(lots)
    return list(Lot.objects.select_related("customer", "provider").order_by("pk"))


def _lot(choose, number, organizations):
    seconds = choose.randrange(92 * 86400)
    deal_date = datetime(2026, 7, 31, 19, tzinfo=UTC) + timedelta(seconds=seconds)
    start = choose.choice((None, 0, 100, 200, choose.randrange(1, 10**7)))
    # Few different amounts, so that there are ties.
    deal = choose.choice((None, 0, 1, 100, 100, 200, choose.randrange(1, 10**7)))
    return Lot(
        platform="uzex",
        external_id=f"lot{number}",
        status=choose.choice(("completed",) * 6 + ("active", "failed", None)),
        lot_type=choose.choice((None, *Lot.Type.values)),
        category_name=choose.choice((None, "Food", "Medicines", "Paper")),
        region=choose.choice((None, "Bukhara", "Navoi")),
        start_cost=None if start is None else Decimal(start),
        deal_cost=None if deal is None else Decimal(deal),
        currency=choose.choice(("UZS",) * 4 + ("USD", "USD", "EUR", None)),
        deal_date=choose.choice((deal_date,) * 9 + (None,)),
        participants_count=choose.choice((None, 0, 1, 1, 2, 3, 7)),
        customer=choose.choice((None, *organizations[:4])),
        provider=choose.choice((None, *organizations[3:])),
        first_seen_at=factories.SEEN,
        last_seen_at=factories.SEEN,
        updated_at=factories.SEEN,
    )


def key_of(lot, by):
    """Return the group of a lot."""
    customer = lot.customer
    if by == "region":
        return lot.region or (customer and customer.region)
    if by == "customer":
        return customer and (customer.inn or f"uzex:{customer.external_id}")
    if by == "month":
        return lot.deal_date and f"{local_day(lot.deal_date):%Y-%m}"
    return lot.lot_type if by == "lot_type" else lot.category_name


def group(lots, by):
    """Return the lots by their group."""
    groups = defaultdict(list)
    for lot in lots:
        groups[key_of(lot, by)].append(lot)
    return groups


def name_of(key, lots, by):
    """Return the name of a group: that of the customer, if it has one."""
    return (lots[0].customer.name if by == "customer" and key else None) or key


def text_order(text):
    """Return a sort key: None last."""
    return (text is None, text or "")
