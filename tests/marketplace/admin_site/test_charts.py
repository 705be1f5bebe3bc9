"""Charts: points in, SVG out."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from marketplace.admin_site.charts import (
    NARROW,
    Point,
    Series,
    price_chart,
    short,
    step_lines,
    value_ticks,
)

START = datetime(2026, 7, 25, tzinfo=UTC)


def _series(*values, label="256 ГБ", until=120):
    """Return a series with a value every ten days, each a number or (number, availability)."""
    points = []
    for index, value in enumerate(values):
        amount, is_available = value if isinstance(value, tuple) else (value, True)
        at = START + timedelta(days=10 * index)
        points.append(Point(at, Decimal(amount), is_available))
    return Series(label, points, START + timedelta(days=until))


class TestPriceChart:
    def test_is_empty_without_points(self):
        assert price_chart([], "UZS") == ""
        assert price_chart([_series()], "UZS") == ""

    def test_has_a_legend_with_the_last_value_and_the_change(self):
        html = price_chart([_series(100, 80, 90)], "UZS")

        assert "<span>256 ГБ</span> <b>90 UZS</b> <small>-10 %</small>" in html

    def test_draws_eight_series_at_most(self):
        html = price_chart([_series(1, 2, label=str(number)) for number in range(12)], "UZS")

        assert html.count('<li class="mp-s') == 8

    def test_escapes_labels(self):
        html = price_chart([_series(1, 2, label="<b>&")], "UZS")

        assert "<b>&" not in html
        assert "&lt;b&gt;&amp;" in html


class TestStepLines:
    def test_is_well_formed(self):
        svg = step_lines([_series(5300716, 4900000), _series(6000000)], "UZS", 960, 300)

        root = ElementTree.fromstring(svg)

        assert root.get("viewBox") == "0 0 960 300"
        assert root.get("aria-label") == "Prices in UZS from 2026-07-25 to 2026-11-22"

    def test_holds_a_value_until_the_next_one(self):
        svg = step_lines([_series(0, 100, until=10)], "UZS", 960, 300)

        path = re.search(r'class="mp-line" d="([^"]+)"', svg)[1]

        assert path == "M58.0 272.0H946.0V28.0M946.0 28.0H946.0"

    def test_dashes_periods_without_availability(self):
        svg = step_lines([_series((100, True), (90, False), (95, None))], "UZS", 960, 300)

        solid, dashed = re.findall(r'class="mp-line(?: mp-out)?" d="([^"]*)"', svg)

        assert solid.count("M") == 2
        assert dashed.count("M") == 1

    def test_labels_axes_with_values_and_dates(self):
        svg = step_lines([_series(4_000_000, 5_000_000)], "UZS", 960, 300)

        for label in (">4 M<", ">5 M<", ">25 Jul<", ">22 Nov<", ">UZS<"):
            assert label in svg

    def test_stays_inside_the_frame(self):
        width, height = NARROW
        svg = step_lines([_series(1, 999_999_999, 5)], "UZS", width, height)

        numbers = re.findall(r' (?:cx|x|x1|x2)="([\d.]+)"', svg)
        assert all(0 <= float(number) <= width for number in numbers)
        assert all(0 <= float(y) <= height for y in re.findall(r' (?:cy|y|y1)="([\d.]+)"', svg))

    @pytest.mark.parametrize("series", [_series(5, until=0), _series(0, until=0), _series(7, 7, 7)])
    def test_accepts_series_without_extent(self, series):
        assert step_lines([series], "", *NARROW).startswith("<svg")


class TestValueTicks:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (4_100_000, 5_900_000, ["4E+6", "4.5E+6", "5E+6", "5.5E+6", "6E+6"]),
            (0, 3, ["0", "1", "2", "3"]),
            (100, 100, ["90", "95", "100", "105", "110"]),
            (0, 0, ["0", "0.5", "1"]),
        ],
    )
    def test_returns_round_numbers(self, low, high, expected):
        ticks = value_ticks(Decimal(low), Decimal(high))

        assert ticks == [Decimal(tick) for tick in expected]


class TestShort:
    @pytest.mark.parametrize(
        ("value", "text"),
        [("950", "950"), ("0", "0"), ("12500", "12.5 k"), ("5300000", "5.3 M"), ("2E9", "2 bn")],
    )
    def test_abbreviates_thousands_and_more(self, value, text):
        assert short(Decimal(value)) == text
