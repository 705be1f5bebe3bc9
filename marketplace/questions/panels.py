"""Panels: answers on the overview and on the pages of rows, declared in the heads of questions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.apps import apps

from marketplace.exceptions import QuestionError

#: The page of all panels that do not belong to a row.
OVERVIEW = "overview"

#: Rows that a panel shows, unless its head states another number.
DEFAULT_LIMIT = 5

_KEYS = {"page", "parameters", "columns", "limit"}


@dataclass(frozen=True)
class Panel:
    """The place of a question on a page.

    :param page: "overview", or a model such as "ecommerce.product", whose rows have pages
    :param parameters: the texts of parameters; `{platform}` stands for a column of the row
    :param columns: the columns that the table shows; all if empty
    :param limit: maximum number of rows of the table; 0 for no table
    """

    page: str
    parameters: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT

    def texts_for(self, obj: Any) -> dict[str, str] | None:
        """Return the texts of the parameters for a row; None if one of the columns is NULL."""
        try:
            return {name: text.format_map(_Row(obj)) for name, text in self.parameters.items()}
        except AttributeError:
            return None


class _Row(dict[str, Any]):
    """The columns of a row, for `str.format_map`."""

    def __init__(self, obj: Any) -> None:
        super().__init__()
        self._obj = obj

    def __missing__(self, name: str) -> Any:
        value = getattr(self._obj, name)
        if value is None:
            raise AttributeError(name)
        return value


def is_page(page: str) -> bool:
    """Return whether panels can be declared for a page."""
    if page == OVERVIEW:
        return True
    label, _, name = page.partition(".")
    return label in apps.app_configs and name in apps.all_models[label]


class Reader(Protocol):
    """What reads the file of a question."""

    def check_keys(self, table: Any, keys: set[str], name: str) -> None:
        """Check that a table of the head has known keys only."""

    def error(self, place: str, reason: str) -> QuestionError:
        """Return an error at the line in which a word stands first."""


def read_panels(reader: Reader, tables: Any, names: set[str]) -> Iterator[Panel]:
    """Yield the panels that a head declares.

    :param names: the parameters of the question
    :raises QuestionError: if a page, a parameter or a key is unknown
    """
    for table in tables if isinstance(tables, list) else [tables]:
        reader.check_keys(table, _KEYS, "panels")
        page, stated = str(table.get("page", "")), table.get("parameters", {})
        if not is_page(page):
            raise reader.error(rf"\b{re.escape(page)}\b", f"There is no page {page} for a panel.")
        for name in stated:
            if name not in names:
                raise reader.error(rf"\b{name}\b", f"The panel has an unknown parameter {name}.")
        yield Panel(
            page=page,
            parameters={name: str(text) for name, text in stated.items()},
            columns=tuple(table.get("columns", ())),
            limit=int(table.get("limit", DEFAULT_LIMIT)),
        )
