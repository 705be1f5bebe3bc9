"""Charts as inline SVG, without scripts or external resources.

The colors of series are the classes mp-s0 to mp-s7 of the style sheet.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.admin_site.formatting import DASH, format_time, money, percent

#: Number of series colors, and so of series that a chart shows.
MAX_SERIES = 8

#: Width and height for wide and for narrow screens: the font size is the same on both.
WIDE, NARROW = (960, 300), (340, 260)

_TOP, _RIGHT, _BOTTOM, _LEFT = 28, 14, 28, 58


class Point(NamedTuple):
    """A value that is valid until the next point; `is_available` is None if unknown."""

    at: datetime
    value: Decimal
    is_available: bool | None = None


class Series(NamedTuple):
    """A line: its points in the order of time, and the end of validity of the last one."""

    label: str
    points: Sequence[Point]
    until: datetime


class Frame(NamedTuple):
    """The size of a chart, and its ranges of time and value."""

    width: int
    height: int
    start: datetime
    end: datetime
    ticks: Sequence[Decimal]

    def x(self, at: datetime) -> float:
        """Return the x coordinate of a time."""
        share = (at - self.start) / (self.end - self.start)
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: Decimal) -> float:
        """Return the y coordinate of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        share = float((value - low) / (high - low))
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 1)


def price_chart(series: Sequence[Series], unit: str) -> SafeString:
    """Return a chart of the first MAX_SERIES series with a legend; empty without points."""
    shown = [line for line in series if line.points][:MAX_SERIES]
    if not shown:
        return SafeString("")
    return format_html(
        '<figure class="mp-chart" data-chart="prices"><div class="mp-wide">{}</div>'
        '<div class="mp-narrow">{}</div>{}</figure>',
        step_lines(shown, unit, *WIDE),
        step_lines(shown, unit, *NARROW),
        _legend(shown, unit),
    )


def step_lines(series: Sequence[Series], unit: str, width: int, height: int) -> SafeString:
    """Return an SVG with a step line for each series, dashed where it was not available."""
    frame = _frame(series, width, height)
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="Prices in {} from {} to {}">{}{}{}</svg>',
        width,
        height,
        unit or "an unknown currency",
        f"{timezone.localtime(frame.start):%Y-%m-%d}",
        f"{timezone.localtime(frame.end):%Y-%m-%d}",
        _value_axis(frame, unit),
        _time_axis(frame),
        format_html_join(
            "", "{}", ((_line(line, i, frame, unit),) for i, line in enumerate(series))
        ),
    )


def value_ticks(low: Decimal, high: Decimal, count: int = 4) -> list[Decimal]:
    """Return about `count` round numbers, the first at most `low`, the last at least `high`."""
    if low == high:
        margin = abs(low) / 10 or Decimal(1)
        low, high = max(low - margin, Decimal(0)), high + margin
    rough = (high - low) / count
    scale = Decimal(10) ** math.floor(rough.log10())
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, last + 1)]


def short(value: Decimal) -> str:
    """Return a number for an axis: 950, 12.5 k, 5.3 M, 2 bn."""
    for size, letter in ((Decimal(10**9), " bn"), (Decimal(10**6), " M"), (Decimal(1000), " k")):
        if abs(value) >= size:
            return f"{(value / size).quantize(Decimal('0.001')).normalize():f}{letter}"
    return f"{value.normalize():f}"


def _frame(series: Sequence[Series], width: int, height: int) -> Frame:
    values = [point.value for line in series for point in line.points]
    start = min(line.points[0].at for line in series)
    end = max(max(line.until, line.points[-1].at) for line in series)
    if end - start < timedelta(hours=1):
        start, end = start - timedelta(hours=12), end + timedelta(hours=12)
    return Frame(width, height, start, end, value_ticks(min(values), max(values)))


def _value_axis(frame: Frame, unit: str) -> SafeString:
    right = frame.width - _RIGHT
    lines = format_html_join(
        "",
        '<line class="mp-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="mp-tick" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (_LEFT, right, frame.y(tick), frame.y(tick), _LEFT - 6, frame.y(tick) + 4, short(tick))
            for tick in frame.ticks
        ),
    )
    return format_html("{}{}", lines, _unit(frame, unit))


def _unit(frame: Frame, unit: str) -> SafeString:
    return format_html(
        '<text class="mp-tick" x="{}" y="{}" text-anchor="end">{}</text>',
        _LEFT - 6,
        12,
        unit,
    )


def _time_axis(frame: Frame) -> SafeString:
    count = max(2, (frame.width - _LEFT) // 130)
    span = frame.end - frame.start
    pattern = "%d %b %Y" if span > timedelta(days=300) else "%d %b"
    if span < timedelta(days=3):
        pattern = "%d %b %H:%M"
    labels = []
    for index in range(count + 1):
        at = frame.start + span * index / count
        anchor = "start" if index == 0 else "end" if index == count else "middle"
        text = f"{timezone.localtime(at):{pattern}}"
        labels.append((frame.x(at), frame.height - 8, anchor, text))
    return format_html_join(
        "", '<text class="mp-tick" x="{}" y="{}" text-anchor="{}">{}</text>', labels
    )


def _line(line: Series, index: int, frame: Frame, unit: str) -> SafeString:
    solid: list[str] = []
    dashed: list[str] = []
    following = [*line.points[1:], None]
    for point, after in zip(line.points, following, strict=True):
        end = after.at if after else max(line.until, point.at)
        drop = f"V{frame.y(after.value)}" if after else ""
        step = f"M{frame.x(point.at)} {frame.y(point.value)}H{frame.x(end)}{drop}"
        (dashed if point.is_available is False else solid).append(step)
    return format_html(
        '<g class="mp-s{}"><path class="mp-line" d="{}"/><path class="mp-line mp-out" d="{}"/>'
        "{}</g>",
        index,
        "".join(solid),
        "".join(dashed),
        _dots(line, frame, unit),
    )


def _dots(line: Series, frame: Frame, unit: str) -> SafeString:
    return format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="2.5"><title>{} · {} · {}{}</title></circle>',
        (
            (
                frame.x(point.at),
                frame.y(point.value),
                line.label,
                format_time(point.at),
                money(point.value, unit),
                " · not available" if point.is_available is False else "",
            )
            for point in line.points
        ),
    )


def _legend(series: Sequence[Series], unit: str) -> SafeString:
    return format_html(
        '<figcaption><ul class="mp-legend">{}</ul><p>A dashed line means that the offer was not '
        "available.</p></figcaption>",
        format_html_join(
            "",
            '<li class="mp-s{}"><i></i><span>{}</span> <b>{}</b> <small>{}</small></li>',
            (
                (index, line.label, money(line.points[-1].value, unit), _change(line))
                for index, line in enumerate(series)
            ),
        ),
    )


def _change(line: Series) -> str:
    """Return the change from the first value to the last, in percent."""
    first, last = line.points[0].value, line.points[-1].value
    if not first:
        return DASH
    change = (last - first) * 100 / first
    return f"{'+' if change > 0 else ''}{percent(round(change, 1))}"
