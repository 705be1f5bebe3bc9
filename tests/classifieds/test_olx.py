"""OLX: pages of ads (OLX-STATE)."""

from collections import Counter
from datetime import datetime
from decimal import Decimal

import pytest

from classifieds.records import Category, Listing, Seller
from marketplace.exceptions import PayloadError
from tests import payloads
from tests.classifieds.olx_payloads import (
    OLX,
    listing_of,
    listing_of_ad,
    listings,
    make_ad,
    make_offer,
    make_page,
    split,
)

CARS = "olx/olx-uz-cars-2025-12.json"

RENT = [f"olx/olx-uz-rent-tashkent-2022-10/page_{number:02}.json.gz" for number in range(1, 16)]


class TestRecognize:
    @pytest.mark.parametrize(
        ("document", "shape"),
        [
            (make_page(), "OLX-STATE"),
            ({"ad": {"ad": make_ad()}}, "OLX-STATE"),
            ({"data": [make_offer()]}, "OLX-API"),
            ({"data": make_offer()}, "OLX-API"),
            ({"data": [], "links": {}}, "OLX-API"),
            (make_offer(), "OLX-API"),
            ({"list": {"1": {"id": 1, "parentId": 0}}, "counts": []}, "OLX-CATS"),
        ],
    )
    def test_recognizes_the_shape(self, document, shape):
        recognized = OLX.recognize(document)

        assert recognized is not None
        assert recognized.name == shape

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"listing": []},
            {"listing": {"listing": None}},
            {"data": None},
            {"data": []},
            {"data": [{"id": "1", "created_at": "2023-01-01"}]},
            {"data": {"products": []}},
            {"list": [1]},
            {"list": {"1": None}},
            {"payload": {"data": {}}},
        ],
    )
    def test_does_not_recognize_other_documents(self, document):
        assert OLX.recognize(document) is None


class TestPage:
    def test_reads_every_ad_of_the_real_pages(self):
        parsed = [OLX.parse(item) for name in RENT for item in split(payloads.read_json(name))]

        ads = [item.records[-1] for item in parsed]

        assert len(ads) == 780
        assert {(ad.category_path, ad.category_name) for ad in ads} == {
            ("real-estate/apartments/arenda-dolgosrochnaya", "Аренда долгосрочная")
        }
        assert Counter(ad.currency_text for ad in ads) == {"у.е.": 743, "сум": 37}
        assert {ad.currency for ad in ads} == {"UZS"}
        assert all(ad.price and ad.city and ad.region and ad.posted_at for ad in ads)
        assert {item.observed_at for item in parsed} == {None}

    def test_reads_the_seller_of_a_real_car(self):
        page = payloads.read_json(CARS)

        parsed = OLX.parse(split(page)[0])

        category, seller, listing = parsed.records
        assert parsed.external_id == "62512558"
        assert category == Category("983")
        assert seller == Seller(
            external_id="523419531",
            name="Seller 523419531",
            is_business=False,
            registered_at=datetime.fromisoformat("2024-12-24T22:42:12+05:00"),
            attributes={"uuid": "c4c0b4b2-ff87-4e77-afe8-de193df6341f"},
        )
        assert listing.seller_external_id == seller.external_id

    def test_reads_the_listing_of_a_real_car(self):
        [*_, listing] = OLX.parse(split(payloads.read_json(CARS))[0]).records

        assert listing._replace(description=None, images=None, attributes=None) == Listing(
            external_id="62512558",
            title="Chevrolet,Spark 1.25",
            url="https://www.olx.uz/d/obyavlenie/chevrolet-spark-1-25-ID4ein4.html",
            category_external_id="983",
            category_path="transport/cars/chevrolet",
            category_name="Chevrolet",
            seller_external_id="523419531",
            price=Decimal("83704600.00"),
            currency="UZS",
            currency_text="у.е.",
            is_negotiable=True,
            is_price_on_request=False,
            location="Ташкентская область, Кибрай",
            city="Kibray",
            region="Tashkent Region",
            latitude=Decimal("41.386840"),
            longitude=Decimal("69.459530"),
            condition="used",
            condition_text="Хорошее",
            brand="Chevrolet",
            model="Spark",
            year=2013,
            mileage=215000,
            status="active",
            posted_at=datetime.fromisoformat("2025-12-03T22:50:23+05:00"),
            expires_at=datetime.fromisoformat("2026-01-02T22:50:23+05:00"),
            bumped_at=datetime.fromisoformat("2025-12-08T14:45:33+05:00"),
        )
        assert len(listing.images) == 7
        assert listing.attributes == {
            "model": "spark",
            "car_body": "hatchback",
            "terms_of_sale": ["oddiy_sotish"],
            "motor_year": "2013",
            "motor_mileage": "215000",
            "transmission_type": "Механическая",
            "color": "Синий",
            "motor_engine_size": "1",
            "fuel_type": "Бензин",
            "condition": "good",
            "owners": "2",
            "price_text": "7 000 у.е.",
        }

    def test_each_real_car_has_a_category_of_cars(self):
        cars = listings(CARS)

        assert len(cars) == 52
        assert all(ad.category_path.startswith("transport/cars") for ad in cars.values())
        assert Counter(ad.brand for ad in cars.values())["Chevrolet"] == 34
        assert sum(ad.category_path == "transport/cars" for ad in cars.values()) == 4

    def test_an_implausible_number_of_rooms_is_unknown(self):
        flat = listings(RENT[0])["44112425"]

        assert flat.rooms is None
        assert flat.attributes["number_of_rooms"] == "300"
        assert flat.area_sqm == Decimal("60.00")
        assert flat.price == Decimal("4406040.00")

    def test_drops_keys_that_change_with_each_visit(self):
        ad = make_ad(photosSet=["a 1x, b 2x"], searchReason="organic", promotion={"top_ad": True})

        (item,) = split(make_page(ad))

        stable = {key: ad[key] for key in ad if key not in ("photosSet", "searchReason")}
        assert item.payload == stable | {"user": {"id": 523419531, "name": "Акмаль"}}
        assert item.context == {}

    def test_reads_the_page_of_one_ad(self):
        ad = make_ad()
        ad["price"]["regularPrice"] = {"value": 7000, "currencyCode": "UYE"}

        listing = listing_of({"ad": {"ad": ad}})

        assert (listing.price, listing.currency) == (Decimal("7000.00"), "USD")


