"""System checks of the question files."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.db import Error as DatabaseError

from marketplace.databases.revisions import get_revision
from marketplace.exceptions import MarketplaceError
from marketplace.questions.definition import Question, read_questions
from marketplace.questions.engines import connect


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
    questions = read_questions()[0].values()
    migrated = {alias for alias in databases or () if not _is_pending(alias)}
    return [
        Error(reason, obj=str(question.path), id="questions.E002")
        for question in questions
        if question.alias in migrated
        for reason in _faults(question)
    ]


def _is_pending(alias: str) -> bool:
    try:
        return bool(get_revision(alias).pending)
    except DatabaseError:
        return False


def _faults(question: Question) -> list[str]:
    values = {
        item.name: item.read(None) if not item.is_required else None for item in question.parameters
    }
    try:
        with connect(question.alias) as wrapper, wrapper.connection.cursor() as cursor:
            with wrapper.wrap_database_errors:
                cursor.execute(f"SELECT * FROM ({question.sql}) AS q LIMIT 0", values)  # noqa: S608 # a file of the project
            returned = {entry.name for entry in cursor.description}
    except (DatabaseError, MarketplaceError) as error:
        return [f"The SQL is not valid: {str(error).strip().splitlines()[0]}"]
    declared = set(question.columns) | {
        other
        for column in question.columns.values()
        for other in (column.currency, column.total)
        if other
    }
    return [f"The SQL returns no column {name}." for name in sorted(declared - returned)]
