"""Payloads as JSON bytes: how they are hashed and stored, and which field prevents that."""

from typing import Any

import orjson

from marketplace.loading.adapters import Item
from marketplace.loading.formats import json_text

#: How many levels deep to search a payload for the field that cannot be stored.
_MAX_DEPTH = 20

#: The errors that `serialize` raises for values that JSON cannot hold.
UNSTORABLE = (TypeError, ValueError, RecursionError)


def serialize(value: Any) -> bytes:
    """Return a value as JSON. Equal values with keys in the same order have equal bytes.

    The keys are not sorted, as that would cost more than all the rest. If a platform changes their
    order at each visit, its payloads are merely parsed again.

    :raises TypeError, ValueError, RecursionError: if JSON cannot hold it
    """
    return json_text.dumps(value, orjson.OPT_NON_STR_KEYS)


def to_bytes(payload: Any) -> bytes:
    """Return a payload as JSON, or its `repr` if JSON cannot hold it."""
    try:
        return serialize(payload)
    except UNSTORABLE:
        return repr(payload)[:100_000].encode("utf-8", "replace")


def as_stored(item: Item) -> tuple[Item, bytes, bytes]:
    """Return an item as a replay will read it, its payload as JSON, and its context as JSON.

    The keys of the context are sorted; the bytes are empty if there is no context. Whole numbers
    beyond 64 bits are stored as text, so they are text in the returned item, too.

    :raises TypeError, ValueError, RecursionError: if JSON cannot hold it
    """
    payload, raw = json_text.storable(item.payload, orjson.OPT_NON_STR_KEYS)
    context, raw_context = item.context, b""
    if context:
        context, raw_context = json_text.storable(context, orjson.OPT_SORT_KEYS)
    if payload is not item.payload or context is not item.context:
        item = item._replace(payload=payload, context=context)
    return item, raw, raw_context


def find_unstorable(payload: Any) -> str:
    """Return the field of a payload that JSON cannot hold, as adapters name fields; empty if none.

    If the payload is nested too deeply, this is a field on the way down.
    """
    field, value = "", payload
    for _ in range(_MAX_DEPTH):
        parts = _parts(field, value)
        faulty = next((part for part in parts if not _is_storable(part[1])), None)
        if faulty is None:
            break
        field, value = faulty
    return field.removeprefix(".")


def find_longest(payload: Any) -> str:
    """Return the field of a payload's longest text, as adapters name fields; empty if none."""
    field, length, remaining = "", 0, [("", payload)]
    while remaining:
        name, value = remaining.pop()
        if isinstance(value, str) and len(value) > length:
            field, length = name, len(value)
        remaining += _parts(name, value)
    return field.removeprefix(".")


def _parts(field: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{field}.{key}", part) for key, part in value.items()]
    return [(f"{field}[]", part) for part in value] if isinstance(value, list) else []


def _is_storable(value: Any) -> bool:
    try:
        serialize(value)
    except UNSTORABLE:
        return False
    return True
