"""The XML feeds of shops, as `formats.yml` returns them: elements, currencies and file names."""

import re
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Payload
from marketplace.loading.formats.yml import text_of

_EXTENSIONS = re.compile(r"(\.(xml|yml|yaml|txt|json|gz|zst))+$", re.IGNORECASE)
_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d{2}[-_.]?(0[1-9]|1[0-2])[-_.]?([0-2]\d|3[01])"
    r"([tT _-]?\d{2}[-_:.]?\d{2}([-_:.]?\d{2})?)?(?!\d)"
)


def name_in_file(file_name: str) -> str:
    """Return the shop name in a file name: "lg-kz_2026-08-22.xml.gz" → "lg-kz"."""
    return _DATE.sub("", _EXTENSIONS.sub("", file_name)).strip(" ._-")


def find_currency(head: Payload) -> str | None:
    """Return the currency that a feed declares; None if it declares none or several."""
    declared = values.entries(head.get("currencies"), "currencies")
    ids = (currency.get("@id") for currency in declared if isinstance(currency, dict))
    names = {name for currency_id in ids if (name := values.text(currency_id, "currencies"))}
    return names.pop() if len(names) == 1 else None


def entries(element: Payload, tag: str) -> list[Any]:
    """Return the children of an element with a tag."""
    children = element.get(tag)
    if children is not None and not isinstance(children, list):
        raise PayloadError("is not a list of elements", tag)
    return children or []


def texts(element: Payload, tag: str) -> list[str]:
    """Return the texts of the children with a tag, without empty ones."""
    published = (
        values.text(entry.get("#text") if isinstance(entry, dict) else entry, tag)
        for entry in entries(element, tag)
    )
    return [text for text in published if text]


def first_text(element: Payload, *tags: str) -> str | None:
    """Return the first text of a child with one of the tags."""
    return next((text for tag in tags for text in texts(element, tag)), None)


def price_text(element: Payload, *tags: str) -> str | None:
    """Return the first price with one of the tags, as published.

    :raises PayloadError: if a price has elements instead of text
    """
    children = ((entry, tag) for tag in tags for entry in entries(element, tag))
    published = (values.text(text_of(entry, tag), tag) for entry, tag in children)
    return next(filter(None, published), None)
