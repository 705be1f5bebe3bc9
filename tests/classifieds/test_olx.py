"""The OLX adapter: pages of ads, the offers API, the tree of categories."""

import copy
import json
import random
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from classifieds.platforms.olx import SHAPES
from classifieds.platforms.olx_categories import CATEGORIES
from classifieds.records import Category, Listing, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter, Item, Source
from tests import payloads

OLX = Adapter("olx", SHAPES)
CARS = "olx/olx-uz-cars-2025-12.json"
TREE = "olx/olx-uz-category-tree-2022.json"
OFFERS = "olx/olx-api-v1-offers-samples.json"
RENT = [f"olx/olx-uz-rent-tashkent-2022-10/page_{number:02}.json.gz" for number in range(1, 16)]


def make_ad(**fields: Any) -> dict[str, Any]:
    """Return an ad as the state of a page has it."""
    price = {"value": 83704600, "currencyCode": "UZS", "negotiable": True}
    return {
        "id": 62512558,
        "title": "Chevrolet Spark",
        "url": "https://www.olx.uz/d/obyavlenie/chevrolet-spark-ID4ein4.html",
        "category": {"id": 983, "type": "automotive"},
        "createdTime": "2025-12-03T22:50:23+05:00",
        "lastRefreshTime": "2025-12-08T14:45:33+05:00",
        "status": "active",
        "params": [],
        "price": {"free": False, "displayValue": "7 000 у.е.", "regularPrice": price},
        "location": {
            "cityName": "Ташкент",
            "regionName": "Ташкентская область",
            "districtName": "",
            "pathName": "Ташкентская область, Ташкент",
        },
        "user": {"id": 523419531, "name": "Акмаль", "lastSeen": "2025-12-05T20:57:29+05:00"},
        "photos": ["https://cdn.example/a;s=750x1000"],
        **fields,
    }


def make_offer(**fields: Any) -> dict[str, Any]:
    """Return an offer as the API has it."""
    price = {"value": 93000, "type": "price", "currency": "UZS", "label": "93 000 сум"}
    return {
        "id": 65506057,
        "url": "https://www.olx.uz/d/obyavlenie/stol-ID1.html",
        "title": "Стол",
        "created_time": "2026-07-27T13:59:21+05:00",
        "last_refresh_time": "2026-07-27T13:59:21+05:00",
        "status": "active",
        "category": {"id": 511, "type": "goods"},
        "params": [{"key": "price", "type": "price", "value": price}],
        "location": {"city": {"name": "Самарканд"}, "region": {"name": "Самаркандская область"}},
        **fields,
    }


def make_param(key: str, value: str, code: Any, kind: str = "select") -> dict[str, Any]:
    return {"key": key, "name": key, "type": kind, "value": value, "normalizedValue": code}


def make_page(*ads: Any) -> dict[str, Any]:
    return {"listing": {"listing": {"ads": list(ads)}}}


def split(document: Any) -> list[Item]:
    return list(OLX.split(document, Source()))


def listing_of(document: Any) -> Listing:
    (item,) = split(document)
    return OLX.parse(item).records[-1]


def listing_of_ad(**fields: Any) -> Listing:
    return listing_of(make_page(make_ad(**fields)))


def listing_of_offer(**fields: Any) -> Listing:
    return listing_of(make_offer(**fields))


def listings(name: str) -> dict[str, Listing]:
    parsed = [OLX.parse(item) for item in split(payloads.read_json(name))]
    return {each.external_id: each.records[-1] for each in parsed}


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
    def test_tells_the_shape(self, document, shape):
        found = OLX.recognize(document)

        assert found is not None
        assert found.name == shape

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
    def test_leaves_other_documents(self, document):
        assert OLX.recognize(document) is None


class TestPage:
    def test_reads_every_ad_of_the_real_pages(self):
        parsed = [OLX.parse(item) for name in RENT for item in split(payloads.read_json(name))]

        found = [each.records[-1] for each in parsed]

        assert len(found) == 780
        assert {(ad.category_path, ad.category_name) for ad in found} == {
            ("real-estate/apartments/arenda-dolgosrochnaya", "Аренда долгосрочная")
        }
        assert Counter(ad.currency_text for ad in found) == {"у.е.": 743, "сум": 37}
        assert {ad.currency for ad in found} == {"UZS"}
        assert all(ad.price and ad.city and ad.region and ad.posted_at for ad in found)
        assert {each.observed_at for each in parsed} == {None}

    def test_reads_a_real_car(self):
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

    def test_every_real_car_is_among_cars(self):
        found = listings(CARS)

        assert len(found) == 52
        assert all(ad.category_path.startswith("transport/cars") for ad in found.values())
        assert Counter(ad.brand for ad in found.values())["Chevrolet"] == 34
        assert sum(ad.category_path == "transport/cars" for ad in found.values()) == 4

    def test_300_rooms_are_a_slip(self):
        flat = listings(RENT[0])["44112425"]

        assert flat.rooms is None
        assert flat.attributes["number_of_rooms"] == "300"
        assert flat.area_sqm == Decimal("60.00")
        assert flat.price == Decimal("4406040.00")

    def test_keeps_the_ad_but_for_what_differs_at_each_visit(self):
        ad = make_ad(photosSet=["a 1x, b 2x"], searchReason="organic", promotion={"top_ad": True})

        (item,) = split(make_page(ad))

        kept = {key: ad[key] for key in ad if key not in ("photosSet", "searchReason")}
        assert item.payload == kept | {"user": {"id": 523419531, "name": "Акмаль"}}
        assert item.context == {}

    def test_reads_the_page_of_one_ad(self):
        ad = make_ad()
        ad["price"]["regularPrice"] = {"value": 7000, "currencyCode": "UYE"}

        listing = listing_of({"ad": {"ad": ad}})

        assert (listing.price, listing.currency) == (Decimal("7000.00"), "USD")


