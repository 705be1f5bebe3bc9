"""Fair prices, compared with a computation in Python."""

from datetime import date, timedelta
from decimal import Decimal
from statistics import quantiles

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import find_rate_day, local_day
from tests.classifieds import random_ads
from tests.classifieds.random_ads import price_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import FIRST, examples, optional

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: Parameters without an ad; each leaves a different part of the ads.
STATED = (
    {},
    {"category": ""},
    {"category": "transport", "brand": "kia", "least_count": 1},
    {"category": "", "model": "cobalt", "city": "Tashkent"},
    {"category": "", "year": 2019, "years_around": 2, "currency": "USD"},
    {"category": "", "mileage": 100, "condition": "used", "least_count": 1},
    {"category": "", "area": 60, "percent_around": 10, "least_count": 1},
    {"category": "", "rooms": 2},
    {"category": "", "since": date(2026, 8, 31)},
)


#: Most of the ads are cars.
CARS = optional("transport/cars", "transport/cars", "transport/cars/kia", "transport/cars-parts")


def is_near(value, wanted, tolerance):
    return value is not None and abs(value - wanted) <= tolerance


def is_comparable(ad, wanted, since):
    around = Decimal(wanted.get("percent_around", 30)) / 100
    return (
        ad.status == "active"
        and (since is None or local_day(ad.last_seen_at) >= since)
        and all(
            (getattr(ad, name) or "").casefold() == str(wanted[name]).casefold()
            for name in ("brand", "model", "condition", "city")
            if wanted.get(name) is not None
        )
        and (wanted.get("rooms") is None or ad.rooms == wanted["rooms"])
        and (
            wanted.get("year") is None
            or is_near(ad.year, wanted["year"], wanted.get("years_around", 1))
        )
        and all(
            is_near(value, wanted[name], wanted[name] * around)
            for name, value in (("mileage", ad.mileage), ("area", ad.area_sqm))
            if wanted.get(name) is not None
        )
    )


def quartiles_of(prices, least_count):
    if len(prices) < least_count:
        return None, None, None
    if len(prices) == 1:
        return prices * 3
    return quantiles(prices, n=4, method="inclusive")


def check(rows, ads, currency, least_count=5):
    """Check the rows against the comparable ads."""
    prices = {ad.pk: price_of(ad, currency) for ad in ads}
    ads = sorted(ads, key=lambda ad: (prices[ad.pk] is None, prices[ad.pk] or 0, ad.pk))
    known = [price for price in prices.values() if price is not None]

    assert [(row["listing_id"], row["price"]) for row in rows] == [
        (ad.pk, prices[ad.pk]) for ad in ads
    ]
    assert [row["rate_day"] for row in rows] == [
        find_rate_day(ad.currency, local_day(ad.last_seen_at), currency) for ad in ads
    ]
    quartiles = quartiles_of(known, least_count)
    for row in rows:
        assert (row["n_used"], row["n_total"]) == (len(known), len(ads))
        computed = [row["lower_quartile"], row["median"], row["upper_quartile"]]
        if quartiles[1] is None:
            assert computed == [None] * 3
            assert row["above_median_percent"] is None
        else:
            assert computed == pytest.approx(quartiles, abs=Decimal("0.006"))
            if row["price"] is not None:
                share = 100 * (row["price"] - quartiles[1]) / quartiles[1]
                assert row["above_median_percent"] == pytest.approx(
                    share, rel=Decimal("1e-9"), abs=Decimal("0.006")
                )


def edge_cases():
    """Return equal cars, and cars of which each differs from them in one attribute."""
    plain = {
        "category_path": "transport/cars/kia",
        "brand": "KIA",
        "model": "Cobalt",
        "year": 2019,
        "mileage": 100,
        "area_sqm": Decimal(60),
        "rooms": 2,
        "condition": "used",
    }
    changes = (
        {},
        *({name: None} for name in (*plain, "price", "currency", "city", "status")),
        {"category_path": "transport/cars"},
        {"category_path": "transport/cars-parts"},
        {"brand": "kia", "model": "COBALT"},
        *({"year": year} for year in (2016, 2017, 2021, 2022)),
        *({"mileage": mileage} for mileage in (0, 69, 70, 130, 131)),
        *({"area_sqm": Decimal(area)} for area in ("53.99", "54", "66", "66.01")),
        {"rooms": 3},
        {"condition": "new"},
        {"city": "Samarkand"},
        {"price": Decimal(0)},
        {"price": Decimal(99)},
        {"currency": "USD"},
        {"currency": "USD", "seen": FIRST, "stay": timedelta()},
        {"currency": "EUR"},
        {"seen": FIRST + timedelta(days=29, hours=23)},
        {"seen": FIRST + timedelta(days=30)},
    )
    return [random_ads.ad_of(**plain | change) for change in changes for _ in range(2)]


@examples
@given(random_ads.ads(count=50, category_path=CARS))
@example(edge_cases())
def test_attributes_equal_a_computation(ads):
    random_ads.store(ads)

    for parameters in STATED:
        wanted = {"category": "transport/cars", "since": None} | parameters
        comparable = [
            ad
            for ad in ads
            if is_comparable(ad, wanted, wanted["since"])
            and (not wanted["category"] or random_ads.is_within(ad, wanted["category"]))
        ]
        rows = answer("classifieds.fair_price", **wanted)
        check(rows, comparable, wanted.get("currency", "UZS"), wanted.get("least_count", 5))


@examples
@given(random_ads.ads(count=50, category_path=CARS, rooms=st.none(), area_sqm=st.none()))
@example(edge_cases())
def test_an_ad_is_compared_with_others_of_its_attributes(ads):
    random_ads.store(ads)
    names = ("brand", "year", "mileage", "condition", "city", "rooms")

    for ad in ads[::7]:
        wanted = {name: getattr(ad, name) for name in names} | {"area": ad.area_sqm}
        comparable = [
            other
            for other in ads
            if other != ad
            and random_ads.is_within(other, ad.category_path)
            and is_comparable(other, wanted | {"model": "cobalt"}, None)
        ]
        rows = answer(
            "classifieds.fair_price",
            listing=f"olx:{ad.external_id}",
            since=None,
            model="cobalt",
            least_count=1,
        )

        check(rows, comparable, "UZS", 1)
        own = price_of(ad)
        known = [price for other in comparable if (price := price_of(other)) is not None]
        place = 1 + sum(price < own for price in known) if own and known else None
        assert {(row["own_price"], row["own_place"]) for row in rows} <= {(own, place)}


def test_too_few_prices_have_no_median():
    for price in (100, 200, 300, 400, None, 0):
        factories.listing(price=price, currency="UZS")

    rows = answer("classifieds.fair_price", since=None)
    assert {(row["median"], row["n_used"], row["n_total"]) for row in rows} == {(None, 4, 6)}

    factories.listing(price=500, currency="UZS")
    assert {row["median"] for row in answer("classifieds.fair_price", since=None)} == {300}


def test_an_ad_that_does_not_exist_and_an_empty_database():
    assert answer("classifieds.fair_price") == []
    factories.listing()
    assert answer("classifieds.fair_price", listing="olx:none") == []
