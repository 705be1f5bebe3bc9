"""Answers: the rows of a question as a stream, and what they are based on."""

from collections import namedtuple
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.utils import OperationalError
from psycopg2 import errors
from psycopg2.sql import SQL, Identifier

from marketplace.databases.roles.definitions import statement_timeout_seconds
from marketplace.exceptions import AnswerError, QuestionError
from marketplace.humanize import format_time
from marketplace.postgresql.errors import is_disconnect
from marketplace.questions.columns import Column
from marketplace.questions.definition import Question, get_question
from marketplace.questions.engines import connect, unavailable
from marketplace.questions.rollups import find_computed_at
from marketplace.questions.statements import side_effects

if TYPE_CHECKING:
    import pyarrow

#: Number of rows that are fetched from the server at a time.
_STEP = 2000

#: The planner knows that only the first rows are read. One more shows whether there are others.
_FIRST_ROWS = "SELECT * FROM (\n{}\n) AS answer LIMIT %(limit)s"

_FIRST_MONTH = "SELECT max(month) + interval '1 month' FROM {} WHERE archived_at IS NOT NULL"
_NEWEST = """
SELECT platform, max(newest_observed_at)
FROM {}
WHERE %(until)s::timestamptz IS NULL OR started_at <= %(until)s
GROUP BY 1
ORDER BY 1
"""


def statement_of(
    question: Question, values: dict[str, Any], limit: int | None
) -> tuple[str, dict[str, Any]]:
    """Return the statement that answers a question, and the values of its placeholders."""
    if limit is None:
        return question.sql, values
    return _FIRST_ROWS.format(question.sql), values | {"limit": limit + 1}


