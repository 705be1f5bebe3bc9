"""The tables of answers on pages and panels."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.urls import reverse

from marketplace.questions.answers import Answer
from marketplace.questions.columns import Column


def table(
    answer: Answer, rows: Iterable[dict[str, Any]], names: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the template variables of the table, and of what it is based on.

    :param names: the columns of the table; all if empty
    """
    columns = [column for column in answer.shown_columns if not names or column.name in names]
    return {
        "columns": columns,
        "rows": [[_cell(column, row) for column in columns] for row in rows],
        "row_count": answer.row_count,
        "basis": answer.basis,
    }


def _cell(column: Column, row: dict[str, Any]) -> dict[str, Any]:
    """Return the text of a cell, its link, and its column."""
    url = ""
    value = row[column.name]
    if column.type == "link" and str(value or "").startswith(("https://", "http://")):
        return {"column": column, "text": "open", "url": value, "is_external": True}
    model, _, key = column.link.partition(":")
    if key and row.get(key) is not None:
        url = reverse(f"admin:{model.replace('.', '_')}_change", args=[row[key]])
    return {"column": column, "text": column.format(row), "url": url}
