"""OLX: pages of ads, the offers API and the tree of categories.

- OLX-STATE: the state that a page of www.olx.uz carries (`window.__PRERENDERED_STATE__`): a page
  of ads, `{"listing": {"listing": {"ads": […]}}}`, or of one ad, `{"ad": {"ad": {…}}}`.
- OLX-API: what `GET /api/v1/offers` and `/api/v1/offers/<id>` return, `{"data": …}`, or one offer.
- OLX-CATS: the `categories` of the state of any page.

An offer is an ad under other names; neither says when it was observed.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from classifieds.places import canonical_place
from classifieds.platforms.olx_categories import CATEGORIES
from classifieds.records import Category, Listing, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import Style

_STATUSES = {
    **{"active": "active", "sold": "sold", "outdated": "expired", "expired": "expired"},
    **dict.fromkeys(("blocked", "disabled", "limited", "moderated", "suspended"), "suspended"),
}
_CONDITIONS = {
    "new": "new",
    **dict.fromkeys(("used", "perfect", "good", "mediocre"), "used"),
    **dict.fromkeys(("damaged", "emergency", "needs_repair", "needs-repair"), "damaged"),
}
#: Codes of "Прочее", "Другая", "Другой": a model that the platform's list lacks.
_NO_MODEL = {"prochee", "drugaya", "drugoy", "drugie", "other"}
_NO_BRAND = "Другие"
_CARS = "transport/cars"

_MARKET = re.compile(r"//(?:[\w-]+\.)?olx\.(\w+)")
_NUMBER = re.compile(r"-?\d[\d\s]*(?:[.,]\d+)*(?:\s*(?:тыс|минг|ming|tys|млн|mln)\w*)?")
#: How the codes of choices write numbers, unlike labels, which are written for people.
_CODED = Style(decimal=".")
_UNIT = re.compile(r"[^\d\s.,].*")


class _Param(NamedTuple):
    """One property of an ad: its code (None if many), its text, and which of them tells more."""

    code: str | None = None
    label: str | None = None
    attribute: str | list[str] | None = None


#: When the seller was last on the site.
_PRESENCE = ("lastSeen", "last_seen", "isOnline", "is_online")


def _is_state(document: Payload) -> bool:
    return "ads" in _inner(document, "listing") or "id" in _inner(document, "ad")


def _inner(document: Payload, key: str) -> Payload:
    """Return the object that a page's state holds under the same key twice."""
    outer = document.get(key)
    inner = outer.get(key) if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else {}


def _split_state(document: Payload, source: Source) -> Iterator[Item]:
    # The page's own category is left out: promoted ads on it belong to others.
    page = _inner(document, "listing")
    ads = values.entries(page["ads"], "ads") if "ads" in page else [_inner(document, "ad")]
    for ad in ads:
        yield Item("OLX-STATE", _lasting(ad))


def _lasting(ad: Any) -> Any:
    """Return an ad without what differs at each visit and tells nothing of it.

    `photosSet` repeats `photos`, each in three sizes.
    """
    if not isinstance(ad, dict):
        return ad
    kept = {key: ad[key] for key in ad if key not in ("photosSet", "searchReason")}
    user = kept.get("user")
    if isinstance(user, dict):
        kept["user"] = {key: user[key] for key in user if key not in _PRESENCE}
    return kept


def _is_api(document: Payload) -> bool:
    data = document.get("data", document)
    if isinstance(data, list):
        # A page beyond the last one has nothing but links.
        return any(map(_is_offer, data)) or (not data and "links" in document)
    return _is_offer(data)


def _is_offer(value: Any) -> bool:
    return isinstance(value, dict) and "created_time" in value and "params" in value


def _split_api(document: Payload, source: Source) -> Iterator[Item]:
    data = document.get("data", document)
    for offer in [data] if isinstance(data, dict) else values.entries(data, "data"):
        yield Item("OLX-API", _lasting(offer))


