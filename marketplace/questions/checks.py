"""System checks of the question files."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from marketplace.databases.revisions import get_revision
from marketplace.exceptions import MarketplaceError
from marketplace.postgresql.errors import first_line
from marketplace.questions.definition import Question, read_questions
from marketplace.questions.engines import connect
from marketplace.questions.statements import side_effects


@register("questions")
def check_files(**options: Any) -> list[CheckMessage]:
    """Check the heads and placeholders of all question files."""
    return [
        Error(error.reason, obj=f"{error.path}:{error.line}", id="questions.E001")
        for error in read_questions()[1]
    ]


@register("questions", "database")
def check_columns(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Check that the SQL of each question is valid and returns the columns of its head.

    Django runs this check for the databases of `check --database`, and before `migrate`. Databases
    with pending migrations are skipped: a question may need them.
    """
    migrated = [alias for alias in databases or () if not _is_pending(alias)]
    return [message for alias in migrated for message in _check_database(alias)]


def _check_database(alias: str) -> Iterator[CheckMessage]:
    """Yield an error for each invalid question; a warning if the questions cannot be checked."""
    questions = [item for item in read_questions()[0].values() if item.alias == alias]
    try:
        with connect(alias) as wrapper:
            for question in questions:
                for reason in _faults(question, wrapper):
                    yield Error(reason, obj=str(question.path), id="questions.E002")
                # The next statement needs a transaction without an error.
                wrapper.connection.rollback()
    except (DatabaseError, MarketplaceError) as error:
        # `migrate` must not depend on the analyst role.
        reason = first_line(error)
        yield checks.Warning(
            f"The questions of {alias} were not checked: {reason}", id="questions.W001"
        )


def _is_pending(alias: str) -> bool:
    try:
        return bool(get_revision(alias).pending)
    except DatabaseError:
        return False


def _faults(question: Question, wrapper: BaseDatabaseWrapper) -> list[str]:
    values: dict[str, Any] = {}
    for item in question.parameters:
        values |= item.placeholders(item.read(None) if item.default else None)
    statement = f"SELECT * FROM ({question.sql}) AS q LIMIT 0"  # noqa: S608 # a file of the project
    try:
        with wrapper.wrap_database_errors, wrapper.connection.cursor() as cursor:
            if reason := side_effects(cursor, question.calls):
                return [reason]
            cursor.execute(statement, values)
            returned = {entry.name for entry in cursor.description}
    except DatabaseError as error:
        return [f"The SQL is not valid: {first_line(error)}"]
    declared = set(question.columns) | {
        other
        for column in question.columns.values()
        for other in (column.currency, column.total, *(column.link.columns if column.link else ()))
        if other
    }
    declared |= {question.chart[key] for key in question.chart if key != "kind"}
    declared |= {*question.shown, *question.figures}
    declared |= {name for panel in question.panels for name in panel.columns}
    return [f"The SQL returns no column {name}." for name in sorted(declared - returned)]
