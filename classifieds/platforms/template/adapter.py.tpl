"""$title: lists of ads.

$SHAPE is an invented list. Replace it, its sample and its test with those of real payloads.
"""

from collections.abc import Iterator

from classifieds.places import canonical_city, canonical_region
from classifieds.records import Listing, Seller
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

#: A key that only lists of this platform have, even if they are empty.
_LIST = "${name}Ads"


def _recognize(document: Payload) -> bool:
    return _LIST in document


def _split(document: Payload, source: Source) -> Iterator[Item]:
    observed_at = source.read_time(document.get("fetchedAt"), "fetchedAt")
    for entry in values.entries(document[_LIST], _LIST):
        yield Item("$SHAPE", entry, observed_at=observed_at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    listing_id = values.identifier(payload.get("id"), "id")
    seller = _parse_seller(values.mapping(payload.get("seller"), "seller"))
    price, currency = values.amount_with_currency(payload.get("price"), "price")
    location = values.text(payload.get("city"), "city")
    listing = Listing(
        external_id=listing_id,
        title=values.text(payload.get("title"), "title"),
        url=values.text(payload.get("url"), "url"),
        seller_external_id=seller.external_id if seller else None,
        price=price,
        currency=currency,
        location=location,
        city=canonical_city(location),
        region=canonical_region(location),
        status="active",
        posted_at=values.instant(payload.get("postedAt"), "postedAt"),
    )
    return Parsed(listing_id, [*filter(None, [seller]), listing])


def _parse_seller(payload: Payload) -> Seller | None:
    if payload.get("id") is None:
        return None
    return Seller(
        external_id=values.identifier(payload["id"], "seller.id"),
        name=values.text(payload.get("name"), "seller.name"),
    )


SHAPES = (Shape("$SHAPE", _recognize, _split, _parse),)
