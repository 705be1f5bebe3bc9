"""OLX: pages of ads, the offers API and the category tree.

- OLX-STATE: the state in a page of www.olx.uz (`window.__PRERENDERED_STATE__`): a list of ads,
  `{"listing": {"listing": {"ads": […]}}}`, or one ad, `{"ad": {"ad": {…}}}`.
- OLX-API: the response of `GET /api/v1/offers` and `/api/v1/offers/<id>`, `{"data": …}`, or one
  offer.
- OLX-CATS: the `categories` in the state of any page.

An offer of the API has the data of an ad under other names. Neither has a time of observation. The
listing of an ad is built in `olx_ads`.
"""

from collections.abc import Iterator
from typing import Any

from classifieds.platforms.olx_ads import parse_ad
from classifieds.records import Category
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

#: Keys of a seller that change with each visit to the site.
_PRESENCE = ("lastSeen", "last_seen", "isOnline", "is_online")


def _is_state(document: Payload) -> bool:
    return "ads" in _inner(document, "listing") or "id" in _inner(document, "ad")


def _inner(document: Payload, key: str) -> Payload:
    """Return the object under a key and the same key again: {"ad": {"ad": {…}}}."""
    outer = document.get(key)
    inner = outer.get(key) if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else {}


def _split_state(document: Payload, source: Source) -> Iterator[Item]:
    # The category of the page is not used, because promoted ads on it belong to others.
    page = _inner(document, "listing")
    ads = values.entries(page["ads"], "ads") if "ads" in page else [_inner(document, "ad")]
    for ad in ads:
        yield Item("OLX-STATE", _drop_volatile(ad))


def _drop_volatile(ad: Any) -> Any:
    """Return an ad without keys that change with each visit, and without `photosSet`.

    `photosSet` repeats `photos` in three sizes.
    """
    if not isinstance(ad, dict):
        return ad
    stable = {key: ad[key] for key in ad if key not in ("photosSet", "searchReason")}
    user = stable.get("user")
    if isinstance(user, dict):
        stable["user"] = {key: user[key] for key in user if key not in _PRESENCE}
    return stable


def _is_api(document: Payload) -> bool:
    data = document.get("data", document)
    if isinstance(data, list):
        # A page after the last one has only links.
        return any(map(_is_offer, data)) or (not data and "links" in document)
    return _is_offer(data)


def _is_offer(value: Any) -> bool:
    return isinstance(value, dict) and "created_time" in value and "params" in value


def _split_api(document: Payload, source: Source) -> Iterator[Item]:
    data = document.get("data", document)
    for offer in [data] if isinstance(data, dict) else values.entries(data, "data"):
        yield Item("OLX-API", _drop_volatile(offer))


def _parse_offer(offer: Payload, context: Payload) -> Parsed:
    """Parse an offer of the API as an ad, after renaming its keys to those of the page state."""
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
            renamed = {"normalizedValue": value.get("key"), "value": value.get("label")}
            ad["params"].append(param | renamed)
    return parse_ad(ad, context)


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
    # An address without a size returns the full photo.
    return link.partition(";s={")[0] if link else None


def _is_categories(document: Payload) -> bool:
    """Return whether the document has an object of categories by id under "list"."""
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
    # The parent of the top categories is 0, which is not a category.
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
    Shape("OLX-STATE", _is_state, _split_state, parse_ad),
    Shape("OLX-API", _is_api, _split_api, _parse_offer),
    Shape("OLX-CATS", _is_categories, _split_categories, _parse_category),
)
