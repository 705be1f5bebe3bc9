"""The output of `ingest_review`: rows that are pending review, as text and as JSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from marketplace.humanize import counted
from marketplace.loading import review
from marketplace.loading.models import LoadRun
from marketplace.loading.review import Waiting
from marketplace.loading.run_review import WaitingRun
from marketplace.loading.summary import Summary
from marketplace.registry import get_database

#: The number of lines, and of characters in a line, of a payload that is shown without --full.
_LINES, _WIDTH = 40, 200

#: The number of outliers that are listed without --all, and of the ids of a reason.
_NEWEST = 3

#: The number of reasons that are listed for records of a load, or that failed again.
_REASONS = 10


def list_lines(
    waiting: Waiting, show_all: bool, format_number: Callable[[int], str]
) -> Iterator[str]:
    """Yield the lines that list the rows of a database.

    :param format_number: formats the number of rows of a kind
    """
    yield f"{waiting.alias.upper()} - {get_database(waiting.alias).title}"
    failed = [run for run in waiting.runs if run.status == LoadRun.Status.FAILED]
    held = [run for run in waiting.runs if run.status != LoadRun.Status.FAILED]
    yield f"   Held runs: {format_number(len(held))}"
    yield from _run_lines(held)
    if failed:
        yield f"   Failed runs: {format_number(len(failed))}"
        yield from _run_lines(failed)
    yield f"   Quarantine: {format_number(waiting.records)}"
    for group in waiting.groups:
        newest = " ".join(["record", *group.newest])
        yield f"      {group.platform} {group.records:,}: {group.reason} ({newest})"
    rest = waiting.records - sum(group.records for group in waiting.groups)
    if rest:
        yield f"      {rest:,} for other reasons; --all lists them"
    if waiting.outliers is not None:
        more = " or more" if len(waiting.outliers) >= review.MAX_OUTLIERS else ""
        yield f"   Outliers: {format_number(len(waiting.outliers))}{more}"
        shown = waiting.outliers if show_all else waiting.outliers[:_NEWEST]
        yield from map(_outlier_line, shown)


def _run_lines(runs: Iterable[WaitingRun]) -> Iterator[str]:
    for run in runs:
        since = _format_time(run.finished_at or run.started_at)
        yield f"      run {run.id}: {counted(run.held, 'record')} of {run.source}, since {since}"
        yield from (f"         {cause}" for cause in run.causes)


def _outlier_line(outlier: Any) -> str:
    price, unit = f"{outlier.price:,}", outlier.currency or ""
    before = "" if outlier.price_before is None else f" (previously {outlier.price_before:,})"
    name = f"{outlier.platform}-{outlier.pk}"
    text = f"{f'{price} {unit}'.strip()}{before}"
    recorded_at = _format_time(outlier.recorded_at)
    return f"      outlier {name}: {text}, offer {outlier.offer}, {recorded_at}"


def list_json(waiting: Waiting) -> dict[str, Any]:
    """Return the list of a database as JSON."""
    result = waiting._asdict()
    result["runs"] = [run._asdict() for run in waiting.runs]
    result["groups"] = [group._asdict() for group in waiting.groups]
    if waiting.outliers is not None:
        named = [(f"{point.platform}-{point.pk}", point._asdict()) for point in waiting.outliers]
        result["outliers"] = [{"id": name} | values for name, values in named]
    return result


def run_lines(run: review.Json, full: bool) -> Iterator[str]:
    """Yield the lines of a run: its values and the first records that it keeps."""
    first, received = run["first"], run["received"]
    yield from value_lines(
        {name: value for name, value in run.items() if name not in ("first", "received")}
    )
    for held in first:
        place = f"{held.get('source', '')}: {held['place']}"
        yield f"held {place} ({held.get('shape') or held['reason']})"
        payload = held["payload"] if "payload" in held else held["raw"]
        yield from _payload_lines(payload, full)
    for line in received:
        yield f"received {line['place']}"
        yield from _payload_lines(line["raw"], full)


def record_lines(record: review.Json, full: bool) -> Iterator[str]:
    """Yield the lines of a quarantined record: its values and its payload."""
    yield from value_lines({name: value for name, value in record.items() if name != "payload"})
    yield "payload:"
    yield from _payload_lines(record["payload"], full)


def value_lines(values: dict[str, Any], full: bool = False) -> Iterator[str]:
    """Yield a line for each value that is not empty."""
    for name, value in values.items():
        for entry in value if isinstance(value, list) else [value]:
            if entry not in (None, "", {}):
                yield f"{name.replace('_', ' ')}: {_format_value(entry)}"


def _payload_lines(payload: Any, full: bool) -> Iterator[str]:
    text = payload if isinstance(payload, str) else _to_json(payload, indent=2)
    lines = text.splitlines()
    for line in lines if full else lines[:_LINES]:
        is_long = not full and len(line) > _WIDTH
        yield f"   {line[:_WIDTH]}…" if is_long else f"   {line}"
    if len(lines) > _LINES and not full:
        yield f"   … {counted(len(lines) - _LINES, 'more line')}; --full shows all"


def failure_lines(reasons: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield lines with the reasons of records that failed again, and the next step.

    :param reasons: reason → ids of the records
    """
    for reason, ids in list(reasons.items())[:_REASONS]:
        shown = " ".join(["record", *ids[:_NEWEST], *(["…"] if len(ids) > _NEWEST else [])])
        yield f"failed {len(ids):,}: {reason} ({shown})"
    if len(reasons) > _REASONS:
        yield f"failed for {len(reasons) - _REASONS:,} other reasons"
    if reasons:
        first = next(iter(reasons.values()))[0]
        yield (
            "Load the corrected source, then discard the record: python manage.py ingest_review "
            f"discard record {first}"
        )


def format_counts(summary: Summary) -> str:
    """Return the counts of a run that was released."""
    names = ("created", "updated", "unchanged", "rejected", "price_points")
    return ", ".join(f"{name.replace('_', ' ')} {getattr(summary, name):,}" for name in names)


def _format_value(value: Any) -> str:
    if isinstance(value, datetime):
        return _format_time(value)
    if isinstance(value, dict):
        return ", ".join(
            f"{name.replace('_', ' ')} {_format_entry(entry)}" for name, entry in value.items()
        )
    return str(value)


def _format_entry(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else _to_json(value)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=indent)


def _format_time(time: datetime) -> str:
    return f"{timezone.localtime(time):%Y-%m-%d %H:%M}"
