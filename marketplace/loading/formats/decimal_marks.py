"""The decimal mark of a source, as its own prices show it. It resolves prices such as "1.600"."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

from marketplace.loading.adapters import Payload, Source
from marketplace.loading.formats.encodings import drain, look_ahead
from marketplace.loading.formats.entries import Entry
from marketplace.loading.values import prices

#: The sample ends after this number of entries with prices, or this number of entries in total.
_SAMPLE = 200
_MAX_SAMPLE = 10_000
#: Characters of the sample in total, so that a few large entries do not fill the memory.
_MAX_SIZE = 16 << 20
_Entry = TypeVar("_Entry")
_TAGS = ("price", "oldprice", "old_price")


def take_sample(
    entries: Iterator[_Entry], has_prices: Callable[[_Entry], bool] = bool
) -> tuple[list[_Entry], Iterator[_Entry]]:
    """Return the entries at the start of a source, and an iterator over the others.

    If reading fails within the sample, the iterator raises the error.

    :param has_prices: whether an entry may have prices
    """
    counted = size = 0

    def is_enough(sample: list[_Entry]) -> bool:
        nonlocal counted, size
        counted += has_prices(sample[-1])
        size += text_size(sample[-1])
        return counted == _SAMPLE or len(sample) == _MAX_SAMPLE or size >= _MAX_SIZE

    return look_ahead(entries, is_enough, (Exception,))


def text_size(value: Any) -> int:
    """Return the approximate size of a document, or of a tuple with one: its characters of text."""
    size, stack = 0, [value]
    while stack:
        part = stack.pop()
        if isinstance(part, str | bytes):
            size += len(part)
        elif isinstance(part, dict):
            stack.extend(part.values())
        elif isinstance(part, list | tuple):
            stack.extend(part)
    return size


def add_decimal_mark(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the entries of a feed; add the feed's decimal mark to those with ambiguous prices.

    The mark is derived from the offers at the start of the feed, so it is the same each time that
    the feed is read. It is empty if the prices do not show it.
    """
    sample, rest = take_sample(entries, lambda entry: bool(_price_texts(entry)))
    decimal = prices.find_decimal_mark(text for entry in sample for text in _price_texts(entry))
    for entry in chain(drain(sample), rest):
        if any(map(prices.is_ambiguous, _price_texts(entry))):
            entry.document["yml_catalog"]["decimal"] = decimal
        yield entry


def decimal_context(source: Source, evident: str) -> dict[str, str]:
    """Return the decimal mark of a source, as part of the context of an item.

    The mark that the user specifies takes precedence.

    :param evident: the decimal mark that the prices of the source show; empty if they show none
    """
    return stated_decimal_context(source) or {"decimal": evident}


def stated_decimal_context(source: Source) -> dict[str, str]:
    """Return the decimal mark that the user specifies, as part of the context of an item."""
    stated = source.options.get("decimal")
    return {"stated_decimal": stated} if stated else {}


def price_style(currency: str | None, context: Payload) -> prices.Style:
    """Return the price style of an item, with the decimal mark from its context.

    :param currency: the code of the item's currency; None if it is unknown
    """
    return prices.in_currency(
        currency, context.get("decimal") or "", context.get("stated_decimal") or ""
    )


def _price_texts(entry: Entry) -> list[str]:
    """Return the prices of an offer as published."""
    document = entry.document
    offer: Any = document.get("offer") if isinstance(document, dict) else None
    if not isinstance(offer, dict):
        return []
    tags = [tag for tag in _TAGS if isinstance(offer.get(tag), list)]
    elements = (element for tag in tags for element in offer[tag])
    texts = (part.get("#text") if isinstance(part, dict) else part for part in elements)
    return [text for text in texts if isinstance(text, str)]