class TestPrice:
    def test_zero_is_no_price(self):
        listing = listing_of_ad(price={"regularPrice": {"value": 0, "currencyCode": "UZS"}})

        assert (listing.price, listing.currency, listing.is_price_on_request) == (None, None, True)

    @pytest.mark.parametrize("price", [None, {}, {"regularPrice": None}])
    def test_absent_is_on_request(self, price):
        listing = listing_of_ad(price=price)

        assert (listing.price, listing.is_price_on_request) == (None, True)

    def test_given_away_costs_nothing(self):
        listing = listing_of_ad(price={"free": True, "displayValue": "Бесплатно"})

        assert (listing.price, listing.currency) == (Decimal(0), "UZS")
        assert (listing.currency_text, listing.is_price_on_request) == (None, False)
        assert listing.attributes == {"free": True, "price_text": "Бесплатно"}

    def test_exchange_has_no_price(self):
        listing = listing_of_ad(price={"exchange": True, "displayValue": "Обмен"})

        assert (listing.price, listing.is_price_on_request) == (None, False)
        assert listing.attributes["exchange"] is True

    @pytest.mark.parametrize("price", [{"value": -1}, {"value": "x"}, {"value": 5}, "5"])
    def test_refuses_what_is_no_price(self, price):
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
    def test_path_of_a_category_known_or_newer(self, category, key, path):
        listing = listing_of_ad(category=category, params=[make_param(key, "1", "1")])

        assert listing.category_path == path
        assert listing.category_external_id == str(category["id"])
        assert listing.brand is None

    def test_other_brands_are_no_brand(self):
        listing = listing_of_ad(category={"id": 1133, "type": "automotive"})

        assert (listing.category_path, listing.brand) == ("transport/cars/drugie", None)

    def test_category_ids_abroad_are_others(self):
        url = "https://www.olx.pl/d/oferta/bmw-ID1.html"

        listing = listing_of_offer(url=url, category={"id": 183, "type": "automotive"})

        assert listing.category_external_id == "pl:183"
        assert (listing.category_path, listing.category_name) == ("transport", None)

    def test_absent_has_no_parent_record(self):
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

    def test_unlisted_model_is_no_model(self):
        listing = listing_of_ad(params=[make_param("model", "Другая", "drugaya")])

        assert listing.model is None
        assert listing.attributes["model"] == "drugaya"

    @pytest.mark.parametrize("value", ["109", "0", "-2", "2.5", "много", "9" * 50])
    def test_impossible_rooms_stay_in_the_attributes(self, value):
        rooms = make_param("number_of_rooms", f"{value} ", value, "input")

        listing = listing_of_ad(params=[rooms])

        assert listing.rooms is None
        assert listing.attributes["number_of_rooms"] == value

    def test_opaque_code_is_told_by_its_text(self):
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

    def test_zero_mileage_is_as_published(self):
        listing = listing_of_ad(params=[make_param("motor_mileage", "0", "0", "input")])

        assert listing.mileage == 0


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

    def test_refreshing_at_posting_is_no_bump(self):
        listing = listing_of_ad(lastRefreshTime="2025-12-03T22:50:23+05:00")

        assert listing.bumped_at is None

    def test_push_up_is_the_bump(self):
        listing = listing_of_ad(pushupTime="2025-12-07T10:00:00+05:00")

        assert listing.bumped_at == datetime.fromisoformat("2025-12-07T10:00:00+05:00")

    def test_seller_does_not_change_by_being_online(self):
        seen = [make_ad(), make_ad()]
        seen[1]["user"]["lastSeen"] = "2026-01-01T00:00:00+05:00"

        records = [OLX.parse(item).records for item in split(make_page(*seen))]

        assert records[0] == records[1]

    def test_ad_without_a_seller(self):
        listing = listing_of_ad(user=None)

        assert listing.seller_external_id is None


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

        found = (listing.price, listing.is_negotiable, listing.is_price_on_request)
        assert found == expected

    def test_conditional_unit_is_dollars(self):
        price = {"value": 7000, "currency": "UYE", "label": "7 000 у.е."}

        listing = listing_of_offer(params=[{"key": "price", "value": price}])

        assert (listing.currency, listing.currency_text) == ("USD", "у.е.")

    def test_photo_without_a_size(self):
        listing = listing_of_offer(photos=[{"link": "https://cdn/a;s={width}x{height}"}])

        assert listing.images == ["https://cdn/a"]

    def test_offers_and_ads_say_the_same(self):
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


