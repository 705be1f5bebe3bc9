"""Uzum Market: product responses of its API, and the cards of its GraphQL lists.

UZ-API is api.uzum.uz/api/v2/product/<id>: one product with its SKUs, with or without the outer
"payload". UZ-GQL-MAIN is the main page of graphql.uzum.uz: product cards among banners.
UZ-GQL-CARD is one product card on its own. All amounts are whole so'm.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

CURRENCY = "UZS"
SITE = "https://uzum.uz"

#: Keys of a photo's sizes, best first. Not by number: "24034" is a crop of 240 pixels.
_PHOTO_SIZES = ("800", "720", "540", "480", "240")


def _find_product(document: Payload) -> Payload | None:
    envelope = document.get("payload")
    data = (envelope if isinstance(envelope, dict) else document).get("data")
    return data if isinstance(data, dict) and "skuList" in data else None


def _split_product(document: Payload, source: Source) -> Iterator[Item]:
    # Beside `data` the payload has `seo`, which repeats it: only `data` is kept. A review is the
    # words of a person, who is named: nothing here needs it, and it is not stored.
    product = _find_product(document) or {}
    payload = {key: value for key, value in product.items() if key != "topFeedback"}
    yield Item("UZ-API", payload, observed_at=_parse_observed_at(document.get("timestamp")))


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
    product = _build_product(payload, product_id, [offer.price for offer in offers])._replace(
        category_external_id=categories[-1].external_id if categories else None,
        seller_external_id=seller.external_id if seller else None,
        characteristics=characteristics,
    )
    records = [*categories, *filter(None, [seller]), product, *offers]
    return Parsed(product_id, records)


def _build_product(data: Payload, product_id: str, prices: list[Decimal]) -> Product:
    title, title_ru, title_uz = _parse_names(data.get("title"), "title")
    localized, ru, uz = _parse_names(data.get("localizableTitle"), "localizableTitle")
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
        is_available=values.in_stock(available),
        total_available=available,
        min_price=min(prices, default=None),
        max_price=max(prices, default=None),
        currency=CURRENCY,
        url=f"{SITE}/product/{product_id}",
        images=_parse_photos(data),
        video_url=video if isinstance(video := data.get("video"), str) else None,
        tags=_parse_tags(data),
        is_eco=values.boolean(data.get("isEco"), "isEco"),
        is_adult=values.boolean(data.get("adultCategory"), "adultCategory"),
        is_perishable=values.boolean(data.get("isPerishable"), "isPerishable"),
        has_warranty=bool(data["warranty"]) if "warranty" in data else None,
        attributes=_parse_attributes(data),
    )


def _parse_names(value: Any, field: str) -> tuple[str | None, str | None, str | None]:
    """Return a name in any language, in Russian, in Uzbek; plain text does not tell its own."""
    if not isinstance(value, dict):
        return values.text(value, field), None, None
    russian = values.text(value.get("ru"), f"{field}.ru")
    uzbek = values.text(value.get("uz"), f"{field}.uz")
    return uzbek or russian, russian, uzbek


@values.remembered
def _parse_categories(category: Payload) -> list[Category]:
    """Return a product's category and those above it, the root first."""
    chain = []
    node = category
    while node:
        chain.append(node)
        node = values.mapping(node.get("parent"), "category.parent")
    categories: list[Category] = []
    for node in reversed(chain):
        found = Category(
            values.identifier(node.get("id"), "category.id"),
            *_parse_names(node.get("title"), "category.title"),
            parent_external_id=categories[-1].external_id if categories else None,
            product_count=values.count(node.get("productAmount"), "category.productAmount"),
        )
        categories.append(found)
    return categories


