"""The parsed demonstration data of classifieds at scale 1."""

import re
from collections import Counter

import pytest

from classifieds.demo import feeds
from classifieds.places import CITIES
from classifieds.records import Listing, Seller
from tests.demo_records import assert_no_data_of_the_future, by_id, records_of


@pytest.fixture(scope="module")
def visits():
    """Each feed with the records of its documents."""
    return [(feed, list(records_of(feed))) for feed in feeds(1)]


@pytest.fixture(scope="module")
def states(visits):
    """External id of a listing → its records in order."""
    return by_id(visits, Listing)


@pytest.fixture(scope="module")
def listings(states):
    return [seen[-1] for seen in states.values()]


def is_in(listing, path):
    return (listing.category_path or "").startswith(path)


class TestFeeds:
    def test_has_the_documented_number_of_listings(self, listings):
        assert len(listings) == pytest.approx(5000, rel=0.05)

    def test_has_no_data_of_the_future(self, visits):
        assert_no_data_of_the_future(visits)

    def test_last_visit_has_all_active_listings(self, visits, listings):
        active = {listing.external_id for listing in listings if listing.status == "active"}

        assert active <= {record.external_id for record in visits[-1][1]}


class TestListings:
    @pytest.mark.parametrize(
        ("is_one", "minimum"),
        [
            (lambda ad: ad.price == 0, 100),
            (lambda ad: ad.is_negotiable, 1000),
            (lambda ad: ad.is_price_on_request, 30),
            (lambda ad: is_in(ad, "real-estate/apartments"), 900),
            (lambda ad: is_in(ad, "jobs/"), 300),
        ],
        ids=["free", "negotiable", "on request", "flats", "jobs"],
    )
    def test_all_kinds_occur(self, listings, is_one, minimum):
        assert sum(bool(is_one(listing)) for listing in listings) > minimum

    def test_have_the_fields_of_their_category(self, listings):
        for ad in listings:
            if is_in(ad, "real-estate/apartments"):
                assert ad.rooms and ad.area_sqm and ad.price
            if is_in(ad, "jobs/"):
                assert ad.attributes["salary"]["currency"] == "UZS"
            if is_in(ad, ("jobs", "free")):
                assert ad.status != "sold"

    def test_some_prices_fall(self, states):
        fallen = [s for s in states.values() if s[0].price and s[-1].price < s[0].price]

        assert len(fallen) > 400

    def test_all_final_statuses_occur_and_are_final(self, listings, states):
        statuses = Counter(listing.status for listing in listings)

        assert set(statuses) == {"active", "sold", "removed", "expired"}
        assert min(statuses.values()) > 200
        assert all(s.status == "active" for seen in states.values() for s in seen[:-1])

    def test_capital_has_cheap_cars(self, listings):
        cheap = [
            ad
            for ad in listings
            if is_in(ad, "transport/cars")
            and (ad.city, ad.currency, ad.status) == ("Tashkent", "UZS", "active")
            and ad.price < 20_000_000
        ]

        assert len(cheap) > 20
        assert all(car.brand and car.model and car.year and car.mileage for car in cheap)

    def test_places_are_in_their_cities(self, listings):
        cities = {city.name: city for city in CITIES}

        for listing in listings:
            city = cities[listing.city]
            assert listing.region == city.region
            assert abs(listing.latitude - city.latitude) < 0.06
            assert abs(listing.longitude - city.longitude) < 0.06


class TestPrivacy:
    def test_texts_have_no_contact_data(self, listings):
        contact = re.compile(r"\S@\S|\+998|\b\d{7,}\b|\b\d{2}[ -]\d{3}[ -]\d{2}[ -]\d{2}\b")

        texts = [f"{listing.title} {listing.description}" for listing in listings]

        assert not [text for text in texts if contact.search(text)]

    def test_private_sellers_have_numbers_for_names(self, visits):
        sellers = [seller for seen in by_id(visits, Seller).values() for seller in seen]
        private = {seller.name for seller in sellers if not seller.is_business}

        assert len(private) > 2000
        assert all(re.fullmatch(r"Seller \d+", name) for name in private)
        assert any(seller.is_business for seller in sellers)
