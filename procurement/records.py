"""Records that adapters return: one class per table, with fields named as its columns.

A field that the payload does not publish is None and never overwrites a stored value. A reference
is the `external_id` of another record of the same platform.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Organization(NamedTuple):
    """A customer or provider.

    :param external_id: "inn:<tax number>" if the number is known, else "name:<normalized name>"
    :param inn: the tax number: 9 digits of a legal entity, 14 of an individual (PINFL)
    """

    external_id: str
    name: str | None = None
    inn: str | None = None
    region: str | None = None
    is_customer: bool | None = None
    is_provider: bool | None = None


class Lot(NamedTuple):
    """A lot of a public purchase.

    :param lot_type: auction, shop, national_shop or tender
    :param status: active, completed, cancelled or failed
    :param start_cost: the highest price that the customer accepts; None if unknown, never 0
    :param deal_cost: the price of the contract; None if unknown, never 0
    """

    external_id: str
    display_no: str | None = None
    title: str | None = None
    url: str | None = None
    lot_type: str | None = None
    status: str | None = None
    is_budget: bool | None = None
    category_name: str | None = None
    category_code: str | None = None
    region: str | None = None
    start_cost: Decimal | None = None
    deal_cost: Decimal | None = None
    currency: str | None = None
    currency_text: str | None = None
    customer_external_id: str | None = None
    provider_external_id: str | None = None
    participants_count: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    deal_date: datetime | None = None
    deal_id: str | None = None
    kazna_status: str | None = None
    kazna_status_id: int | None = None
    payment_status: str | None = None
    beneficiary: str | None = None
    founder: str | None = None
    raw_data: dict[str, Any] | None = None


class LotItem(NamedTuple):
    """An item of a lot.

    :param order_num: the number of the item, unique within the lot
    """

    external_id: str
    lot_external_id: str
    order_num: int
    product_name: str | None = None
    description: str | None = None
    quantity: Decimal | None = None
    measure_name: str | None = None
    price: Decimal | None = None
    cost: Decimal | None = None
    currency: str | None = None
    currency_text: str | None = None
    country_name: str | None = None
    properties: list[dict[str, Any]] | None = None


class Reference(NamedTuple):
    """An entry of a reference list of a platform.

    :param external_id: "<kind>:<id>"
    :param kind: category or region; other if the source does not specify its list
    """

    external_id: str
    kind: str
    code: str
    name: str | None = None