@values.remembered
def _parse_seller(seller: Payload) -> Seller | None:
    if not seller:
        return None
    # totalProducts is left out: it is 0 in product responses, whatever the shop sells.
    slug = values.text(seller.get("link"), "seller.link")
    return Seller(
        external_id=values.identifier(seller.get("id"), "seller.id"),
        name=_parse_names(seller.get("title"), "seller.title")[0],
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
    price = values.price(sku.get("purchasePrice"), "skuList[].purchasePrice")
    if price is None:
        return None
    quantity = values.count(sku.get("availableAmount"), "skuList[].availableAmount")
    stock = values.mapping(sku.get("stock"), "skuList[].stock")
    variant = _parse_variant(sku, characteristics)
    return Offer(
        external_id=values.identifier(sku.get("id"), "skuList[].id"),
        product_external_id=product_id,
        price=price,
        currency=CURRENCY,
        old_price=values.old_price(sku.get("fullPrice"), "skuList[].fullPrice", price),
        seller_external_id=seller.external_id if seller else None,
        is_available=values.in_stock(quantity),
        stock_quantity=quantity,
        variant_title=" / ".join(variant.values()) or None,
        variant_attributes=variant or None,
        barcode=values.text(sku.get("barcode"), "skuList[].barcode"),
        delivery_days=values.count(stock.get("deliveryDays"), "skuList[].stock.deliveryDays"),
    )


def _parse_variant(sku: Payload, characteristics: list[dict[str, Any]]) -> dict[str, str]:
    """Return what tells the SKU from its siblings: {"Цвет": "Черный", "Размер": "XL"}.

    A SKU has no text of its own: it points by position into the product's characteristics.
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
        raise PayloadError(f"{index!r} points to none of the {len(entries)} published", field)
    return entries[position]


def _parse_characteristics(data: Payload) -> list[dict[str, Any]]:
    # Values without a title stay, as None: SKUs point to the others by position.
    return [
        {
            "title": _parse_names(entry.get("title"), "characteristics[].title")[0],
            "values": [
                _parse_names(value.get("title"), "characteristics[].values[].title")[0]
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


def _parse_photos(data: Payload) -> list[str] | None:
    """Return one address a photo, the largest: product responses nest sizes, cards do not."""
    if data.get("photos") is None:
        return None
    images = []
    for photo in values.objects(data["photos"], "photos"):
        sizes = values.mapping(photo.get("photo"), "photos[].photo")
        links = [*map(sizes.get, _PHOTO_SIZES), photo.get("link")]
        found = (values.mapping(link, "photos[].photo").get("high") for link in links)
        images.append(values.text(next(filter(None, found), None), "photos[].high"))
    return [address for address in images if address]


def _parse_tags(data: Payload) -> list[str] | None:
    if data.get("badges") is None:
        return None
    badges = values.objects(data["badges"], "badges")
    # What an installment costs a month is a price, not a tag, and changes as prices do.
    tags = (badge for badge in badges if badge.get("__typename") != "UzumInstallmentTitleBadge")
    return [text for badge in tags if (text := values.text(badge.get("text"), "badges[].text"))]


def _parse_observed_at(published: Any) -> datetime | None:
    moment = values.instant(published, "timestamp")
    # The API's clock is UTC although it names no zone: in a response stamped 05:45:20 the delivery
    # promised in one day is due (stock.deliveryDate, milliseconds) at 05:45:13 UTC the next day.
    # Read as Tashkent, like other naive times, it would be 5 hours too early.
    if moment and moment.tzinfo is values.TASHKENT:
        moment = moment.replace(tzinfo=UTC)
    return moment


def _recognize_main(document: Payload) -> bool:
    data = document.get("data")
    main = data.get("main") if isinstance(data, dict) else None
    return isinstance(main, dict) and "content" in main


def _split_cards(document: Payload, source: Source) -> Iterator[Item]:
    # A stack, not recursion: nesting as deep as a JSON parser accepts must not break it.
    waiting: list[Any] = [document]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict) and "productId" in entry:
            yield Item("UZ-GQL-CARD" if entry is document else "UZ-GQL-MAIN", entry)
        elif isinstance(entry, dict):
            waiting.extend(reversed(entry.values()))
        elif isinstance(entry, list):
            waiting.extend(reversed(entry))


def _recognize_card(document: Payload) -> bool:
    return "productId" in document and ("skuList" in document or "minSellPrice" in document)


def _parse_card(payload: Payload, context: Payload) -> Parsed:
    product_id = values.identifier(payload.get("productId"), "productId")
    offers = _parse_card_offers(payload, product_id)
    product = Product(
        product_id,
        *_parse_names(payload.get("title"), "title"),
        rating=values.rating(payload.get("rating"), "rating"),
        review_count=values.count(payload.get("feedbackQuantity"), "feedbackQuantity"),
        order_count=values.count(payload.get("ordersQuantity"), "ordersQuantity"),
        min_price=values.price(payload.get("minSellPrice"), "minSellPrice"),
        # The highest price is known only where the card lists its SKUs.
        max_price=max(offer.price for offer in offers) if offers and "skuList" in payload else None,
        currency=CURRENCY,
        url=f"{SITE}/product/{product_id}",
        images=_parse_photos(payload),
        tags=_parse_tags(payload),
        is_adult=values.boolean(payload.get("adult"), "adult"),
    )
    return Parsed(product_id, [product, *offers])


def _parse_card_offers(card: Payload, product_id: str) -> list[Offer]:
    lowest = values.price(card.get("minSellPrice"), "minSellPrice")
    # Where no SKU is named, the product's id alone would not do: products and SKUs are numbered
    # apart, so it may be the id of another product's SKU, and offers are unique by id.
    unnamed = [{"id": f"product:{product_id}", "sellPrice": lowest}]
    offers = []
    for sku in values.objects(card.get("skuList", unnamed), "skuList"):
        price = values.price(sku.get("sellPrice"), "skuList[].sellPrice")
        if price is None:
            continue
        # minFullPrice is the old price of the cheapest SKU; those of the others are not told.
        full_price = card.get("minFullPrice") if price == lowest else None
        old_price = values.old_price(full_price, "minFullPrice", price)
        sku_id = values.identifier(sku.get("id"), "skuList[].id")
        offers.append(Offer(sku_id, product_id, price, CURRENCY, old_price))
    return offers


SHAPES = (
    Shape("UZ-API", lambda document: bool(_find_product(document)), _split_product, _parse_product),
    Shape("UZ-GQL-MAIN", _recognize_main, _split_cards, _parse_card),
    Shape("UZ-GQL-CARD", _recognize_card, _split_cards, _parse_card),
)
