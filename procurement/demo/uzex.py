"""UZEX in the demonstration: deals, lots of the shop, tenders, items and reference lists.

Tenders come in the file of a program that watches tender sites, all others as captures of a
browser:
{url, request_payload, response_data}.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from marketplace.demo import time_of
from marketplace.loading.adapters import Payload
from procurement.demo.lots import CATEGORIES, FORMS, REGIONS, Item, Lot

PAGE_SIZE = 50

_AUCTION = "https://xarid-api-auction.uzex.uz"
_SHOP = "https://xarid-api-shop.uzex.uz"
_TENDER = "https://etender.uzex.uz/lot"


def write(lots: Iterable[Lot], day: int) -> Iterator[Payload]:
    """Yield pages of lots, each of one form."""
    waiting: dict[str, list[Lot]] = {form: [] for form in FORMS}
    for lot in lots:
        page = waiting[lot.form]
        page.append(lot)
        if len(page) == PAGE_SIZE:
            yield _page(page, day)
            page.clear()
    for page in waiting.values():
        if page:
            yield _page(page, day)


def _page(lots: list[Lot], day: int) -> Payload:
    form = lots[0].form
    if form == "tender":
        return {"items": {f"uzex-etender:{lot.lot_id}": _tender(lot, day) for lot in lots}}
    if form == "shop":
        return _capture(f"{_SHOP}/Common/GetLots", None, _numbered(map(_shop_row, lots)))
    rows = _numbered(_deal_row(lot, day) for lot in lots)
    asked = {"from": 1, "to": PAGE_SIZE}
    if form == "national_deal":
        asked["display_on_national"] = 1
    api = _AUCTION if form == "auction" else _SHOP
    return _capture(f"{api}/Common/GetCompletedDeals", asked, rows)


def _numbered(rows: Iterable[Payload]) -> list[Payload]:
    listed = list(rows)
    return [row | {"rn": n, "total_count": len(listed)} for n, row in enumerate(listed, 1)]


def _capture(url: str, asked: Payload | None, rows: list[Payload]) -> Payload:
    return {"url": url, "request_payload": asked, "response_data": rows}


def references() -> Iterator[Payload]:
    """Yield the lists of categories and regions (UZEX-REF)."""
    categories = [{"id": category.code, "name": category.name} for category in CATEGORIES]
    yield _capture(f"{_AUCTION}/Common/GetCategories", None, categories)
    regions = [{"id": number, "name": name} for number, name, _ in REGIONS]
    yield _capture("https://xarid-api-trade.uzex.uz/Lib/GetRegions", None, regions)


def items(lot: Lot) -> Payload:
    """Return the items of a lot of an auction or of the shop (UZEX-ITEM)."""
    asked = {"lot_id": lot.lot_id}
    lines = enumerate(lot.items, 1)
    if lot.form == "auction":
        url = f"{_AUCTION}/Common/GetLotProducts"
        return _capture(url, asked, [_auction_item(item, number) for number, item in lines])
    url = f"{_SHOP}/Common/GetLotProducts"
    return _capture(url, asked, [_shop_item(item, number) for number, item in lines])


def _time(day: float) -> str:
    """Return a time in the platform's format: local, without a zone."""
    return f"{time_of(day):%Y-%m-%dT%H:%M:%S}"


def _deal_row(lot: Lot, day: int) -> Payload:
    """Return a row of the deal list (UZEX-DEAL), which may not have a deal yet."""
    timeline, is_budget = lot.timeline, lot.customer.is_budget
    row: dict[str, Any] = {
        "lot_id": lot.lot_id,
        "lot_start_date": _time(timeline.opened),
        "lot_end_date": _time(timeline.closed),
        "pcp_count": float(lot.bidders) if timeline.closed <= day else None,
        "category_name": lot.category.name,
        "start_cost": None if lot.start_cost is None else float(lot.start_cost),
        "deal_cost": None,
        "customer_inn": lot.customer.inn,
        "customer_name": lot.customer.name,
        "customer_region": REGIONS[lot.customer.region][1],
        "deal_date": None,
        "deal_id": None,
        "lot_display_no": f"26{'11' if is_budget else '12'}1007{lot.lot_id}",
        "provider_name": None,
        "provider_inn": None,
        "currency_name": None,
        "beneficiary": None,
        "founder": "Demo viloyat ta'lim boshqarmasi" if is_budget and lot.number % 4 == 0 else None,
        "is_budget": int(is_budget),
        "type_name": "Бюджет" if is_budget else "Корпоратив",
        "deal_status_name": None,
    }
    if lot.form != "auction":
        row["product_name"] = lot.items[0].product.name
    return row | _deal(lot, day) if lot.has_deal(day) else row


def _deal(lot: Lot, day: int) -> Payload:
    return {
        "deal_cost": float(lot.deal_cost or 0),
        "deal_date": _time(lot.timeline.decided),
        "deal_id": lot.lot_id * 3,
        "provider_name": lot.provider.name,
        "provider_inn": lot.provider.inn,
        "kazna_status_id": 0,
        "kazna_status": "Договор Зарегистрирован",
        "kazna_payment_status": "Оплачен" if lot.timeline.paid <= day else "Не оплачен",
        "kazna_created_date": None,
    }


def _shop_row(lot: Lot) -> Payload:
    """Return a row of the shop's list (UZEX-SHOP)."""
    [item] = lot.items
    return {
        "id": lot.lot_id,
        "start_date": _time(lot.timeline.opened),
        "end_date": _time(lot.timeline.closed),
        "pcp_count": lot.bidders % 4,
        "product_name": item.product.name,
        "category_name": lot.category.name,
        "cost": float(item.price * item.quantity),
        "price": float(item.price),
        "amount": float(item.quantity),
    }


def _auction_item(item: Item, number: int) -> Payload:
    return {
        "order_num": number,
        "product_name": None,
        "quantity": float(item.quantity),
        "price": float(item.price),
        "country_name": item.country,
        "description": f"{item.product.name}. Согласно техническому заданию.",
        "cost": float(item.price * item.quantity),
        "currency_name": "Сом",
        "js_properties": [
            {
                "property_name": "Единица измерения",
                "user_value": item.product.unit,
                "user_value_id": 0,
                "pnum": 0,
            }
        ],
        "rn": number,
        "amount": float(item.quantity),
    }


def _shop_item(item: Item, number: int) -> Payload:
    return {
        "rn": number,
        "product_name": item.product.name,
        "amount": float(item.quantity),
        "measure_name": item.product.unit,
        "features": None,
        "price": float(item.price),
        "country_name": item.country,
    }


def _tender(lot: Lot, day: int) -> Payload:
    """Return an entry of the monitor's file (UZEX-ETENDER)."""
    [item] = lot.items
    region = REGIONS[lot.customer.region][2]
    return {
        "site": "uzex-etender",
        "title": f"{item.product.name} xarid qilish: {lot.customer.name}",
        "url": f"{_TENDER}/{lot.lot_id}",
        "deadline": f"{time_of(lot.timeline.closed):%Y-%m-%d}",
        "first_seen": time_of(max(lot.timeline.opened, 0)).timestamp(),
        "last_seen": time_of(day).timestamp(),
        "score": 0,
        "hits": [],
        "status": "seen",
        "detail": {
            "buyer": lot.customer.name,
            "amount": float(lot.start_cost or 0),
            "currency": "UZS",
            "region": region,
            "type": "Eng yaxshi taklif",
        },
    }
