"""UZEX: the public procurement of xarid.uzex.uz and etender.uzex.uz.

UZEX-DEAL is a row of Common/GetCompletedDeals, UZEX-SHOP one of the list of the electronic shop,
UZEX-ITEM a product of a lot, UZEX-REF an entry of a list of categories or regions. Each comes alone
(a row of an array) or with its fellows in the capture {url, request_payload, response_data} of a
browser. UZEX-ETENDER is the file in which a monitor keeps the tenders it has seen.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency
from procurement.platforms import uzex_rows as rows
from procurement.records import Lot, LotItem, Reference

#: Where an item publishes its unit, when it has no measure_name.
_MEASURES = ("Единица измерения", "O'lchov birligi", "Ўлчов бирлиги")

_ETENDER_KEY = "uzex-etender:"
_LOT_NUMBER = re.compile(r"(?<!\d)\d{5,9}(?!\d)")
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_LOT_IN_URL = re.compile(r"/(\d+)/?(?:[?#]|$)")


# UZEX-DEAL


@rows.recognizer
def _recognize_deal(row: Payload) -> bool:
    keys = row.keys()
    return "lot_id" in keys and ("lot_display_no" in keys or keys >= {"deal_id", "deal_cost"})


def _split_deals(document: Payload, source: Source) -> Iterator[Item]:
    lot_type = rows.find_lot_type(document, source)
    context = {"lot_type": lot_type} if lot_type else {}
    for row in rows.get_rows(document):
        yield Item("UZEX-DEAL", row, context)


def _parse_deal(row: Payload, context: Payload) -> Parsed:
    # Deals of the shop have the columns of those of auctions, and the product beside them.
    lot_type = rows.known_lot_type(context, "shop" if row.get("product_name") else "auction")
    external_id = rows.lot_external_id(lot_type, row.get("lot_id"), "lot_id")
    region = values.text(
        row.get("customer_region") or row.get("customer_region_name"), "customer_region"
    )
    customer = rows.build_organization(
        row.get("customer_inn"), row.get("customer_name"), "customer"
    )
    provider = rows.build_organization(
        row.get("provider_inn"), row.get("provider_name"), "provider"
    )
    lot = _build_deal(row, external_id)._replace(
        lot_type=lot_type,
        region=region,
        customer_external_id=customer and customer.external_id,
        provider_external_id=provider and provider.external_id,
    )
    parties: list[Any] = []
    if customer:
        parties.append(customer._replace(region=region, is_customer=True))
    if provider:
        parties.append(provider._replace(is_provider=True))
    return Parsed(external_id, [*parties, lot])


def _build_deal(row: Payload, external_id: str) -> Lot:
    currency, currency_text = rows.published_currency(row.get("currency_name"))
    # A published cost of 0 means "not known": nothing is bought for nothing.
    deal_cost = values.price(row.get("deal_cost"), "deal_cost", style=in_currency(currency))
    deal_id = rows.published_id(row.get("deal_id"), "deal_id")
    deal_date = values.instant(row.get("deal_date"), "deal_date")
    has_deal = bool(deal_id or deal_cost or deal_date)
    participants = values.count(row.get("pcp_count"), "pcp_count")
    return Lot(
        external_id,
        display_no=values.text(row.get("lot_display_no"), "lot_display_no"),
        title=rows.published_name(row.get("product_name"), "product_name"),
        # A lot without a deal may be open, failed or cancelled: the row does not say.
        status="completed" if has_deal else None,
        is_budget=_is_budget(row),
        category_name=rows.published_name(row.get("category_name"), "category_name"),
        start_cost=values.price(row.get("start_cost"), "start_cost", style=in_currency(currency)),
        deal_cost=deal_cost,
        currency=currency,
        currency_text=currency_text,
        # Somebody won every deal, so 0 bidders with a deal means "not known" too.
        participants_count=(participants or None) if has_deal else participants,
        starts_at=values.instant(row.get("lot_start_date"), "lot_start_date"),
        ends_at=values.instant(row.get("lot_end_date"), "lot_end_date"),
        deal_date=deal_date,
        deal_id=deal_id,
        kazna_status=values.text(row.get("kazna_status"), "kazna_status"),
        kazna_status_id=values.count(row.get("kazna_status_id"), "kazna_status_id"),
        payment_status=values.text(row.get("kazna_payment_status"), "kazna_payment_status"),
        beneficiary=rows.published_name(row.get("beneficiary"), "beneficiary"),
        founder=rows.published_name(row.get("founder"), "founder"),
        raw_data=_raw_data(row),
    )


def _is_budget(row: Payload) -> bool | None:
    stated = values.boolean(row.get("is_budget"), "is_budget")
    kind = values.text(row.get("type_name"), "type_name") or ""
    known = {"бюджет": True, "корпоратив": False}
    return known.get(kind.casefold()) if stated is None else stated


def _raw_data(row: Payload) -> Payload:
    """Return the row without its place in the list, which changes with every page and day."""
    return {key: value for key, value in row.items() if key not in ("rn", "total_count")}


# UZEX-SHOP


@rows.recognizer
def _recognize_shop(row: Payload) -> bool:
    return row.keys() >= {"id", "product_name", "cost", "pcp_count"} and "lot_id" not in row


def _split_shop(document: Payload, source: Source) -> Iterator[Item]:
    said = {
        "lot_type": rows.find_lot_type(document, source),
        "status": rows.find_status(document, source),
    }
    context = {key: value for key, value in said.items() if value}
    for row in rows.get_rows(document):
        yield Item("UZEX-SHOP", row, context)


def _parse_shop(row: Payload, context: Payload) -> Parsed:
    lot_type = rows.known_lot_type(context, "shop")
    external_id = rows.lot_external_id(lot_type, row.get("id"), "id")
    currency, currency_text = rows.published_currency(row.get("currency_name"))
    lot = Lot(
        external_id,
        title=rows.published_name(row.get("product_name"), "product_name"),
        lot_type=lot_type,
        # A list whose address is not known may have open lots and ones without a deal.
        status=values.text(context.get("status"), "status"),
        category_name=rows.published_name(row.get("category_name"), "category_name"),
        start_cost=values.price(row.get("cost"), "cost", style=in_currency(currency)),
        currency=currency,
        currency_text=currency_text,
        participants_count=values.count(row.get("pcp_count"), "pcp_count"),
        starts_at=values.instant(row.get("start_date"), "start_date"),
        ends_at=values.instant(row.get("end_date"), "end_date"),
        raw_data=_raw_data(row),
    )
    return Parsed(external_id, [lot, _build_only_item(row, lot)])


def _build_only_item(row: Payload, lot: Lot) -> LotItem:
    """Return the only product of a lot of the shop; its list of items gives it the number 1."""
    return LotItem(
        f"{lot.external_id}:1",
        lot.external_id,
        1,
        product_name=lot.title,
        quantity=_quantity(row.get("amount")),
        price=values.price(row.get("price"), "price", style=in_currency(lot.currency)),
        cost=lot.start_cost,
        currency=lot.currency,
        currency_text=lot.currency_text,
    )


# UZEX-ITEM


@rows.recognizer
def _recognize_item(row: Payload) -> bool:
    keys = row.keys()
    return keys >= {"price", "order_num", "js_properties"} or keys >= {
        "price",
        "rn",
        "measure_name",
        "country_name",
    }


def _split_items(document: Payload, source: Source) -> Iterator[Item]:
    """Yield the items of a lot, each with the lot, which no item names itself.

    :raises PayloadError: if nothing tells the lot
    """
    stated_type = rows.find_lot_type(document, source)
    for row in rows.get_rows(document):
        if not isinstance(row, dict):
            yield Item("UZEX-ITEM", row)
            continue
        lot = row.get("lot_id") or _stated_lot(document, source)
        if not lot:
            reason = "the item does not say its lot: name the file …-<lot>.json or pass --lot"
            raise PayloadError(reason, "lot_id")
        of_auction = "js_properties" in row or "order_num" in row
        lot_type = stated_type or ("auction" if of_auction else "shop")
        yield Item("UZEX-ITEM", row, {"lot": lot, "lot_type": lot_type})


def _stated_lot(document: Payload, source: Source) -> Any:
    """Return the lot id that the capture, the user or the file's name tells."""
    asked = rows.get_request(document).get("lot_id")
    in_url = _LOT_IN_URL.search(rows.get_url(document))
    numbers = [n for n in _LOT_NUMBER.findall(source.name) if not _DAY.fullmatch(n)]
    found = (asked, in_url and in_url[1], source.options.get("lot"), numbers[-1:] and numbers[-1])
    return next((lot for lot in found if lot), None)


