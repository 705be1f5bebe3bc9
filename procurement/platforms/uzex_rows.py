"""Values in all rows of UZEX: captures, lot types, ids, names, quantities and organizations."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from html import unescape
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Payload, Source
from procurement.records import Organization

#: UZEX trades in so'm, and most rows have no currency.
CURRENCY = "UZS"

#: Lot type → the sequence of its lot ids. The sequences overlap: auctions are at 379514, the shop
#: at 4550655 and tenders at 515242. The national shop is a section of the shop.
SEQUENCES = {"auction": "auction", "shop": "shop", "national_shop": "shop", "tender": "tender"}

#: Method of the API → the status of all lots in its list.
_STATUSES = {"getnotcompleteddeals": "failed", "getcompleteddeals": "completed"}

_INN = re.compile(r"\d{9}|\d{14}", re.ASCII)
_SHORT_INN = re.compile(r"\d{8}", re.ASCII)


def recognizer(has_shape: Callable[[Payload], bool]) -> Callable[[Payload], bool]:
    """Return a test of a document that is a row, or a capture of rows.

    A capture is tested by its first row, and an empty one by its address. Entries that are not
    objects are skipped here; each is rejected alone when it is parsed.

    :param has_shape: tests a row
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

    :raises PayloadError: if the capture has no list of rows
    """
    if "response_data" not in document:
        return [document]
    return values.entries(document["response_data"], "response_data")


def get_request(document: Payload) -> Payload:
    """Return the request of a capture, which may be an object or JSON text; empty for a row."""
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
    """Return the address of a capture; empty for a row."""
    url = document.get("url") if "response_data" in document else None
    return url if isinstance(url, str) else ""


def find_lot_type(document: Payload, source: Source) -> str | None:
    """Return the lot type from the command line, the capture or the name of the file.

    :raises PayloadError: if the lot type on the command line is unknown
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
    """Return the status of all lots of a list, by the address of the capture or the file name."""
    text = f"{get_url(document)} {source.name}".lower()
    return next((status for word, status in _STATUSES.items() if word in text), None)


def lot_external_id(lot_type: str, published: Any, field: str) -> str:
    """Return the id of a lot with its sequence, such as "auction:379514"."""
    return values.identifier(f"{SEQUENCES[lot_type]}:{values.identifier(published, field)}", field)


def known_lot_type(context: Payload, default: str) -> str:
    """Return the lot type that `find_lot_type` left in the context."""
    lot_type = context.get("lot_type")
    return lot_type if isinstance(lot_type, str) and lot_type in SEQUENCES else default


def published_id(value: Any, field: str) -> str | None:
    """Return an id; None for 0 and for blanks."""
    if isinstance(value, str):
        value = value.strip()
    return None if value in (None, "", 0) else values.identifier(value, field)


def published_name(value: Any, field: str) -> str | None:
    """Return a name with resolved entities: UZEX publishes "шаҳар" as "ша&#1203;ар"."""
    published = values.text(value, field)
    return unescape(published).strip() or None if published else None


def published_currency(value: Any) -> tuple[str, str | None]:
    """Return the ISO 4217 code, and the published name if it differs from the code."""
    published = values.text(value, "currency_name")
    code = values.currency(published, "currency_name") or CURRENCY
    return code, published if published != code else None


def build_organization(inn: Any, name: Any, role: str) -> Organization | None:
    """Return an organization, identified by its tax number or, without one, by its name.

    Entrepreneurs are published without their tax number.
    """
    number = values.tax_number(published_id(inn, f"{role}_inn"), f"{role}_inn")
    published = published_name(name, f"{role}_name")
    normalized = values.normalize_title(published)
    if number and _INN.fullmatch(number):
        return Organization(f"inn:{number}", published, number)
    if not normalized:
        return None
    if len(normalized) > 150:
        digest = sha256(normalized.encode("utf-8", "replace")).hexdigest()[:16]
        normalized = f"{normalized[:150]} {digest}"
    # `settling` determines whether a number of 8 digits has lost its leading zero.
    is_short = number is not None and _SHORT_INN.fullmatch(number)
    return Organization(f"name:{normalized}", published, number if is_short else None)


def quantity(value: Any) -> Decimal | None:
    """Return a quantity with four places, which fractions of tonnes need."""
    number = values.decimal(value, "quantity")
    if number is None:
        return None
    if not 0 <= number < values.MAX_MONEY:
        raise PayloadError(f"{values.quote(value)} is not a quantity", "quantity")
    return values.rounded(number, Decimal("0.0001"))
