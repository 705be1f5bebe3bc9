"""The pages of questions: a list, and for each question its form, chart, table and exports.

The address is the whole state of a page, so that it can be shared.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst

from marketplace.exceptions import AnswerError, MarketplaceError, ParameterError, QuestionError
from marketplace.postgresql.errors import explain
from marketplace.questions import charts, downloads
from marketplace.questions.answers import Answer, ask
from marketplace.questions.columns import Column
from marketplace.questions.definition import Question, get_question, read_questions
from marketplace.questions.parameters import Parameter
from marketplace.registry import get_database

#: Rows that a page shows.
ROW_LIMIT = 200


def question_list(request: HttpRequest) -> HttpResponse:
    """Show the questions that the account may ask, by database and group."""
    questions, errors = read_questions()
    visible = [item for item in questions.values() if _may_ask(request, item.alias)]
    databases = [
        {"title": get_database(alias).title, "questions": list(entries)}
        for alias, entries in groupby(visible, key=lambda question: question.alias)
    ]
    context = {"title": "Questions", "databases": databases, "errors": errors}
    return _page(request, "questions/list.html", context)


def question_page(request: HttpRequest, alias: str, name: str) -> HttpResponseBase:
    """Show the answer to a question, or export it if `format` is stated."""
    try:
        question = get_question(f"{alias}.{name}")
    except QuestionError as error:
        raise Http404(str(error)) from None
    if not _may_ask(request, question.alias):
        raise PermissionDenied
    texts = {key: str(value) for key, value in request.GET.items()}
    kind = texts.pop("format", "")
    if kind and kind not in downloads.FORMATS:
        raise Http404(f"Unknown format {kind}: {', '.join(downloads.FORMATS)}")
    return _export(request, question, texts, kind) if kind else _show(request, question, texts)


def _show(request: HttpRequest, question: Question, texts: dict[str, str]) -> HttpResponse:
    context: dict[str, Any] = {
        "title": question.title["en"],
        "description": question.description["en"],
        "exports": [
            (kind.upper(), f"?{urlencode(texts | {'format': kind})}") for kind in downloads.FORMATS
        ],
        "sql": question.sql.replace("%%", "%"),
        "limit": ROW_LIMIT,
    }
    status, invalid = 200, ""
    try:
        with ask(question.name, limit=ROW_LIMIT, **texts) as answer:
            rows = list(answer.as_dicts())
        context |= _table(answer, rows)
        context["chart"] = charts.chart_of(question, rows)
    except ParameterError as error:
        status, invalid = 400, error.name
        context["error"] = f"{error}."
    except AnswerError as error:
        status, context["error"] = 503, str(error)
    except (Error, MarketplaceError) as error:
        status, context["error"] = 503, explain(error)
    context["fields"] = [_field(parameter, texts, invalid) for parameter in question.parameters]
    return _page(request, "questions/question.html", context, status)


def _table(answer: Answer, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the template variables of the table, and of what it is based on."""
    columns = answer.shown_columns
    return {
        "columns": columns,
        "rows": [[_cell(column, row) for column in columns] for row in rows],
        "row_count": answer.row_count,
        "is_truncated": answer.is_truncated,
        "basis": answer.basis,
    }


def _cell(column: Column, row: dict[str, Any]) -> dict[str, Any]:
    """Return the text of a cell, its link, and its column."""
    url = ""
    value = row[column.name]
    if column.type == "link" and str(value or "").startswith(("https://", "http://")):
        return {"column": column, "text": "open", "url": value, "is_external": True}
    model, _, key = column.link.partition(":")
    if key and row.get(key) is not None:
        url = reverse(f"admin:{model.replace('.', '_')}_change", args=[row[key]])
    return {"column": column, "text": column.format(row), "url": url}


def _field(parameter: Parameter, texts: dict[str, str], invalid: str) -> dict[str, Any]:
    """Return the template variables of a parameter's field."""
    choices: tuple[str, ...] = parameter.choices
    if parameter.type == "platform":
        choices = get_database(parameter.alias).platforms
    elif parameter.type == "flag":
        choices = ("yes", "no")
    return {
        "name": parameter.name,
        "label": capfirst(parameter.label),
        "value": texts.get(parameter.name, parameter.default),
        "choices": choices,
        "hint": parameter.hint,
        "is_invalid": parameter.name == invalid,
    }


def _export(
    request: HttpRequest, question: Question, texts: dict[str, str], kind: str
) -> HttpResponseBase:
    """Return a file with all rows, or the reason for which there is none."""
    try:
        return downloads.download(request.user, question, texts, kind)
    except ParameterError as error:
        return HttpResponse(f"{error}.\n", status=400, content_type="text/plain; charset=utf-8")
    except (Error, MarketplaceError) as error:
        return HttpResponse(
            f"{explain(error)}\n", status=503, content_type="text/plain; charset=utf-8"
        )


def _may_ask(request: HttpRequest, alias: str) -> bool:
    """Return whether the account may view tables of a database."""
    return bool(request.user.has_module_perms(alias))


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return TemplateResponse(
        request, template, admin.site.each_context(request) | context, status=status
    )


def urls() -> Iterator[Any]:
    """Yield the URLs of the pages; a login is required."""
    yield path("questions/", admin.site.admin_view(question_list), name="questions")
    page = admin.site.admin_view(question_page)
    yield path("questions/<str:alias>/<str:name>/", page, name="question")
