"""The decimal mark of a feed: what its prices show helps to read those that have two meanings."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from marketplace.loading import prices
from marketplace.loading.feeds import Found

_TAGS = ("price", "oldprice", "old_price")


def with_evidence(found: Iterator[Found]) -> Iterator[Found]:
    """Yield what a feed holds; the head of an ambiguous offer gets the feed's decimal mark.

    It is empty if the prices show none. It is learned from the offers at the feed's start, so
    that it is the same each time a feed is read.
    """
    sample, rest = prices.sample(found, lambda entry: bool(_texts(entry)))
    decimal = prices.evident_mark(text for entry in sample for text in _texts(entry))
    for entry in chain(sample, rest):
        if any(map(prices.is_ambiguous, _texts(entry))):
            entry[1]["yml_catalog"]["decimal"] = decimal
        yield entry


def _texts(found: Found) -> list[str]:
    """Return the prices of an offer as they are written."""
    offer: Any = found[1].get("offer") if isinstance(found[1], dict) else None
    if not isinstance(offer, dict):
        return []
    elements = [each for tag in _TAGS if isinstance(offer.get(tag), list) for each in offer[tag]]
    texts = (each.get("#text") if isinstance(each, dict) else each for each in elements)
    return [text for text in texts if isinstance(text, str)]
