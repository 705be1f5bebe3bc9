"""Values of model fields as HTML elements, and the text of stored payloads."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import zstandard
from django.db import models

from marketplace.admin_site import elements, formatting
from marketplace.loading.payloads import decompress

#: Bytes of a quarantined payload that a page shows.
PAYLOAD_LIMIT = 20_000

#: Bytes of a raw payload that a page shows: nearly all are smaller.
RAW_PAYLOAD_LIMIT = 500_000

#: Endings of the names of integer columns that count or measure something.
_GROUPED = ("count", "quantity", "amount", "available", "mileage")


def field_value(obj: models.Model, field: "models.Field[Any, Any]", short: bool = False) -> str:
    """Return the value of a row's field, formatted by the type of the field.

    :param short: whether it is for a list, where long texts are cut
    """
    value = getattr(obj, field.name)
    if value is None or value == "":
        return formatting.DASH
    if field.choices:
        return elements.badge(str(dict(field.flatchoices).get(value, value)))
    if isinstance(field, models.ForeignKey):
        name = elements.clip(formatting.short_name(value), 40) if short else ""
        return elements.admin_link(value, name)
    kind = field.output_field if isinstance(field, models.GeneratedField) else field
    if isinstance(kind, models.DecimalField):
        return elements.figure(_decimal(obj, field.name, value, kind))
    if isinstance(kind, models.JSONField):
        return elements.as_json(value)
    return _other(value, field.name, short)


def payload_text(alias: str, data: bytes | memoryview, limit: int = PAYLOAD_LIMIT) -> str:
    """Return a compressed payload as text, with a note if it is truncated or damaged.

    :param alias: the database of the payload, which has the dictionary that it may need
    :param limit: number of bytes that are shown
    """
    try:
        raw = decompress(alias, data, limit + 1)
    except zstandard.ZstdError as error:
        return f"The payload cannot be decompressed: {error}."
    if len(raw) > limit:
        shown = raw[:limit].decode(errors="replace")
        return f"{shown}\n… truncated after {formatting.number(limit)} bytes."
    return _indent(raw.decode(errors="replace"))


def _decimal(obj: models.Model, name: str, value: Decimal, kind: "models.Field[Any, Any]") -> str:
    if name.endswith("percent"):
        return formatting.percent(value)
    # Only columns of amounts of money have 18 digits.
    if getattr(kind, "max_digits", 0) == 18:
        return formatting.money(value, getattr(obj, "currency", None))
    return formatting.quantity(value)


def _other(value: Any, name: str, short: bool) -> str:
    if isinstance(value, bool):
        return elements.flag(value)
    if isinstance(value, datetime):
        return elements.figure(formatting.format_time(value))
    if isinstance(value, date):
        return elements.figure(value.isoformat())
    if isinstance(value, int):
        is_grouped = name.endswith(_GROUPED)
        return elements.figure(formatting.number(value) if is_grouped else str(value))
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if name == "platform":
        return elements.badge(value, "plain")
    if short:
        return elements.clip(value)
    return elements.web_link(value) if elements.web_url(value) else elements.paragraphs(value)


def _indent(text: str) -> str:
    """Return JSON with indentation, and other text unchanged."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text
