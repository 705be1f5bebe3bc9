"""Wildberries: product lists of its catalog and search, product cards, and the category menu.

WB-V1 is a product of the lists of 2024 and earlier (priceU, salePriceU), WB-V4 one of those since
(prices inside sizes); a document is a whole response, or an object of named captures {url,
response}. WB-CARD is the static card.json with its price-history.json, alone or beside a list.
WB-MENU is the category tree of main-menu-ru-ru. All amounts are in hundredths: kopecks.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from ecommerce.records import Category, Offer, PricePoint, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

CURRENCY = "RUB"
MINOR_UNITS = 100
SITE = "https://www.wildberries.ru"

#: Keys of a listed product that other shops do not have.
_V1_KEYS = {"priceU", "salePriceU"}
_V4_KEYS = {"nmFeedbacks", "nmReviewRating", "siteBrandId", "subjectId", "supplierId"}
_V4_KEYS |= {"totalQuantity"}

#: Keys of a response whose list is empty, so that no product tells whose it is; each set is enough.
_ENVELOPES = ({"payloadVersion"}, {"state", "version"}, {"state", "data"}, {"metadata", "total"})

_MENU_KEYS = {"childs", "searchQuery", "shard"}
#: The address of a node that has none of these keys.
_MENU_URL = re.compile(r"/promotions\b|https://[\w.-]*wildberries\.ru\b")
_CURRENCY_IN_URL = re.compile(r"[?&]curr=([a-z]{3})\b")


def _find_lists(document: Payload) -> Iterator[tuple[list[Any], Any]]:
    """Yield each list of products of the document, and the currency of its prices as published."""
    named = [capture for capture in document.values() if isinstance(capture, dict)]
    beside_card = {"response": document.get("product_id_list_response")}
    for capture in ({"response": document}, document, beside_card, *named):
        response = capture.get("response")
        if not isinstance(response, dict):
            continue
        for holder in (response.get("data"), response):
            if isinstance(holder, dict) and isinstance(holder.get("products"), list):
                yield holder["products"], _find_currency(response, capture.get("url"))
                break


def _find_currency(response: Payload, url: Any) -> Any:
    # Prices are in the currency that was asked for, which newer generations repeat nowhere but in
    # the address, and older ones in the response.
    params = response.get("params")
    found = _CURRENCY_IN_URL.search(url) if isinstance(url, str) else None
    return (params.get("curr") if isinstance(params, dict) else None) or (found and found[1])


def _is_v1(product: Any) -> bool:
    return isinstance(product, dict) and not _V1_KEYS.isdisjoint(product)


def _recognize_v1(document: Payload) -> bool:
    return any(_is_v1(product) for products, _ in _find_lists(document) for product in products)


def _recognize_v4(document: Payload) -> bool:
    """Return whether a list has a product of Wildberries, or is an empty one of its envelopes."""
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
    yield from (each.get("response") for each in document.values() if isinstance(each, dict))


def _is_envelope(response: Any) -> bool:
    return isinstance(response, dict) and any(keys <= response.keys() for keys in _ENVELOPES)


def _split_lists(document: Payload, source: Source) -> Iterator[Item]:
    for products, published in _find_lists(document):
        currency = published or source.options.get("currency") or CURRENCY
        for product in products:
            yield Item("WB-V1" if _is_v1(product) else "WB-V4", product, {"currency": currency})


def _parse_listed(payload: Payload, context: Payload) -> Parsed:
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
    # Subjects are numbered apart from those above them, and both from the nodes of the menu.
    categories = []
    if payload.get("subjectParentId"):
        root_id = values.identifier(payload["subjectParentId"], "subjectParentId")
        # Lists never name it, and name the subject (after the kind of product) not always.
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
    # `feedbacks` counts all products joined under one `root`, such as the other colors.
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
        attributes=_known(
            root=values.text(payload.get("root"), "root"),
            colors=[name for color in colors if (name := values.text(color.get("name"), "colors"))],
            kind_id=values.count(payload.get("kindId"), "kindId"),
            photo_count=values.count(payload.get("pics"), "pics"),
        ),
    )


def _parse_sizes(payload: Payload, product: Product) -> Iterator[Offer]:
    sizes = values.objects(payload.get("sizes"), "sizes")
    for size in sizes or [{}]:
        published, published_old = _read_prices(payload, size)
        price = values.price(published, "price", MINOR_UNITS)
        quantity = _parse_quantity(size, _total_of_size(product, len(sizes)))
        # What is out of stock often has no price any more. Without sizes, all of them may be meant.
        if price is None and (quantity != 0 or size.get("optionId") is None):
            continue
        names = _parse_size_names(size)
        # Without sizes the offer is the product itself. The product's number alone may be that of
        # another product's size: both are counted apart, and offers are unique by id.
        whole = f"nm:{product.external_id}"
        yield Offer(
            external_id=values.identifier(size.get("optionId"), "optionId") if sizes else whole,
            product_external_id=product.external_id,
            price=price,
            currency=product.currency or CURRENCY,
            seller_external_id=product.seller_external_id,
            old_price=price and values.old_price(published_old, "old price", price, MINOR_UNITS),
            is_available=values.in_stock(quantity),
            stock_quantity=quantity,
            variant_title=names.get("size") or names.get("local_size"),
            variant_attributes=names or None,
        )


def _total_of_size(product: Product, count: int) -> int | None:
    """Return what the product's total says of each of its sizes."""
    return product.total_available if count < 2 or product.total_available == 0 else None


