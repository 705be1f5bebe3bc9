"""Product pages of market.yandex.uz (YM-PAGE).

A page has schema.org blocks (`json_ld`), product tiles by key (`product_snippets`), and the price
records of its state (`offers`). Tiles and records may belong to related products. A page is split
by product, and each part has the format of a page.
"""

import re
from collections.abc import Iterator
from itertools import filterfalse
from typing import Any

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import Style, in_currency

SITE = "https://market.yandex.uz"

#: Units of `oldPrice` and `price.value` per so'm, in records that have `price.valueFmt`.
PRICE_UNITS = 10**7

_MODEL_URL = re.compile(r"/product--[^/?#]*/(\d+)")
_CATEGORY_URL = re.compile(r"/category/([^/?#]+)")
_SALES_TALK = re.compile(r"\s+[—–-]\s+купить\b.*$", re.I | re.S)


def _recognize(document: Payload) -> bool:
    return "json_ld" in document and ("offers" in document or "product_snippets" in document)


def _split(document: Payload, source: Source) -> Iterator[Item]:
    """Yield the part of each product on the page, and a part for data without a product."""
    blocks = values.entries(document.get("json_ld"), "json_ld")
    records = values.entries(document.get("offers"), "offers")
    snippets = values.mapping(document.get("product_snippets"), "product_snippets")
    parts: dict[str | None, Payload] = {}
    for record in filter(_is_object, records):
        _part(parts, _record_product(record))["offers"].append(record)
    for key, snippet in snippets.items():
        if _is_object(snippet):
            _part(parts, _tile_product(snippet))["product_snippets"][key] = snippet
    _place_blocks([*filter(_is_object, blocks)], parts)
    for product_id, part in parts.items():
        yield Item("YM-PAGE", part, {} if product_id is None else {"product_id": product_id})
    for stray in filterfalse(_is_object, [*blocks, *records, *snippets.values()]):
        yield Item("YM-PAGE", stray)


def _is_object(entry: Any) -> bool:
    return isinstance(entry, dict)


def _part(parts: dict[str | None, Payload], product_id: str | None) -> Payload:
    empty: Payload = {"json_ld": [], "product_snippets": {}, "offers": []}
    return parts.setdefault(product_id, empty)


def _record_product(record: Payload) -> str | None:
    """Return the product id of a record, which may be a number or text; None if it is invalid."""
    try:
        return values.identifier(record.get("productId"), "productId")
    except PayloadError:
        return None


def _tile_product(snippet: Any) -> str | None:
    try:
        return values.identifier(_tile(snippet).get("modelId"), "modelId")
    except PayloadError:
        return None


def _place_blocks(blocks: list[Payload], parts: dict[str | None, Payload]) -> None:
    """Add the schema.org blocks to the part of the product that they describe."""
    described = [block for block in blocks if block.get("@type") == "Product"]
    if len(described) == 1:
        product_id = _block_product(described[0]) or _main_product(described[0], parts)
        if product_id:
            _part(parts, product_id)["json_ld"] = blocks
    else:
        # The breadcrumb of a page with several products does not belong to any of them.
        for block in described:
            product_id = _block_product(block)
            if product_id:
                _part(parts, product_id)["json_ld"] = [block]
    if described and not parts:
        raise PayloadError("the page has no product id", "offers")


def _block_product(block: Payload) -> str | None:
    """Return the product id in the address of a block; a "/card/" address has none."""
    match = _MODEL_URL.search(str(block.get("url")))
    return match[1] if match else None


def _main_product(block: Payload, parts: dict[str | None, Payload]) -> str | None:
    """Return the id of the main product of a page without a product address; None if unknown.

    The main product has the most tiles and records. On a page with several products, a block that
    summarizes several offers describes the list: its title, rating and pictures belong to no single
    product.
    """
    ids = [product_id for product_id in parts if product_id is not None]
    offers = block.get("offers")
    is_list = isinstance(offers, dict) and offers.get("@type") == "AggregateOffer"
    if not ids or isinstance(offers, list) or (is_list and len(ids) > 1):
        return None
    return max(ids, key=lambda key: [len(parts[key][k]) for k in ("product_snippets", "offers")])


def _tile(snippet: Any) -> Payload:
    """Return the ids and numbers of a tile. Those of its button take precedence."""
    entry = values.mapping(snippet, "product_snippets")
    product = values.mapping(entry.get("productPayload"), "productPayload")
    button = values.mapping(product.get("wishlistButton"), "wishlistButton")
    tile = values.mapping(entry.get("baobabPayload"), "baobabPayload")
    offer_id = button.get("offerId", tile.get("wareId"))
    return {**tile, **button, "offerId": offer_id, "productPayload": product}


