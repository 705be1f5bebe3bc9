"""Answers as files that are sent by HTTP."""

import logging
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.timezone import localtime

from marketplace.questions import exports
from marketplace.questions.answers import ask
from marketplace.questions.definition import Question

logger = logging.getLogger(__name__)

#: Rows of a workbook, which is written before it is sent; the command has no limit.
XLSX_LIMIT = 200_000

_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}


def download(
    user: Any, question: Question, texts: dict[str, str], kind: str, limit: int | None = None
) -> StreamingHttpResponse:
    """Return a file with the rows. If reading them fails midway, it says so, or lacks its end.

    :param user: the account, for the log
    :param texts: the texts of the parameters
    :param kind: one of exports.FORMATS
    :param limit: maximum number of rows; None for all
    :raises ParameterError: if a parameter is unknown or not valid
    :raises AnswerError: if it runs too long, or a workbook has more rows than XLSX_LIMIT
    :raises DatabaseUnavailableError: if the database cannot be reached
    """
    most = min(limit or XLSX_LIMIT, XLSX_LIMIT) if kind == "xlsx" else limit
    answer = ask(question.name, limit=most, **texts)
    parts = exports.stream(answer, kind, needs_all=limit is None or limit != most)
    logger.info("%s exports %s as %s: %s", user, question.name, kind, texts)
    response = StreamingHttpResponse(parts, content_type=_CONTENT_TYPES[kind])
    name = f"{question.name.replace('.', '-')}-{localtime():%Y%m%d-%H%M}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