def _read_prices(product: Payload, size: Payload) -> tuple[Any, Any]:
    """Return the price and the price before a discount, as published."""
    if _is_v1(product):
        price = product.get("salePriceU")
        return product.get("priceU") if price is None else price, product.get("priceU")
    # Not `total`, which some lists have: it adds the delivery.
    prices = values.mapping(size.get("price"), "sizes[].price")
    return prices.get("product"), prices.get("basic")


def _parse_quantity(size: Payload, total: int | None) -> int | None:
    """Return how many of a size are left; `total` is what the product's total says of it."""
    if size.get("stocks") is None:
        return total
    stocks = values.objects(size["stocks"], "sizes[].stocks")
    return values.total((stock.get("qty") for stock in stocks), "qty") if stocks else 0


def _parse_size_names(size: Payload) -> dict[str, str]:
    published = {"size": size.get("origName"), "local_size": size.get("name")}
    published |= values.mapping(size.get("details"), "details")
    texts = {name: values.text(value, name) for name, value in published.items()}
    # "0" is the size of what has only one.
    return {name: text for name, text in texts.items() if name and text and text != "0"}


def _known(**attributes: Any) -> dict[str, Any] | None:
    return {name: value for name, value in attributes.items() if value} or None


def _recognize_card(document: Payload) -> bool:
    card = document.get("product_response", document)
    return isinstance(card, dict) and "nm_id" in card and "imt_id" in card


def _split_card(document: Payload, source: Source) -> Iterator[Item]:
    yield from _split_lists(document, source)
    card = document.get("product_response", document)
    history = document.get("price_history_response")
    yield Item("WB-CARD", {"product_response": card, "price_history_response": history})


def _parse_card(payload: Payload, context: Payload) -> Parsed:
    card = values.mapping(payload.get("product_response"), "product_response")
    history = _parse_history(payload)
    price = history[-1][1] * MINOR_UNITS if history else None
    parsed = _parse_listed(_list_card(card, price), {"currency": CURRENCY})
    details: dict[str, Any] = {
        "description": values.plain_text(card.get("description"), "description"),
        "sku": values.text(card.get("vendor_code"), "vendor_code"),
        "characteristics": _parse_options(card),
    }
    records = [
        record._replace(**details) if isinstance(record, Product) else record
        for record in parsed.records
    ]
    # The platform publishes one history a card, not a size: all sizes share it.
    points = [
        PricePoint(record.external_id, recorded_at, past_price, CURRENCY)
        for record in records
        if isinstance(record, Offer)
        for recorded_at, past_price in history
    ]
    return Parsed(parsed.external_id, records + points, history[-1][0] if history else None)


