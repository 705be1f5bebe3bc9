"""Wildberries: the product lists of the catalog and the search (WB-V1 and WB-V4)."""

import re
from collections.abc import Iterator
from typing import Any

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

CURRENCY = "RUB"
MINOR_UNITS = 100
SITE = "https://www.wildberries.ru"
#: Keys of a listed product that products of other platforms do not have.
_V1_KEYS = {"priceU", "salePriceU"}
_V4_KEYS = {"nmFeedbacks", "nmReviewRating", "siteBrandId", "subjectId", "supplierId"}
_V4_KEYS |= {"totalQuantity"}
#: Sets of keys that identify a response without products. One of the sets is sufficient.
_ENVELOPES = ({"payloadVersion"}, {"state", "version"}, {"state", "data"}, {"metadata", "total"})
_CURRENCY_IN_URL = re.compile(r"[?&]curr=([a-z]{3})\b")


def _find_lists(document: Payload) -> Iterator[tuple[list[Any], Any]]:
    """Yield each list of products in a document, with the currency of its prices as published.

    A document is a response, a capture, or an object of named captures. A capture is a saved
    request: {url, response}. `product_id_list_response` in a document is a bare response.
    """
    named = [capture for capture in document.values() if isinstance(capture, dict)]
    card_list = {"response": document.get("product_id_list_response")}
    for capture in ({"response": document}, document, card_list, *named):
        response = capture.get("response")
        if not isinstance(response, dict):
            continue
        # The products are in `data`, or in the response itself.
        for container in (response.get("data"), response):
            if isinstance(container, dict) and isinstance(container.get("products"), list):
                yield container["products"], _find_currency(response, capture.get("url"))
                break


def _find_currency(response: Payload, url: Any) -> Any:
    # Prices are in the requested currency. Old responses repeat it in their parameters; with new
    # ones, it is only in the address of the request.
    params = response.get("params")
    match = _CURRENCY_IN_URL.search(url) if isinstance(url, str) else None
    return (params.get("curr") if isinstance(params, dict) else None) or (match and match[1])


def _is_v1(product: Any) -> bool:
    return isinstance(product, dict) and not _V1_KEYS.isdisjoint(product)


def _recognize_v1(document: Payload) -> bool:
    return any(_is_v1(product) for products, _ in _find_lists(document) for product in products)


def _recognize_v4(document: Payload) -> bool:
    """Return whether a list has a product of this shape, or is empty in a known envelope."""
    products = [product for products, _ in _find_lists(document) for product in products]
    if products:
        return any(map(_is_v4, products))
    return any(_find_lists(document)) and any(map(_is_envelope, _find_responses(document)))


def _is_v4(product: Any) -> bool:
    if not isinstance(product, dict):
        return False
    sizes = product.get("sizes")
    size = sizes[0] if isinstance(sizes, list) and sizes else None
    is_sized = isinstance(size, dict) and "optionId" in size
    return is_sized or len(_V4_KEYS.intersection(product)) > 1


def _find_responses(document: Payload) -> Iterator[Any]:
    yield from (document, *document.values())
    captures = (capture for capture in document.values() if isinstance(capture, dict))
    yield from (capture.get("response") for capture in captures)


def _is_envelope(response: Any) -> bool:
    return isinstance(response, dict) and any(keys <= response.keys() for keys in _ENVELOPES)


def split_lists(document: Payload, source: Source) -> Iterator[Item]:
    for products, raw_currency in _find_lists(document):
        currency = raw_currency or source.options.get("currency") or CURRENCY
        for product in products:
            yield Item("WB-V1" if _is_v1(product) else "WB-V4", product, {"currency": currency})


def parse_listed(payload: Payload, context: Payload) -> Parsed:
    currency = values.currency(context.get("currency"), "currency") or CURRENCY
    categories = _parse_categories(payload)
    seller = _parse_seller(payload)
    product = _parse_product(payload)._replace(
        category_external_id=categories[-1].external_id if categories else None,
        seller_external_id=seller.external_id if seller else None,
        currency=currency,
    )
    offers = list(_parse_sizes(payload, product))
    prices = [offer.price for offer in offers if offer.price is not None]
    product = product._replace(
        min_price=min(prices, default=None), max_price=max(prices, default=None)
    )
    return Parsed(product.external_id, [*categories, *filter(None, [seller]), product, *offers])


def _parse_categories(payload: Payload) -> list[Category]:
    # The ids of subjects, of their parents and of menu nodes come from different sequences.
    categories = []
    if payload.get("subjectParentId"):
        root_id = values.identifier(payload["subjectParentId"], "subjectParentId")
        # Lists never have the name of the parent, and do not always have that of the subject.
        name = values.text(payload.get("subjectParentName"), "subjectParentName")
        categories.append(Category(f"subject-root:{root_id}", name))
    if payload.get("subjectId"):
        subject_id = values.identifier(payload["subjectId"], "subjectId")
        name = values.text(payload.get("entity"), "entity")
        parent_id = categories[0].external_id if categories else None
        categories.append(Category(f"subject:{subject_id}", name, parent_external_id=parent_id))
    return categories


