"""OLX: the offers API (OLX-API)."""

from datetime import datetime
from decimal import Decimal

import pytest

from classifieds.records import Listing
from tests.classifieds.olx_payloads import (
    listing_of,
    listing_of_offer,
    listings,
    make_offer,
    make_page,
)

OFFERS = "olx/olx-api-v1-offers-samples.json"


class TestApi:
    def test_reads_a_real_job(self):
        job = listings(OFFERS)["65506057"]

        assert job == Listing(
            external_id="65506057",
            title="Эщик ясашга уста керак",
            description="МЕБЕЛЬ ЦЕХИГА УСТА ИШГА ТАКЛИФ ЭТИЛАДИ!",
            url="https://www.olx.uz/obyavlenie/rabota/...",
            category_external_id="1632",
            category_path="jobs",
            seller_external_id="539284786",
            is_price_on_request=False,
            location="Самаркандская область, Самарканд",
            city="Samarkand",
            region="Samarkand Region",
            latitude=Decimal("39.654830"),
            longitude=Decimal("66.963420"),
            images=[],
            status="active",
            posted_at=datetime.fromisoformat("2026-07-27T13:59:21+05:00"),
            expires_at=datetime.fromisoformat("2026-08-26T13:59:59+05:00"),
            bumped_at=datetime.fromisoformat("2026-07-27T14:02:03+05:00"),
            attributes={
                "job_type": "perm",
                "salary": {"from": "5000000.00", "to": "7000000.00", "currency": "UZS"},
            },
        )

    def test_reads_a_real_car_of_poland(self):
        car = listings(OFFERS)["909345897"]

        assert (car.price, car.currency, car.currency_text) == (Decimal("93000.00"), "PLN", "zł")
        assert (car.model, car.year, car.mileage) == ("Seria 5", 2017, 251681)
        assert (car.city, car.region) == ("Lubieszów", "Lubuskie")
        assert (car.category_external_id, car.category_path) == ("pl:183", "transport/cars")
        assert car.images == [
            "https://ireland.apollo.olxcdn.com:443/v1/files/mc53jffj0kdb1-PL/image;s=1813x1360"
        ]

    def test_arranged_price_is_negotiable(self):
        flat = listings(OFFERS)["654667240"]

        assert (flat.price, flat.currency) == (Decimal("2900.00"), "PLN")
        assert (flat.is_negotiable, flat.is_price_on_request) == (True, False)
        assert (flat.rooms, flat.area_sqm) == (2, Decimal("48.00"))
        assert flat.district == "Śródmieście"

    @pytest.mark.parametrize(
        ("price", "expected"),
        [
            ({"value": None, "arranged": True, "currency": "UZS"}, (None, True, True)),
            ({"value": 0, "type": "exchange", "currency": "UZS"}, (None, None, False)),
            ({"value": 0, "type": "free", "currency": "UZS"}, (Decimal(0), None, False)),
            ({"value": 7000, "currency": "UYE"}, (Decimal("7000.00"), None, False)),
        ],
    )
    def test_kinds_of_price(self, price, expected):
        listing = listing_of_offer(params=[{"key": "price", "type": "price", "value": price}])

        columns = (listing.price, listing.is_negotiable, listing.is_price_on_request)
        assert columns == expected

    def test_conditional_units_are_dollars(self):
        price = {"value": 7000, "currency": "UYE", "label": "7 000 у.е."}

        listing = listing_of_offer(params=[{"key": "price", "value": price}])

        assert (listing.currency, listing.currency_text) == ("USD", "у.е.")

    def test_photo_without_a_size(self):
        listing = listing_of_offer(photos=[{"link": "https://cdn/a;s={width}x{height}"}])

        assert listing.images == ["https://cdn/a"]

    def test_offers_and_ads_have_the_same_listings(self):
        offer = make_offer()
        price = {"value": 93000, "currencyCode": "UZS", "negotiable": None}
        ad = {
            **{key: offer[key] for key in ("id", "url", "title", "status", "category")},
            "createdTime": offer["created_time"],
            "price": {"displayValue": "93 000 сум", "regularPrice": price},
            "location": {
                "cityName": "Самарканд",
                "regionName": "Самаркандская область",
                "pathName": "Самаркандская область, Самарканд",
            },
        }

        of_offer, of_ad = listing_of(offer), listing_of(make_page(ad))

        assert of_offer == of_ad
