"""Demonstration data of the e-commerce platforms: one catalog that all four of them sell."""

from collections.abc import Iterator

from ecommerce.demo import ozon, uzum, wildberries, yandex
from marketplace.demo import Feed


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of each platform in chronological order."""
    for platform in (uzum, yandex, wildberries, ozon):
        yield from platform.feeds(scale)