def _parse_offer(offer: Payload, context: Payload) -> Parsed:
    """Parse an offer as an ad: under the names that the state of a page gives to the same."""
    ad = offer | {
        "createdTime": offer.get("created_time"),
        "lastRefreshTime": offer.get("last_refresh_time"),
        "pushupTime": offer.get("pushup_time"),
        "validToTime": offer.get("valid_to_time"),
        "isBusiness": offer.get("business"),
        "location": _location_of_offer(values.mapping(offer.get("location"), "location")),
        "photos": [*map(_photo_url, values.objects(offer.get("photos"), "photos"))],
        "params": [],
    }
    for param in values.objects(offer.get("params"), "params"):
        value = values.mapping(param.get("value"), "params.value")
        if param.get("key") == "price":
            ad["price"] = _price_of_offer(value)
        elif param.get("key") == "salary":
            ad["salary"] = value
        else:
            said = {"normalizedValue": value.get("key"), "value": value.get("label")}
            ad["params"].append(param | said)
    return _parse_ad(ad, context)


def _location_of_offer(location: Payload) -> Payload:
    region, city, district = (
        values.text(values.mapping(location.get(part), f"location.{part}").get("name"), part)
        for part in ("region", "city", "district")
    )
    path = ", ".join(name for name in (region, city, district) if name)
    return {"cityName": city, "regionName": region, "districtName": district, "pathName": path}


def _price_of_offer(price: Payload) -> Payload:
    return {
        "free": price.get("type") == "free",
        "exchange": price.get("type") == "exchange",
        "displayValue": price.get("label"),
        "regularPrice": {
            "value": price.get("value"),
            "currencyCode": price.get("currency"),
            "negotiable": price.get("arranged") is True or price.get("negotiable"),
        },
    }


def _photo_url(photo: Payload) -> str | None:
    link = values.text(photo.get("link"), "photos.link")
    width = values.count(photo.get("width"), "photos.width")
    height = values.count(photo.get("height"), "photos.height")
    if link and width and height:
        link = link.replace("{width}", str(width)).replace("{height}", str(height))
    # Without a size in its name a photo is served in full.
    return link.partition(";s={")[0] if link else None


def _parse_ad(ad: Payload, context: Payload) -> Parsed:
    published = values.objects(ad.get("params"), "params")
    params = {values.identifier(each.get("key"), "params.key"): _param(each) for each in published}
    place = values.mapping(ad.get("location"), "location")
    point = values.mapping(ad.get("map"), "map")
    city, region = canonical_place(
        values.text(place.get("cityName"), "location.cityName"),
        values.text(place.get("regionName"), "location.regionName"),
    )
    seller = _seller(ad)
    listing = Listing(
        external_id=values.identifier(ad.get("id"), "id"),
        title=values.text(ad.get("title"), "title"),
        description=values.plain_text(ad.get("description"), "description"),
        url=values.text(ad.get("url"), "url"),
        seller_external_id=seller.external_id if seller else None,
        location=values.text(place.get("pathName"), "location.pathName"),
        city=city,
        region=region,
        district=values.text(place.get("districtName"), "location.districtName"),
        latitude=values.coordinate(point.get("lat"), "map.lat", 90),
        longitude=values.coordinate(point.get("lon"), "map.lon", 180),
        images=_texts(ad.get("photos"), "photos"),
        **_category_columns(ad, params),
        **_price_columns(ad),
        **_property_columns(params),
        **_time_columns(ad),
        **_other_columns(ad, params),
    )
    category_id = listing.category_external_id
    parents = [Category(category_id) if category_id else None, seller]
    return Parsed(listing.external_id, [*filter(None, parents), listing])


def _seller(ad: Payload) -> Seller | None:
    user = values.mapping(ad.get("user"), "user")
    if user.get("id") is None:
        return None
    # When the person was last online is left out: it would change the row at every load.
    said = {key: values.text(user.get(key), f"user.{key}") for key in ("uuid", "company_name")}
    return Seller(
        external_id=values.identifier(user["id"], "user.id"),
        name=values.text(user.get("name"), "user.name"),
        is_business=values.boolean(ad.get("isBusiness"), "isBusiness"),
        registered_at=values.instant(user.get("created"), "user.created"),
        attributes={key: text for key, text in said.items() if text} or None,
    )


