"""$title: lists of lots.

$SHAPE is an invented list. Replace it, its sample and its test with those of real payloads.
"""

from collections.abc import Iterator

from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.values.prices import in_currency
from procurement.records import Lot, Organization

CURRENCY = "UZS"

#: "1.600" is 1600 in a currency without decimals.
_STYLE = in_currency(CURRENCY)

#: A key that only lists of this platform have, even if they are empty.
_LIST = "${name}Lots"


def _recognize(document: Payload) -> bool:
    return _LIST in document


def _split(document: Payload, source: Source) -> Iterator[Item]:
    observed_at = source.read_time(document.get("fetchedAt"), "fetchedAt")
    for entry in values.entries(document[_LIST], _LIST):
        yield Item("$SHAPE", entry, observed_at=observed_at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    lot_id = values.identifier(payload.get("id"), "id")
    customer = _parse_customer(values.mapping(payload.get("customer"), "customer"))
    lot = Lot(
        external_id=lot_id,
        title=values.text(payload.get("title"), "title"),
        lot_type="auction",
        status="completed" if payload.get("dealCost") else "active",
        # The platform publishes 0 for an unknown amount.
        start_cost=values.price(payload.get("startCost"), "startCost", style=_STYLE),
        deal_cost=values.price(payload.get("dealCost"), "dealCost", style=_STYLE),
        currency=CURRENCY,
        customer_external_id=customer.external_id if customer else None,
        deal_date=values.instant(payload.get("dealDate"), "dealDate"),
    )
    return Parsed(lot_id, [*filter(None, [customer]), lot])


def _parse_customer(payload: Payload) -> Organization | None:
    inn = values.tax_number(payload.get("inn"), "customer.inn")
    if inn is None:
        return None
    return Organization(
        external_id=f"inn:{inn}",
        name=values.text(payload.get("name"), "customer.name"),
        inn=inn,
        is_customer=True,
    )


SHAPES = (Shape("$SHAPE", _recognize, _split, _parse),)
