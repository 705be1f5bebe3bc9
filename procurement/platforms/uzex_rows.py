"""What the rows of UZEX have in common: captures, lot types and ids, names, organizations."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from html import unescape
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Payload, Source
from procurement.records import Organization

#: UZEX trades in so'm; most rows name no currency.
CURRENCY = "UZS"

#: Lot type → the sequence that its lot ids come from. They are numbered apart: auction 379514,
#: shop 4550655 and tender 515242 grow at different speeds and will meet. The national shop is a
#: section of the shop.
SEQUENCES = {"auction": "auction", "shop": "shop", "national_shop": "shop", "tender": "tender"}

#: Method of the API whose list has lots of one status only → that status.
_STATUSES = {"getnotcompleteddeals": "failed", "getcompleteddeals": "completed"}

_INN = re.compile(r"\d{9}|\d{14}", re.ASCII)
_SHORT_INN = re.compile(r"\d{8}", re.ASCII)


def recognizer(has_shape: Callable[[Payload], bool]) -> Callable[[Payload], bool]:
    """Return the test of a row, extended to a capture: by its first row, an empty one by address.

    An entry that is no row is skipped here: it is refused alone.
    """

    def recognize(document: Payload) -> bool:
        if "response_data" not in document:
            return has_shape(document)
        rows = document["response_data"]
        if not isinstance(rows, list):
            return False
        if not rows:
            return "uzex" in get_url(document).lower()
        first = next((row for row in rows if isinstance(row, dict)), None)
        return first is not None and has_shape(first)

    return recognize


def get_rows(document: Payload) -> list[Any]:
    """Return the rows of a capture, or the document if it is a row itself.

    :raises PayloadError: if the capture holds no list
    """
    if "response_data" not in document:
        return [document]
    return values.entries(document["response_data"], "response_data")


def get_request(document: Payload) -> Payload:
    """Return what the browser asked for; a capture may keep it as JSON text."""
    if "response_data" not in document:
        return {}
    published = document.get("request_payload")
    if isinstance(published, str):
        try:
            published = json.loads(published)
        except (ValueError, RecursionError):
            published = None
    return published if isinstance(published, dict) else {}


def get_url(document: Payload) -> str:
    """Return the address that a capture comes from; a row has none."""
    url = document.get("url") if "response_data" in document else None
    return url if isinstance(url, str) else ""


def find_lot_type(document: Payload, source: Source) -> str | None:
    """Return the lot type that the user, the capture or the file's name tells.

    :raises PayloadError: if the user names another one than there are
    """
    option = source.options.get("lot_type")
    if option is not None:
        if option not in SEQUENCES:
            reason = f"{values.quote(option)} is not one of {', '.join(SEQUENCES)}"
            raise PayloadError(reason, "lot_type")
        return option
    if get_request(document).get("display_on_national") in (1, "1", True):
        return "national_shop"
    for text in (get_url(document).lower(), source.name.lower()):
        for word in ("national", "auction", "shop", "tender"):
            if word in text:
                return "national_shop" if word == "national" else word
    return None


def find_status(document: Payload, source: Source) -> str | None:
    """Return the status that all lots of a list have, by the address of the capture or its file."""
    text = f"{get_url(document)} {source.name}".lower()
    return next((status for word, status in _STATUSES.items() if word in text), None)


def lot_external_id(lot_type: str, published: Any, field: str) -> str:
    """Return the lot's id with its sequence, such as "auction:379514"."""
    return values.identifier(f"{SEQUENCES[lot_type]}:{values.identifier(published, field)}", field)


def known_lot_type(context: Payload, default: str) -> str:
    """Return the lot type that `find_lot_type` left in the context."""
    lot_type = context.get("lot_type")
    return lot_type if isinstance(lot_type, str) and lot_type in SEQUENCES else default


def published_id(value: Any, field: str) -> str | None:
    """Return an id where there is one; 0 stands for none, and so do blanks."""
    if isinstance(value, str):
        value = value.strip()
    return None if value in (None, "", 0) else values.identifier(value, field)


def published_name(value: Any, field: str) -> str | None:
    """Return a name with its quotes as published; "ша&#1203;ар" is how UZEX writes "шаҳар"."""
    published = values.text(value, field)
    return unescape(published).strip() or None if published else None


def published_currency(value: Any) -> tuple[str, str | None]:
    """Return the ISO code, and the published name where it differs."""
    published = values.text(value, "currency_name")
    code = values.currency(published, "currency_name") or CURRENCY
    return code, published if published != code else None


def build_organization(inn: Any, name: Any, role: str) -> Organization | None:
    """Return the organization, identified by its tax number, or by its name where that is absent.

    Entrepreneurs are published without their number.
    """
    number = values.tax_number(published_id(inn, f"{role}_inn"), f"{role}_inn")
    known = published_name(name, f"{role}_name")
    normalized = values.normalize_title(known)
    if number and _INN.fullmatch(number):
        return Organization(f"inn:{number}", known, number)
    if not normalized:
        return None
    if len(normalized) > 150:
        digest = sha256(normalized.encode("utf-8", "replace")).hexdigest()[:16]
        normalized = f"{normalized[:150]} {digest}"
    # `settling` knows whether a number of 8 digits has lost its leading zero.
    is_short = number is not None and _SHORT_INN.fullmatch(number)
    return Organization(f"name:{normalized}", known, number if is_short else None)