def _category_columns(ad: Payload, params: dict[str, _Param]) -> dict[str, Any]:
    category = values.mapping(ad.get("category"), "category")
    category_id = values.integer(category.get("id"), "category.id")
    market = _MARKET.search(values.text(ad.get("url"), "url") or "")
    # Each country numbers its own categories: 183 is BMW in Poland, domestic staff here.
    foreign = f"{market[1]}:" if market and market[1] != "uz" else ""
    node = CATEGORIES.get(category_id) if category_id and not foreign else None
    path = node.path if node else _path_of_type(category.get("type"), params)
    name = node.name if node else None
    is_brand = path is not None and path.startswith(f"{_CARS}/") and name != _NO_BRAND
    return {
        "category_external_id": f"{foreign}{category_id}" if category_id else None,
        "category_path": path,
        "category_name": name,
        "brand": name if is_brand else None,
    }


def _path_of_type(kind: Any, params: dict[str, _Param]) -> str | None:
    """Return the path of a category that is newer than the table of them."""
    if kind == "automotive":
        is_car = not params.keys().isdisjoint(("motor_mileage", "milage", "car_body"))
        return _CARS if is_car else "transport"
    return {"real_estate": "real-estate", "job": "jobs"}.get(str(kind))


def _price_columns(ad: Payload) -> dict[str, Any]:
    price = values.mapping(ad.get("price"), "price")
    # What is displayed may be in another currency, "7 000 у.е." for 83 704 600 sums: the value
    # and its own code are authoritative. 0 means that there is no amount.
    regular = values.mapping(price.get("regularPrice"), "price.regularPrice")
    amount = values.money(regular.get("value"), "price.value") or None
    currency = values.currency(regular.get("currencyCode"), "price.currency")
    if price.get("free") is True:
        amount, currency = Decimal(0), currency or "UZS"
    if amount is not None and currency is None:
        raise PayloadError("is missing", "price.currency")
    unit = _UNIT.search(values.text(price.get("displayValue"), "price.displayValue") or "")
    is_job = values.mapping(ad.get("category"), "category").get("type") == "job"
    return {
        "price": amount,
        "currency": currency if amount is not None else None,
        "currency_text": unit[0] if unit and amount else None,
        "is_negotiable": values.boolean(regular.get("negotiable"), "price.negotiable"),
        "is_price_on_request": amount is None and not is_job and price.get("exchange") is not True,
    }


def _property_columns(params: dict[str, _Param]) -> dict[str, Any]:
    condition = params.get("condition") or params.get("state") or _Param()
    model = params.get("model") or _Param()
    area = _number(params, "total_area", "m")
    return {
        "condition": _CONDITIONS.get(condition.code or ""),
        "condition_text": condition.label,
        "model": model.label if model.code not in _NO_MODEL else None,
        "year": _whole(_number(params, "motor_year", "year"), 1900, 2100),
        "mileage": _whole(_number(params, "motor_mileage", "milage"), 0, 10**7),
        "area_sqm": values.rounded(area, Decimal("0.01")) if area and 1 <= area < 10**7 else None,
        "rooms": _whole(_number(params, "number_of_rooms", "rooms"), 1, 100),
    }


def _number(params: dict[str, _Param], key: str, key_abroad: str) -> Decimal | None:
    param = params.get(key) or params.get(key_abroad) or _Param()
    # olx.pl has codes without digits: "two" for "2 pokoje".
    code = _NUMBER.search(param.code or "")
    if code:
        return values.decimal(code[0].replace(",", "."), key, _CODED)
    label = _NUMBER.search(param.label or "")
    return values.decimal(label[0], key) if label else None


