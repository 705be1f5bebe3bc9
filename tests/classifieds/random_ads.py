"""Random ads of cars and flats, and their prices in one currency."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from classifieds.models import Listing
from tests import factories
from tests.amounts import convert, create_rates, local_day

#: The first of the days on which ads are posted, in Tashkent.
FIRST = datetime(2026, 7, 31, 19, tzinfo=UTC)

CATEGORIES = ("transport/cars", "transport/cars/kia", "transport/cars-parts", "real-estate", None)


def price_of(ad, target="UZS"):
    """Return the price in one currency at the day on which the ad was last seen; None for 0."""
    return convert(ad.price or None, ad.currency, local_day(ad.last_seen_at), target)


def is_within(ad, category):
    """Return whether the ad is of a category or below it."""
    path = ad.category_path
    return path is not None and (path == category or path.startswith(f"{category}/"))


def create(seed, count=120, **fixed):
    """Create rates and ads; return the ads."""
    choose = random.Random(seed)
    create_rates("classifieds")
    ads = [_ad(choose, number, fixed) for number in range(count)]
    Listing.objects.bulk_create(ads)
    return list(Listing.objects.order_by("pk"))


def _ad(choose, number, fixed):
    posted_at = FIRST + timedelta(seconds=choose.randrange(60 * 86400))
    last_seen_at = posted_at + timedelta(seconds=choose.randrange(30 * 86400))
    # Few different prices, so that there are ties.
    price = choose.choice((None, 0, 100, 100, 5000, choose.randrange(1, 10**6)))
    values = {
        "title": f"Ad {number}",
        "status": choose.choice(("active",) * 6 + ("sold", "expired", "removed", None)),
        "category_path": choose.choice(CATEGORIES),
        "price": None if price is None else Decimal(price),
        "currency": choose.choice(("UZS", "UZS", "USD", "USD", "EUR", None)),
        "brand": choose.choice((None, "Kia", "KIA", "Chevrolet")),
        "model": choose.choice((None, "Rio", "Cobalt")),
        "year": choose.choice((None, 2018, 2019, 2021)),
        "mileage": choose.choice((None, 0, 70, 100, 130, 131)),
        "area_sqm": choose.choice((None, Decimal(50), Decimal("64.5"))),
        "rooms": choose.choice((None, 2, 3)),
        "condition": choose.choice((None, "new", "used")),
        "city": choose.choice((None, "Tashkent", "Samarkand")),
        "district_canonical": choose.choice((None, "Sergeli", "Mirabad")),
    }
    return Listing(
        platform="olx",
        external_id=f"ad{number}",
        posted_at=choose.choice((posted_at,) * 9 + (None,)),
        first_seen_at=posted_at,
        last_seen_at=last_seen_at,
        updated_at=last_seen_at,
        **values | fixed,
    )


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


def create_with_ends(seed):
    """Create ads and events.

    :returns: the ads, and the key and status of an ad → the times at which it took the status
    """
    choose = random.Random(seed)
    ads = create(seed, count=200)
    ends = {}
    for ad in ads:
        ad.sold_at = choose.choice(
            (None, None, ad.first_seen_at + timedelta(days=1) * choose.uniform(-2, 40))
        )
        for _ in range(choose.randrange(3)):
            status = choose.choice(("active", "sold", "expired", "removed"))
            time = ad.first_seen_at + timedelta(days=1) * choose.uniform(-1, 50)
            factories.listing_event(listing=ad, kind="status", new_status=status, recorded_at=time)
            ends.setdefault((ad.pk, status), []).append(time)
    Listing.objects.bulk_update(ads, ["sold_at"])
    return ads, ends


def end_of(ad, ends):
    """Return the time at which an ad ended; None if it did not."""
    if ad.status not in ("sold", "expired", "removed"):
        return None
    if ad.status == "sold" and ad.sold_at:
        return ad.sold_at
    return max(ends.get((ad.pk, ad.status), []), default=ad.last_seen_at)
