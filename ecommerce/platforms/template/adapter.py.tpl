"""$title: lists of products.

$SHAPE is an invented list. Replace it, its sample and its test with those of real payloads.
"""

from collections.abc import Iterator

from ecommerce.records import Offer, Product, Seller
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency

CURRENCY = "UZS"

#: "1.600" is 1600 in a currency without decimals.
_STYLE = in_currency(CURRENCY)

#: A key that only lists of this platform have, even if they are empty.
_LIST = "${name}Products"


def _recognize(document: Payload) -> bool:
    return _LIST in document


def _split(document: Payload, source: Source) -> Iterator[Item]:
    observed_at = source.read_time(document.get("fetchedAt"), "fetchedAt")
    for entry in values.entries(document[_LIST], _LIST):
        yield Item("$SHAPE", entry, observed_at=observed_at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    product_id = values.identifier(payload.get("id"), "id")
    seller = _parse_seller(values.mapping(payload.get("seller"), "seller"))
    stock = values.count(payload.get("stock"), "stock")
    price = values.price(payload.get("price"), "price", style=_STYLE)
    product = Product(
        external_id=product_id,
        title=values.text(payload.get("name"), "name"),
        seller_external_id=seller.external_id if seller else None,
        is_available=values.in_stock(stock),
        total_available=stock,
        min_price=price,
        max_price=price,
        currency=CURRENCY,
        url=values.text(payload.get("url"), "url"),
    )
    offer = Offer(
        external_id=product_id,
        product_external_id=product_id,
        price=price,
        currency=CURRENCY,
        old_price=price
        and values.old_price(payload.get("oldPrice"), "oldPrice", price, style=_STYLE),
        seller_external_id=product.seller_external_id,
        is_available=product.is_available,
        stock_quantity=stock,
    )
    # An offer without a price is returned only if it is out of stock.
    offers = [offer] if price is not None or offer.is_available is False else []
    return Parsed(product_id, [*filter(None, [seller]), product, *offers])


def _parse_seller(payload: Payload) -> Seller | None:
    if payload.get("id") is None:
        return None
    return Seller(
        external_id=values.identifier(payload["id"], "seller.id"),
        name=values.text(payload.get("name"), "seller.name"),
    )


SHAPES = (Shape("$SHAPE", _recognize, _split, _parse),)
