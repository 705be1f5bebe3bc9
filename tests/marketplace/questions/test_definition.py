"""The heads of question files: what is read, and the errors with file and line."""

from pathlib import Path

import pytest

from marketplace.exceptions import QuestionError
from marketplace.questions import definition
from marketplace.questions.definition import get_question, read, read_questions
from marketplace.questions.document import document
from marketplace.questions.heads import LANGUAGES

HEAD = """/*
title = { en = "Offers", uz = "Takliflar" }
description = "All offers."

[parameters.platform]
type = "platform"

[columns.price]
type = "money:currency"
*/
SELECT price, currency, 100 %% 7 AS rest FROM ecommerce_offers
WHERE %(platform)s::text IS NULL OR platform = %(platform)s
"""


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "ecommerce" / "questions"
    folder.mkdir(parents=True)

    def write(text):
        path = folder / "offers.sql"
        path.write_text(text)
        return path

    return write


def test_a_file_is_a_question(write):
    question = read(write(HEAD))

    assert (question.name, question.alias) == ("ecommerce.offers", "ecommerce")
    assert question.title == {"en": "Offers", "uz": "Takliflar"}
    assert [parameter.name for parameter in question.parameters] == ["platform"]
    assert question.column("price").currency == "currency"
    assert question.column("rest").type == "text"
    assert question.read_values({}) == {"platform": None}


def test_a_title_of_many_questions_is_not_repeated(write):
    question = read(write(HEAD.replace('"platform"\n', '"platform"\ntitle = "shop"\n', 1)))

    assert question.parameters[0].title == {"en": "shop"}
    assert read(write(HEAD)).parameters[0].title["ru"] == "площадка"
    assert question.column("seen_at").label == "last seen"


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("/*\n", "-- ", 1, "must begin with /*"),
        ('title = { en = "Offers"', 'title = { ru = "Offers"', 2, "title has no English text"),
        ('title = { en = "Offers"', 'title = { de = "Angebote"', 2, "a language other than"),
        ('description = "All offers."', "descripton = 1", 3, "Unknown key descripton in the head"),
        ('type = "platform"', 'type = "platfrom"', 6, "Unknown parameter type platfrom"),
        ('type = "platform"', "kind = 1", 6, "Unknown key kind in [parameters.platform]"),
        (
            'type = "platform"',
            'type = "date"\ndefault = "soon"',
            7,
            "The default of platform is not a date",
        ),
        ("parameters.platform", "parameters.format", 5, "Parameter name format is invalid"),
        ('type = "money:currency"', 'type = "money"', 9, "Type money needs another column"),
        ('type = "money:currency"', 'type = "gold"', 9, "Unknown column type gold"),
        ("%(platform)s::text", "%(shop)s::text", 12, "The placeholder shop has no parameter"),
        ("100 %% 7", "100 % 7", 11, "Write %% for a literal percent sign"),
        ("title = {", "title = [", 2, "The head is not valid TOML"),
    ],
)
def test_an_error_names_the_line(write, old, new, line, reason):
    assert old in HEAD
    path = write(HEAD.replace(old, new, 1))

    with pytest.raises(QuestionError) as caught:
        read(path)

    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_an_unused_parameter_is_an_error(write):
    text = HEAD.replace('type = "platform"', 'type = "platform"\n[parameters.shop]\ntype = "text"')

    with pytest.raises(QuestionError, match="does not use the parameter shop"):
        read(write(text))


def test_a_broken_file_leaves_the_other_questions(write, monkeypatch):
    broken = write(HEAD.replace("title", "titel", 1))
    files = [broken, *definition.find_files()]
    monkeypatch.setattr(definition, "find_files", lambda: iter(files))
    read_questions.cache_clear()
    try:
        assert get_question("procurement.pairs").alias == "procurement"
        with pytest.raises(QuestionError, match="Unknown key titel"):
            get_question("ecommerce.offers")
    finally:
        read_questions.cache_clear()


def test_a_name_that_is_almost_right_is_proposed():
    with pytest.raises(QuestionError, match=r"Did you mean procurement\.pairs"):
        get_question("procurement.pair")


def test_all_files_are_valid():
    questions, errors = read_questions()

    assert errors == []
    assert {question.alias for question in questions.values()} >= {"ecommerce", "procurement"}


def test_all_texts_have_three_languages():
    questions, _ = read_questions()

    missing = [
        (question.name, text)
        for question in questions.values()
        for text in (
            question.title,
            question.description,
            *(parameter.title for parameter in question.parameters),
            *(column.title for column in question.columns.values()),
        )
        if set(text) != set(LANGUAGES)
    ]

    assert missing == []


def test_the_document_is_up_to_date():
    assert Path("docs/questions.md").read_text() == document(), "run: make docs"
