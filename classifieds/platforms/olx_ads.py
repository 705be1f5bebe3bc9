"""The ads of OLX in the format of the page state: from an ad to a listing with its seller."""

import re
from decimal import Decimal
from typing import Any, NamedTuple

from classifieds.places import canonical_place
from classifieds.platforms.olx_categories import CATEGORIES
from classifieds.records import Category, Listing, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Parsed, Payload
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
#: Codes of "Прочее", "Другая", "Другой": a model that is not in the list of the platform.
_NO_MODEL = {"prochee", "drugaya", "drugoy", "drugie", "other"}
_NO_BRAND = "Другие"
_CARS = "transport/cars"
_MARKET = re.compile(r"//(?:[\w-]+\.)?olx\.(\w+)")
_NUMBER = re.compile(r"-?\d[\d\s]*(?:[.,]\d+)*(?:\s*(?:тыс|минг|ming|tys|млн|mln)\w*)?")
#: The style of numbers in the codes of choices. Labels are written for people.
_CODED = Style(decimal=".")
_UNIT = re.compile(r"[^\d\s.,].*")


class _Param(NamedTuple):
    """A property of an ad.

    :param code: the code of the chosen value; None if there are several
    :param label: the published text
    :param attribute: the code or codes if they have a meaning of their own, otherwise the text
    """

    code: str | None = None
    label: str | None = None
    attribute: str | list[str] | None = None


def parse_ad(ad: Payload, context: Payload) -> Parsed:
    published = values.objects(ad.get("params"), "params")
    params = {values.identifier(p.get("key"), "params.key"): _param(p) for p in published}
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
    # The time of the last visit is omitted, because it would change the row with each load.
    texts = {key: values.text(user.get(key), f"user.{key}") for key in ("uuid", "company_name")}
    return Seller(
        external_id=values.identifier(user["id"], "user.id"),
        name=values.text(user.get("name"), "user.name"),
        is_business=values.boolean(ad.get("isBusiness"), "isBusiness"),
        registered_at=values.instant(user.get("created"), "user.created"),
        attributes={key: text for key, text in texts.items() if text} or None,
    )


def _category_columns(ad: Payload, params: dict[str, _Param]) -> dict[str, Any]:
    category = values.mapping(ad.get("category"), "category")
    category_id = values.integer(category.get("id"), "category.id")
    market = _MARKET.search(values.text(ad.get("url"), "url") or "")
    # Category ids differ between countries: 183 is BMW in Poland and domestic staff in Uzbekistan.
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
    """Return the path of a category that is not in the known tree, by its type."""
    if kind == "automotive":
        is_car = not params.keys().isdisjoint(("motor_mileage", "milage", "car_body"))
        return _CARS if is_car else "transport"
    return {"real_estate": "real-estate", "job": "jobs"}.get(str(kind))


def _price_columns(ad: Payload) -> dict[str, Any]:
    price = values.mapping(ad.get("price"), "price")
    # The displayed text may be in another currency: "7 000 у.е." for 83 704 600 so'm. The value
    # and its currency code are authoritative. A value of 0 means that there is no amount.
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
    # Codes of olx.pl may have no digits: "two" for "2 pokoje".
    code = _NUMBER.search(param.code or "")
    if code:
        return values.decimal(code[0].replace(",", "."), key, _CODED)
    label = _NUMBER.search(param.label or "")
    return values.decimal(label[0], key) if label else None


def _whole(number: Decimal | None, low: int, high: int) -> int | None:
    """Return a number if it is whole and plausible; None for a mistake, such as 300 rooms."""
    is_plausible = number is not None and low <= number <= high and number == int(number)
    return int(number) if number is not None and is_plausible else None


def _time_columns(ad: Payload) -> dict[str, Any]:
    names = ("createdTime", "pushupTime", "lastRefreshTime", "validToTime")
    posted, pushed_up, refreshed, expires = (values.instant(ad.get(name), name) for name in names)
    bumped = pushed_up or refreshed
    if posted and bumped and bumped <= posted:
        bumped = None
    return {"posted_at": posted, "expires_at": expires, "bumped_at": bumped}


def _other_columns(ad: Payload, params: dict[str, _Param]) -> dict[str, Any]:
    """Return the status, and the attributes, which have no columns of their own."""
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
    present = {key: value for key, value in attributes.items() if value}
    return {"status": status, "attributes": present or None}


def _salary(published: Payload) -> dict[str, str]:
    limits = {key: values.money(published.get(key), f"salary.{key}") for key in ("from", "to")}
    code = values.currency(published.get("currency") or published.get("currencyCode"), "salary")
    return {key: str(value) for key, value in (limits | {"currency": code}).items() if value}


def _param(param: Payload) -> _Param:
    label = values.text(param.get("value"), "params.value")
    code = param.get("normalizedValue")
    codes = _texts(code if isinstance(code, list) else [code], "params.normalizedValue")
    single = codes[0] if len(codes) == 1 else None
    # A number as the code of a choice has no meaning: 545 is "Газ/Бензин", "Гибрид" or
    # "Механическая".
    is_choice = param.get("type") in ("select", "checkboxes")
    is_opaque = is_choice and all(map(str.isdecimal, codes))
    coded = codes if isinstance(code, list) else single
    return _Param(single, label, label if is_opaque else coded or label)


def _texts(entries: Any, field: str) -> list[str]:
    if not isinstance(entries, list | None):
        raise PayloadError("is not a list", field)
    texts = [values.text(entry, field) for entry in entries or []]
    return [text for text in texts if text]
