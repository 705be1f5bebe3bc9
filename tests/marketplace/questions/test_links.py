"""Links of cells: to the pages of rows, and to other questions about a row."""

import pytest

from marketplace.questions import definition
from marketplace.questions.definition import read_questions
from marketplace.questions.links import read_link

HEAD = """/*
title = "Offers"
description = "Offers."
[columns.price]
link = "{link}"
*/
SELECT 1 AS price, 'uzum:1' AS offer
"""


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """Return a function that returns the errors of two questions, one of which has a link."""

    def faults(link):
        folder = tmp_path / "ecommerce" / "questions"
        folder.mkdir(parents=True)
        (folder / "offers.sql").write_text(HEAD.replace("{link}", link))
        (folder / "history.sql").write_text(
            '/*\ntitle = "a"\ndescription = "b"\n[parameters.offer]\ntype = "offer"\n'
            '[parameters.since]\ntype = "date"\n*/\n'
            "SELECT %(offer)s AS offer, %(since)s AS since"
        )
        monkeypatch.setattr(definition, "find_files", lambda: sorted(folder.glob("*.sql")))
        read_questions.cache_clear()
        return [(error.line, error.reason) for error in read_questions()[1]]

    yield faults
    read_questions.cache_clear()


def test_a_link_leads_to_a_question_with_values_of_the_row():
    link = read_link("price_history?offer={offer}&since=-1y&platform=")

    assert (
        link.url("ecommerce", {"offer": "uzum:7 & 8"})
        == "/questions/ecommerce/price_history/?offer=uzum%3A7+%26+8&since=-1y&platform="
    )
    assert link.url("ecommerce", {"offer": None}) == ""


def test_a_link_leads_to_the_page_of_a_row():
    link = read_link("ecommerce.product:product_id")

    assert link.url("ecommerce", {"product_id": 7}) == "/ecommerce/product/7/change/"
    assert link.url("ecommerce", {}) == ""


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("history?offer={offer}&since=-1y", None),
        ("prices?offer={offer}", "There is no valid question ecommerce.prices."),
        ("history?product={offer}", "The question history has no parameter product."),
        ("history?since=yesterday", "The link to history is not valid: since is not a date"),
        ("history", "Write app.model:COLUMN, with a model that has a page: history."),
    ],
)
def test_an_invalid_link_is_named_with_its_line(faults, link, reason):
    found = faults(link)

    if reason is None:
        assert found == []
    else:
        assert [(line, text.startswith(reason)) for line, text in found] == [(5, True)], found
