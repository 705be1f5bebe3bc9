"""UZEX: the public procurement of xarid.uzex.uz and etender.uzex.uz.

- UZEX-DEAL is a row of Common/GetCompletedDeals.
- UZEX-SHOP is a row of the electronic shop's list.
- UZEX-ITEM is an item of a lot.
- UZEX-REF is an entry of a list of categories or regions.
- UZEX-ETENDER is the file in which a monitor keeps the tenders it has seen.

A row is a separate document (an element of an array), or one of the rows in a browser's
capture: {url, request_payload, response_data}.
"""

from collections.abc import Iterator

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from procurement.platforms import uzex_items, uzex_lots, uzex_tenders
from procurement.platforms import uzex_rows as rows
from procurement.records import Reference


@rows.recognizer
def _recognize(row: Payload) -> bool:
    return row.keys() == {"id", "name"}


def _split(document: Payload, source: Source) -> Iterator[Item]:
    text = f"{rows.get_url(document)} {source.name}".lower()
    kinds = {"categor": "category", "region": "region"}
    kind = next((kind for word, kind in kinds.items() if word in text), None)
    if kind is None:
        # The ids of both lists overlap, and each platform has lists of this format.
        reason = "the list does not state its kind; name the file …categories or …regions"
        raise PayloadError(reason, "id")
    for row in rows.get_rows(document):
        yield Item("UZEX-REF", row, {"kind": kind})


def _parse(row: Payload, context: Payload) -> Parsed:
    kind = values.text(context.get("kind"), "kind") or "other"
    code = values.identifier(row.get("id"), "id")
    external_id = values.identifier(f"{kind}:{code}", "id")
    return Parsed(
        external_id,
        [Reference(external_id, kind, code, rows.published_name(row.get("name"), "name"))],
    )


SHAPES: tuple[Shape, ...] = (
    *uzex_lots.SHAPES,
    uzex_items.SHAPE,
    Shape("UZEX-REF", _recognize, _split, _parse),
    uzex_tenders.SHAPE,
)
