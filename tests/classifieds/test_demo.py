"""The parsed demonstration data of classifieds at scale 1."""

import re
from collections import Counter, defaultdict

import pytest

from classifieds.demo import feeds
from classifieds.places import CITIES
from classifieds.records import Listing, Seller
from marketplace.demo import END, START
from marketplace.loading.adapters import Source, get_adapter


@pytest.fixture(scope="module")
def visits():
    """Each feed with the records of its documents."""
    return [(feed, list(_records(feed))) for feed in feeds(1)]


@pytest.fixture(scope="module")
def states(visits):
    """External id of a listing → its records in order."""
    records_by_id = defaultdict(list)
    for _, records in visits:
        for record in records:
            if isinstance(record, Listing):
                records_by_id[record.external_id].append(record)
    return records_by_id


@pytest.fixture(scope="module")
def listings(states):
    return [seen[-1] for seen in states.values()]


def _records(feed):
    adapter, source = get_adapter(feed.platform), Source(feed.name)
    for document in feed.documents:
        assert adapter.recognize(document), list(document)
        for item in adapter.split(document, source):
            yield from adapter.parse(item).records


class TestFeeds:
    def test_has_the_documented_number_of_listings(self, listings):
        assert len(listings) == pytest.approx(5000, rel=0.05)

    def test_feeds_are_chronological(self, visits):
        times = [feed.observed_at for feed, _ in visits]

        assert times == sorted(set(times))
        assert (times[0], times[-1]) == (START, END)

    def test_has_no_data_of_the_future(self, visits):
        for feed, records in visits:
            for record in records:
                if isinstance(record, Listing):
                    assert record.posted_at <= feed.observed_at
                    assert record.bumped_at is None or record.bumped_at <= feed.observed_at

    def test_last_visit_has_all_active_listings(self, visits, listings):
        active = {listing.external_id for listing in listings if listing.status == "active"}
        seen_last = {r.external_id for r in visits[-1][1] if isinstance(r, Listing)}

        assert active <= seen_last

    def test_larger_scale_has_the_smaller_one_in_it(self, visits):
        small = {r.external_id: r for r in visits[0][1] if isinstance(r, Listing)}
        large = {r.external_id: r for r in _records(next(feeds(2))) if isinstance(r, Listing)}

        assert len(large) > len(small)
        assert {key: large[key] for key in small} == small


class TestListings:
    def test_some_prices_fall(self, states):
        fallen = [s for s in states.values() if s[0].price and s[-1].price < s[0].price]

        assert len(fallen) > 400

    def test_all_final_statuses_occur(self, listings):
        statuses = Counter(listing.status for listing in listings)

        assert set(statuses) == {"active", "sold", "removed", "expired"}
        assert min(statuses.values()) > 200

    def test_ended_listings_never_return(self, states):
        assert all(s.status == "active" for seen in states.values() for s in seen[:-1])

    def test_jobs_and_gifts_are_not_sold(self, listings):
        sold = [listing for listing in listings if listing.status == "sold"]

        assert sold
        assert not [s for s in sold if s.category_path.startswith(("jobs", "free"))]

    def test_capital_has_cheap_cars(self, listings):
        cheap = [
            listing
            for listing in listings
            if listing.category_path.startswith("transport/cars")
            and listing.city == "Tashkent"
            and listing.currency == "UZS"
            and listing.price < 20_000_000
            and listing.status == "active"
        ]

        assert len(cheap) > 20
        assert all(car.brand and car.model and car.year and car.mileage for car in cheap)

    def test_flats_have_rooms_and_area(self, listings):
        flats = [x for x in listings if x.category_path.startswith("real-estate/apartments")]

        assert len(flats) > 900
        assert all(flat.rooms and flat.area_sqm and flat.price for flat in flats)

    def test_jobs_have_a_salary(self, listings):
        jobs = [listing for listing in listings if listing.category_path.startswith("jobs/")]

        assert len(jobs) > 300
        assert all(job.attributes["salary"]["currency"] == "UZS" for job in jobs)

    def test_some_are_free_negotiable_or_without_a_price(self, listings):
        assert sum(listing.price == 0 for listing in listings) > 100
        assert sum(bool(listing.is_negotiable) for listing in listings) > 1000
        assert sum(bool(listing.is_price_on_request) for listing in listings) > 30

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
        names = {
            (record.name, record.is_business)
            for _, records in visits
            for record in records
            if isinstance(record, Seller)
        }

        private = [name for name, is_business in names if not is_business]

        assert len(private) > 2000
        assert all(re.fullmatch(r"Seller \d+", name) for name in private)
        assert any(is_business for _, is_business in names)
