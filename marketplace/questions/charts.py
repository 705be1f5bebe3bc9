"""Charts of answers, as data for Chart.js."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from marketplace.humanize import format_time
from marketplace.questions.columns import UNKNOWN
from marketplace.questions.definition import Question

Row = Mapping[str, Any]

#: Bars that a chart shows; more could not be read.
_MAX_BARS = 20

#: Shapes of points, so that lines differ not only by color.
_POINTS = ("circle", "rect", "triangle", "rectRot", "cross", "star", "crossRot", "dash")

#: Readable on light and dark pages.
_TEXT_COLOR = "#6b7280"

_AXIS: dict[str, Any] = {"grid": {"tickWidth": 0}, "ticks": {"color": _TEXT_COLOR}}
_LEGEND = {"position": "bottom", "labels": {"usePointStyle": True, "color": _TEXT_COLOR}}

_COLORS = tuple(f"var(--mp-s{number})" for number in range(8))


def chart_of(question: Question, rows: Sequence[Row]) -> dict[str, str] | None:
    """Return type, data and options of the chart of an answer; None if the question has none."""
    declared = question.chart
    if not declared or not rows:
        return None
    x, y = declared["x"], declared["y"]
    if declared["kind"] == "bar":
        shown = [row for row in rows if row[y] is not None][:_MAX_BARS]
        data = _data(
            [_label(row[x]) for row in shown],
            {question.column(y).label: [_number(row[y]) for row in shown]},
        )
        return {"type": "bar", "data": json.dumps(data), "options": _options(has_legend=False)}
    data = _lines(declared, rows)
    return {"type": "line", "data": json.dumps(data), "options": _options(has_legend=True)}


def _options(*, has_legend: bool) -> str:
    """Return options of Chart.js. The pointer shows the values of all lines at its place."""
    options = {
        "animation": False,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {"legend": _LEGEND | {"display": has_legend}},
        "scales": {"x": _AXIS, "y": _AXIS},
    }
    return json.dumps(options)


def _lines(declared: Mapping[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    """Return one line for each value of the column `series`."""
    x, y, series = declared["x"], declared["y"], declared.get("series")
    labels = sorted({row[x] for row in rows if row[x] is not None})
    positions = {label: position for position, label in enumerate(labels)}
    lines: dict[str, list[float | None]] = {}
    for row in rows:
        name = y if series is None else str(row[series])
        line = lines.setdefault(name, [None] * len(labels))
        if row[x] is not None:
            line[positions[row[x]]] = _number(row[y])
    data = _data([_label(label) for label in labels], lines)
    for dataset in data["datasets"]:
        dataset |= {"stepped": "before" if declared["kind"] == "step" else False, "spanGaps": True}
    return data


def _data(labels: list[str], series: dict[str, list[float | None]]) -> dict[str, Any]:
    return {
        "labels": labels,
        "datasets": [
            {
                "label": name,
                "data": values,
                "borderColor": _COLORS[number % len(_COLORS)],
                "backgroundColor": _COLORS[number % len(_COLORS)],
                "pointStyle": _POINTS[number % len(_POINTS)],
            }
            for number, (name, values) in enumerate(series.items())
        ],
    }


def _label(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        return format_time(value, has_offset=False)
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= 30 else f"{text[:29]}…"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, Decimal | int | float) else None
