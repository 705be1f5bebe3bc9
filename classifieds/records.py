"""Records that adapters return: one class per table, whose fields have the names of its columns.

A field that the payload does not publish is None and never overwrites a stored value. A reference
is the `external_id` of another record of the same platform.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Category(NamedTuple):
    """A node of a platform's category tree.

    :param path: the path as published: "transport/cars"
    """

    external_id: str
    name: str | None = None
    path: str | None = None
    parent_external_id: str | None = None
    level: int | None = None


class Seller(NamedTuple):
    """A person or business that posts listings."""

    external_id: str
    name: str | None = None
    is_business: bool | None = None
    registered_at: datetime | None = None
    attributes: dict[str, Any] | None = None


class Listing(NamedTuple):
    """A classified ad. `location` and `*_text` hold published texts of canonical values.

    :param category_path: the canonical path ("transport/cars")
    :param city: the canonical Latin name ("Tashkent")
    :param condition: new, used or damaged
    :param status: active, sold, expired, removed or suspended
    """

    external_id: str
    title: str | None = None
    description: str | None = None
    url: str | None = None
    category_external_id: str | None = None
    category_path: str | None = None
    category_name: str | None = None
    seller_external_id: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    currency_text: str | None = None
    is_negotiable: bool | None = None
    is_price_on_request: bool | None = None
    location: str | None = None
    city: str | None = None
    region: str | None = None
    district: str | None = None
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    condition: str | None = None
    condition_text: str | None = None
    brand: str | None = None
    model: str | None = None
    year: int | None = None
    mileage: int | None = None
    area_sqm: Decimal | None = None
    rooms: int | None = None
    images: list[str] | None = None
    status: str | None = None
    posted_at: datetime | None = None
    expires_at: datetime | None = None
    sold_at: datetime | None = None
    bumped_at: datetime | None = None
    attributes: dict[str, Any] | None = None
