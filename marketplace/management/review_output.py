"""The output of `ingest_review`: rows that are pending review, as text and as JSON."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from marketplace.humanize import counted, format_time
from marketplace.loading.review.entries import Json, Section, split_samples
from marketplace.loading.review.records import MAX_GROUPS
from marketplace.registry import get_database

#: The number of lines, and of characters in a line, of a payload that is shown without --full.
_LINES, _WIDTH = 40, 200

#: Kind of rows → its key in the JSON list.
_KEYS = {"run": "runs", "record": "groups", "outlier": "outliers"}


def list_lines(
    alias: str, sections: list[Section], show_all: bool, format_number: Callable[[int], str]
) -> Iterator[str]:
    """Yield the lines that list the rows of a database.

    :param format_number: formats the number of rows of a kind
    """
    yield f"{alias.upper()} - {get_database(alias).title}"
    for section in sections:
        yield f"   {section.title}: {format_number(section.total)}"
        entries = section.entries if show_all else section.entries[:MAX_GROUPS]
        for entry in entries:
            records, since = counted(entry.records, "record"), _format_time(entry.since)
            name = " ".join([section.kind, *entry.ids])
            yield f"      {name}: {records} of {entry.source}, since {since}"
            yield from (f"         {reason}" for reason in entry.reasons)
        more = section.more + len(section.entries) - len(entries)
        if more:
            yield f"      {more:,} more" if show_all else f"      {more:,} more; --all lists them"


def list_json(alias: str, sections: list[Section]) -> Json:
    """Return the list of a database as JSON."""
    # None: the database does not mark prices as outliers.
    result: Json = {"alias": alias, "runs": [], "records": 0, "groups": [], "outliers": None}
    for section in sections:
        key = _KEYS[section.kind]
        result[key] = [*(result[key] or []), *(entry.values for entry in section.entries)]
        if section.kind == "record":
            result["records"] = section.total
    return result


def row_lines(row: Json, full: bool) -> Iterator[str]:
    """Yield the lines of a row: its values that are not empty, and its first records."""
    values, samples = split_samples(row)
    for name, value in values.items():
        for entry in value if isinstance(value, list) else [value]:
            if entry not in (None, "", {}):
                yield f"{name.replace('_', ' ')}: {_format_value(entry)}"
    for title, payload in samples:
        yield f"{title}:"
        yield from _payload_lines(payload, full)


def _payload_lines(payload: Any, full: bool) -> Iterator[str]:
    text = payload if isinstance(payload, str) else _to_json(payload, indent=2)
    lines = text.splitlines()
    for line in lines if full else lines[:_LINES]:
        is_long = not full and len(line) > _WIDTH
        yield f"   {line[:_WIDTH]}…" if is_long else f"   {line}"
    if len(lines) > _LINES and not full:
        yield f"   … {counted(len(lines) - _LINES, 'more line')}; --full shows all"


def _format_value(value: Any) -> str:
    if isinstance(value, datetime):
        return _format_time(value)
    if isinstance(value, dict):
        entries = ((name.replace("_", " "), entry) for name, entry in value.items())
        return ", ".join(f"{name} {_format_entry(entry)}" for name, entry in entries)
    return str(value)


def _format_entry(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else _to_json(value)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=indent)


def _format_time(time: datetime) -> str:
    return format_time(time, has_offset=False)