def _parse_seller(payload: Payload) -> Seller | None:
    if not payload.get("supplierId"):
        return None
    return Seller(
        external_id=values.identifier(payload["supplierId"], "supplierId"),
        name=values.text(payload.get("supplier"), "supplier"),
        rating=values.rating(payload.get("supplierRating"), "supplierRating"),
    )


def _parse_product(payload: Payload) -> Product:
    product_id = values.identifier(payload.get("id"), "id")
    available = values.count(payload.get("totalQuantity"), "totalQuantity")
    # `feedbacks` counts the reviews of all products with the same `root`, such as other colors.
    reviews = "feedbacks" if payload.get("nmFeedbacks") is None else "nmFeedbacks"
    colors = values.objects(payload.get("colors"), "colors")
    return Product(
        external_id=product_id,
        title=values.text(payload.get("name"), "name"),
        brand=values.text(payload.get("brand"), "brand"),
        rating=values.rating(payload.get("reviewRating"), "reviewRating")
        or values.rating(payload.get("nmReviewRating"), "nmReviewRating")
        or values.rating(payload.get("rating"), "rating"),
        review_count=values.count(payload.get(reviews), reviews),
        is_available=values.in_stock(available),
        total_available=available,
        url=f"{SITE}/catalog/{product_id}/detail.aspx",
        attributes=_without_empty(
            root=values.text(payload.get("root"), "root"),
            colors=[name for color in colors if (name := values.text(color.get("name"), "colors"))],
            kind_id=values.count(payload.get("kindId"), "kindId"),
            photo_count=values.count(payload.get("pics"), "pics"),
        ),
    )


def _parse_sizes(payload: Payload, product: Product) -> Iterator[Offer]:
    sizes = values.objects(payload.get("sizes"), "sizes")
    for size in sizes or [{}]:
        raw_price, raw_old_price = _read_prices(payload, size)
        price = values.price(raw_price, "price", MINOR_UNITS)
        quantity = _parse_quantity(size, _total_of_size(product, len(sizes)))
        # An offer that is out of stock often has no price. A product without sizes may stand for
        # several offers, so it needs a price.
        if price is None and (quantity != 0 or size.get("optionId") is None):
            continue
        names = _parse_size_names(size)
        # Without sizes, the offer is the product itself. The prefix is needed because the product
        # id may be equal to the size id of another product, and offers are unique by id.
        product_offer_id = f"nm:{product.external_id}"
        size_id = values.identifier(size.get("optionId"), "optionId") if sizes else product_offer_id
        yield Offer(
            external_id=size_id,
            product_external_id=product.external_id,
            price=price,
            currency=product.currency or CURRENCY,
            seller_external_id=product.seller_external_id,
            old_price=price and values.old_price(raw_old_price, "old price", price, MINOR_UNITS),
            is_available=values.in_stock(quantity),
            stock_quantity=quantity,
            variant_title=names.get("size") or names.get("local_size"),
            variant_attributes=names or None,
        )


def _total_of_size(product: Product, count: int) -> int | None:
    """Return the quantity of each size, derived from the total quantity of the product.

    :param count: the number of sizes
    """
    return product.total_available if count < 2 or product.total_available == 0 else None


def _read_prices(product: Payload, size: Payload) -> tuple[Any, Any]:
    """Return the price and the price before a discount, as published."""
    if _is_v1(product):
        price = product.get("salePriceU")
        return product.get("priceU") if price is None else price, product.get("priceU")
    # `total`, which some lists have, is not used because it includes the delivery.
    prices = values.mapping(size.get("price"), "sizes[].price")
    return prices.get("product"), prices.get("basic")


def _parse_quantity(size: Payload, total: int | None) -> int | None:
    """Return the quantity of a size.

    :param total: the quantity derived from the product, for a size without stocks
    """
    if size.get("stocks") is None:
        return total
    stocks = values.objects(size["stocks"], "sizes[].stocks")
    return values.total((stock.get("qty") for stock in stocks), "qty") if stocks else 0


def _parse_size_names(size: Payload) -> dict[str, str]:
    raw_names = {"size": size.get("origName"), "local_size": size.get("name")}
    raw_names |= values.mapping(size.get("details"), "details")
    texts = {name: values.text(value, name) for name, value in raw_names.items()}
    # "0" is the size of a product with a single size.
    return {name: text for name, text in texts.items() if name and text and text != "0"}


def _without_empty(**attributes: Any) -> dict[str, Any] | None:
    return {name: value for name, value in attributes.items() if value} or None


SHAPES = (
    Shape("WB-V1", _recognize_v1, split_lists, parse_listed),
    Shape("WB-V4", _recognize_v4, split_lists, parse_listed),
)
