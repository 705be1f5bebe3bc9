"""Product pages of uzum.uz (UZ-JSONLD).

A page has schema.org blocks: an object with `@graph`, or the block of the product alone. The blocks
have no ids of the category and the seller, so both get an id that is derived from their name.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate
from typing import Any

from ecommerce.platforms.uzum_values import SITE
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency

_ADDRESS = re.compile(
    r"https://(?:www\.)?uzum\.uz/(?:[a-z]{2}/)?product/(?:[^/?#]*-)?(\d+)/?(?:\?(?:.*&)?skuId=(\d+)|[?#]|$)"
)


def _blocks(document: Payload) -> list[Any]:
    graph = document.get("@graph")
    return graph if isinstance(graph, list) else [document]


def _find_products(document: Payload) -> list[Payload]:
    return [
        block
        for block in _blocks(document)
        if isinstance(block, dict) and block.get("@type") == "Product" and _find_address(block)
    ]


def _find_address(block: Payload) -> re.Match[str] | None:
    offers = block.get("offers")
    addresses = [block.get("@id"), block.get("url")]
    addresses.append(offers.get("url") if isinstance(offers, dict) else None)
    texts = (address for address in addresses if isinstance(address, str))
    return next((match for address in texts if (match := _ADDRESS.match(address))), None)


def _recognize(document: Payload) -> bool:
    return bool(_find_products(document))


def _split(document: Payload, source: Source) -> Iterator[Item]:
    """Yield each product of the page, with the breadcrumb if there is only one product."""
    products = _find_products(document)
    crumbs = [
        block
        for block in _blocks(document)
        if isinstance(block, dict) and block.get("@type") == "BreadcrumbList"
    ]
    for product in products:
        breadcrumb = crumbs[:1] if len(products) == 1 else []
        yield Item("UZ-JSONLD", {"@graph": [product, *breadcrumb]})


def _parse(payload: Payload, context: Payload) -> Parsed:
    block, *crumbs = values.objects(payload.get("@graph"), "@graph")
    address = _find_address(block)
    if address is None:
        raise PayloadError("has no product id", "@id")
    categories = _parse_categories(crumbs[0]) if crumbs else []
    published = values.mapping(block.get("offers"), "offers")
    seller = _parse_seller(values.mapping(published.get("seller"), "offers.seller"))
    is_available = values.availability(published.get("availability"), "offers.availability")
    product = _build_product(block, address[1])._replace(
        # If the SKU on the page is not available, other SKUs of the product may be.
        is_available=is_available or None,
        category_external_id=categories[-1].external_id if categories else None,
        seller_external_id=seller.external_id if seller else None,
    )
    offer = _parse_offer(block, published, product, address[2], is_available)
    return Parsed(address[1], [*categories, *filter(None, [seller]), product, *offer])


def _build_product(block: Payload, product_id: str) -> Product:
    rating = values.mapping(block.get("aggregateRating"), "aggregateRating")
    brand = block.get("brand")
    return Product(
        external_id=product_id,
        title=values.text(block.get("name"), "name"),
        description=values.plain_text(block.get("description"), "description"),
        brand=values.text(brand.get("name") if isinstance(brand, dict) else brand, "brand"),
        rating=values.rating(rating.get("ratingValue"), "aggregateRating.ratingValue"),
        review_count=values.count(rating.get("reviewCount"), "aggregateRating.reviewCount"),
        url=f"{SITE}/product/{product_id}",
        images=_read_images(block),
    )


def _parse_offer(
    block: Payload, published: Payload, product: Product, sku: str | None, is_available: bool | None
) -> list[Offer]:
    """Return the offer of the SKU on the page; none for a summary of several offers."""
    currency = values.currency(published.get("priceCurrency"), "offers.priceCurrency")
    price: Decimal | None = values.price(
        published.get("price"), "offers.price", style=in_currency(currency)
    )
    if published.get("@type") == "AggregateOffer" or (price is None and is_available is not False):
        return []
    sku_id = sku or values.text(block.get("sku"), "sku")
    variant = _parse_variant(block)
    offer = Offer(
        external_id=values.identifier(sku_id, "sku"),
        product_external_id=product.external_id,
        price=price,
        currency=currency,
        seller_external_id=product.seller_external_id,
        is_available=is_available,
        variant_title=" / ".join(variant.values()) or None,
        variant_attributes=variant or None,
    )
    return [offer]


def _read_images(block: Payload) -> list[str] | None:
    published: Any = block.get("image")
    images = published if isinstance(published, list) else [published]
    return [image for image in images if isinstance(image, str) and image] or None


def _parse_variant(block: Payload) -> dict[str, str]:
    field = "additionalProperty"
    pairs = (
        (values.text(entry.get("name"), field), values.text(entry.get("value"), field))
        for entry in values.objects(block.get(field), field)
    )
    return {name: value for name, value in pairs if name and value}


def _parse_seller(published: Payload) -> Seller | None:
    name = values.text(published.get("name"), "offers.seller.name")
    key = values.normalize_title(name)
    return Seller(values.identifier(f"name:{key}", "offers.seller.name"), name) if key else None


def _parse_categories(block: Payload) -> list[Category]:
    """Return the categories of a breadcrumb, the root first.

    Each crumb is a category, also the last one if it names the product.
    """
    field = "itemListElement"
    crumbs = values.objects(block.get(field), field)
    names = [name for crumb in crumbs if (name := values.text(crumb.get("name"), field))]
    keys = [*accumulate((values.normalize_title(name) or name for name in names), "{}/{}".format)]
    return [
        Category(
            values.identifier(f"name:{key}", field),
            name=name,
            parent_external_id=f"name:{parent}" if parent else None,
        )
        for key, name, parent in zip(keys, names, [None, *keys], strict=False)
    ]


SHAPE = Shape("UZ-JSONLD", _recognize, _split, _parse)
