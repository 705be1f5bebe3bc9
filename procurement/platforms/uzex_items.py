"""UZEX: the items of a lot (UZEX-ITEM)."""

import re
from collections.abc import Iterator
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency
from procurement.platforms import uzex_rows as rows
from procurement.records import Lot, LotItem

#: Properties with the unit of an item that has no measure_name.
_MEASURES = ("Единица измерения", "O'lchov birligi", "Ўлчов бирлиги")
_LOT_NUMBER = re.compile(r"(?<!\d)\d{5,9}(?!\d)")
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_LOT_IN_URL = re.compile(r"/(\d+)/?(?:[?#]|$)")


@rows.recognizer
def _recognize(row: Payload) -> bool:
    keys = row.keys()
    return keys >= {"price", "order_num", "js_properties"} or keys >= {
        "price",
        "rn",
        "measure_name",
        "country_name",
    }


def _split(document: Payload, source: Source) -> Iterator[Item]:
    """Yield the items of a lot, each with the id of the lot in its context.

    :raises PayloadError: if the id of the lot is unknown
    """
    stated_type = rows.find_lot_type(document, source)
    for row in rows.get_rows(document):
        if not isinstance(row, dict):
            yield Item("UZEX-ITEM", row)
            continue
        lot = row.get("lot_id") or _stated_lot(document, source)
        if not lot:
            reason = "the item does not name its lot; name the file …-<lot>.json or pass --lot"
            raise PayloadError(reason, "lot_id")
        is_auction = "js_properties" in row or "order_num" in row
        lot_type = stated_type or ("auction" if is_auction else "shop")
        yield Item("UZEX-ITEM", row, {"lot": lot, "lot_type": lot_type})


def _stated_lot(document: Payload, source: Source) -> Any:
    """Return the lot id from the request, its address, the command line or the name of the file."""
    requested = rows.get_request(document).get("lot_id")
    in_url = _LOT_IN_URL.search(rows.get_url(document))
    numbers = [n for n in _LOT_NUMBER.findall(source.name) if not _DAY.fullmatch(n)]
    in_name = numbers[-1:] and numbers[-1]
    candidates = (requested, in_url and in_url[1], source.options.get("lot"), in_name)
    return next((lot for lot in candidates if lot), None)


def _parse(row: Payload, context: Payload) -> Parsed:
    lot_type = rows.known_lot_type(context, "auction")
    lot_id = rows.lot_external_id(lot_type, context.get("lot"), "lot_id")
    order_num = values.count(row.get("order_num"), "order_num")
    if order_num is None:
        order_num = values.count(row.get("rn"), "rn")
    if order_num is None:
        raise PayloadError("is missing", "order_num")
    item = _build_item(row, lot_id, order_num)
    # The items of a lot may be loaded before the lot itself. The lot gets no type here, because
    # items of the national shop look like those of the shop.
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
        quantity=rows.quantity(quantity),
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


SHAPE = Shape("UZEX-ITEM", _recognize, _split, _parse)
