"""OLX in the demonstration: pages of ads (OLX-STATE), API responses (OLX-API), categories.

Cars, flats and furniture are read from pages, all other ads through the API. An ad keeps its shape.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from classifieds.demo.adverts import Advert, Param
from classifieds.places import City
from classifieds.platforms.olx_categories import CATEGORIES
from marketplace.demo import RATES
from marketplace.loading.adapters import Payload

PAGE_SIZE = 50

#: Higher than real ids: the link of an invented ad must not lead to a real one.
FIRST_ID = 9_000_000_000

#: Categories whose ads are read from pages; the others are read through the API.
_PAGE_TYPES = {"automotive", "real_estate"}
_FURNITURE = {511, 515, 522, 523, 525}

#: Region of `classifieds.places` → its name on the platform, except that of the capital.
_REGIONS = {
    "Tashkent City": "Ташкентская область",
    "Tashkent Region": "Ташкентская область",
    "Samarkand Region": "Самаркандская область",
    "Namangan Region": "Наманганская область",
    "Andijan Region": "Андижанская область",
    "Karakalpakstan": "Каракалпакстан",
    "Fergana Region": "Ферганская область",
    "Bukhara Region": "Бухарская область",
    "Kashkadarya Region": "Кашкадарьинская область",
    "Jizzakh Region": "Джизакская область",
    "Surkhandarya Region": "Сурхандарьинская область",
    "Navoi Region": "Навоийская область",
    "Khorezm Region": "Хорезмская область",
    "Syrdarya Region": "Сырдарьинская область",
}


class Seller(NamedTuple):
    """A seller of ads."""

    number: int
    name: str
    is_business: bool
    created_at: datetime


class Ad(NamedTuple):
    """An ad on a day."""

    number: int
    advert: Advert
    seller: Seller
    city: City
    district: str | None
    latitude: float
    longitude: float
    price: int | None
    is_negotiable: bool
    photos: int
    status: str
    posted_at: datetime
    refreshed_at: datetime
    expires_at: datetime

    @property
    def ad_id(self) -> int:
        """The id of the ad on the platform."""
        return FIRST_ID + self.number

    @property
    def is_in_pages(self) -> bool:
        """Whether the ad is read from pages; otherwise it is read through the API."""
        return self.advert.type in _PAGE_TYPES or self.advert.category in _FURNITURE


def write(ads: Iterator[Ad]) -> Iterator[Payload]:
    """Yield pages of active ads, then each other ad by itself, because no page lists it."""
    waiting: dict[bool, list[Ad]] = {True: [], False: []}
    for ad in ads:
        if ad.status != "active":
            yield {"ad": {"ad": _state_ad(ad)}} if ad.is_in_pages else {"data": _api_ad(ad)}
            continue
        page = waiting[ad.is_in_pages]
        page.append(ad)
        if len(page) == PAGE_SIZE:
            yield _page(page)
            page.clear()
    for page in waiting.values():
        if page:
            yield _page(page)


def _page(ads: list[Ad]) -> Payload:
    if not ads[0].is_in_pages:
        return {"data": [_api_ad(ad) for ad in ads], "links": {}}
    page = {"pageNumber": 0, "totalElements": len(ads), "ads": [_state_ad(ad) for ad in ads]}
    return {"listing": {"listing": page}}


def category_tree() -> Payload:
    """Return the platform's tree of categories (OLX-CATS)."""
    numbers = {node.path: number for number, node in CATEGORIES.items()}
    tree = {}
    for number, node in CATEGORIES.items():
        parent = node.path.rpartition("/")[0]
        tree[str(number)] = {
            "id": number,
            "name": node.name,
            "label": node.name,
            "parentId": numbers.get(parent, 0),
            "level": node.path.count("/") + 1,
            "path": node.path,
        }
    return {"list": tree}


# Pages


def _state_ad(ad: Ad) -> Payload:
    advert = ad.advert
    return {
        "id": ad.ad_id,
        "title": advert.title,
        "description": advert.description.replace(". ", ".<br />\n"),
        "category": {"id": advert.category, "type": advert.type},
        "map": _map(ad),
        "isBusiness": ad.seller.is_business,
        "url": _url(ad),
        "createdTime": ad.posted_at.isoformat(),
        "lastRefreshTime": ad.refreshed_at.isoformat(),
        "validToTime": ad.expires_at.isoformat(),
        "isActive": ad.status == "active",
        "status": ad.status,
        "params": [_state_param(param) for param in advert.params],
        "price": _state_price(ad),
        "salary": None,
        "isJob": False,
        "photos": [f"{_photo(ad, number)}/image;s=1000x750" for number in range(ad.photos)],
        "location": _state_location(ad),
        "user": {
            "id": FIRST_ID + ad.seller.number,
            "name": ad.seller.name,
            "company_name": ad.seller.name if ad.seller.is_business else "",
            "created": ad.seller.created_at.isoformat(),
            "sellerType": None,
        },
    }