def _whole(number: Decimal | None, low: int, high: int) -> int | None:
    """Return the number if it may be true: 300 rooms, a slip of the author, are None."""
    is_sane = number is not None and low <= number <= high and number == int(number)
    return int(number) if number is not None and is_sane else None


def _time_columns(ad: Payload) -> dict[str, Any]:
    names = ("createdTime", "pushupTime", "lastRefreshTime", "validToTime")
    posted, pushed_up, refreshed, expires = (values.instant(ad.get(name), name) for name in names)
    bumped = pushed_up or refreshed
    if posted and bumped and bumped <= posted:
        bumped = None
    return {"posted_at": posted, "expires_at": expires, "bumped_at": bumped}


def _other_columns(ad: Payload, params: dict[str, _Param]) -> dict[str, Any]:
    """Return the status, and the attributes: what has no column of its own."""
    published = values.text(ad.get("status"), "status") or ""
    key = published.casefold()
    status = "removed" if key.startswith("removed") else _STATUSES.get(key)
    price = values.mapping(ad.get("price"), "price")
    attributes = {key: param.attribute for key, param in params.items()} | {
        "price_text": values.text(price.get("displayValue"), "price.displayValue"),
        "salary": _salary(values.mapping(ad.get("salary"), "salary")),
        "free": price.get("free") is True,
        "exchange": price.get("exchange") is True,
        "status_text": None if status else published,
    }
    said = {key: value for key, value in attributes.items() if value}
    return {"status": status, "attributes": said or None}


def _salary(published: Payload) -> dict[str, str]:
    said = {key: values.money(published.get(key), f"salary.{key}") for key in ("from", "to")}
    code = values.currency(published.get("currency") or published.get("currencyCode"), "salary")
    return {key: str(value) for key, value in (said | {"currency": code}).items() if value}


def _param(param: Payload) -> _Param:
    label = values.text(param.get("value"), "params.value")
    code = param.get("normalizedValue")
    codes = _texts(code if isinstance(code, list) else [code], "params.normalizedValue")
    single = codes[0] if len(codes) == 1 else None
    # A number as a choice's code tells nothing: 545 is "Газ/Бензин", "Гибрид", "Механическая".
    is_choice = param.get("type") in ("select", "checkboxes")
    is_opaque = is_choice and all(map(str.isdecimal, codes))
    coded = codes if isinstance(code, list) else single
    return _Param(single, label, label if is_opaque else coded or label)


def _texts(entries: Any, field: str) -> list[str]:
    if not isinstance(entries, list | None):
        raise PayloadError("is not a list", field)
    found = [values.text(entry, field) for entry in entries or []]
    return [entry for entry in found if entry]


def _is_categories(document: Payload) -> bool:
    """Return whether the document has a list of categories by their ids."""
    tree = document.get("list")
    nodes = tree.items() if isinstance(tree, dict) else []
    return any(
        isinstance(node, dict) and "parentId" in node and str(node.get("id")) == key
        for key, node in nodes
    )


def _split_categories(document: Payload, source: Source) -> Iterator[Item]:
    for node in values.mapping(document["list"], "list").values():
        yield Item("OLX-CATS", node)


def _parse_category(payload: Payload, context: Payload) -> Parsed:
    external_id = values.identifier(payload.get("id"), "id")
    # The parent of the top categories is 0, and there is no such category.
    parent_id = values.integer(payload.get("parentId"), "parentId") or None
    category = Category(
        external_id=external_id,
        name=values.text(payload.get("name"), "name"),
        path=values.text(payload.get("path"), "path"),
        parent_external_id=str(parent_id) if parent_id else None,
        level=values.count(payload.get("level"), "level"),
    )
    parents = [Category(str(parent_id))] if parent_id else []
    return Parsed(external_id, [*parents, category])


SHAPES = (
    Shape("OLX-STATE", _is_state, _split_state, _parse_ad),
    Shape("OLX-API", _is_api, _split_api, _parse_offer),
    Shape("OLX-CATS", _is_categories, _split_categories, _parse_category),
)
