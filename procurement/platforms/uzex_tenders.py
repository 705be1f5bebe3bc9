"""UZEX: tenders of etender.uzex.uz in the file of a monitor (UZEX-ETENDER)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency
from procurement.platforms import uzex_rows as rows
from procurement.records import Lot

_ETENDER_KEY = "uzex-etender:"


def _recognize(document: Payload) -> bool:
    entries = document.get("items")
    if not isinstance(entries, dict):
        return False
    return any(isinstance(key, str) and key.startswith(_ETENDER_KEY) for key in entries)


def _split(document: Payload, source: Source) -> Iterator[Item]:
    # The monitor keeps tenders of other sites in the same file, under their own prefixes.
    for key, entry in values.mapping(document.get("items"), "items").items():
        if key.startswith(_ETENDER_KEY):
            yield _tender_item(key.removeprefix(_ETENDER_KEY), entry, source)


def _tender_item(lot: str, entry: Any, source: Source) -> Item:
    if not isinstance(entry, dict):
        return Item("UZEX-ETENDER", entry, {"lot": lot})
    # The notes of the monitor about a tender change with each visit, so they are not stored.
    notes = ("score", "hits", "status", "first_seen", "last_seen")
    payload = {key: value for key, value in entry.items() if key not in notes}
    observed_at = source.read_time(entry.get("last_seen"), "last_seen")
    return Item("UZEX-ETENDER", payload, {"lot": lot}, observed_at=observed_at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    external_id = rows.lot_external_id("tender", context.get("lot"), "lot")
    title = rows.published_name(payload.get("title"), "title")
    if title is None:
        raise PayloadError("is missing", "title")
    detail = values.mapping(payload.get("detail"), "detail")
    region = values.text(detail.get("region"), "detail.region")
    customer = rows.build_organization(None, detail.get("buyer"), "customer")
    currency, currency_text = rows.published_currency(detail.get("currency"))
    amount = values.price(detail.get("amount"), "detail.amount", style=in_currency(currency))
    lot = Lot(
        external_id,
        title=title,
        url=values.text(payload.get("url"), "url"),
        lot_type="tender",
        region=region,
        start_cost=amount,
        currency=currency if amount else None,
        currency_text=currency_text if amount else None,
        customer_external_id=customer and customer.external_id,
        ends_at=_deadline(payload.get("deadline")),
        raw_data=payload,
    )
    buyers = [customer._replace(region=region, is_customer=True)] if customer else []
    return Parsed(external_id, [*buyers, lot])


def _deadline(published: Any) -> datetime | None:
    """Return the deadline; for a date without a time, the end of that day."""
    time = values.instant(published, "deadline")
    if time and isinstance(published, str) and len(published.strip()) <= len("2026-10-05"):
        return time + timedelta(days=1) - timedelta(seconds=1)
    return time


SHAPE = Shape("UZEX-ETENDER", _recognize, _split, _parse)
