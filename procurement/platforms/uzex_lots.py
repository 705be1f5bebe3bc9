"""UZEX: rows with one lot each: completed deals (UZEX-DEAL) and lots of the shop (UZEX-SHOP)."""

from collections.abc import Iterator
from typing import Any

from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency
from procurement.platforms import uzex_rows as rows
from procurement.records import Lot, LotItem


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
    # Deals of the shop have the columns of auction deals, and the product in addition.
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
    # A published cost of 0 means that the cost is unknown.
    deal_cost = values.price(row.get("deal_cost"), "deal_cost", style=in_currency(currency))
    deal_id = rows.published_id(row.get("deal_id"), "deal_id")
    deal_date = values.instant(row.get("deal_date"), "deal_date")
    has_deal = bool(deal_id or deal_cost or deal_date)
    participants = values.count(row.get("pcp_count"), "pcp_count")
    return Lot(
        external_id,
        display_no=values.text(row.get("lot_display_no"), "lot_display_no"),
        title=rows.published_name(row.get("product_name"), "product_name"),
        # A lot without a deal may be open, failed or cancelled. The row does not show which.
        status="completed" if has_deal else None,
        is_budget=_is_budget(row),
        category_name=rows.published_name(row.get("category_name"), "category_name"),
        start_cost=values.price(row.get("start_cost"), "start_cost", style=in_currency(currency)),
        deal_cost=deal_cost,
        currency=currency,
        currency_text=currency_text,
        # A lot with a deal has at least one bidder, so 0 means that the number is unknown.
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
    kinds = {"бюджет": True, "корпоратив": False}
    return kinds.get(kind.casefold()) if stated is None else stated


def _raw_data(row: Payload) -> Payload:
    """Return the row without its position in the list, which changes with each page and day."""
    return {key: value for key, value in row.items() if key not in ("rn", "total_count")}


@rows.recognizer
def _recognize_shop(row: Payload) -> bool:
    return row.keys() >= {"id", "product_name", "cost", "pcp_count"} and "lot_id" not in row


def _split_shop(document: Payload, source: Source) -> Iterator[Item]:
    stated = {
        "lot_type": rows.find_lot_type(document, source),
        "status": rows.find_status(document, source),
    }
    context = {key: value for key, value in stated.items() if value}
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
        # A list from an unknown address may have open lots and lots without a deal.
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
    """Return the only item of a lot of the shop, which has the number 1 in the list of items."""
    return LotItem(
        f"{lot.external_id}:1",
        lot.external_id,
        1,
        product_name=lot.title,
        quantity=rows.quantity(row.get("amount")),
        price=values.price(row.get("price"), "price", style=in_currency(lot.currency)),
        cost=lot.start_cost,
        currency=lot.currency,
        currency_text=lot.currency_text,
    )


SHAPES = (
    Shape("UZEX-DEAL", _recognize_deal, _split_deals, _parse_deal),
    Shape("UZEX-SHOP", _recognize_shop, _split_shop, _parse_shop),
)
