"""Links of cells: to the page of a row, or to another question about it.

A head declares a link in one of two forms. `ecommerce.product:product_id` is a model, and the
column with the id of its row. `price_history?offer={offer}&since=-1y` is a question of the same
database, and its parameters; `{offer}` stands for a column of the row.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.urls import reverse

from marketplace.exceptions import ParameterError
from marketplace.questions.parameters import Parameter

_COLUMN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Link:
    """A link of a column.

    :param target: a model such as "ecommerce.product", or the short name of a question
    :param key: the column with the id of the row; empty if the link leads to a question
    :param parameters: the texts of the parameters of the question, with columns in braces
    """

    target: str
    key: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the row that the link needs."""
        if self.key:
            return frozenset({self.key})
        return frozenset(name for _, text in self.parameters for name in _COLUMN.findall(text))

    def url(self, alias: str, row: Mapping[str, Any]) -> str:
        """Return the address for a row; empty if one of the columns is NULL or not in the row.

        :param alias: the database of the question
        """
        if any(row.get(name) is None for name in self.columns):
            return ""
        if self.key:
            return reverse(f"admin:{self.target.replace('.', '_')}_change", args=[row[self.key]])
        texts = [
            (name, _COLUMN.sub(lambda column: str(row[column[1]]), text))
            for name, text in self.parameters
        ]
        return f"{reverse('question', args=(alias, self.target))}?{urlencode(texts)}"

    def fault(self, parameters: Iterable[Parameter]) -> str:
        """Return the reason why the link does not fit the parameters of its question, or ""."""
        known = {parameter.name: parameter for parameter in parameters}
        for name, text in self.parameters:
            if name not in known:
                return (
                    f"The question {self.target} has no parameter {name}. Use {', '.join(known)}."
                )
            try:
                if not _COLUMN.search(text):
                    known[name].read(text)
            except ParameterError as error:
                return f"The link to {self.target} is not valid: {error}."
        return ""


def read_link(text: str) -> Link | None:
    """Return the link that a head declares; None if there is none."""
    target, mark, query = text.partition("?")
    if mark:
        return Link(target, parameters=tuple(parse_qsl(query, keep_blank_values=True)))
    target, _, key = text.partition(":")
    return Link(target, key) if target else None
