"""How PostgreSQL would answer a question."""

from typing import Any

from marketplace.questions.answers import statement_of
from marketplace.questions.definition import Question
from marketplace.questions.engines import connect


def plan_of(question: Question, values: dict[str, Any], limit: int | None) -> str:
    """Return the plan of an answer, which is not executed.

    :param values: the value of each placeholder
    :param limit: maximum number of rows; None for all
    :raises AnswerError: if the analyst role has no password
    :raises DatabaseUnavailableError: if the database cannot be reached
    """
    with (
        connect(question.alias) as wrapper,
        wrapper.wrap_database_errors,
        wrapper.connection.cursor() as cursor,
    ):
        statement, values = statement_of(question, values, limit)
        cursor.execute(f"EXPLAIN {statement}", values)
        return "\n".join(line for (line,) in cursor)
