"""UZEX: the public procurement of xarid.uzex.uz and etender.uzex.uz.

- UZEX-DEAL is a row of Common/GetCompletedDeals.
- UZEX-SHOP is a row of the electronic shop's list.
- UZEX-ITEM is an item of a lot.
- UZEX-REF is an entry of a list of categories or regions.
- UZEX-ETENDER is the file in which a monitor keeps the tenders it has seen.

A row is a separate document (an element of an array), or one of the rows in a browser's
capture: {url, request_payload, response_data}.
"""

from marketplace.loading.adapters import Shape
from procurement.platforms import uzex_items, uzex_lots, uzex_references, uzex_tenders

SHAPES: tuple[Shape, ...] = (
    *uzex_lots.SHAPES,
    uzex_items.SHAPE,
    uzex_references.SHAPE,
    uzex_tenders.SHAPE,
)