def _parse(payload: Payload, context: Payload) -> Parsed:
    product_id = values.identifier(context.get("product_id"), "productId")
    blocks = {
        block.get("@type"): block
        for block in values.objects(payload.get("json_ld"), "json_ld")
        if isinstance(block.get("@type"), str)
    }
    snippets = values.mapping(payload.get("product_snippets"), "product_snippets")
    tiles = [_tile(snippet) for snippet in snippets.values()]
    facts = _merged_facts(values.objects(payload.get("offers"), "offers"), tiles)
    # An offer that is out of stock may have no price.
    complete = [offer for offer in facts if offer.get("price") or offer.get("stock") == 0]
    offers = [_build_offer(offer, product_id) for offer in complete]
    categories = _breadcrumb(blocks.get("BreadcrumbList", {}))
    offers = _with_availability(offers, _block_availability(blocks.get("Product", {})))
    product = _build_product(product_id, blocks.get("Product", {}), tiles, facts, offers)
    if categories:
        product = product._replace(category_external_id=categories[-1].external_id)
    sellers = dict.fromkeys(offer.seller_external_id for offer in offers)
    seller_records = [Seller(seller) for seller in sellers if seller]
    return Parsed(product_id, [*categories, *seller_records, product, *offers])


def _merged_facts(records: list[Payload], tiles: list[Payload]) -> list[Payload]:
    """Return the values of each offer, merged from all its records and tiles.

    An offer may have two records: one with its title and business, another with its old price.
    """
    merged: dict[str, Payload] = {}
    tiles_with_offer = [tile for tile in tiles if tile.get("offerId") is not None]
    for facts in (*map(_record_facts, records), *map(_tile_facts, tiles_with_offer)):
        present = {key: value for key, value in facts.items() if value is not None}
        offer_id = facts["offer_id"]
        merged[offer_id] = present | merged.get(offer_id, {})
    return list(merged.values())


def _record_facts(record: Payload) -> Payload:
    price = values.mapping(record.get("price"), "price")
    style = _style(price.get("currency"))
    exact = values.money(price.get("valueFmt"), "price.valueFmt", style=style)
    units = 1 if exact is None else PRICE_UNITS
    return {
        "offer_id": values.identifier(record.get("offerId"), "offerId"),
        "price": values.money(price.get("value"), "price.value", style=style)
        if exact is None
        else exact,
        "old_price": values.money(record.get("oldPrice"), "oldPrice", units, style),
        "currency": values.text(price.get("currency"), "price.currency"),
        "sku": values.text(record.get("skuId"), "skuId"),
        "title": values.text(record.get("title"), "title"),
        "picture": values.text(record.get("picture"), "picture"),
        "business": values.text(record.get("businessId"), "businessId"),
        "shop": values.text(record.get("shopId"), "shopId"),
    }


def _tile_facts(tile: Payload) -> Payload:
    product = tile["productPayload"]
    prices = values.mapping(product.get("price"), "productPayload.price")
    amounts = {}
    for key in ("actualPrice", "oldPrice"):
        price = values.mapping(prices.get(key), key)
        amounts[key] = values.mapping(price.get("amount"), f"{key}.amount")
    actual, old = amounts["actualPrice"], amounts["oldPrice"]
    style = _style(actual.get("currency"))
    # The count belongs to the item of the tile. The button may sell another one.
    stock = tile.get("stockCount") if tile.get("wareId") == tile["offerId"] else None
    return {
        "offer_id": values.identifier(tile["offerId"], "offerId"),
        "price": values.money(actual.get("intPart"), "actualPrice.amount.intPart", style=style),
        "old_price": values.money(old.get("intPart"), "oldPrice.amount.intPart", style=style),
        "currency": values.text(actual.get("currency"), "actualPrice.amount.currency"),
        "stock": values.count(stock, "stockCount"),
        "sku": values.text(tile.get("mskuId"), "mskuId"),
        "title": values.text(values.mapping(product.get("title"), "title").get("value"), "title"),
        "business": values.text(tile.get("businessId"), "businessId"),
    }


def _style(currency: Any) -> Style:
    """Return the style of amounts in a published currency."""
    return in_currency(values.currency(currency, "price.currency"))


