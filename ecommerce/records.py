"""Records that adapters return: one class per table, whose fields have the names of its columns.

A field that the payload does not publish is None and never overwrites a stored value. A reference
is the `external_id` of another record of the same platform.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Category(NamedTuple):
    """A node of a platform's category tree.

    Its parent must be a record of the same item, or stored already.
    """

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
    """A product card.

    A product that is not available, and comes without an offer, has all its offers out of stock.

    :param min_price: the lowest price of its offers, in `currency`
    :param max_price: the highest price of its offers, in `currency`
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
    """A variant of a product that is sold, with its price at the time of observation.

    An adapter returns an offer without a price only if it is out of stock (`is_available` is
    False). Such an offer keeps its last price, and is not created if it never had one.

    :param currency: the ISO 4217 code; None if it is unknown
    :param currency_text: the currency as published, if it differs from the code
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
    """A past price of an offer, from a payload that has a price history.

    The offer must be in the same item, and be observed at `recorded_at` or later. Adapters do not
    return price points without a price.
    """

    offer_external_id: str
    recorded_at: datetime
    price: Decimal | None
    currency: str | None
    old_price: Decimal | None = None
    is_available: bool | None = None
    available_amount: int | None = None