def _list_card(card: Payload, price: Decimal | None) -> Payload:
    """Return the card as a product of a list of the WB-V1 form, so that both are read alike."""
    ids = values.mapping(card.get("data"), "data")
    selling = values.mapping(card.get("selling"), "selling")
    colors = values.text(card.get("nm_colors_names"), "nm_colors_names")
    table = values.mapping(card.get("sizes_table"), "sizes_table")
    headers = _texts(table.get("details_props"), "sizes_table.details_props")
    sizes = values.objects(table.get("values"), "sizes_table.values")
    # A card without a table of sizes may still give their ids.
    sizes = sizes or [{"chrt_id": size_id} for size_id in _texts(ids.get("chrt_ids"), "chrt_ids")]
    return {
        "id": values.identifier(card.get("nm_id"), "nm_id"),
        "root": card.get("imt_id"),
        "name": card.get("imt_name"),
        "brand": selling.get("brand_name"),
        "supplierId": selling.get("supplier_id"),
        "subjectId": ids.get("subject_id"),
        "entity": card.get("subj_name"),
        "subjectParentId": ids.get("subject_root_id"),
        "subjectParentName": card.get("subj_root_name"),
        "colors": [{"name": name} for name in (colors or "").split(", ")],
        "pics": values.mapping(card.get("media"), "media").get("photo_count"),
        "salePriceU": price,
        "sizes": [
            {
                "optionId": values.identifier(size.get("chrt_id"), "chrt_id"),
                "origName": size.get("tech_size"),
                "details": dict(zip(headers, _texts(size.get("details"), "details"), strict=False)),
            }
            for size in sizes
        ],
    }


def _texts(value: Any, field: str) -> list[str]:
    if value is not None and not isinstance(value, list):
        raise PayloadError("is not a list", field)
    return [values.text(entry, field) or "" for entry in value or []]


def _parse_history(payload: Payload) -> list[tuple[datetime, Decimal]]:
    field = "price_history_response"
    history = {}
    for entry in values.objects(payload.get(field), field):
        prices = values.mapping(entry.get("price"), f"{field}[].price")
        price = values.price(prices.get("RUB"), f"{field}[].price.RUB", MINOR_UNITS)
        recorded_at = values.instant(entry.get("dt"), f"{field}[].dt")
        if recorded_at is None:
            raise PayloadError("is missing", f"{field}[].dt")
        if price is not None:
            history[recorded_at] = price
    return sorted(history.items())


def _parse_options(card: Payload) -> list[dict[str, Any]] | None:
    # Groups repeat the flat list.
    groups = values.objects(card.get("grouped_options"), "grouped_options")
    return [
        {
            "title": values.text(option.get("name"), "options[].name"),
            "values": [values.text(option.get("value"), "options[].value")],
        }
        for group in ([card] if card.get("options") else groups)
        for option in values.objects(group.get("options"), "options")
    ] or None


def _recognize_menu(document: Payload) -> bool:
    keys, url = document.keys(), document.get("url")
    if not keys >= {"id", "name", "url"}:
        return False
    is_plain = len(keys) == 3 and isinstance(url, str) and _MENU_URL.match(url) is not None
    return is_plain or not keys.isdisjoint(_MENU_KEYS)


def _split_menu(document: Payload, source: Source) -> Iterator[Item]:
    # A stack, not recursion: nesting as deep as a JSON parser accepts must not break it.
    waiting: list[tuple[Any, Any]] = [(document, None)]
    while waiting:
        node, parent_id = waiting.pop()
        if not isinstance(node, dict):
            yield Item("WB-MENU", node)
            continue
        children = values.entries(node.get("childs"), "childs")
        payload = {name: value for name, value in node.items() if name != "childs"}
        yield Item("WB-MENU", payload, {"parent_id": parent_id})
        waiting.extend((child, node.get("id")) for child in reversed(children))


def _parse_menu(payload: Payload, context: Payload) -> Parsed:
    parent_id = context.get("parent_id")
    url = values.text(payload.get("url"), "url")
    category = Category(
        external_id=values.identifier(payload.get("id"), "id"),
        name=values.text(payload.get("name"), "name"),
        parent_external_id=None if parent_id is None else values.identifier(parent_id, "parent"),
        url=SITE + url if url and url.startswith("/") else url,
    )
    return Parsed(category.external_id, [category])


SHAPES = (
    Shape("WB-CARD", _recognize_card, _split_card, _parse_card, is_timed=True),
    Shape("WB-V1", _recognize_v1, _split_lists, _parse_listed),
    Shape("WB-V4", _recognize_v4, _split_lists, _parse_listed),
    Shape("WB-MENU", _recognize_menu, _split_menu, _parse_menu),
)
