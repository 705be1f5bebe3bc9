"""Panels: answers on the overview and on the pages of rows, declared in the heads of questions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from marketplace.questions.heads import Place, QuestionFile

#: The page of all panels that do not belong to a row.
OVERVIEW = "overview"

_COLUMN = re.compile(r"\{([\w.]+)\}")


@dataclass(frozen=True)
class Panel:
    """The place of a question on a page.

    :param page: "overview", or a model such as "ecommerce.product", whose rows have pages
    :param parameters: the texts of parameters; `{platform}` stands for a column of the row
    :param columns: the columns that the table shows; all if empty
    :param limit: maximum number of rows of the table; 0 for no table
    """

    page: str
    parameters: dict[str, str]
    columns: tuple[str, ...]
    limit: int

    def texts_for(self, obj: Any) -> dict[str, str] | None:
        """Return the texts of the parameters for a row; None if one of the columns is NULL."""
        names = {name for text in self.parameters.values() for name in _COLUMN.findall(text)}
        values = {name: _value(obj, name) for name in names}
        if None in values.values():
            return None
        return {
            name: _COLUMN.sub(lambda column: str(values[column[1]]), text)
            for name, text in self.parameters.items()
        }


def _value(obj: Any, name: str) -> Any:
    """Return a column of a row, or of a row that it refers to; None if one of them is NULL."""
    for part in name.split("."):
        obj = None if obj is None else getattr(obj, part)
    return obj


def find_model(page: str) -> type[Model] | None:
    """Return the model whose rows have a page; None if there is none."""
    label, _, name = page.partition(".")
    return apps.all_models[label].get(name) if label in apps.app_configs else None


def read_panels(file: QuestionFile) -> Iterator[Panel]:
    """Yield the panels that the head of a file declares.

    :raises QuestionError: if a page, a parameter, or a column of a row is unknown
    """
    for number, table in enumerate(file.head.panels):
        place: Place = ("panels", number)
        model = find_model(table.page)
        if table.page != OVERVIEW and model is None:
            raise file.error((*place, "page"), f"There is no page {table.page} for a panel.")
        for name, text in table.parameters.items():
            at = (*place, "parameters", name)
            if name not in file.head.parameters:
                raise file.error(at, f"The panel has an unknown parameter {name}.")
            for column in _COLUMN.findall(text):
                if not _has_column(model, column):
                    raise file.error(at, f"The page {table.page} has no column {column}.")
        yield Panel(table.page, table.parameters, tuple(table.columns), table.limit)


def _has_column(model: type[Model] | None, name: str) -> bool:
    """Return whether a model has a column, or refers to a model that has it."""
    for part in name.split("."):
        if model is None:
            return False
        try:
            model = model._meta.get_field(part).related_model
        except FieldDoesNotExist:
            if not isinstance(getattr(model, part, None), property):
                return False
            model = None
    return model is None