class TestCategories:
    def test_reads_the_real_tree(self):
        parsed = [OLX.parse(item) for item in split(payloads.read_json(TREE))]

        found = {each.external_id: each.records for each in parsed}

        assert len(found) == 369
        assert found["1"] == [
            Category(
                "1", name="Недвижимость", path="nedvizhimost", parent_external_id=None, level=1
            )
        ]
        assert found["983"] == [
            Category("108"),
            Category(
                "983",
                name="Chevrolet",
                path="transport/legkovye-avtomobili/chevrolet",
                parent_external_id="108",
                level=3,
            ),
        ]

    def test_the_table_is_the_published_tree(self):
        tree = payloads.read_json(TREE)["list"]

        names = {int(key): " ".join(node["name"].split()) for key, node in tree.items()}
        depths = {int(key): node["level"] for key, node in tree.items()}

        assert {key: node.name for key, node in CATEGORIES.items()} == names
        assert {key: node.path.count("/") + 1 for key, node in CATEGORIES.items()} == depths
        for key, node in tree.items():
            slugs = CATEGORIES[int(key)].path.split("/")
            assert slugs[2:] == node["path"].split("/")[2:]

    def test_paths_are_unique(self):
        paths = [node.path for node in CATEGORIES.values()]

        assert len(paths) == len(set(paths)) == 369
        assert {"transport/cars", "real-estate/apartments", "electronics/phones", "jobs"} <= {
            *paths
        }


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
    def test_names_the_field(self, fields, message):
        with pytest.raises(PayloadError) as fault:
            listing_of_ad(**fields)

        assert str(fault.value) == message

    def test_refuses_a_page_that_holds_no_ads(self):
        page = {"listing": {"listing": {"ads": 5}}}

        with pytest.raises(PayloadError, match="ads: 5 is not a list"):
            split(page)

    def test_refuses_alone_what_is_not_an_object(self):
        sound, text, nothing = split(make_page(make_ad(), "x", None))

        assert OLX.parse(sound).external_id
        for item in (text, nothing):
            with pytest.raises(PayloadError, match="expected an object"):
                OLX.parse(item)

    def test_refuses_alone_what_is_no_offer_and_no_category(self):
        offers = split({"data": [make_offer(), 5]})
        nodes = split({"list": {"1": {"id": 1, "name": "a", "parentId": 0}, "2": "x"}})

        for sound, damaged in (offers, nodes):
            assert OLX.parse(sound).external_id
            with pytest.raises(PayloadError, match="expected an object"):
                OLX.parse(damaged)

    def test_only_payload_errors_escape(self):
        rich = make_ad(
            params=[make_param("motor_year", "2013 ", "2013"), make_param("more", "a", ["1"])],
            map={"lat": 41.3, "lon": 69.2},
            salary={"from": 1, "to": 2, "currency": "UZS"},
        )
        param = {"key": "rooms", "type": "select", "value": {"key": "two", "label": "2 pokoje"}}
        photo = {"link": "a;s={width}x{height}", "width": 1, "height": 2}
        offer = make_offer(params=[*make_offer()["params"], param], photos=[photo])
        node = {"id": 1, "name": "a", "path": "a", "parentId": 3, "level": 1}
        documents = [make_page(rich), {"ad": {"ad": rich}}, {"data": [offer]}, offer]
        documents.append({"list": {"1": node}})
        chance = random.Random(20251208)

        outcomes = Counter(
            try_to_load(mutate(chance.choice(documents), chance)) for _ in range(6000)
        )

        assert outcomes["loaded"] > 500
        assert outcomes["refused"] > 500


JUNK = [None, True, -1, 0, 3.7, 10**30, float("nan"), float("inf"), "", "x", "9" * 300]
JUNK += ["\x00<", "2013²", [], [None], [[]], {}, {"id": {}}, [{"key": []}]]


def mutate(document: Any, chance: random.Random) -> Any:
    """Return a copy with one to three of its values replaced by junk, or dropped."""
    mutated = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        spots = list(walk(mutated))
        container, key = chance.choice(spots)
        if isinstance(container, dict) and chance.random() < 0.2:
            del container[key]
        else:
            container[key] = copy.deepcopy(chance.choice(JUNK))
        if not mutated:
            break
    return mutated


def walk(value: Any) -> Any:
    """Yield every container of a document with every key or index of it."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from walk(value[key])


def try_to_load(document: Any) -> str:
    try:
        shape = OLX.recognize(document)
        if shape is None:
            return "unknown"
        for item in shape.split(document, Source()):
            json.dumps(item)
            OLX.parse(item)
    except PayloadError:
        return "refused"
    return "loaded"