def _parse_item(row: Payload, context: Payload) -> Parsed:
    lot_type = rows.known_lot_type(context, "auction")
    lot_id = rows.lot_external_id(lot_type, context.get("lot"), "lot_id")
    order_num = values.count(row.get("order_num"), "order_num")
    if order_num is None:
        order_num = values.count(row.get("rn"), "rn")
    if order_num is None:
        raise PayloadError("is missing", "order_num")
    item = _build_item(row, lot_id, order_num)
    # The items of a lot may be loaded before the list that has the lot itself. It gets no type
    # here: an item of the national shop looks like one of the shop.
    return Parsed(item.external_id, [Lot(lot_id), item])


def _build_item(row: Payload, lot_id: str, order_num: int) -> LotItem:
    properties = _properties(row)
    measures = (entry["value"] for entry in properties if entry["name"] in _MEASURES)
    quantity = row.get("quantity") if row.get("quantity") is not None else row.get("amount")
    currency, currency_text = rows.published_currency(row.get("currency_name"))
    description = rows.published_name(row.get("description"), "description")
    return LotItem(
        f"{lot_id}:{order_num}",
        lot_id,
        order_num,
        product_name=rows.published_name(row.get("product_name"), "product_name"),
        description=description or rows.published_name(row.get("features"), "features"),
        quantity=_quantity(quantity),
        measure_name=values.text(row.get("measure_name"), "measure_name") or next(measures, None),
        price=values.price(row.get("price"), "price", style=in_currency(currency)),
        cost=values.price(row.get("cost"), "cost", style=in_currency(currency)),
        currency=currency,
        currency_text=currency_text,
        country_name=rows.published_name(row.get("country_name"), "country_name"),
        properties=properties or None,
    )


