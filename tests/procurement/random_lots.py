"""Random lots, their amounts in one currency, and their groups."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from procurement.models import ExchangeRate, Lot, Organization
from tests import factories
from tests.amounts import convert, create_rates, local_day
from tests.strategies import FIRST, amounts, currencies, few_or_many, optional, replace_rows, times

SEEN = {
    "platform": "uzex",
    "first_seen_at": factories.SEEN,
    "last_seen_at": factories.SEEN,
    "updated_at": factories.SEEN,
}


def amount_of(lot, field="deal_cost", target="UZS"):
    """Return a cost of a lot in one currency, at the day of its deal."""
    return convert(getattr(lot, field), lot.currency, local_day(lot.deal_date), target)


@st.composite
def lots(draw, count=30):
    """Return lots of 2 to 6 organizations, which buy and sell."""
    organizations = [
        Organization(
            name=draw(optional(f"Organization {number}")),
            inn=draw(optional(f"20000000{number}")),
            region=draw(optional("Bukhara", "Navoi")),
            **SEEN,
        )
        for number in range(draw(st.integers(2, 6)))
    ]
    lot = st.builds(
        Lot,
        status=st.sampled_from(("completed",) * 6 + ("active", "failed", None)),
        lot_type=optional(*Lot.Type.values),
        category_name=optional("Food", "Medicines", "Paper"),
        region=optional("Bukhara", "Navoi"),
        start_cost=amounts,
        deal_cost=amounts,
        currency=currencies,
        deal_date=st.none() | times(92),
        participants_count=optional(0, 1, 1, 2, 3, 7),
        customer=optional(*organizations),
        provider=optional(*organizations),
        **{name: st.just(value) for name, value in SEEN.items()},
    )
    return draw(few_or_many(lot, count))


def lot_of(**values):
    """Return a completed lot of a known amount that is not stored."""
    plain = {
        "status": "completed",
        "category_name": "Food",
        "start_cost": Decimal(200),
        "deal_cost": Decimal(100),
        "currency": "UZS",
        "deal_date": FIRST + timedelta(days=20),
        "participants_count": 2,
    }
    return Lot(**SEEN | plain | values)


def edge_cases():
    """Return pairs of equal lots: one plain, and one for each value that is not plain."""
    customer, provider = (Organization(name=name, **SEEN) for name in ("Customer", None))
    known = ("status", "category_name", "start_cost", "deal_cost", "currency", "deal_date")
    changes = (
        {},
        *({name: None} for name in (*known, "participants_count", "customer", "provider")),
        {"start_cost": Decimal(0)},
        {"deal_cost": Decimal(0)},
        {"deal_cost": Decimal(50)},
        {"deal_cost": Decimal(300)},
        {"participants_count": 0},
        {"participants_count": 1},
        {"deal_date": FIRST + timedelta(days=20, seconds=-1)},
        {"deal_date": FIRST + timedelta(days=64, seconds=-1)},
        {"deal_date": FIRST + timedelta(days=64)},
        {"currency": "USD"},
        {"currency": "USD", "deal_date": FIRST},
        {"currency": "EUR"},
        {"category_name": "Medicines", "currency": "EUR"},
        # Two suppliers with equal amounts, and an unknown one.
        {"category_name": "Paper"},
        {"category_name": "Paper", "customer": provider, "provider": customer},
        {"category_name": "Paper", "customer": None, "provider": None},
    )
    parties = {"customer": customer, "provider": provider}
    return [lot_of(**parties | change) for change in changes for _ in range(2)]


def store(lots):
    """Store lots, their organizations and rates, in place of others; return the lots."""
    if not ExchangeRate.objects.exists():
        create_rates("procurement")
    organizations = {
        id(item): item for lot in lots for item in (lot.customer, lot.provider) if item
    }
    replace_rows(Organization, list(organizations.values()))
    replace_rows(Lot, lots)
    return lots


def completed_lots(lots):
    """Store lots; return those that are completed."""
    return [lot for lot in store(lots) if lot.status == "completed"]


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
