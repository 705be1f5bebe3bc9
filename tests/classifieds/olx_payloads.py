"""Payloads of OLX for tests."""

from typing import Any

from classifieds.platforms.olx import SHAPES
from classifieds.records import Listing
from marketplace.loading.adapters import Adapter, Item, Source
from tests import payloads

OLX = Adapter("olx", SHAPES)


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
    return {item.external_id: item.records[-1] for item in parsed}
