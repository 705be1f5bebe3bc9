"""Ozon in the demonstration: rows of search results (OZ-CSV)."""

from collections.abc import Iterator

from ecommerce.demo import market
from ecommerce.demo.market import Card
from marketplace.demo import Feed
from marketplace.loading.adapters import Payload

PLATFORM = "ozon"
PRODUCTS = 600


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the platform's feeds."""

    def write(cards: list[Card], day: int) -> Iterator[Payload]:
        return (_row(card, day) for card in cards)

    # Search results omit products that are out of stock.
    cards = market.cards(PLATFORM, PRODUCTS * scale, can_run_out=False)
    return market.feeds(PLATFORM, cards, write)


def _row(card: Card, day: int) -> Payload:
    """Return a row as the CSV reader returns it: texts, which may be empty."""
    good, state = card.good, card.state(day)
    # A tile shows one variant, the cheapest.
    final = market.price(good, good.variants[0], state.price, "RUB")
    old = market.price(good, good.variants[0], state.old_price or 0, "RUB")
    return {
        "product_url": f"/product/demo-{card.number}-{card.product_id}/?at=demo",
        "product_name": market.title(card).ru,
        "brand": good.brand,
        "is_original": str(card.copy == 0),
        "final_price": str(final),
        "old_price": str(old) if old else "",
        # With a minus sign, not a hyphen.
        "discount": f"−{100 - final * 100 // old}%" if old else "",
        "rating": str(market.rating(card) or ""),
        "reviews_count": f"{market.order_count(card, day) // 3}.0",
        "delivery_time": ("Завтра", "Послезавтра", "Через 5 дней")[card.number % 3],
        "market": "OZON",
    }
