"""Wildberries in the demonstration: search results (WB-V4) and the category menu (WB-MENU)."""

from collections.abc import Iterator
from functools import lru_cache

from ecommerce.demo import market
from ecommerce.demo.catalog import kinds
from ecommerce.demo.market import FIRST_ID, Card, State
from marketplace.demo import DAYS, Feed
from marketplace.loading.adapters import Payload

PLATFORM = "wildberries"
PRODUCTS = 900
SHOPS = 90
PAGE_SIZE = 100

#: Prices are published in kopecks.
_KOPECKS = 100


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the platform's feeds."""

    def write(cards: list[Card], day: int) -> Iterator[Payload]:
        if day in (0, DAYS):
            yield from _menu()
        for start in range(0, len(cards), PAGE_SIZE):
            yield _page(cards[start : start + PAGE_SIZE], day)

    return market.feeds(PLATFORM, market.cards(PLATFORM, PRODUCTS * scale), write)


def _menu() -> Iterator[Payload]:
    """Yield the menu's roots with two levels of children."""
    tree: dict[str, dict[str, list[str]]] = {}
    for kind in kinds().values():
        root, middle, leaf = (name.ru for name in kind.path)
        tree.setdefault(root, {}).setdefault(middle, []).append(leaf)
    for place, (root, groups) in enumerate(tree.items()):
        number = FIRST_ID + place * 1000
        node = _menu_node(number, root, None)
        node["childs"] = [
            _menu_group(number + 20 * (index + 1), middle, leaves, number)
            for index, (middle, leaves) in enumerate(groups.items())
        ]
        yield node


def _menu_group(number: int, name: str, leaves: list[str], parent: int) -> Payload:
    children = [_menu_node(number + 1 + n, leaf, number) for n, leaf in enumerate(leaves)]
    return _menu_node(number, name, parent) | {"childs": children}


def _menu_node(number: int, name: str, parent: int | None) -> Payload:
    node = {"id": number, "name": name, "url": f"/catalog/{number}", "shard": "demo"}
    return node | {"query": f"cat={number}"} | ({"parent": parent} if parent else {})


def _page(cards: list[Card], day: int) -> Payload:
    """Return a capture of one page of search results."""
    response = {
        "metadata": {"catalog_type": "preset", "rs": PAGE_SIZE},
        "total": len(cards),
        "products": [_product(card, day) for card in cards],
    }
    url = "https://search.wb.ru/exactmatch/ru/common/v4/search?appType=1&curr=rub&lang=ru"
    return {"search_v4": {"url": url, "response": response}}


def _product(card: Card, day: int) -> Payload:
    kind, state = card.good.kind, card.state(day)
    shop = market.shop(PLATFORM, market.shop_number(card, 0, PRODUCTS, SHOPS))
    reviews = market.order_count(card, day) // 3
    sizes = [_size(card, number, day, state) for number in range(len(card.good.variants))]
    return {
        "id": card.product_id,
        "root": FIRST_ID + card.number * 3,
        "kindId": 0,
        "brand": card.good.brand,
        "brandId": FIRST_ID + len(card.good.brand),
        "siteBrandId": 0,
        "colors": [{"name": ("черный", "белый", "серый")[card.number % 3], "id": 0}],
        "subjectId": FIRST_ID + kind.number,
        "subjectParentId": FIRST_ID + 1 + _roots().index(kind.path[0].ru),
        "name": market.title(card).ru,
        "entity": kind.noun.ru.lower(),
        "matchId": 0,
        "supplier": shop.name,
        "supplierId": FIRST_ID + shop.number,
        "supplierRating": shop.rating,
        "pics": 3 + card.number % 9,
        "rating": round(market.rating(card)),
        "reviewRating": market.rating(card),
        "nmReviewRating": market.rating(card),
        "feedbacks": reviews,
        "nmFeedbacks": reviews,
        "volume": 5 + kind.number,
        "weight": 0.4,
        "sizes": sizes,
        "totalQuantity": sum(stock["qty"] for size in sizes for stock in size["stocks"]),
        "dist": 99,
    }


@lru_cache(maxsize=1)
def _roots() -> list[str]:
    return list(dict.fromkeys(kind.path[0].ru for kind in kinds().values()))


def _size(card: Card, number: int, day: int, state: State) -> Payload:
    variant = card.good.variants[number]
    name = " ".join(variant.values)
    amount = market.price(card.good, variant, state.price, "RUB")
    basic = market.price(card.good, variant, state.old_price or state.price, "RUB")
    quantity = market.stock(card, number, day)
    stock = {"wh": 507, "dist": 99, "qty": quantity, "time1": 8, "time2": 100}
    return {
        "name": name,
        "origName": name or "0",
        "rank": number,
        "optionId": card.offer_id(number),
        "wh": 507,
        "stocks": [stock] if quantity else [],
        "price": {
            "basic": basic * _KOPECKS,
            "product": amount * _KOPECKS,
            "logistics": 0,
            "return": 0,
        },
        "saleConditions": 134217728,
    }
