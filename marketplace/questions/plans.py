"""How PostgreSQL would answer a question."""

from typing import Any

from marketplace.questions.definition import Question
from marketplace.questions.engines import connect


def plan_of(question: Question, values: dict[str, Any]) -> str:
    """Return the plan of a question, which is not executed.

    :param values: the value of each placeholder
    :raises AnswerError: if the analyst role has no password
    :raises django.db.Error: if the database cannot be reached
    """
    with (
        connect(question.alias) as wrapper,
        wrapper.wrap_database_errors,
        wrapper.connection.cursor() as cursor,
    ):
        cursor.execute(f"EXPLAIN {question.sql}", values)
        return "\n".join(line for (line,) in cursor)
