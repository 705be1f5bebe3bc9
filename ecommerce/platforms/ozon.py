"""Ozon: tiles of its search, price and stock feeds of its sellers, and its category trees.

- OZ-CSV is one tile of a search page, as a row of a table.
- OZ-FEED is the XML feed with which a shop reports its prices and stocks to Ozon. It has the ids of
  the shop and no names.
- OZ-CATS is the response of the category menu: one root with its subtree, or an object of such
  responses by file name.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ecommerce.platforms.shop_feeds import find_currency, first_text, name_in_file, price_text
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.formats.decimal_marks import (
    decimal_context,
    price_style,
    stated_decimal_context,
)
from marketplace.loading.values.prices import is_ambiguous

CURRENCY = "RUB"
SITE = "https://www.ozon.ru"
_HOSTS = ("ozon.ru", "ozon.kz", "ozon.by", "ozon.uz", "am.ozon.com", "uz.ozon.com")

_PRODUCT_PATH = re.compile(r"(/product/(?:[^/?#]*-)?(\d+))/?(?:[?#]|$)", re.ASCII)
_CATEGORY_PATH = "/category/"
_CATEGORY_ID = re.compile(r"(\d+)/?(?:[?#]|$)", re.ASCII)

#: Texts of a tile that scrapers mistake for a brand or a delivery time.
_ORIGINAL = "Оригинал"
_NOT_BRANDS = {_ORIGINAL, "Стало дешевле"}
_SOLD_OUT = "Похожие"
_BUTTONS = {_SOLD_OUT, "В корзину", "Перейти"}

#: The order matters: "послезавтра" contains "завтра".
_DELIVERY_DAYS = (
    (re.compile(r"послезавтра"), 2),
    (re.compile(r"завтра"), 1),
    (re.compile(r"сегодня|\bчас|\bминут"), 0),
)

_UPDATED = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?")


# Search tiles


def _recognize_tile(document: Payload) -> bool:
    return document.keys() >= {"product_url", "product_name", "final_price"}


def _split_tile(document: Payload, source: Source) -> Iterator[Item]:
    market = values.text(document.get("market"), "market")
    if market and market.casefold() != "ozon":
        raise PayloadError(f"the tile belongs to {market[:80]}, not to Ozon", "market")
    texts = (document.get(name) for name in ("final_price", "old_price"))
    has_ambiguous = any(isinstance(text, str) and is_ambiguous(text) for text in texts)
    yield Item("OZ-CSV", document, stated_decimal_context(source) if has_ambiguous else {})


def _parse_tile(payload: Payload, context: Payload) -> Parsed:
    path, product_id = _parse_product_url(payload.get("product_url"))
    delivery = values.text(payload.get("delivery_time"), "delivery_time")
    style = price_style(CURRENCY, context)
    price = values.price(payload.get("final_price"), "final_price", style=style)
    product = Product(
        external_id=product_id,
        title=values.text(payload.get("product_name"), "product_name"),
        brand=_parse_brand(payload),
        rating=values.rating(payload.get("rating"), "rating"),
        review_count=values.count(payload.get("reviews_count"), "reviews_count"),
        is_available=_is_available(delivery),
        min_price=price,
        max_price=price,
        currency=CURRENCY,
        url=f"{SITE}{path}/",
        attributes=_parse_attributes(payload, delivery),
    )
    if price is None and product.is_available is not False:
        return Parsed(product_id, [product])
    offer = Offer(
        external_id=product_id,
        product_external_id=product_id,
        price=price,
        currency=CURRENCY,
        old_price=price
        and values.old_price(payload.get("old_price"), "old_price", price, style=style),
        is_available=product.is_available,
        delivery_days=_parse_delivery_days(delivery),
    )
    return Parsed(product_id, [product, offer])


def _parse_product_url(value: Any) -> tuple[str, str]:
    url = values.text(value, "product_url") or ""
    host = _host(url)
    if host and host.removeprefix("www.") not in _HOSTS:
        raise PayloadError(f"{values.quote(url)} is not a URL of Ozon", "product_url")
    match = _PRODUCT_PATH.search(url)
    if not match:
        raise PayloadError(f"{values.quote(url)} has no product id", "product_url")
    return match[1], values.identifier(match[2], "product_url")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _parse_brand(payload: Payload) -> str | None:
    brand = values.text(payload.get("brand"), "brand")
    # The column may also have a price per piece: "14 ₽ / шт".
    return None if brand in _NOT_BRANDS or "₽" in (brand or "") else brand


def _parse_attributes(payload: Payload, delivery: str | None) -> dict[str, Any] | None:
    original = values.boolean(payload.get("is_original"), "is_original")
    # If the scraper took the label for the brand, `is_original` is False although it is original.
    if payload.get("brand") == _ORIGINAL:
        original = True
    attributes = {
        "is_original": original,
        "delivery_time": None if delivery in _BUTTONS else delivery,
    }
    return {name: value for name, value in attributes.items() if value is not None} or None


def _is_available(delivery: str | None) -> bool | None:
    """Return whether the product can be bought. The tile of a sold-out one offers similar ones."""
    if delivery is None or delivery == "Перейти":
        return None
    return delivery != _SOLD_OUT


def _parse_delivery_days(delivery: str | None) -> int | None:
    # A date ("7 марта") cannot be converted: it has no year, and the row has no time.
    text = (delivery or "").casefold()
    return next((days for pattern, days in _DELIVERY_DAYS if pattern.search(text)), None)


# Feeds of sellers


def _recognize_feed(document: Payload) -> bool:
    offer = document.get("offer")
    return (
        isinstance(document.get("yml_catalog"), dict)
        and isinstance(offer, dict)
        and "price" in offer
        and "outlets" in offer
        and "name" not in offer
    )


def _split_feed(document: Payload, source: Source) -> Iterator[Item]:
    head = values.mapping(document.get("yml_catalog"), "yml_catalog")
    names = (values.text(head.get(key), key) for key in ("name", "company"))
    name = next(filter(None, names), None)
    shop = source.options.get("shop") or name or name_in_file(source.name)
    if not shop:
        raise PayloadError("the feed does not name its shop; pass --shop NAME", "name")
    context = {
        "shop": shop,
        "shop_name": name,
        "currency": find_currency(head) or source.options.get("currency"),
    }
    if "decimal" in head:
        context |= decimal_context(source, head["decimal"])
    updated = source.read_time(head.get("date") or _find_updated(head.get("comment")), "updated")
    offer = values.mapping(document.get("offer"), "offer")
    yield Item("OZ-FEED", offer, context, observed_at=updated)


def _find_updated(comment: Any) -> str | None:
    match = _UPDATED.search(comment) if isinstance(comment, str) else None
    return match[0] if match else None


def _parse_feed(payload: Payload, context: Payload) -> Parsed:
    shop = values.identifier(context.get("shop"), "shop")
    offer_id = f"{shop}:{values.identifier(payload.get('@id'), 'offer id')}"
    seller = Seller(shop, values.text(context.get("shop_name"), "shop name") or shop)
    # Feeds of this format seldom have a currency, and come from sellers of several countries.
    raw_currency = first_text(payload, "currencyId") or context.get("currency")
    currency = values.currency(raw_currency, "currency")
    style = price_style(currency, context)
    price = values.price(price_text(payload, "price"), "price", style=style)
    quantity = _parse_stock(payload)
    product = Product(
        external_id=offer_id,
        seller_external_id=shop,
        is_available=values.in_stock(quantity),
        total_available=quantity,
        min_price=price,
        max_price=price,
        currency=currency,
    )
    records: list[Any] = [seller, product]
    if price is not None or product.is_available is False:
        offer = Offer(
            external_id=offer_id,
            product_external_id=offer_id,
            price=price,
            currency=currency,
            old_price=price
            and values.old_price(price_text(payload, "oldprice"), "oldprice", price, style=style),
            seller_external_id=shop,
            is_available=product.is_available,
            stock_quantity=quantity,
        )
        records.append(offer)
    return Parsed(offer_id, records)


def _parse_stock(payload: Payload) -> int | None:
    """Return the total quantity in all warehouses."""
    outlets = [
        outlet
        for group in _elements(payload.get("outlets"), "outlets")
        for outlet in _elements(group.get("outlet"), "outlet")
    ]
    return values.total((outlet.get("@instock") for outlet in outlets), "instock")


def _elements(children: Any, field: str) -> list[dict[str, Any]]:
    # An element without attributes and children is read as its text, here an empty one.
    if isinstance(children, list):
        children = [child for child in children if not isinstance(child, str) or child.strip()]
    return values.objects(children, field)


# Category trees


def _find_roots(document: Payload) -> Iterator[Payload]:
    for response in (document, *document.values()):
        root = response.get("data") if isinstance(response, dict) else None
        if isinstance(root, dict) and "columns" in root and _is_category_url(root.get("url")):
            yield root


def _is_category_url(url: Any) -> bool:
    return isinstance(url, str) and url.startswith((_CATEGORY_PATH, SITE + _CATEGORY_PATH))


def _recognize_tree(document: Payload) -> bool:
    return any(_find_roots(document))


def _split_tree(document: Payload, source: Source) -> Iterator[Item]:
    # A stack instead of recursion, because the nesting may be as deep as the JSON parser accepts.
    stack: list[tuple[Any, str | None]] = [(root, None) for root in _find_roots(document)]
    stack.reverse()
    while stack:
        node, parent_id = stack.pop()
        if not isinstance(node, dict):
            yield Item("OZ-CATS", node)
            continue
        # trackingInfo differs in each response, so every node would be regarded as changed.
        dropped = ("categories", "columns", "trackingInfo")
        payload = {name: value for name, value in node.items() if name not in dropped}
        yield Item("OZ-CATS", payload, {"parent_id": parent_id})
        # The parent of a category is the nearest ancestor with an id.
        node_id = _find_category_id(node) or parent_id
        columns = values.entries(node.get("columns"), "columns")
        groups = [column.get("categories") for column in columns if isinstance(column, dict)]
        groups.append(node.get("categories"))
        children = [column for column in columns if not isinstance(column, dict)]
        children += [child for group in groups for child in values.entries(group, "categories")]
        stack.extend((child, node_id) for child in reversed(children))


def _find_category_id(node: Payload) -> str | None:
    url = node.get("url")
    match = _CATEGORY_ID.search(url) if isinstance(url, str) else None
    return match[1] if match else None


def _parse_category(payload: Payload, context: Payload) -> Parsed:
    url = values.text(payload.get("url"), "url")
    category_id = _find_category_id(payload)
    if category_id is None:
        raise PayloadError(f"{values.quote(url or '')} does not end with a category id", "url")
    category = Category(
        external_id=values.identifier(category_id, "url"),
        name=values.text(payload.get("title"), "title"),
        parent_external_id=values.text(context.get("parent_id"), "parent_id"),
        product_count=values.count(payload.get("countGoods"), "countGoods"),
        url=SITE + url if url and url.startswith("/") else url,
    )
    return Parsed(category_id, [category])


SHAPES = (
    Shape("OZ-CSV", _recognize_tile, _split_tile, _parse_tile),
    Shape("OZ-FEED", _recognize_feed, _split_feed, _parse_feed),
    Shape("OZ-CATS", _recognize_tree, _split_tree, _parse_category),
)