def _state_param(param: Param) -> Payload:
    return {
        "key": param.key,
        "name": param.name,
        "type": param.type,
        "value": param.label,
        "normalizedValue": param.code,
    }


def _state_price(ad: Ad) -> Payload:
    price: Payload = {
        "budget": False,
        "free": ad.advert.is_free,
        "exchange": ad.advert.is_exchange,
        "displayValue": _shown_price(ad),
        "regularPrice": None,
    }
    if ad.price is not None:
        price["regularPrice"] = {
            "value": ad.price,
            "currencyCode": "UZS",
            "currencySymbol": "сум",
            "negotiable": ad.is_negotiable,
        }
    return price


def _state_location(ad: Ad) -> Payload:
    names = [_REGIONS[ad.city.region], ad.city.name_ru, ad.district]
    return {
        "cityName": ad.city.name_ru,
        "cityNormalizedName": ad.city.name.lower(),
        "regionName": names[0],
        "districtName": ad.district,
        "pathName": ", ".join(name for name in names if name),
    }


# The API


def _api_ad(ad: Ad) -> Payload:
    advert = ad.advert
    location: Payload = {
        "city": {"id": 1, "name": ad.city.name_ru, "normalized_name": ad.city.name.lower()},
        "region": {"id": 1, "name": _REGIONS[ad.city.region]},
    }
    if ad.district:
        location["district"] = {"id": 1, "name": ad.district}
    return {
        "id": ad.ad_id,
        "url": _url(ad),
        "title": advert.title,
        "description": advert.description,
        "last_refresh_time": ad.refreshed_at.isoformat(),
        "created_time": ad.posted_at.isoformat(),
        "valid_to_time": ad.expires_at.isoformat(),
        "pushup_time": None,
        "status": ad.status,
        "offer_type": "offer",
        "business": ad.seller.is_business,
        "params": [*map(_api_param, advert.params), *_api_amounts(ad)],
        "category": {"id": advert.category, "type": advert.type},
        "location": location,
        "map": _map(ad),
        "user": {
            "id": FIRST_ID + ad.seller.number,
            "name": ad.seller.name,
            "created": ad.seller.created_at.isoformat(),
            "seller_type": None,
        },
        "photos": [
            {"link": f"{_photo(ad, number)}/image;s={{width}}x{{height}}"}
            for number in range(ad.photos)
        ],
    }


def _api_param(param: Param) -> Payload:
    value = {"key": param.code, "label": param.label}
    return {"key": param.key, "name": param.name, "type": param.type, "value": value}


def _api_amounts(ad: Ad) -> Iterator[Payload]:
    advert = ad.advert
    if advert.salary:
        lowest, highest = advert.salary
        salary = {"from": lowest, "to": highest, "currency": "UZS"}
        yield {"key": "salary", "name": "Зарплата", "type": "salary", "value": salary}
        return
    price = {
        "value": ad.price,
        "type": "free" if advert.is_free else "exchange" if advert.is_exchange else "price",
        "arranged": False,
        "currency": None if ad.price is None else "UZS",
        "negotiable": ad.is_negotiable,
        "label": _shown_price(ad),
    }
    # An ad with a price on request has no such property.
    if ad.price is not None or price["type"] != "price":
        yield {"key": "price", "name": "Цена", "type": "price", "value": price}


# Shared by both shapes


def _shown_price(ad: Ad) -> str:
    if ad.price is None:
        return "Бесплатно" if ad.advert.is_free else "Обмен" if ad.advert.is_exchange else ""
    is_dollars = ad.advert.in_dollars
    amount = ad.price // RATES["USD"] if is_dollars else ad.price
    return f"{amount:,} {'у.е.' if is_dollars else 'сум'}".replace(",", " ")


def _map(ad: Ad) -> Payload:
    return {"zoom": 13, "lat": ad.latitude, "lon": ad.longitude, "radius": 2}


def _url(ad: Ad) -> str:
    return f"https://www.olx.uz/d/obyavlenie/demo-ID{ad.ad_id}.html"


def _photo(ad: Ad, number: int) -> str:
    return f"https://frankfurt.apollo.olxcdn.com:443/v1/files/demo{ad.ad_id}x{number}-UZ"
