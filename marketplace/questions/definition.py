"""Question files: a head in TOML within the first SQL comment, then one SELECT.

Placeholders have the form `%(name)s`; each must be a parameter of the head, or a part of one that
is an address: `%(seller_platform)s` and `%(seller_external_id)s`. A literal percent sign is written
as `%%`.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps

from marketplace.exceptions import ParameterError, QuestionError
from marketplace.postgresql.sql_files import split_head
from marketplace.questions import columns, parameters
from marketplace.questions.columns import Column
from marketplace.questions.panels import Panel, read_panels
from marketplace.questions.parameters import Parameter
from marketplace.registry import ALIASES

#: The languages of texts; English is required.
LANGUAGES = ("en", "ru", "uz")

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|(%)|)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_KEYS = {
    *("title", "description", "group", "has_history", "parameters", "columns", "chart", "panels")
}
_PARAMETER_KEYS = {"type", "default", "required", "choices", "minimum", "maximum", "title"}
_COLUMN_KEYS = {"type", "title", "link"}
_CHART_KEYS = {"kind", "x", "y", "series"}
_CHARTS = ("bar", "line", "step")

#: Names that options of the interfaces have.
_RESERVED = {"format", "limit", "output", "panel", "plan"}


@dataclass(frozen=True)
class Question:
    """A question that can be asked.

    :param name: database and name of the file, such as "ecommerce.price_drops"
    :param title: language → text
    :param has_history: whether the answer is computed from the price history, of which archived
        months are left out
    :param sql: the SELECT, with placeholders
    """

    name: str
    alias: str
    title: dict[str, str]
    description: dict[str, str]
    group: str
    sql: str
    path: Path
    parameters: tuple[Parameter, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    chart: dict[str, str] = field(default_factory=dict)
    has_history: bool = False
    panels: tuple[Panel, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without the database."""
        return self.path.stem

    def column(self, name: str) -> Column:
        """Return the declaration of a column; columns without one are text."""
        return self.columns.get(name) or Column(name)

    def read_values(self, texts: dict[str, str]) -> dict[str, Any]:
        """Return the values of all placeholders, by name.

        :param texts: the texts that the user states; parameters without one have their default
        :raises ParameterError: if a parameter is unknown, or a text is not valid
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in texts:
            if name not in known:
                names = ", ".join(known) or "none"
                raise ParameterError(name[:50], f"is not a parameter of {self.name}: {names}")
        values: dict[str, Any] = {}
        for name, parameter in known.items():
            values |= parameter.placeholders(parameter.read(texts.get(name)))
        return values


def find_files() -> Iterator[Path]:
    """Yield the question files of all apps, in the order of their names."""
    for alias in ALIASES:
        folder = Path(apps.get_app_config(alias).path) / "questions"
        yield from sorted(folder.glob("*.sql"))


@cache
def read_questions() -> tuple[dict[str, Question], list[QuestionError]]:
    """Return the valid questions by name, and the errors of the other files."""
    questions: dict[str, Question] = {}
    errors: list[QuestionError] = []
    for path in find_files():
        try:
            question = read(path)
        except QuestionError as error:
            errors.append(error)
        else:
            questions[question.name] = question
    return questions, errors


def get_question(name: str) -> Question:
    """Return a question.

    :raises QuestionError: if it does not exist, or its file is not valid
    """
    questions, errors = read_questions()
    if name in questions:
        return questions[name]
    for error in errors:
        if _name_of(error.path) == name:
            raise error
    similar = get_close_matches(name, questions, n=3)
    advice = f"Did you mean {' or '.join(similar)}?" if similar else "List them: manage.py ask"
    raise QuestionError(None, 0, f"The question {name[:100]} does not exist. {advice}")


def _name_of(path: Path | None) -> str:
    return f"{path.parent.parent.name}.{path.stem}" if path else ""


def read(path: Path) -> Question:
    """Return the question of a file.

    :raises QuestionError: if the file is not valid
    """
    return _Reader(path).read()


class _Reader:
    """Reads one file; errors name the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alias = path.parent.parent.name
        self.text = path.read_text()

    def read(self) -> Question:
        parts = split_head(self.text)
        if parts is None:
            raise self.error("", "The file does not begin with /* and a head in TOML, ended by */.")
        head, self.sql = self._parse(parts[0]), parts[1].rstrip().rstrip(";")
        self.check_keys(head, _KEYS, "")
        declared = self._parameters(head.get("parameters", {}))
        self._check_placeholders(declared)
        chart = head.get("chart", {})
        self.check_keys(chart, _CHART_KEYS, "chart")
        if chart and chart.get("kind") not in _CHARTS:
            raise self.error("kind", f"The kind of chart must be one of {', '.join(_CHARTS)}.")
        return Question(
            name=_name_of(self.path),
            alias=self.alias,
            title=self._texts(head, "title"),
            description=self._texts(head, "description"),
            group=str(head.get("group", "")),
            sql=self.sql,
            path=self.path,
            parameters=declared,
            columns=self._columns(head.get("columns", {})),
            chart=chart,
            has_history=bool(head.get("has_history")),
            panels=tuple(
                read_panels(self, head.get("panels", []), {item.name for item in declared})
            ),
        )

    def error(self, place: str, reason: str) -> QuestionError:
        """Return an error at the line in which a word stands first."""
        lines = self.text.splitlines()
        numbers = [n for n, line in enumerate(lines, 1) if place and re.search(place, line)]
        return QuestionError(self.path, numbers[0] if numbers else 1, reason)

    def check_keys(self, table: Any, keys: set[str], name: str) -> None:
        """Check that a table of the head has known keys only."""
        if not isinstance(table, dict):
            raise self.error(rf"\b{name}\b", f"{name} must be a table.")
        for key in table:
            if key not in keys:
                place = f"[{name}]" if name else "the head"
                known = ", ".join(sorted(keys))
                raise self.error(
                    rf"\b{re.escape(key)}\b", f"Unknown key {key} in {place}: {known}."
                )

    def _parse(self, head: str) -> dict[str, Any]:
        try:
            return tomllib.loads(head)
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"line (\d+)", str(error))
            # The head begins in the second line of the file.
            line = 1 + int(match[1]) if match else 1
            raise QuestionError(self.path, line, f"The head is not valid TOML: {error}.") from None

    def _texts(
        self, table: dict[str, Any], key: str, *, is_required: bool = True
    ) -> dict[str, str]:
        texts = table.get(key, {})
        if isinstance(texts, str):
            texts = {"en": texts}
        if not isinstance(texts, dict) or not all(isinstance(v, str) for v in texts.values()):
            raise self.error(rf"\b{key}\b", f"{key} must be a text, or a table of texts.")
        if set(texts) - set(LANGUAGES):
            raise self.error(rf"\b{key}\b", f"{key} has another language than en, ru and uz.")
        if is_required and not texts.get("en"):
            raise self.error(rf"\b{key}\b", f"{key} has no English text.")
        return texts

    def _parameters(self, tables: dict[str, Any]) -> tuple[Parameter, ...]:
        declared = []
        for name, table in tables.items():
            self.check_keys(table, _PARAMETER_KEYS, f"parameters.{name}")
            kind = table.get("type", "text")
            if not _NAME.fullmatch(name) or name in _RESERVED:
                raise self.error(rf"parameters\.{name}", f"{name} cannot name a parameter.")
            if kind not in parameters.TYPES:
                known = ", ".join(parameters.TYPES)
                raise self.error(rf"\b{kind}\b", f"Unknown type of parameter {kind}: {known}.")
            parameter = Parameter(
                name=name,
                type=kind,
                alias=self.alias,
                default=str(table.get("default", "")),
                is_required=bool(table.get("required")),
                choices=tuple(map(str, table.get("choices", ()))),
                minimum=_decimal(table.get("minimum")),
                maximum=_decimal(table.get("maximum")),
                title=self._texts(table, "title", is_required=False),
            )
            if parameter.default:
                try:
                    parameter.read(None)
                except ParameterError as error:
                    raise self.error(rf"parameters\.{name}", f"The default of {error}.") from None
            declared.append(parameter)
        return tuple(declared)

    def _columns(self, tables: dict[str, Any]) -> dict[str, Column]:
        declared = {}
        for name, table in tables.items():
            self.check_keys(table, _COLUMN_KEYS, f"columns.{name}")
            kind, _, further = str(table.get("type", "text")).partition(":")
            if kind not in columns.TYPES:
                known = ", ".join(columns.TYPES)
                raise self.error(rf"\b{kind}\b", f"Unknown type of column {kind}: {known}.")
            if kind in ("money", "coverage") and not further:
                raise self.error(rf"columns\.{name}", f"Write {kind}:COLUMN, with another column.")
            declared[name] = Column(
                name=name,
                type=kind,
                currency=further if kind == "money" else "",
                total=further if kind == "coverage" else "",
                title=self._texts(table, "title", is_required=False),
                link=str(table.get("link", "")),
            )
        return declared

    def _check_placeholders(self, declared: Iterable[Parameter]) -> None:
        used = set()
        for match in _PLACEHOLDER.finditer(self.sql):
            if match[1]:
                used.add(match[1])
            elif not match[2]:
                line = self.text[: self.text.index(self.sql) + match.start()].count("\n") + 1
                raise QuestionError(self.path, line, "Write %% for a literal percent sign.")
        filled = {parameter.name: set(parameter.placeholders(None)) for parameter in declared}
        for name in sorted(used.difference(*filled.values())):
            raise self.error(rf"%\({name}\)s", f"The placeholder {name} has no parameter.")
        for name in sorted(name for name, names in filled.items() if not names & used):
            raise self.error(rf"parameters\.{name}", f"The SQL does not use the parameter {name}.")


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
