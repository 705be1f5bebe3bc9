"""The keys of heads: a value of a wrong type is an error with file, line and reason."""

import re

import pytest

from marketplace.exceptions import QuestionError
from marketplace.questions.definition import read

HEAD = """
/*
title = { en = "Offers", ru = "Предложения" }
description = "All offers."
group = "prices"
has_history = true

[parameters.platform]
type = "platform"
title = "platform"

[parameters.count]
type = "number"
default = "3"
required = true
minimum = 1
maximum = 2.5e3

[parameters.by]
type = "choice"
choices = ["day", "month"]

[columns.price]
type = "money:currency"
title = "price"
link = "ecommerce.product:product_id"

[chart]
kind = "line"
x = "day"
y = "price"
series = "platform"

[[panels]]
page = "overview"

[[panels]]
page = "ecommerce.product"
parameters = { platform = "{platform}", by = "{seller.platform}" }
columns = ["price"]
limit = 10
*/
SELECT %(platform)s AS day, %(count)s AS price, %(by)s AS currency, 1 AS product_id
"""

#: Values of TOML, and the keys that accept such a value.
VALUES = {
    "1": {"minimum", "maximum", "limit"},
    "-1": {"minimum", "maximum"},
    "1.5": {"minimum", "maximum"},
    '"five"': {
        *("title", "description", "group", "default", "type", "link", "kind", "x", "y", "series"),
        "page",
    },
    "true": {"has_history", "required"},
    "2026-03-01": set(),
    "[1]": set(),
    '["a"]': {"choices", "columns"},
    "{ en = 1 }": set(),
    '{ de = "a" }': {"parameters"},
}

WRONG = [
    (number, key, value)
    for number, line in enumerate(HEAD.splitlines(), 1)
    for key, separator, _ in [line.partition(" = ")]
    for value, accepted in VALUES.items()
    if separator and key not in accepted
]


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "ecommerce" / "questions"
    folder.mkdir(parents=True)
    return folder / "offers.sql"


def error_of(path, text):
    path.write_text(text)
    with pytest.raises(QuestionError) as caught:
        read(path)
    return caught.value


def test_the_head_is_valid(path):
    path.write_text(HEAD)

    question = read(path)

    assert question.panels[1].parameters["by"] == "{seller.platform}"
    assert [str(item.maximum) for item in question.parameters] == ["None", "2.5E+3", "None"]


@pytest.mark.parametrize(("number", "key", "value"), WRONG)
def test_a_value_of_another_type_is_named_with_its_line(path, number, key, value):
    lines = HEAD.splitlines()
    lines[number - 1] = f"{key} = {value}"

    error = error_of(path, "\n".join(lines))

    assert (error.path, error.line) == (path, number)
    assert re.search(rf"\b({key}|en)\b", error.reason)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("limit = 10", "rows = 10", "Unknown key rows in [panels]. Use columns, limit, page, "),
        ('page = "overview"', "limit = 1", "[panels] has no page."),
        ('kind = "line"', "# none", "[chart] has no kind."),
        ('kind = "line"', 'kind = "pie"', "kind: Input should be 'bar', 'line' or 'step'."),
        ('page = "overview"', 'page = "ecommerce.shop"', "There is no page ecommerce.shop"),
        ("{platform}", "{platfrom}", "The page ecommerce.product has no column platfrom."),
        ("{seller.platform}", "{seller.name.x}", "has no column seller.name.x."),
        ("{seller.platform}", "{seller}", "has no column seller."),
        ('"overview"', '"overview"\nparameters = { by = "{id}" }', "overview has no column id."),
        ('{ platform = "', '{ colour = "', "The panel has an unknown parameter colour."),
        ("ecommerce.product:product_id", "ecommerce.product", "Write app.model:COLUMN"),
        ("ecommerce.product:product_id", "ecommerce.shop:id", "that has a page: ecommerce.shop"),
        ("[chart]", "[[chart]]", "chart must be a table."),
        ("[columns.price]", "[columns]", "type must be a table."),
    ],
)
def test_a_wrong_key_is_named_with_its_line(path, old, new, reason):
    assert old in HEAD
    text = HEAD.replace(old, new, 1)

    error = error_of(path, text)

    assert reason in error.reason
    # A missing key is named at its table, in the line before.
    assert abs(text.count("\n", 0, text.index(new)) + 1 - error.line) <= 1


def test_a_file_that_is_not_utf_8(path):
    path.write_bytes(HEAD.encode("cp1251"))

    with pytest.raises(QuestionError, match="The file is not UTF-8"):
        read(path)
