"""The tables of answers on pages and panels."""

from collections.abc import Iterable, Sequence
from typing import Any

from marketplace.questions.answers import Answer
from marketplace.questions.columns import Column
from marketplace.questions.definition import Question, get_question


def table(
    answer: Answer, rows: Sequence[dict[str, Any]], names: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the template variables of the table, of its figures, and of what it is based on.

    :param names: the columns of the table, in their order; all if empty
    """
    question = answer.question
    known = {column.name: column for column in answer.columns}
    columns = [known[name] for name in names] if names else answer.shown_columns
    columns = [column for column in columns if column.name not in question.figures]
    figures = [known[name] for name in question.figures]
    return {
        "columns": columns,
        "rows": [[_cell(question, column, row) for column in columns] for row in rows],
        "figures": [(column.label, column.format(row)) for row in rows[:1] for column in figures],
        "links": list(_links(question, columns)),
        "row_count": answer.row_count,
        "basis": answer.basis,
    }


def _cell(question: Question, column: Column, row: dict[str, Any]) -> dict[str, Any]:
    """Return the text of a cell, its link, and its column."""
    value = row[column.name]
    if column.type == "link" and str(value or "").startswith(("https://", "http://")):
        return {"column": column, "text": "open", "url": value, "is_external": True}
    url = column.link.url(question.alias, row) if column.link else ""
    return {"column": column, "text": column.format(row), "url": url}


def _links(question: Question, columns: Iterable[Column]) -> Iterable[tuple[str, str]]:
    """Yield the columns that lead to another question, and its title."""
    for column in columns:
        if column.link and not column.link.key:
            target = get_question(f"{question.alias}.{column.link.target}")
            yield column.label, target.title["en"]
