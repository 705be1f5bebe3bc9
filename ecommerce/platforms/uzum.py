"""Uzum Market: product responses of its API.

UZ-API is the response of api.uzum.uz/api/v2/product/<id>: one product with its SKUs, with or
without the outer "payload". The cards of GraphQL lists are parsed in `uzum_cards`, and product
pages in `uzum_pages`. All amounts are whole so'm.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ecommerce.platforms import uzum_cards, uzum_pages
from ecommerce.platforms.uzum_values import (
    CURRENCY,
    PRICE_STYLE,
    SITE,
    parse_names,
    parse_photos,
    parse_tags,
)
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

#: Keys of a product, in addition to `skuList`, that products of other platforms do not have.
_PRODUCT_KEYS = {"localizableTitle", "ordersAmount", "reviewsAmount", "totalAvailableAmount"}


def _find_product(document: Payload) -> Payload | None:
    envelope = document.get("payload")
    is_wrapped = isinstance(envelope, dict)
    data = (envelope if isinstance(envelope, dict) else document).get("data")
    if not isinstance(data, dict) or "skuList" not in data:
        return None
    return data if is_wrapped or _is_product(data) else None


def _is_product(data: Payload) -> bool:
    skus = data.get("skuList")
    is_sold = isinstance(skus, list) and any(
        isinstance(sku, dict) and "purchasePrice" in sku for sku in skus
    )
    return is_sold or skus == [] or not _PRODUCT_KEYS.isdisjoint(data)


def _split_product(document: Payload, source: Source) -> Iterator[Item]:
    # Only `data` of the payload is kept; `seo` repeats it. The review in `topFeedback` is not
    # stored, because it contains a personal name and is not needed.
    product = _find_product(document) or {}
    payload = {key: value for key, value in product.items() if key != "topFeedback"}
    observed_at = source.read_time(document.get("timestamp"), "timestamp", _parse_observed_at)
    yield Item("UZ-API", payload, observed_at=observed_at)


def _parse_product(payload: Payload, context: Payload) -> Parsed:
    product_id = values.identifier(payload.get("id"), "id")
    categories = _parse_categories(values.mapping(payload.get("category"), "category"))
    seller = _parse_seller(values.mapping(payload.get("seller"), "seller"))
    characteristics = _parse_characteristics(payload)
    offers = [
        offer
        for sku in values.objects(payload.get("skuList"), "skuList")
        if (offer := _parse_sku(sku, product_id, seller, characteristics))
    ]
    prices = [offer.price for offer in offers if offer.price is not None]
    product = _build_product(payload, product_id, prices)._replace(
        category_external_id=categories[-1].external_id if categories else None,
        seller_external_id=seller.external_id if seller else None,
        characteristics=characteristics,
    )
    records = [*categories, *filter(None, [seller]), product, *offers]
    return Parsed(product_id, records)


def _build_product(data: Payload, product_id: str, prices: list[Decimal]) -> Product:
    title, title_ru, title_uz = parse_names(data.get("title"), "title")
    localized, ru, uz = parse_names(data.get("localizableTitle"), "localizableTitle")
    available = values.count(data.get("totalAvailableAmount"), "totalAvailableAmount")
    return Product(
        external_id=product_id,
        title=title or localized,
        title_ru=ru or title_ru,
        title_uz=uz or title_uz,
        description=values.plain_text(data.get("description"), "description"),
        rating=values.rating(data.get("rating"), "rating"),
        review_count=values.count(data.get("reviewsAmount"), "reviewsAmount"),
        order_count=values.count(data.get("ordersAmount"), "ordersAmount"),
        # A product without SKUs cannot be bought.
        is_available=values.in_stock(available) if data.get("skuList") != [] else bool(available),
        total_available=available,
        min_price=min(prices, default=None),
        max_price=max(prices, default=None),
        currency=CURRENCY,
        url=f"{SITE}/product/{product_id}",
        images=parse_photos(data),
        video_url=video if isinstance(video := data.get("video"), str) else None,
        tags=parse_tags(data),
        is_eco=values.boolean(data.get("isEco"), "isEco"),
        is_adult=values.boolean(data.get("adultCategory"), "adultCategory"),
        is_perishable=values.boolean(data.get("isPerishable"), "isPerishable"),
        has_warranty=bool(data["warranty"]) if "warranty" in data else None,
        attributes=_parse_attributes(data),
    )


@values.memoize
def _parse_categories(category: Payload) -> list[Category]:
    """Return the category of a product and its ancestors, the root first."""
    chain = []
    node = category
    while node:
        chain.append(node)
        node = values.mapping(node.get("parent"), "category.parent")
    categories: list[Category] = []
    for node in reversed(chain):
        parsed = Category(
            values.identifier(node.get("id"), "category.id"),
            *parse_names(node.get("title"), "category.title"),
            parent_external_id=categories[-1].external_id if categories else None,
            product_count=values.count(node.get("productAmount"), "category.productAmount"),
        )
        categories.append(parsed)
    return categories


@values.memoize
def _parse_seller(seller: Payload) -> Seller | None:
    if not seller:
        return None
    # totalProducts is not used, because it is always 0 in product responses.
    slug = values.text(seller.get("link"), "seller.link")
    return Seller(
        external_id=values.identifier(seller.get("id"), "seller.id"),
        name=parse_names(seller.get("title"), "seller.title")[0],
        slug=slug,
        link=f"{SITE}/shop/{slug}" if slug else None,
        description=values.plain_text(seller.get("description"), "seller.description"),
        rating=values.rating(seller.get("rating"), "seller.rating"),
        review_count=values.count(seller.get("reviews"), "seller.reviews"),
        order_count=values.count(seller.get("orders"), "seller.orders"),
        is_official=values.boolean(seller.get("official"), "seller.official"),
        registered_at=values.instant(seller.get("registrationDate"), "seller.registrationDate"),
    )


def _parse_sku(
    sku: Payload, product_id: str, seller: Seller | None, characteristics: list[dict[str, Any]]
) -> Offer | None:
    price = values.price(sku.get("purchasePrice"), "skuList[].purchasePrice", style=PRICE_STYLE)
    quantity = values.count(sku.get("availableAmount"), "skuList[].availableAmount")
    # A SKU that is out of stock may have no price.
    if price is None and (quantity != 0 or sku.get("id") is None):
        return None
    stock = values.mapping(sku.get("stock"), "skuList[].stock")
    variant = _parse_variant(sku, characteristics)
    return Offer(
        external_id=values.identifier(sku.get("id"), "skuList[].id"),
        product_external_id=product_id,
        price=price,
        currency=CURRENCY,
        old_price=price
        and values.old_price(sku.get("fullPrice"), "skuList[].fullPrice", price, style=PRICE_STYLE),
        seller_external_id=seller.external_id if seller else None,
        is_available=values.in_stock(quantity),
        stock_quantity=quantity,
        variant_title=" / ".join(variant.values()) or None,
        variant_attributes=variant or None,
        barcode=values.text(sku.get("barcode"), "skuList[].barcode"),
        delivery_days=values.count(stock.get("deliveryDays"), "skuList[].stock.deliveryDays"),
    )


def _parse_variant(sku: Payload, characteristics: list[dict[str, Any]]) -> dict[str, str]:
    """Return the characteristics of a SKU: {"Цвет": "Черный", "Размер": "XL"}.

    A SKU refers to the characteristics of the product by position.
    """
    variant = {}
    for pointer in values.objects(sku.get("characteristics"), "skuList[].characteristics"):
        index = pointer.get("charIndex")
        chosen = _pick(characteristics, index, "charIndex")
        value = _pick(chosen["values"], pointer.get("valueIndex"), "valueIndex")
        if value:
            variant[chosen["title"] or str(index)] = value
    return variant


def _pick(entries: list[Any], index: Any, name: str) -> Any:
    field = f"skuList[].characteristics[].{name}"
    position = values.count(index, field)
    if position is None or position >= len(entries):
        reason = (
            f"{values.quote(index)} is not the position of one of {len(entries)} published values"
        )
        raise PayloadError(reason, field)
    return entries[position]


def _parse_characteristics(data: Payload) -> list[dict[str, Any]]:
    # Values without a title are kept as None, because SKUs refer to values by position.
    return [
        {
            "title": parse_names(entry.get("title"), "characteristics[].title")[0],
            "values": [
                parse_names(value.get("title"), "characteristics[].values[].title")[0]
                or values.text(value.get("value"), "characteristics[].values[].value")
                for value in values.objects(entry.get("values"), "characteristics[].values")
            ],
        }
        for entry in values.objects(data.get("characteristics"), "characteristics")
    ]


def _parse_attributes(data: Payload) -> dict[str, Any] | None:
    published = data.get("attributes") or {}
    originality = values.mapping(data.get("originality"), "originality")
    attributes = dict(published) if isinstance(published, dict) else {"attributes": published}
    attributes["is_original"] = values.boolean(originality.get("isOriginal"), "isOriginal")
    return {name: value for name, value in attributes.items() if value is not None} or None


def _parse_observed_at(published: Any, field: str) -> datetime | None:
    time = values.instant(published, field)
    # The timestamp of the API is in UTC, without a zone: in a response of 05:45:20, a delivery in
    # one day is due at 05:45:13 UTC of the next day (stock.deliveryDate, in milliseconds).
    # Interpreted in Asia/Tashkent, like other naive times, it would be 5 hours too early.
    if time and time.tzinfo is values.TASHKENT:
        time = time.replace(tzinfo=UTC)
    return time


SHAPES: tuple[Shape, ...] = (
    Shape("UZ-API", lambda document: bool(_find_product(document)), _split_product, _parse_product),
    *uzum_cards.SHAPES,
    uzum_pages.SHAPE,
)
