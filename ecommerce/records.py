"""What adapters of e-commerce platforms return: one class a table, fields named as its columns.

None means "the payload does not say": it never overwrites what is known. A reference is the
`external_id` of the row it points to, within the same platform.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Category(NamedTuple):
    """A node of the platform's category tree. A parent is a record of its own, or known already."""

    external_id: str
    name: str | None = None
    name_ru: str | None = None
    name_uz: str | None = None
    name_en: str | None = None
    parent_external_id: str | None = None
    product_count: int | None = None
    url: str | None = None


class Seller(NamedTuple):
    """A shop on the platform."""

    external_id: str
    name: str | None = None
    slug: str | None = None
    link: str | None = None
    description: str | None = None
    rating: Decimal | None = None
    review_count: int | None = None
    order_count: int | None = None
    product_count: int | None = None
    is_official: bool | None = None
    is_verified: bool | None = None
    is_active: bool | None = None
    registered_at: datetime | None = None
    attributes: dict[str, Any] | None = None


class Product(NamedTuple):
    """A product card. min_price and max_price are over its offers, in `currency`.

    If it is not available, and comes without any offer, all its offers are out of stock.
    """

    external_id: str
    title: str | None = None
    title_ru: str | None = None
    title_uz: str | None = None
    title_en: str | None = None
    description: str | None = None
    category_external_id: str | None = None
    seller_external_id: str | None = None
    brand: str | None = None
    model: str | None = None
    sku: str | None = None
    barcode: str | None = None
    rating: Decimal | None = None
    review_count: int | None = None
    order_count: int | None = None
    is_available: bool | None = None
    total_available: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    currency: str | None = None
    url: str | None = None
    images: list[str] | None = None
    video_url: str | None = None
    tags: list[str] | None = None
    is_eco: bool | None = None
    is_adult: bool | None = None
    is_perishable: bool | None = None
    has_warranty: bool | None = None
    attributes: dict[str, Any] | None = None
    characteristics: list[dict[str, Any]] | None = None


class Offer(NamedTuple):
    """A sellable variant with its price as observed now.

    One without a price is returned only if it is out of stock (`is_available` is False): it keeps
    its last price, and is not created if it never had one.

    `currency` is None where nothing says it; `currency_text` is the currency as published where it
    differs from the ISO code.
    """

    external_id: str
    product_external_id: str
    price: Decimal | None
    currency: str | None
    old_price: Decimal | None = None
    currency_text: str | None = None
    seller_external_id: str | None = None
    is_available: bool | None = None
    stock_quantity: int | None = None
    variant_title: str | None = None
    variant_attributes: dict[str, Any] | None = None
    barcode: str | None = None
    delivery_days: int | None = None


class PricePoint(NamedTuple):
    """A price of an offer at a past moment, where the payload tells history.

    Its Offer must come with it, in the same item, and be observed at that moment or later. Adapters
    return none without a price.
    """

    offer_external_id: str
    recorded_at: datetime
    price: Decimal | None
    currency: str | None
    old_price: Decimal | None = None
    is_available: bool | None = None
    available_amount: int | None = None