class Answer:
    """The answer to a question: an iterator of its rows, as named tuples.

    It holds a connection until all rows are read, or `close` is called. It can be used as a context
    manager.

    :ivar columns: the columns of the rows
    :ivar description: the names and types of the columns, as psycopg2 has them
    :ivar as_of: platform → time of its newest loaded observation; None if nothing was loaded
    :ivar computed_at: time at which the rollups that the question reads were computed; None if it
        reads none, or nothing was loaded
    :ivar history_since: the first month of the price history that is included; None if all are, or
        the question does not use the history
    :ivar row_count: number of rows that were read
    :ivar is_truncated: whether there are more rows than the limit; known after the last row
    """

    def __init__(self, question: Question, values: dict[str, Any], limit: int | None) -> None:
        """Execute the question.

        :param values: the value of each placeholder
        :param limit: maximum number of rows; None for all
        """
        self.question = question
        self.values = values
        self.limit = limit
        self.row_count = 0
        self.is_truncated = False
        self._seconds = 0.0
        self._stack = ExitStack()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self._wrapper = self._stack.enter_context(connect(self.question.alias))
        connection = self._wrapper.connection
        with self._wrapper.wrap_database_errors, connection.cursor() as cursor:
            if reason := side_effects(cursor, self.question.calls):
                raise QuestionError(self.question.path, 1, reason)
            self.computed_at = find_computed_at(cursor, self.question)
            self.as_of = self._find_as_of(cursor)
            self.history_since = self._find_first_month(cursor)
        # Of a cursor on the server, the rows are never in memory all at once. Few rows are read
        # without one, because its plans are not parallel.
        is_short = self.limit is not None and self.limit < _STEP
        self._cursor = connection.cursor(name=None if is_short else "answer")
        # The server describes the columns with the first rows.
        self._first = self._fetch(is_first=True)
        self.description = self._cursor.description
        self.columns = [self.question.column(entry.name) for entry in self.description]
        names = [column.name for column in self.columns]
        self._row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
        self._rows = self._read()

    def _find_as_of(self, cursor: Any) -> dict[str, datetime | None]:
        table = Identifier(f"{self.question.alias}_load_runs")
        cursor.execute(SQL(_NEWEST).format(table), {"until": self.computed_at})
        return dict(cursor.fetchall())

    def _find_first_month(self, cursor: Any) -> date | None:
        if not self.question.has_history:
            return None
        table = Identifier(f"{self.question.alias}_archived_months")
        cursor.execute(SQL(_FIRST_MONTH).format(table))
        month: date | None = cursor.fetchone()[0]
        return month

    @property
    def shown_columns(self) -> list[Column]:
        """The columns that tables show: not those that only complete another one."""
        used = {name for column in self.columns for name in (column.currency, column.total)}
        for column in self.columns:
            used |= (column.link.columns if column.link else set()) - set(self.question.columns)
        return [column for column in self.columns if column.name not in used]

    @property
    def basis(self) -> str:
        """Sentences about the data that the answer is based on."""
        times: dict[str, list[str]] = {}
        for platform, at in self.as_of.items():
            text = f"Observed until {format_time(at, has_offset=False)}" if at else "Never observed"
            times.setdefault(text, []).append(platform)
        parts = [f"{text}: {', '.join(platforms)}." for text, platforms in times.items()]
        if self.computed_at:
            parts.append(f"Computed at {format_time(self.computed_at, has_offset=False)}.")
        if self.history_since:
            parts.append(f"Prices before {self.history_since:%Y-%m} are archived and not used.")
        return " ".join(parts) or "Nothing was loaded yet."

    def _read(self) -> Iterator[Any]:
        """Yield the rows, and close the connection after the last one or an error."""
        with self._stack:
            rows, self._first = self._first, []
            while rows:
                for row in rows:
                    if self.row_count == self.limit:
                        self.is_truncated = True
                        return
                    self.row_count += 1
                    yield self._row(*row)
                rows = self._fetch()

    def _fetch(self, *, is_first: bool = False) -> list[tuple[Any, ...]]:
        # One row beyond the limit shows whether there are more.
        size = _STEP if self.limit is None else min(_STEP, self.limit + 1 - self.row_count)
        started = monotonic()
        try:
            with self._wrapper.wrap_database_errors:
                if is_first:
                    self._cursor.execute(*statement_of(self.question, self.values, self.limit))
                rows: list[tuple[Any, ...]] = self._cursor.fetchmany(size)
        except OperationalError as error:
            if isinstance(error.__cause__, errors.QueryCanceled):
                raise self._too_slow(settings.QUESTION_TIMEOUT) from error
            if is_disconnect(error):
                raise unavailable(self.question.alias, error) from error
            raise
        # The server limits each fetch. Rows may also never end.
        self._seconds += monotonic() - started
        if rows and 0 < (most := statement_timeout_seconds()) < self._seconds:
            raise self._too_slow(most)
        return rows

    def _too_slow(self, seconds: float) -> AnswerError:
        narrow = ", ".join(parameter.name for parameter in self.question.parameters)
        advice = f" Narrow it by its parameters: {narrow}." if narrow else ""
        return AnswerError(f"{self.question.name} was stopped after {seconds:g} seconds.{advice}")

    def __iter__(self) -> Iterator[Any]:
        """Return the iterator of the rows."""
        return self._rows

    def __next__(self) -> Any:
        """Return the next row."""
        return next(self._rows)

    def __enter__(self) -> "Answer":
        """Return the answer."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the answer."""
        self.close()

    def as_dicts(self) -> Iterator[dict[str, Any]]:
        """Yield the remaining rows as dictionaries, by the names of the columns."""
        names = [column.name for column in self.columns]
        return (dict(zip(names, row, strict=True)) for row in self._rows)

    def to_arrow(self) -> "pyarrow.Table":
        """Return all remaining rows as a table of Arrow."""
        # Importing it takes a tenth of the time of a command that does not need it.
        import pyarrow

        from marketplace.questions import arrow

        schema = arrow.schema_of(self.description)
        return pyarrow.Table.from_batches(arrow.to_batches(self._rows, schema), schema)

    def close(self) -> None:
        """Close the connection. Rows that were not read are lost."""
        self._stack.close()


def ask(name: str, *, limit: int | None = None, **parameters: Any) -> Answer:
    """Return the answer to a question.

    For example, `ask("ecommerce.price_drops", since="-7d")`. Parameters that are not stated have
    their defaults.

    :param name: database and name of the question
    :param limit: maximum number of rows; None for all
    :raises QuestionError: if the question does not exist, or its file is not valid
    :raises ParameterError: if a parameter is unknown or not valid
    :raises AnswerError: if it runs too long, or the analyst role has no password
    :raises DatabaseUnavailableError: if the database cannot be reached
    :raises django.db.Error: if the database fails later
    """
    question = get_question(name)
    texts = {key: "" if value is None else str(value) for key, value in parameters.items()}
    return Answer(question, question.read_values(texts), limit)
