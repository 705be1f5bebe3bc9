"""Demonstration data of the e-commerce platforms: one catalog, sold on four of them."""

from collections.abc import Iterator

from ecommerce.demo import ozon, uzum, wildberries, yandex
from marketplace.demo import Feed


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of each platform, in the order of time."""
    for platform in (uzum, yandex, wildberries, ozon):
        yield from platform.feeds(scale)
