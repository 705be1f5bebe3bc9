"""Random ads of cars and flats with their events, and their prices in one currency."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from classifieds.models import ExchangeRate, Listing, ListingEvent
from classifieds.places import CITIES
from tests.amounts import convert, create_rates, local_day
from tests.strategies import FIRST, amounts, currencies, few_or_many, optional, replace_rows, times

DAY = timedelta(days=1)

TASHKENT = (CITIES[0].latitude, CITIES[0].longitude)

#: Old and new currency of a change of the price.
CURRENCIES = (("UZS", "UZS"),) * 3 + (("USD", "UZS"), ("UZS", None), (None, None))

#: Up to 13 km from the centre. No two points are equally far from it, unless they are equal.
points = st.none() | st.tuples(st.integers(0, 90_000), st.integers(0, 110_000))


def price_of(ad, target="UZS"):
    """Return the price in one currency at the day on which the ad was last seen; None for 0."""
    return convert(ad.price or None, ad.currency, local_day(ad.last_seen_at), target)


def is_within(ad, category):
    """Return whether the ad is of a category or below it."""
    path = ad.category_path
    return path is not None and (path == category or path.startswith(f"{category}/"))


def ads(count=30, **fixed):
    """Return lists of ads.

    :param fixed: strategies of fields, in place of those that are used otherwise
    """
    values = {
        "status": st.sampled_from(
            ("active",) * 5 + ("sold", "sold", "expired", "removed", "suspended", None)
        ),
        "category_path": optional(
            "transport/cars", "transport/cars/kia", "transport/cars-parts", "real-estate"
        ),
        "price": amounts,
        "currency": currencies,
        "brand": optional("Kia", "KIA", "Chevrolet"),
        "model": optional("Rio", "Cobalt"),
        "year": optional(2018, 2019, 2021),
        "mileage": optional(0, 70, 100, 130, 131),
        "area_sqm": optional(Decimal(50), Decimal("64.5")),
        "rooms": optional(2, 3),
        "condition": optional("new", "used"),
        "city": optional("Tashkent", "Samarkand"),
        "district_canonical": optional("Sergeli", "Mirabad"),
        "point": points,
        "seen": times(60),
        "posted": st.none() | st.just(timedelta()) | st.integers(-20, 5).map(DAY.__mul__),
        "stay": st.integers(0, 30 * 24).map((DAY / 24).__mul__),
        "sold": st.none() | st.integers(-2, 40).map(DAY.__mul__),
    }
    return few_or_many(st.builds(ad_of, **values | fixed), count)


def ad_of(seen=FIRST + 20 * DAY, posted=timedelta(), stay=DAY, sold=None, point=None, **values):
    """Return an ad that is not stored.

    :param posted: time after `seen`; None if it is unknown
    :param stay: how long it was seen
    :param sold: time after `seen`
    :param point: millionths of a degree from the centre of Tashkent
    """
    plain = {
        "status": "active",
        "category_path": "transport/cars",
        "price": Decimal(100),
        "currency": "UZS",
        "city": "Tashkent",
    }
    latitude, longitude = (
        (c + Decimal(offset) / 10**6 for c, offset in zip(TASHKENT, point, strict=True))
        if point
        else (None, None)
    )
    return Listing(
        platform="olx",
        posted_at=None if posted is None else seen + posted,
        first_seen_at=seen,
        last_seen_at=seen + stay,
        updated_at=seen + stay,
        sold_at=None if sold is None else seen + sold,
        latitude=latitude,
        longitude=longitude,
        **plain | values,
    )


def event_of(ad, after, **values):
    """Return an event of an ad, a time after it was first seen, that is not stored."""
    return ListingEvent(listing=ad, recorded_at=ad.first_seen_at + after, **values)


@st.composite
def ads_with_events(draw):
    """Return ads, and changes of their statuses and prices."""
    drawn = draw(ads())
    if not drawn:
        return [], []
    some, after = st.sampled_from(drawn), st.integers(-5 * 24, 60 * 24).map((DAY / 24).__mul__)
    prices = optional(*map(Decimal, ("100", "95", "90", "70", "33.33", "0")))
    status = st.builds(
        event_of,
        some,
        after,
        kind=st.just("status"),
        new_status=st.sampled_from(("active", "sold", "expired", "removed")),
    )
    price = st.builds(
        lambda ad, after, pair, **values: event_of(
            ad, after, old_currency=pair[0], new_currency=pair[1], **values
        ),
        some,
        after,
        st.sampled_from(CURRENCIES),
        kind=st.sampled_from(("price", "price", "price", "posted")),
        old_price=prices,
        new_price=prices,
    )
    events = st.lists(
        status | price,
        max_size=80,
        unique_by=lambda event: (id(event.listing), event.recorded_at, event.kind),
    )
    return drawn, draw(events)


def edge_cases():
    """Return pairs of equal ads, one for each value that is not plain, and events of them."""
    changes = (
        {},
        *({name: None} for name in ("status", "category_path", "price", "currency", "city")),
        {"category_path": "real-estate", "price": None},
        {"category_path": "transport", "currency": "EUR"},
        {"price": Decimal(0)},
        {"currency": "USD"},
        {"currency": "USD", "seen": FIRST, "stay": timedelta()},
        {"currency": "EUR"},
        {"posted": None},
        {"posted": -9 * DAY},
        {"posted": DAY},
        {"city": "Samarkand", "district_canonical": "Mirabad"},
        {"point": (0, 0)},
        {"point": (10_000, 0)},
        {"status": "suspended"},
        {"status": "sold"},
        {"status": "sold", "sold": 5 * DAY},
        {"status": "expired", "sold": 5 * DAY},
        {"status": "removed", "sold": -5 * DAY},
        {"status": "sold", "sold": -5 * DAY},
    )
    pairs = [[ad_of(**change) for _ in range(2)] for change in changes]
    price = {"kind": "price", "old_currency": "UZS", "new_currency": "UZS"}
    cut = price | {"old_price": Decimal(100), "new_price": Decimal(90)}
    events = [
        event_of(ad, after * DAY, **values)
        for pair in pairs
        for ad, after, values in (
            (pair[0], 2, cut),
            (pair[0], 3, cut | {"new_price": Decimal(70)}),
            (pair[1], -3, cut),
            (pair[1], 4, cut | {"new_price": Decimal(0)}),
            (pair[1], 5, cut | {"new_price": None}),
            (pair[1], 6, cut | {"old_price": None}),
            (pair[1], 7, cut | {"new_price": Decimal(101)}),
            (pair[1], 8, cut | {"old_currency": "USD"}),
            (pair[1], 9, cut | {"old_currency": None, "new_currency": None}),
            (pair[0], 10, {"kind": "status", "new_status": "sold"}),
            (pair[0], 11, {"kind": "status", "new_status": "expired"}),
            (pair[0], 12, {"kind": "status", "new_status": "sold"}),
        )
    ]
    return [ad for pair in pairs for ad in pair], events


def store(ads, events=()):
    """Store ads, events and rates, in place of others."""
    if not ExchangeRate.objects.exists():
        create_rates("classifieds")
    replace_rows(Listing, ads)
    ListingEvent.objects.bulk_create(events)


def key_of(ad, by, depth=2):
    """Return the group of an ad."""
    if by == "category":
        path = ad.category_path
        return path and "/".join(path.split("/")[:depth])
    if by == "district":
        known = ad.city and ad.district_canonical
        return f"{ad.city}, {ad.district_canonical}" if known else None
    if by == "price_band":
        price = price_of(ad)
        if price is None:
            return None
        digits = len(str(int(price)))
        lower = f"{10 ** (digits - 1):,}" if digits > 1 else "0"
        return f"{lower}–{10**digits:,}".replace(",", " ")
    return ad.city


def group(ads, by, depth=2):
    """Return the ads by their group."""
    groups = defaultdict(list)
    for ad in ads:
        groups[key_of(ad, by, depth)].append(ad)
    return groups


def end_of(ad, events):
    """Return the time at which an ad ended; None if it did not."""
    if ad.status not in ("sold", "expired", "removed"):
        return None
    if ad.status == "sold" and ad.sold_at:
        return ad.sold_at
    ends = (
        event.recorded_at
        for event in events
        if event.listing == ad and event.kind == "status" and event.new_status == ad.status
    )
    return max(ends, default=ad.last_seen_at)