def _build_offer(facts: Payload, product_id: str) -> Offer:
    currency = values.currency(facts.get("currency"), "price.currency")
    price = facts.get("price") or None
    if currency is None and price is not None:
        raise PayloadError("is missing", "price.currency")
    stock = facts.get("stock")
    # A business may have several shops. Buyers see the business as the seller.
    shop = f"shop:{facts['shop']}" if "shop" in facts else None
    return Offer(
        facts["offer_id"],
        product_id,
        price,
        currency,
        old_price=price and values.old_price(facts.get("old_price"), "oldPrice", price),
        currency_text=facts["currency"] if currency and facts["currency"] != currency else None,
        seller_external_id=facts.get("business", shop),
        is_available=values.in_stock(stock),
        stock_quantity=stock,
        variant_title=one_line(facts.get("title")),
        variant_attributes={"sku": facts["sku"]} if "sku" in facts else None,
    )


def _build_product(
    product_id: str, block: Payload, tiles: list[Payload], facts: list[Payload], offers: list[Offer]
) -> Product:
    rating = values.mapping(block.get("aggregateRating") or _tile_rating(tiles), "rating")
    reviews = rating.get("reviewCount", rating.get("ratingCount"))
    name = _SALES_TALK.sub("", values.text(block.get("name"), "name") or "")
    prices = [offer.price for offer in offers if offer.price is not None]
    currencies = {offer.currency for offer in offers if offer.price is not None}
    skus = {offer["sku"] for offer in facts if "sku" in offer}
    return Product(
        product_id,
        title=one_line(name or next((f["title"] for f in facts if "title" in f), None)),
        description=values.plain_text(block.get("description"), "description"),
        brand=_brand(block.get("brand")),
        # If there are several SKUs, they belong to the offers.
        sku=skus.pop() if len(skus) == 1 else None,
        rating=values.rating(rating.get("ratingValue"), "ratingValue"),
        review_count=values.count(reviews, "reviewCount"),
        order_count=_order_count(tiles),
        is_available=_block_availability(block),
        min_price=min(prices, default=None),
        max_price=max(prices, default=None),
        currency=currencies.pop() if len(currencies) == 1 else None,
        url=values.text(block.get("url"), "url"),
        images=_images(block, facts),
    )


def _tile_rating(tiles: list[Payload]) -> Any:
    return next((tile["productPayload"].get("rating") for tile in tiles), None)


def _order_count(tiles: list[Payload]) -> int | None:
    sales = [values.mapping(tile.get("rating"), "baobabPayload.rating") for tile in tiles]
    return next((values.count(s.get("purchaseCount"), "purchaseCount") for s in sales), None)


def _brand(published: Any) -> str | None:
    name = published.get("name") if isinstance(published, dict) else published
    return values.text(name, "brand")


def _block_availability(block: Payload) -> bool | None:
    """Return the `availability` of a schema.org block; an AggregateOffer has none."""
    offers = values.mapping(block.get("offers"), "offers")
    return values.availability(offers.get("availability"), "availability")


def _with_availability(offers: list[Offer], is_available: bool | None) -> list[Offer]:
    """Return the offers with the availability of the product.

    If an available product has several offers, the available one is unknown, and none is changed.
    """
    if is_available is None or (is_available and len(offers) > 1):
        return offers
    return [
        offer._replace(is_available=is_available) if offer.is_available is None else offer
        for offer in offers
    ]


def _images(block: Payload, facts: list[Payload]) -> list[str] | None:
    published = block.get("image")
    images = published if isinstance(published, list) else [published]
    addresses = [image for image in images if isinstance(image, str) and image]
    pictures = [offer["picture"] for offer in facts if "picture" in offer]
    return list(dict.fromkeys(addresses or pictures)) or None


def _breadcrumb(block: Payload) -> list[Category]:
    """Return the categories of the breadcrumb, the root first.

    The last crumb is a search, not a category, such as "HP laptops" at "/catalog--hp/…".
    """
    chain: list[Category] = []
    for entry in values.objects(block.get("itemListElement"), "itemListElement"):
        item = values.mapping(entry.get("item"), "itemListElement.item")
        match = _CATEGORY_URL.search(values.text(item.get("@id"), "item.@id") or "")
        if match:
            parent = chain[-1].external_id if chain else None
            category = Category(
                values.identifier(f"nav:{match[1]}", "item.@id"),
                name=values.text(item.get("name"), "item.name"),
                parent_external_id=parent,
                url=f"{SITE}/category/{match[1]}",
            )
            chain.append(category)
    return chain


def one_line(text: str | None) -> str | None:
    """Return a text with single spaces; None if it is blank."""
    return " ".join(text.split()) or None if text else None


SHAPE = Shape("YM-PAGE", _recognize, _split, _parse)