def _properties(row: Payload) -> list[dict[str, Any]]:
    return [
        {
            "name": values.text(entry.get("property_name"), "property_name"),
            "value": values.text(entry.get("user_value"), "user_value"),
        }
        for entry in values.objects(row.get("js_properties"), "js_properties")
    ]


def _quantity(value: Any) -> Decimal | None:
    """Return a quantity with four places, as there are fractions of tonnes."""
    number = values.decimal(value, "quantity")
    if number is None:
        return None
    if not 0 <= number < values.MAX_MONEY:
        raise PayloadError(f"{values.quote(value)} is not a quantity", "quantity")
    return values.rounded(number, Decimal("0.0001"))


# UZEX-REF


@rows.recognizer
def _recognize_reference(row: Payload) -> bool:
    return row.keys() == {"id", "name"}


def _split_references(document: Payload, source: Source) -> Iterator[Item]:
    text = f"{rows.get_url(document)} {source.name}".lower()
    kinds = {"categor": "category", "region": "region"}
    kind = next((kind for word, kind in kinds.items() if word in text), None)
    if kind is None:
        # Entries of two lists have equal ids, and every platform has lists of this form.
        reason = "the list does not state its kind: name the file …categories or …regions"
        raise PayloadError(reason, "id")
    for row in rows.get_rows(document):
        yield Item("UZEX-REF", row, {"kind": kind})


def _parse_reference(row: Payload, context: Payload) -> Parsed:
    kind = values.text(context.get("kind"), "kind") or "other"
    code = values.identifier(row.get("id"), "id")
    external_id = values.identifier(f"{kind}:{code}", "id")
    return Parsed(
        external_id,
        [Reference(external_id, kind, code, rows.published_name(row.get("name"), "name"))],
    )


# UZEX-ETENDER


def _recognize_tenders(document: Payload) -> bool:
    entries = document.get("items")
    if not isinstance(entries, dict):
        return False
    return any(isinstance(key, str) and key.startswith(_ETENDER_KEY) for key in entries)


def _split_tenders(document: Payload, source: Source) -> Iterator[Item]:
    # The monitor keeps tenders of other sites in the same file, under their own prefixes.
    for key, entry in values.mapping(document.get("items"), "items").items():
        if key.startswith(_ETENDER_KEY):
            yield _tender_item(key.removeprefix(_ETENDER_KEY), entry, source)


def _tender_item(lot: str, entry: Any, source: Source) -> Item:
    if not isinstance(entry, dict):
        return Item("UZEX-ETENDER", entry, {"lot": lot})
    # What the monitor thinks of the tender is no part of it, and changes with every visit.
    own = ("score", "hits", "status", "first_seen", "last_seen")
    payload = {key: value for key, value in entry.items() if key not in own}
    observed_at = source.moment(entry.get("last_seen"), "last_seen")
    return Item("UZEX-ETENDER", payload, {"lot": lot}, observed_at=observed_at)


def _parse_tender(payload: Payload, context: Payload) -> Parsed:
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
    """Return the moment; a date alone is a day on which offers are still accepted: its end."""
    moment = values.instant(published, "deadline")
    if moment and isinstance(published, str) and len(published.strip()) <= len("2026-10-05"):
        return moment + timedelta(days=1) - timedelta(seconds=1)
    return moment


SHAPES: tuple[Shape, ...] = (
    Shape("UZEX-DEAL", _recognize_deal, _split_deals, _parse_deal),
    Shape("UZEX-SHOP", _recognize_shop, _split_shop, _parse_shop),
    Shape("UZEX-ITEM", _recognize_item, _split_items, _parse_item),
    Shape("UZEX-REF", _recognize_reference, _split_references, _parse_reference),
    Shape("UZEX-ETENDER", _recognize_tenders, _split_tenders, _parse_tender),
)
