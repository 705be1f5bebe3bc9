"""Ads nearby, compared with a computation in Python."""

from decimal import Decimal
from math import asin, cos, radians, sin, sqrt

import pytest
from hypothesis import example, given

from classifieds.places import CITIES
from tests import factories
from tests.amounts import convert, find_rate_day, local_day
from tests.classifieds import random_ads
from tests.classifieds.random_ads import TASHKENT, price_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: Of the extension earthdistance, in kilometers.
RADIUS = 6378.168


def distance_between(here, there):
    """Return the distance of two points by the haversine formula, in kilometers."""
    (a, b), (c, d) = (map(radians, point) for point in (here, there))
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * RADIUS * asin(sqrt(half))


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


@examples
@given(random_ads.ads())
@example(random_ads.edge_cases()[0])
def test_equals_a_computation(ads):
    random_ads.store(ads)

    check(answer("classifieds.nearby"), nearest(ads, TASHKENT, 5))

    point = (41.33, 69.3)
    rows = answer("classifieds.nearby", point="41.33,69.3", km=2.5, currency="USD")
    check(rows, nearest(ads, point, 2.5), "USD")

    cars = [ad for ad in ads if random_ads.is_within(ad, "transport/cars")]
    rows = answer("classifieds.nearby", category="transport/cars", km=12)
    check(rows, nearest(cars, TASHKENT, 12))

    priced = [ad for ad in ads if (price_of(ad) or 0) >= 100 and price_of(ad) <= 500_000]
    rows = answer("classifieds.nearby", least_price=100, greatest_price=500_000, km=12)
    check(rows, nearest(priced, TASHKENT, 12))


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
