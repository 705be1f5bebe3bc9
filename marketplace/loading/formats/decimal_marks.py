"""The decimal mark of a source: what its prices show helps to read those that have two meanings."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

from marketplace.loading.adapters import Payload, Source
from marketplace.loading.formats.encodings import drain, look_ahead
from marketplace.loading.formats.yml import Found
from marketplace.loading.values import prices

#: Entries at the start of a source whose prices show how the source writes them.
_SAMPLE = 200
_MAX_SAMPLE = 10_000
#: Characters of the entries, so that a few large ones do not fill the memory.
_MAX_SIZE = 16 << 20
_Entry = TypeVar("_Entry")
_TAGS = ("price", "oldprice", "old_price")


def sample(
    entries: Iterator[_Entry], counts: Callable[[_Entry], bool] = bool
) -> tuple[list[_Entry], Iterator[_Entry]]:
    """Return the entries at the start of a source, and those that follow.

    A source that fails within the sample fails after it.

    :param counts: whether an entry may have prices
    """
    counted = size = 0

    def is_enough(found: list[_Entry]) -> bool:
        nonlocal counted, size
        counted += counts(found[-1])
        size += size_of(found[-1])
        return counted == _SAMPLE or len(found) == _MAX_SAMPLE or size >= _MAX_SIZE

    return look_ahead(entries, is_enough, (Exception,))


def size_of(value: Any) -> int:
    """Return about how large a document, or a tuple with one, is: the characters of its texts."""
    size, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list | tuple):
            waiting.extend(each)
    return size


def with_evidence(found: Iterator[Found]) -> Iterator[Found]:
    """Yield what a feed holds; the head of an ambiguous offer gets the feed's decimal mark.

    It is empty if the prices show none. It is learned from the offers at the feed's start, so
    that it is the same each time a feed is read.
    """
    start, rest = sample(found, lambda entry: bool(_texts(entry)))
    decimal = prices.find_decimal_mark(text for entry in start for text in _texts(entry))
    for entry in chain(drain(start), rest):
        if any(map(prices.is_ambiguous, _texts(entry))):
            entry[1]["yml_catalog"]["decimal"] = decimal
        yield entry


def decimal_marks(source: Source, evident: str) -> dict[str, str]:
    """Return what is known of a source's decimal mark, as part of the context of an item.

    :param evident: the decimal mark that the source's prices show, empty if they show none
    """
    return stated_mark(source) or {"decimal": evident}


def stated_mark(source: Source) -> dict[str, str]:
    """Return the decimal mark that the user states, as part of the context of an item."""
    stated = source.options.get("decimal")
    return {"stated_decimal": stated} if stated else {}


def price_style(currency: str | None, context: Payload) -> prices.Style:
    """Return how the prices of an item are written, by what its context says of the decimal mark.

    :param currency: the code of the item's currency, None if it is unknown
    """
    return prices.in_currency(
        currency, context.get("decimal") or "", context.get("stated_decimal") or ""
    )


def _texts(found: Found) -> list[str]:
    """Return the prices of an offer as they are written."""
    offer: Any = found[1].get("offer") if isinstance(found[1], dict) else None
    if not isinstance(offer, dict):
        return []
    elements = [each for tag in _TAGS if isinstance(offer.get(tag), list) for each in offer[tag]]
    texts = (each.get("#text") if isinstance(each, dict) else each for each in elements)
    return [text for text in texts if isinstance(text, str)]
