"""Ads nearby, compared with a computation in Python."""

import random
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt

import pytest

from classifieds.models import Listing
from classifieds.places import CITIES
from tests import factories
from tests.amounts import convert, find_rate_day, local_day
from tests.classifieds import random_ads
from tests.classifieds.random_ads import price_of
from tests.questions import analysts, answer  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: Of the extension earthdistance, in kilometers.
RADIUS = 6378.168

TASHKENT = (CITIES[0].latitude, CITIES[0].longitude)


def distance_between(here, there):
    """Return the distance of two points by the haversine formula, in kilometers."""
    (a, b), (c, d) = (map(radians, point) for point in (here, there))
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * RADIUS * asin(sqrt(half))


def place_ads(seed):
    """Create ads up to about 10 km from Tashkent; a third share a point."""
    ads = random_ads.create(seed, count=200)
    choose = random.Random(seed)
    for ad in ads:
        point = [TASHKENT[0] + 5, TASHKENT[1]]
        if choose.random() < 0.7:
            point = [round(c + Decimal(choose.uniform(-0.1, 0.1)), 6) for c in TASHKENT]
        ad.latitude, ad.longitude = choose.choice(((None, None), point, point, point))
    for number, ad in enumerate(ads[::3]):
        ad.latitude, ad.longitude = TASHKENT[0] + number % 4 * Decimal("0.01"), TASHKENT[1]
    Listing.objects.bulk_update(ads, ["latitude", "longitude"])
    return ads


def nearest(ads, here, km):
    distances = [
        (distance_between(here, (ad.latitude, ad.longitude)), ad.pk, ad)
        for ad in ads
        if ad.status == "active" and ad.latitude is not None
    ]
    return [(distance, ad) for distance, _, ad in sorted(distances) if distance <= km]


def check(rows, wanted, currency="UZS"):
    assert [row["listing_id"] for row in rows] == [ad.pk for _, ad in wanted]
    assert [float(row["distance"]) for row in rows] == [
        pytest.approx(distance, abs=0.001) for distance, _ in wanted
    ]
    for row, (_, ad) in zip(rows, wanted, strict=True):
        day = local_day(ad.last_seen_at)
        assert row["price"] == convert(ad.price, ad.currency, day, currency)
        assert row["rate_day"] == find_rate_day(ad.currency, day, currency)


@pytest.mark.parametrize("seed", range(2))
def test_equals_a_computation(seed):
    ads = place_ads(seed)
    wanted = nearest(ads, TASHKENT, 5)
    assert 10 < len(wanted) < len(ads)

    check(answer("classifieds.nearby"), wanted)

    point = (41.29, 69.3)
    rows = answer("classifieds.nearby", point="41.29,69.3", km=2.5, currency="USD")
    check(rows, nearest(ads, point, 2.5), "USD")

    cars = [ad for ad in ads if random_ads.is_within(ad, "transport/cars")]
    rows = answer("classifieds.nearby", category="transport/cars")
    check(rows, nearest(cars, TASHKENT, 5))

    priced = [ad for ad in ads if (price_of(ad) or 0) >= 100 and price_of(ad) <= 500_000]
    rows = answer("classifieds.nearby", least_price=100, greatest_price=500_000)
    check(rows, nearest(priced, TASHKENT, 5))


def test_every_city_is_known_with_its_centre():
    for city in CITIES:
        factories.listing(title=city.name, latitude=city.latitude, longitude=city.longitude)

    for city in CITIES:
        first = answer("classifieds.nearby", city=city.name, km=0.1)[0]
        assert (first["ad"], first["distance"]) == (city.name, 0)


def test_distances_cross_the_antimeridian():
    factories.listing(latitude=Decimal(0), longitude=Decimal("-179.99"))

    (row,) = answer("classifieds.nearby", point="0,179.99")

    assert row["distance"] == pytest.approx(Decimal("2.226"), abs=Decimal("0.001"))


def test_an_unknown_city_and_an_empty_database():
    assert answer("classifieds.nearby") == []
    factories.listing(latitude=TASHKENT[0], longitude=TASHKENT[1])
    assert answer("classifieds.nearby", city="Atlantis") == []
    assert answer("classifieds.nearby", city=None) == []
