"""Charts of answers, as data for the script `charts.js`, which draws them with Chart.js."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.text import capfirst

from marketplace.humanize import format_time
from marketplace.questions.columns import UNKNOWN
from marketplace.questions.definition import Question

Row = Mapping[str, Any]

#: Bars and lines that a chart shows; more could not be read.
BAR_LIMIT, _MAX_LINES = 20, 8

#: Rows from which a chart with lines is drawn.
ROW_LIMIT = 5000


def chart_of(
    question: Question, rows: Sequence[Row], end: datetime | None
) -> dict[str, str] | None:
    """Return the data of the chart of an answer as JSON, and a note about what it leaves out.

    None if the question has no chart, or the answer no rows.

    :param end: until which the last step of each line is valid
    """
    declared = question.chart
    if not declared or not rows:
        return None
    if declared["kind"] == "bar":
        content, note = _bars(question, rows)
    else:
        content, note = _lines(question, rows, end)
    unit = _unit(question, rows)
    axis = ", ".join(filter(None, (capfirst(question.column(declared["y"]).label), unit)))
    content |= {"kind": declared["kind"], "unit": unit, "axis": axis}
    return {"title": question.title["en"], "data": json.dumps(content), "note": note}


def _bars(question: Question, rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Return a bar for each of the first rows."""
    x, y = question.chart["x"], question.chart["y"]
    known = [row for row in rows if row[y] is not None]
    shown = known[:BAR_LIMIT]
    series = [{"name": question.column(y).label, "values": [_number(row[y]) for row in shown]}]
    note = f"The chart has the first {BAR_LIMIT} rows." if len(known) > BAR_LIMIT else ""
    return {"labels": [_label(row[x]) for row in shown], "series": series}, note


def _lines(
    question: Question, rows: Sequence[Row], end: datetime | None
) -> tuple[dict[str, Any], str]:
    """Return a line for each value of the column `series`; those with the most rows if many."""
    x, y, by = (question.chart.get(key, "") for key in ("x", "y", "series"))
    lines: dict[str, dict[Any, Row]] = {}
    for row in rows:
        if row[x] is not None:
            lines.setdefault(str(row[by]) if by else y, {})[row[x]] = row
    names = sorted(lines, key=lambda name: -len(lines[name]))[:_MAX_LINES]
    labels = _line_labels(names, lines, question.chart.get("label", ""))
    positions = sorted({at for name in names for at in lines[name]})
    is_step = question.chart["kind"] == "step"
    if is_step and end and positions and positions[-1] < end:
        positions.append(end)
    series = [
        _line(labels[name], lines[name], positions, y, is_step=is_step) for name in sorted(names)
    ]
    content: dict[str, Any] = {"series": series}
    if positions and isinstance(positions[0], date):
        content |= {"times": [_milliseconds(at) for at in positions], "zone": settings.TIME_ZONE}
    else:
        content["labels"] = [_label(at) for at in positions]
    left_out = len(lines) - len(names)
    note = f"The chart has {len(names)} of {len(lines)} lines." if left_out else ""
    return content, note


def _line_labels(
    names: Sequence[str], lines: Mapping[str, Mapping[Any, Row]], column: str
) -> dict[str, str]:
    """Return the texts of lines; with the name of the line where several have the same.

    :param column: the column with the text of a line; empty if its name is the text
    """
    texts = {name: [row.get(column) for row in lines[name].values()] for name in names}
    labels = {name: str(next(filter(None, texts[name]), name)) for name in names}
    counts = Counter(labels.values())
    return {name: f"{text} ({name})" if counts[text] > 1 else text for name, text in labels.items()}


def _line(
    name: str, rows: Mapping[Any, Row], positions: Sequence[Any], y: str, *, is_step: bool
) -> dict[str, Any]:
    """Return the values of a line at all positions; a step holds its value until the next one.

    `changes` are the positions of its own rows, and `unavailable` those at which it is sold out.
    """
    values: list[float | None] = []
    changes, unavailable = [], []
    last: Row | None = None
    for number, position in enumerate(positions):
        if position in rows:
            last = rows[position]
            changes.append(number)
        elif not is_step:
            last = None
        values.append(_number(last[y]) if last else None)
        if last and last.get("is_available") is False:
            unavailable.append(number)
    return {"name": name, "values": values, "changes": changes, "unavailable": unavailable}


def _unit(question: Question, rows: Sequence[Row]) -> str:
    column = question.column(question.chart["y"])
    if column.type == "money":
        return next((row[column.currency] for row in rows if row[column.currency]), "")
    return {"percent": "%", "days": "days"}.get(column.type, "")


def _milliseconds(at: date) -> int:
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day, 12)  # noon is on the day everywhere
    return round(at.timestamp() * 1000)


def _label(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        return format_time(value, has_offset=False)
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= 30 else f"{text[:29]}…"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, Decimal | int | float) else None
