"""Charts: the values at each position, and what is left out."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketplace.questions.charts import chart_of
from marketplace.questions.definition import get_question

START = datetime(2026, 3, 1, tzinfo=UTC)


def price(line, day, amount, *, is_available=True):
    return {
        "line": line,
        "at": START + timedelta(days=day),
        "converted_price": None if amount is None else Decimal(amount),
        "target_currency": "UZS",
        "is_available": is_available,
    }


def draw(rows, end=None):
    chart = chart_of(get_question("ecommerce.price_history"), rows, end)
    return json.loads(chart["data"]), chart["note"]


def test_a_step_holds_its_value_until_the_next_one_and_the_end():
    rows = [price("a", 0, 100), price("b", 1, 80), price("a", 2, 90)]

    content, note = draw(rows, START + timedelta(days=5))

    assert [line["values"] for line in content["series"]] == [
        [100, 100, 90, 90],
        [None, 80, 80, 80],
    ]
    assert [line["changes"] for line in content["series"]] == [[0, 2], [1]]
    days = [(time - content["times"][0]) / 86_400_000 for time in content["times"]]
    assert days == [0, 1, 2, 5]
    assert (content["unit"], note) == ("UZS", "")


def test_a_line_has_the_text_of_its_label_and_its_name_where_two_have_the_same():
    names = {"uzum:1": "uzum · Malika", "uzum:2": "uzum · Malika", "ozon:3": "ozon · Orient"}
    rows = [price(line, 0, 100) | {"name": name} for line, name in names.items()]

    content, _ = draw(rows)

    assert [line["name"] for line in content["series"]] == [
        "ozon · Orient",
        "uzum · Malika (uzum:1)",
        "uzum · Malika (uzum:2)",
    ]


def test_what_is_sold_out_is_marked():
    rows = [price("a", 0, 100, is_available=False), price("a", 2, 90)]

    content, _ = draw(rows, START + timedelta(days=3))

    assert content["series"][0]["unavailable"] == [0]


def test_a_gap_in_the_prices_stays_a_gap():
    content, _ = draw([price("a", 0, 100), price("a", 1, None), price("a", 2, 90)])

    assert content["series"][0]["values"] == [100, None, 90]


def test_the_eight_lines_with_the_most_changes_are_drawn():
    rows = [price(f"line {n}", day, 1) for n in range(12) for day in range(n + 1)]

    content, note = draw(rows)

    assert len(content["series"]) == 8
    assert {line["name"] for line in content["series"]} == {f"line {n}" for n in range(4, 12)}
    assert note == "The chart has 8 of 12 lines."


def test_bars_are_the_first_rows():
    rows = [{"name": f"n{n}", "saved_percent": Decimal(n)} for n in range(30)]

    chart = chart_of(get_question("procurement.savings"), rows, None)

    content = json.loads(chart["data"])
    assert content["labels"] == [f"n{n}" for n in range(20)]
    assert content["series"][0]["values"] == list(range(20))
    assert (content["unit"], chart["note"]) == ("%", "The chart has the first 20 rows.")


def test_no_rows_have_no_chart():
    assert chart_of(get_question("procurement.savings"), [], None) is None
