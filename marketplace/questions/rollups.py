"""The rollups that questions read, and when they were computed."""

from datetime import datetime
from typing import Any

from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import AnswerError
from marketplace.questions.definition import Question
from marketplace.rollups.definition import rollups_of, table_prefix

_STATES = """
SELECT
    n.name,
    r.computed_at,
    obj_description(to_regclass(%(prefix)s || n.name), 'pg_class'),
    EXISTS (SELECT FROM {runs})
FROM unnest(%(names)s) AS n (name)
LEFT JOIN {rollups} AS r ON n.name = r.name
"""


def find_computed_at(cursor: Any, question: Question) -> datetime | None:
    """Return the time at which the oldest rollup of a question was computed.

    :return: None if the question reads no rollup, or nothing was loaded
    :raises AnswerError: if a rollup has yet to be computed
    """
    names = question.rollups
    if not names:
        return None
    statement = SQL(_STATES).format(
        runs=Identifier(f"{question.alias}_load_runs"),
        rollups=Identifier(f"{question.alias}_rollups"),
    )
    cursor.execute(statement, {"prefix": table_prefix(question.alias), "names": names})
    times: list[datetime] = []
    for name, computed_at, digest, has_loads in cursor.fetchall():
        if digest != rollups_of(question.alias)[name].digest:
            raise AnswerError(
                f"{question.name} reads the rollup {name}, whose table is not that of this "
                f"version. Run: python manage.py migrate --database={question.alias}"
            )
        if computed_at:
            times.append(computed_at)
        elif has_loads:
            raise AnswerError(
                f"{question.name} reads the rollup {name}, which has not been computed yet. Run: "
                f"python manage.py db_rollups --database {question.alias}"
            )
    return min(times, default=None)
