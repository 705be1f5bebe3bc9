"""OLX: prices, categories and properties of ads."""

from decimal import Decimal

import pytest

from classifieds.records import Listing, Seller
from marketplace.exceptions import PayloadError
from tests.classifieds.olx_payloads import (
    OLX,
    listing_of_ad,
    listing_of_offer,
    make_ad,
    make_page,
    make_param,
    split,
)


class TestPrice:
    def test_zero_means_no_price(self):
        listing = listing_of_ad(price={"regularPrice": {"value": 0, "currencyCode": "UZS"}})

        assert (listing.price, listing.currency, listing.is_price_on_request) == (None, None, True)

    @pytest.mark.parametrize("price", [None, {}, {"regularPrice": None}])
    def test_absent_price_is_on_request(self, price):
        listing = listing_of_ad(price=price)

        assert (listing.price, listing.is_price_on_request) == (None, True)

    def test_free_ad_costs_nothing(self):
        listing = listing_of_ad(price={"free": True, "displayValue": "Бесплатно"})

        assert (listing.price, listing.currency) == (Decimal(0), "UZS")
        assert (listing.currency_text, listing.is_price_on_request) == (None, False)
        assert listing.attributes == {"free": True, "price_text": "Бесплатно"}

    def test_exchange_has_no_price(self):
        listing = listing_of_ad(price={"exchange": True, "displayValue": "Обмен"})

        assert (listing.price, listing.is_price_on_request) == (None, False)
        assert listing.attributes["exchange"] is True

    @pytest.mark.parametrize("price", [{"value": -1}, {"value": "x"}, {"value": 5}, "5"])
    def test_refuses_an_invalid_price(self, price):
        with pytest.raises(PayloadError, match=r"^price"):
            listing_of_ad(price={"regularPrice": price})


class TestCategory:
    @pytest.mark.parametrize(
        ("category", "key", "path"),
        [
            ({"id": 1649, "type": "automotive"}, "motor_mileage", "transport/cars"),
            ({"id": 1649, "type": "automotive"}, "size", "transport"),
            ({"id": 9999, "type": "real_estate"}, "size", "real-estate"),
            ({"id": 1632, "type": "job"}, "size", "jobs"),
            ({"id": 9999, "type": "goods"}, "size", None),
            ({"id": 9999, "type": ["goods"]}, "size", None),
            ({"id": 85, "type": "goods"}, "size", "electronics/phones/mobilnye-telefony"),
        ],
    )
    def test_path_of_known_and_newer_categories(self, category, key, path):
        listing = listing_of_ad(category=category, params=[make_param(key, "1", "1")])

        assert listing.category_path == path
        assert listing.category_external_id == str(category["id"])
        assert listing.brand is None

    def test_the_category_of_other_brands_is_not_a_brand(self):
        listing = listing_of_ad(category={"id": 1133, "type": "automotive"})

        assert (listing.category_path, listing.brand) == ("transport/cars/drugie", None)

    def test_category_ids_of_other_countries_have_a_prefix(self):
        url = "https://www.olx.pl/d/oferta/bmw-ID1.html"

        listing = listing_of_offer(url=url, category={"id": 183, "type": "automotive"})

        assert listing.category_external_id == "pl:183"
        assert (listing.category_path, listing.category_name) == ("transport", None)

    def test_absent_category_has_no_record(self):
        (item,) = split(make_page(make_ad(category=None)))

        parsed = OLX.parse(item)

        assert [type(record) for record in parsed.records] == [Seller, Listing]
        assert parsed.records[-1].category_external_id is None


class TestProperties:
    @pytest.mark.parametrize(
        ("code", "label", "condition"),
        [
            ("perfect", "Отличное", "used"),
            ("mediocre", "Среднее", "used"),
            ("new", "Yangi", "new"),
            ("needs_repair", "Требует ремонта", "damaged"),
            ("rare", "Раритет", None),
        ],
    )
    def test_condition(self, code, label, condition):
        listing = listing_of_ad(params=[make_param("condition", label, code)])

        assert (listing.condition, listing.condition_text) == (condition, label)

    def test_unlisted_model_is_unknown(self):
        listing = listing_of_ad(params=[make_param("model", "Другая", "drugaya")])

        assert listing.model is None
        assert listing.attributes["model"] == "drugaya"

    @pytest.mark.parametrize("value", ["109", "0", "-2", "2.5", "много", "9" * 50])
    def test_impossible_rooms_stay_in_the_attributes(self, value):
        rooms = make_param("number_of_rooms", f"{value} ", value, "input")

        listing = listing_of_ad(params=[rooms])

        assert listing.rooms is None
        assert listing.attributes["number_of_rooms"] == value

    def test_attribute_of_an_opaque_code_is_its_text(self):
        params = [
            make_param("fuel_type", "Газ/Бензин", "545"),
            make_param("near_is", "Парк, зелёная зона", ["6"], "checkboxes"),
            make_param("car_option", "Кондиционер", ["air_con"], "checkboxes"),
            make_param("floor", "4 ", "4", "input"),
            make_param("note", "", None, "input"),
        ]

        listing = listing_of_ad(params=params)

        assert listing.attributes == {
            "fuel_type": "Газ/Бензин",
            "near_is": "Парк, зелёная зона",
            "car_option": ["air_con"],
            "floor": "4",
            "price_text": "7 000 у.е.",
        }

    def test_zero_mileage_is_kept(self):
        listing = listing_of_ad(params=[make_param("motor_mileage", "0", "0", "input")])

        assert listing.mileage == 0
