"""Question files: a head in TOML within the first SQL comment, then one SELECT.

Placeholders have the form `%(name)s`; each must be a parameter of the head, or a part of one that
is an address: `%(seller_platform)s` and `%(seller_external_id)s`. A literal percent sign is written
as `%%`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps

from marketplace.exceptions import ParameterError, QuestionError
from marketplace.questions import columns, parameters
from marketplace.questions.columns import Column
from marketplace.questions.heads import TITLES, ColumnHead, ParameterHead, Place, QuestionFile
from marketplace.questions.links import read_link
from marketplace.questions.panels import Panel, find_model, read_panels
from marketplace.questions.parameters import Parameter
from marketplace.questions.statements import StatementError, read_statement
from marketplace.registry import ALIASES
from marketplace.rollups.definition import rollups_of, table_prefix

_NAME = re.compile(r"[a-z][a-z0-9_]*")

#: Names that options of the interfaces have.
_RESERVED = {"columns", "format", "limit", "output", "panel", "plan"}


@dataclass(frozen=True)
class Question:
    """A question that can be asked.

    :param name: database and name of the file, such as "ecommerce.price_drops"
    :param title: language → text
    :param has_history: whether the answer is computed from the price history, of which archived
        months are left out
    :param sql: the SELECT, with placeholders
    :param calls: the names of the functions that it calls
    :param shown: the columns of the table on its page; all if empty
    :param figures: the columns that have one value in all rows, and are shown once
    """

    name: str
    alias: str
    title: dict[str, str]
    description: dict[str, str]
    group: str
    sql: str
    path: Path
    calls: frozenset[str] = frozenset()
    parameters: tuple[Parameter, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    chart: dict[str, str] = field(default_factory=dict)
    has_history: bool = False
    panels: tuple[Panel, ...] = ()
    shown: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without the database."""
        return self.path.stem

    @property
    def rollups(self) -> list[str]:
        """The names of the rollups that the SQL reads."""
        return sorted({match[1] for match in _find_rollups(self.alias, self.sql)})

    def column(self, name: str) -> Column:
        """Return the declaration of a column; columns without one are text."""
        return self.columns.get(name) or Column(name, title=TITLES["columns"].get(name, {}))

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


def _find_rollups(alias: str, sql: str) -> Iterator[re.Match[str]]:
    """Yield the places at which a statement reads the table of a rollup."""
    return re.finditer(rf"\b{table_prefix(alias)}(\w+)", sql)


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
    for fault in list(_link_errors(questions)):
        errors.append(fault)
        questions.pop(_name_of(fault.path), None)
    return questions, errors


def _link_errors(questions: dict[str, Question]) -> Iterator[QuestionError]:
    """Yield an error for each link to a question that does not exist, or does not accept it."""
    for question in questions.values():
        for column in question.columns.values():
            if not column.link or column.link.key:
                continue
            target = questions.get(f"{question.alias}.{column.link.target}")
            reason = f"There is no valid question {question.alias}.{column.link.target}."
            if target is None or (reason := column.link.fault(target.parameters)):
                place: Place = ("columns", column.name, "link")
                yield QuestionFile(question.path).error(place, reason)


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
    """Makes a question of one file; errors name the line."""

    def __init__(self, path: Path) -> None:
        self.file = QuestionFile(path)
        self.head = self.file.head
        self.alias = path.parent.parent.name

    def read(self) -> Question:
        head, path = self.head, self.file.path
        declared = tuple(self._parameter(name, table) for name, table in head.parameters.items())
        return Question(
            name=_name_of(path),
            alias=self.alias,
            title=head.title,
            description=head.description,
            group=head.group,
            sql=self.file.sql,
            calls=self._check_statement(declared),
            path=path,
            parameters=declared,
            columns={name: self._column(name, table) for name, table in head.columns.items()},
            chart=head.chart.model_dump(exclude_unset=True) if head.chart else {},
            has_history=head.has_history,
            panels=tuple(read_panels(self.file)),
            shown=tuple(head.shown),
            figures=tuple(head.figures),
        )

    def _parameter(self, name: str, table: ParameterHead) -> Parameter:
        place: Place = ("parameters", name)
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise self.file.error(place, f"Parameter name {name} is invalid or reserved.")
        if table.type not in parameters.TYPES:
            known = ", ".join(parameters.TYPES)
            raise self.file.error(
                (*place, "type"), f"Unknown parameter type {table.type}. Use {known}."
            )
        parameter = Parameter(
            name=name,
            type=table.type,
            alias=self.alias,
            default=table.default,
            is_required=table.required,
            choices=tuple(table.choices),
            minimum=table.minimum,
            maximum=table.maximum,
            title=table.title or TITLES["parameters"].get(name, {}),
        )
        if parameter.default:
            try:
                parameter.read(None)
            except ParameterError as error:
                raise self.file.error((*place, "default"), f"The default of {error}.") from None
        return parameter

    def _column(self, name: str, table: ColumnHead) -> Column:
        place: Place = ("columns", name)
        kind, _, further = table.type.partition(":")
        if kind not in columns.TYPES:
            known = ", ".join(columns.TYPES)
            raise self.file.error((*place, "type"), f"Unknown column type {kind}. Use {known}.")
        if kind in ("money", "coverage") and not further:
            reason = f"Type {kind} needs another column: write {kind}:COLUMN."
            raise self.file.error((*place, "type"), reason)
        link = read_link(table.link)
        if link and not link.parameters and not (link.key and find_model(link.target)):
            raise self.file.error(
                (*place, "link"),
                f"Write app.model:COLUMN, with a model that has a page: {link.target}. For a "
                "question, write QUESTION?PARAMETER={COLUMN}.",
            )
        return Column(
            name=name,
            type=kind,
            currency=further if kind == "money" else "",
            total=further if kind == "coverage" else "",
            title=table.title or TITLES["columns"].get(name, {}),
            link=link,
        )

    def _check_statement(self, declared: Iterable[Parameter]) -> frozenset[str]:
        """Return the functions of the SQL, whose placeholders are those of the parameters."""
        try:
            statement = read_statement(self.file.sql)
        except StatementError as error:
            raise self.file.sql_error(error.position, str(error)) from None
        filled = {parameter.name: set(parameter.placeholders(None)) for parameter in declared}
        for name in sorted(statement.placeholders.difference(*filled.values())):
            raise self.file.sql_error(
                self.file.sql.index(f"%({name})s"), f"The placeholder {name} has no parameter."
            )
        for name, names in sorted(filled.items()):
            if not names & statement.placeholders:
                raise self.file.error(
                    ("parameters", name), f"The SQL does not use the parameter {name}."
                )
        for match in _find_rollups(self.alias, self.file.sql):
            if match[1] not in rollups_of(self.alias):
                raise self.file.sql_error(
                    match.start(), f"{match[0]} is not the table of a valid rollup."
                )
        return statement.calls
