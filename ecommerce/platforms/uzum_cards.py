"""Product cards of graphql.uzum.uz: the main page, single cards and search results.

- UZ-GQL-MAIN is the main page, with product cards among banners.
- UZ-GQL-CARD is a single product card.
- UZ-GQL-SEARCH is a search result, alone or in its response: the card of one variant of a product.
"""

from collections.abc import Iterator
from typing import Any

from ecommerce.platforms.uzum_values import (
    CURRENCY,
    PRICE_STYLE,
    SITE,
    parse_names,
    parse_photos,
    parse_tags,
)
from ecommerce.records import Offer, Product
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

#: Keys of a card, in addition to `productId`, that cards of other platforms do not have.
_CARD_KEYS = {"feedbackQuantity", "minFullPrice", "minSellPrice", "ordersQuantity"}


def _recognize_main(document: Payload) -> bool:
    data = document.get("data")
    main = data.get("main") if isinstance(data, dict) else None
    if not isinstance(main, dict) or "content" not in main:
        return False
    return main.get("__typename") == "MainPage" or any(map(_recognize_card, _walk_cards(main)))


def _walk_cards(document: Payload) -> Iterator[Any]:
    """Yield the product cards, and the entries in lists of cards that are not objects."""
    # A stack instead of recursion, because the nesting may be as deep as the JSON parser accepts.
    stack: list[Any] = [document]
    while stack:
        entry = stack.pop()
        if _is_card(entry):
            yield entry
        elif isinstance(entry, dict):
            stack.extend(reversed(entry.values()))
        elif isinstance(entry, list):
            stack.extend(reversed(entry))
            if any(map(_is_card, entry)):
                yield from (other for other in entry if not isinstance(other, dict | list))


def _is_card(entry: Any) -> bool:
    return isinstance(entry, dict) and "productId" in entry


def _split_main(document: Payload, source: Source) -> Iterator[Item]:
    return (Item("UZ-GQL-MAIN", card) for card in _walk_cards(document))


def _recognize_card(document: Any) -> bool:
    if not _is_card(document):
        return False
    skus = document.get("skuList")
    is_sold = isinstance(skus, list) and any(
        isinstance(sku, dict) and "sellPrice" in sku for sku in skus
    )
    return is_sold or not _CARD_KEYS.isdisjoint(document)


def _split_card(document: Payload, source: Source) -> Iterator[Item]:
    yield Item("UZ-GQL-CARD", document)


def _parse_card(payload: Payload, context: Payload) -> Parsed:
    product_id = values.identifier(payload.get("productId"), "productId")
    offers = _parse_card_offers(payload, product_id)
    prices = [offer.price for offer in offers if offer.price is not None]
    product = Product(
        product_id,
        *parse_names(payload.get("title"), "title"),
        rating=values.rating(payload.get("rating"), "rating"),
        review_count=values.count(payload.get("feedbackQuantity"), "feedbackQuantity"),
        order_count=values.count(payload.get("ordersQuantity"), "ordersQuantity"),
        min_price=values.price(payload.get("minSellPrice"), "minSellPrice", style=PRICE_STYLE),
        # The highest price is unknown unless the card lists its SKUs.
        max_price=max(prices, default=None) if "skuList" in payload else None,
        currency=CURRENCY,
        url=f"{SITE}/product/{product_id}",
        images=parse_photos(payload),
        tags=parse_tags(payload),
        is_adult=values.boolean(payload.get("adult"), "adult"),
    )
    return Parsed(product_id, [product, *offers])


def _parse_card_offers(card: Payload, product_id: str) -> list[Offer]:
    lowest = values.price(card.get("minSellPrice"), "minSellPrice", style=PRICE_STYLE)
    # Without a SKU, the id of the offer is the product id with a prefix: it may be equal to the id
    # of a SKU of another product, and offers are unique by id.
    unnamed = [{"id": f"product:{product_id}", "sellPrice": lowest}]
    offers = []
    for sku in values.objects(card.get("skuList", unnamed), "skuList"):
        price = values.price(sku.get("sellPrice"), "skuList[].sellPrice", style=PRICE_STYLE)
        if price is None:
            continue
        # minFullPrice is the old price of the cheapest SKU. Those of other SKUs are unknown.
        full_price = card.get("minFullPrice") if price == lowest else None
        old_price = values.old_price(full_price, "minFullPrice", price, style=PRICE_STYLE)
        sku_id = values.identifier(sku.get("id"), "skuList[].id")
        offers.append(Offer(sku_id, product_id, price, CURRENCY, old_price))
    return offers


# UZ-GQL-SEARCH


def _recognize_results(document: Payload) -> bool:
    return _find_results(document) is not None


def _find_results(document: Payload) -> list[Any] | None:
    """Return the results of a search, or the document if it is a result itself."""
    if "catalogCard" in document:
        return [document]
    data = document.get("data")
    search = data.get("makeSearch") if isinstance(data, dict) else None
    items = search.get("items") if isinstance(search, dict) else None
    return items if isinstance(items, list) else None


def _split_results(document: Payload, source: Source) -> Iterator[Item]:
    for result in _find_results(document) or []:
        # A result has no content except its card.
        yield Item("UZ-GQL-SEARCH", result.get("catalogCard") if _is_object(result) else result)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _parse_result(payload: Payload, context: Payload) -> Parsed:
    """Parse the card of one variant, whose prices do not apply to the other variants."""
    parsed = _parse_card(payload, context)
    if payload.get("__typename") != "SkuGroupCard":
        return parsed
    product, *offers = parsed.records
    sku_group = values.identifier(payload.get("id"), "id")
    variant = _parse_group(payload)
    offers = [
        offer._replace(
            external_id=sku_group,
            variant_title=" / ".join(variant.values()) or None,
            variant_attributes=variant or None,
        )
        for offer in offers
    ]
    return Parsed(parsed.external_id, [product._replace(min_price=None), *offers])


def _parse_group(card: Payload) -> dict[str, str]:
    """Return the characteristics of the variant: {"Rang": "Qora"}."""
    field = "characteristicValues"
    variant = {}
    for value in values.objects(card.get(field), field):
        characteristic = values.mapping(value.get("characteristic"), f"{field}[].characteristic")
        title = parse_names(characteristic.get("title"), f"{field}[].characteristic.title")[0]
        name = parse_names(value.get("title"), f"{field}[].title")[0]
        if title and name:
            variant[title] = name
    return variant


SHAPES = (
    Shape("UZ-GQL-MAIN", _recognize_main, _split_main, _parse_card),
    Shape("UZ-GQL-CARD", _recognize_card, _split_card, _parse_card),
    Shape("UZ-GQL-SEARCH", _recognize_results, _split_results, _parse_result),
)
