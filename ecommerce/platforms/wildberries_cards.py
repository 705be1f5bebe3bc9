"""Wildberries: product cards with their price history (WB-CARD)."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from ecommerce.platforms.wildberries_lists import (
    CURRENCY,
    MINOR_UNITS,
    parse_listed,
    split_lists,
)
from ecommerce.records import Offer, PricePoint, Product
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source


def _recognize(document: Payload) -> bool:
    card = document.get("product_response", document)
    return isinstance(card, dict) and "nm_id" in card and "imt_id" in card


def _split(document: Payload, source: Source) -> Iterator[Item]:
    yield from split_lists(document, source)
    card = document.get("product_response", document)
    history = document.get("price_history_response")
    yield Item("WB-CARD", {"product_response": card, "price_history_response": history})


def _parse(payload: Payload, context: Payload) -> Parsed:
    card = values.mapping(payload.get("product_response"), "product_response")
    history = _parse_history(payload)
    price = history[-1][1] * MINOR_UNITS if history else None
    parsed = parse_listed(_list_card(card, price), {"currency": CURRENCY})
    details: dict[str, Any] = {
        "description": values.plain_text(card.get("description"), "description"),
        "sku": values.text(card.get("vendor_code"), "vendor_code"),
        "characteristics": _parse_options(card),
    }
    records = [
        record._replace(**details) if isinstance(record, Product) else record
        for record in parsed.records
    ]
    # The platform publishes one price history per card, which applies to all sizes.
    points = [
        PricePoint(record.external_id, recorded_at, past_price, CURRENCY)
        for record in records
        if isinstance(record, Offer)
        for recorded_at, past_price in history
    ]
    return Parsed(parsed.external_id, records + points, history[-1][0] if history else None)


def _list_card(card: Payload, price: Decimal | None) -> Payload:
    """Return the card as a product of a WB-V1 list, so that both are parsed by the same code."""
    ids = values.mapping(card.get("data"), "data")
    selling = values.mapping(card.get("selling"), "selling")
    colors = values.text(card.get("nm_colors_names"), "nm_colors_names")
    table = values.mapping(card.get("sizes_table"), "sizes_table")
    headers = _texts(table.get("details_props"), "sizes_table.details_props")
    sizes = values.objects(table.get("values"), "sizes_table.values")
    # A card without a table of sizes may still have their ids.
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


SHAPE = Shape("WB-CARD", _recognize, _split, _parse, is_timed=True)