class TestLife:
    @pytest.mark.parametrize(
        ("published", "status"),
        [
            ("active", "active"),
            ("sold", "sold"),
            ("REMOVED_by_user", "removed"),
            ("removed_by_moderator", "removed"),
            ("outdated", "expired"),
            ("limited", "suspended"),
        ],
    )
    def test_status(self, published, status):
        listing = listing_of_ad(status=published)

        assert listing.status == status
        assert "status_text" not in listing.attributes

    def test_unknown_status_is_kept_as_published(self):
        listing = listing_of_ad(status="New_One")

        assert listing.status is None
        assert listing.attributes["status_text"] == "New_One"

    def test_a_refresh_at_posting_is_not_a_bump(self):
        listing = listing_of_ad(lastRefreshTime="2025-12-03T22:50:23+05:00")

        assert listing.bumped_at is None

    def test_a_push_up_is_a_bump(self):
        listing = listing_of_ad(pushupTime="2025-12-07T10:00:00+05:00")

        assert listing.bumped_at == datetime.fromisoformat("2025-12-07T10:00:00+05:00")

    def test_seller_does_not_change_while_online(self):
        seen = [make_ad(), make_ad()]
        seen[1]["user"]["lastSeen"] = "2026-01-01T00:00:00+05:00"

        records = [OLX.parse(item).records for item in split(make_page(*seen))]

        assert records[0] == records[1]

    def test_ad_without_a_seller(self):
        listing = listing_of_ad(user=None)

        assert listing.seller_external_id is None


class TestFaults:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"id": None}, "id: is missing"),
            ({"params": {}}, "params: {} is not a list of objects"),
            ({"params": [{"key": None}]}, "params.key: is missing"),
            ({"map": {"lat": 91}}, "map.lat: 91 is not between -90 and 90"),
            ({"photos": "a.jpg"}, "photos: is not a list"),
            ({"createdTime": "вчера"}, 'createdTime: "вчера" is not a time'),
            ({"category": {"id": "x"}}, 'category.id: "x" is not a number'),
        ],
    )
    def test_names_the_invalid_field(self, fields, message):
        with pytest.raises(PayloadError) as fault:
            listing_of_ad(**fields)

        assert str(fault.value) == message

    def test_refuses_a_page_without_ads(self):
        page = {"listing": {"listing": {"ads": 5}}}

        with pytest.raises(PayloadError, match="ads: 5 is not a list"):
            split(page)

    def test_entries_that_are_not_objects_are_refused_alone(self):
        sound, text, nothing = split(make_page(make_ad(), "x", None))

        assert OLX.parse(sound).external_id
        for item in (text, nothing):
            with pytest.raises(PayloadError, match="expected an object"):
                OLX.parse(item)

    def test_entries_that_are_no_offers_or_categories_are_refused_alone(self):
        offers = split({"data": [make_offer(), 5]})
        nodes = split({"list": {"1": {"id": 1, "name": "a", "parentId": 0}, "2": "x"}})

        for sound, damaged in (offers, nodes):
            assert OLX.parse(sound).external_id
            with pytest.raises(PayloadError, match="expected an object"):
                OLX.parse(damaged)
