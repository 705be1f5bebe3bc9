"""Uzum Market in the demonstration: product responses of its API (UZ-API)."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from functools import lru_cache
from typing import Any

from ecommerce.demo import market
from ecommerce.demo.catalog import Kind, Name, Variant
from ecommerce.demo.market import FIRST_ID, Card, State
from marketplace.demo import START, Feed, draw, time_of
from marketplace.loading.adapters import Payload

PLATFORM = "uzum"
PRODUCTS = 2200
SHOPS = 140

_PHOTO_SIZES = {"800": "original.jpg", "540": "t_product_540_high.jpg"}


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the platform's feeds."""

    def write(cards: list[Card], day: int) -> Iterator[Payload]:
        return (_response(card, day) for card in cards)

    return market.feeds(PLATFORM, market.cards(PLATFORM, PRODUCTS * scale), write)


def _response(card: Card, day: int) -> Payload:
    # The API states times in UTC without a zone, with nanoseconds.
    clock = time_of(day).astimezone(UTC).replace(tzinfo=None)
    return {"payload": {"data": _product(card, day)}, "timestamp": f"{clock}.000000000"}


def _product(card: Card, day: int) -> Payload:
    title, description = market.title(card), market.description(card)
    orders = market.order_count(card, day)
    skus = [_sku(card, number, day) for number in range(len(card.good.variants))]
    # A response is in the language of the visitor.
    is_russian = card.number % 5 < 3
    return {
        "id": card.product_id,
        "title": title.ru if is_russian else title.uz,
        "localizableTitle": {"uz": title.uz, "ru": title.ru},
        "category": _category(card.good.kind),
        "rating": market.rating(card),
        "reviewsAmount": orders // 4,
        "ordersAmount": orders,
        "rOrdersAmount": orders // 10 * 10,
        "totalAvailableAmount": sum(sku["availableAmount"] for sku in skus),
        "description": f"<p>{description.ru if is_russian else description.uz}</p>",
        "comments": [],
        "attributes": [],
        "tags": [],
        "photos": [_photo(card, number) for number in range(1 + card.number % 2)],
        "video": None,
        "characteristics": _characteristics(card),
        "skuList": skus,
        "seller": _seller(market.shop_number(card, 0, PRODUCTS, SHOPS)),
        "isEco": False,
        "isPerishable": card.good.kind.key in ("tea", "coffee", "nuts"),
        "badges": [],
        "originality": {"isOriginal": card.copy == 0},
        "warranty": "12 oy" if card.good.popularity > 1 else None,
        "adultCategory": False,
        "favourite": False,
    }


def _category(kind: Kind) -> Payload:
    """Return the kind's category with its parents nested in it."""
    category: Payload | None = None
    for depth, name in enumerate(kind.path):
        category = {
            "id": _category_id(kind.path[: depth + 1]),
            "title": name.uz,
            "productAmount": 40 + kind.number * 7,
            "parent": category,
        }
    return category or {}


@lru_cache(maxsize=256)
def _category_id(path: tuple[Name, ...]) -> int:
    return FIRST_ID + draw("category", *(name.ru for name in path)).randrange(10**8)


def _sku(card: Card, number: int, day: int) -> Payload:
    good, state = card.good, card.state(day)
    variant = good.variants[number]
    amount = market.price(good, variant, state.price, "UZS")
    delivery = time_of(day) + timedelta(days=1 + card.number % 3)
    return {
        "id": card.offer_id(number),
        "characteristics": _pointers(card, variant),
        "availableAmount": market.stock(card, number, day),
        "fullPrice": _full_price(card, variant, state) or amount,
        "purchasePrice": amount,
        "barcode": market.barcode(good, variant),
        "installment": None,
        "stock": {
            "type": "FBS" if card.number % 3 else "FBO",
            "deliveryDays": 1 + card.number % 3,
            "deliveryDate": int(delivery.timestamp() * 1000),
        },
        "discount": None,
    }


def _full_price(card: Card, variant: Variant, state: State) -> int | None:
    if state.old_price is None:
        return None
    return market.price(card.good, variant, state.old_price, "UZS")


def _pointers(card: Card, variant: Variant) -> list[Payload]:
    """Return the positions of the variant's values in the product's characteristics."""
    return [
        {"charIndex": axis, "valueIndex": _axis_values(card, axis).index(value)}
        for axis, value in enumerate(variant.values)
    ]


def _characteristics(card: Card) -> list[Payload]:
    return [
        {
            "title": name.ru if card.number % 5 < 3 else name.uz,
            "values": [{"title": value, "value": value} for value in _axis_values(card, axis)],
        }
        for axis, name in enumerate(card.good.axes)
    ]


def _axis_values(card: Card, axis: int) -> list[str]:
    return list(dict.fromkeys(variant.values[axis] for variant in card.good.variants))


def _photo(card: Card, number: int) -> Payload:
    key = f"demo{card.product_id}x{number}"
    sizes = {
        size: {"high": f"https://images.uzum.uz/{key}/{name}"}
        for size, name in _PHOTO_SIZES.items()
    }
    return {"photo": sizes, "photoKey": key, "color": None, "hasVerticalPhoto": False}


def _seller(number: int) -> dict[str, Any]:
    shop = market.shop(PLATFORM, number)
    registered = START - timedelta(days=60 + number * 5 % 900)
    return {
        "id": FIRST_ID + number,
        "title": shop.name,
        "link": f"demo-{number}",
        "description": "Rasmiy do'kon" if shop.is_official else "",
        "registrationDate": int(registered.timestamp() * 1000),
        "rating": shop.rating,
        "reviews": shop.review_count,
        "orders": shop.review_count * 5,
        "official": shop.is_official,
        "totalProducts": 0,
        "sellerAccountId": FIRST_ID + number * 3,
    }
