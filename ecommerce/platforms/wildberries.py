"""Wildberries: product lists of its catalog and search, product cards, and the category menu.

- WB-V1 is a product of the lists until 2024 (priceU, salePriceU), and WB-V4 one of the lists since
  then (prices inside sizes). A document is a whole response, or an object of captures by name, each
  {url, response}.
- WB-CARD is the static card.json with its price-history.json, alone or together with a list.
- WB-MENU is the category tree of main-menu-ru-ru.

All amounts are in hundredths of the currency, such as kopecks.
"""

import re
from collections.abc import Iterator
from typing import Any

from ecommerce.platforms import wildberries_cards, wildberries_lists
from ecommerce.platforms.wildberries_lists import SITE
from ecommerce.records import Category
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source

_MENU_KEYS = {"childs", "searchQuery", "shard"}
#: The address of a node without any of these keys.
_MENU_URL = re.compile(r"/promotions\b|https://[\w.-]*wildberries\.ru\b")


def _recognize(document: Payload) -> bool:
    keys, url = document.keys(), document.get("url")
    if not keys >= {"id", "name", "url"}:
        return False
    is_plain = len(keys) == 3 and isinstance(url, str) and _MENU_URL.match(url) is not None
    return is_plain or not keys.isdisjoint(_MENU_KEYS)


def _split(document: Payload, source: Source) -> Iterator[Item]:
    # A stack instead of recursion, because the nesting may be as deep as the JSON parser accepts.
    stack: list[tuple[Any, Any]] = [(document, None)]
    while stack:
        node, parent_id = stack.pop()
        if not isinstance(node, dict):
            yield Item("WB-MENU", node)
            continue
        children = values.entries(node.get("childs"), "childs")
        payload = {name: value for name, value in node.items() if name != "childs"}
        yield Item("WB-MENU", payload, {"parent_id": parent_id})
        stack.extend((child, node.get("id")) for child in reversed(children))


def _parse(payload: Payload, context: Payload) -> Parsed:
    parent_id = context.get("parent_id")
    url = values.text(payload.get("url"), "url")
    category = Category(
        external_id=values.identifier(payload.get("id"), "id"),
        name=values.text(payload.get("name"), "name"),
        parent_external_id=None if parent_id is None else values.identifier(parent_id, "parent"),
        url=SITE + url if url and url.startswith("/") else url,
    )
    return Parsed(category.external_id, [category])


SHAPES = (
    wildberries_cards.SHAPE,
    *wildberries_lists.SHAPES,
    Shape("WB-MENU", _recognize, _split, _parse),
)
