"""Random lots, their amounts in one currency, and their groups."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from procurement.models import Lot
from tests import factories
from tests.amounts import convert, create_rates, local_day


def amount_of(lot, field="deal_cost", target="UZS"):
    """Return a cost of a lot in one currency, at the day of its deal."""
    return convert(getattr(lot, field), lot.currency, local_day(lot.deal_date), target)


def create(seed, count=80):
    """Create organizations, rates and lots; return the lots."""
    choose = random.Random(seed)
    create_rates("procurement")
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
    # Some are at the hours in which the day in Tashkent is not that in UTC.
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
