"""The pages of questions: a list, and for each question its form, chart, table and exports.

The address is the whole state of a page, so that it can be shared.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.cache import cache
from django.db import Error
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.timezone import get_current_timezone, now

from marketplace.exceptions import AnswerError, MarketplaceError, ParameterError
from marketplace.postgresql.errors import explain
from marketplace.questions import charts, choices, downloads, exports, forms, tables
from marketplace.questions.access import may_ask, permitted_question
from marketplace.questions.answers import Answer, ask
from marketplace.questions.definition import Question, read_questions
from marketplace.questions.panels import OVERVIEW, Panel
from marketplace.questions.plans import plan_of
from marketplace.registry import get_database

#: Rows that a page shows.
ROW_LIMIT = 200

#: Seconds for which the answers of the overview are kept, and the reason why there is none.
_KEPT_SECONDS, _STOPPED_SECONDS = 300, 60


def question_list(request: HttpRequest) -> HttpResponse:
    """Show the questions that the account may ask, by database and group."""
    questions, errors = read_questions()
    visible = [item for item in questions.values() if may_ask(request.user, item.alias)]
    databases = [
        {"title": get_database(alias).title, "questions": list(entries)}
        for alias, entries in groupby(visible, key=lambda question: question.alias)
    ]
    context = {"title": "Questions", "databases": databases, "errors": errors}
    return _page(request, "questions/list.html", context)


def question_page(request: HttpRequest, alias: str, name: str) -> HttpResponseBase:
    """Show the answer to a question; export it if `format`, or a panel if `panel` is stated."""
    question = permitted_question(request.user, f"{alias}.{name}")
    texts = {key: str(value) for key, value in request.GET.items()}
    kind = texts.pop("format", "")
    if kind and kind not in exports.FORMATS:
        raise Http404(f"Unknown format {kind}: {', '.join(exports.FORMATS)}")
    if kind:
        return _export(request, question, texts, kind)
    if number := texts.pop("panel", ""):
        return _show_panel(request, question, texts, number)
    return _show(request, question, texts)


def _show(request: HttpRequest, question: Question, texts: dict[str, str]) -> HttpResponse:
    has_plan = bool(texts.pop("plan", ""))
    has_all = texts.pop("columns", "") == "all" or not question.shown
    context: dict[str, Any] = {
        "title": question.title["en"],
        "description": question.description["en"],
        "exports": [
            (kind.upper(), f"?{urlencode(texts | {'format': kind})}") for kind in exports.FORMATS
        ],
        "sql": question.sql.replace("%%", "%"),
        "plan_url": f"?{urlencode(texts | {'plan': 1})}#sql",
        "periods": list(forms.periods(question, texts)),
        "is_changed": bool(texts),
        "columns_url": "" if has_all else f"?{urlencode(texts | {'columns': 'all'})}",
    }
    shown = () if has_all else question.shown
    answered, status, invalid = _answer(question, texts, ROW_LIMIT, shown)
    context |= answered
    if has_plan and (status == 200 or context.get("is_stopped")):
        context["plan"] = _plan(question, texts)
    context["fields"] = [
        forms.form_field(question, parameter, texts, invalid, str(context.get("error", "")))
        for parameter in question.parameters
    ]
    context["is_beside_field"] = any(field["error"] for field in context["fields"])
    return _page(request, "questions/question.html", context, status)


def _plan(question: Question, texts: dict[str, str]) -> str:
    """Return the plan of the answer on the page, or why there is none."""
    try:
        return plan_of(question, question.read_values(texts), _row_limit(question, ROW_LIMIT))
    except (Error, MarketplaceError) as error:
        return explain(error)


def _show_panel(
    request: HttpRequest, question: Question, texts: dict[str, str], number: str
) -> HttpResponse:
    """Return the part of a page with the answer. Its status is 200, so that errors are shown.

    :param number: of the panel in the head of the question, from 1
    """
    panels = {str(position): panel for position, panel in enumerate(question.panels, 1)}
    if number not in panels:
        raise Http404(f"{question.name} has no panel {number[:100]}.")
    panel = panels[number]
    if panel.page == OVERVIEW:
        context = _kept_answer(question, texts, panel)
    else:
        context, _ = _panel_answer(question, texts, panel)
    return TemplateResponse(request, "questions/panel.html", context)


def _kept_answer(question: Question, texts: dict[str, str], panel: Panel) -> dict[str, Any]:
    """Return the template variables of a panel, cached for _KEPT_SECONDS.

    The answer is the same for all accounts that may ask the question. A timeout is cached, too, for
    a shorter time.
    """
    state = repr((sorted(texts.items()), panel.columns, panel.limit))
    key = f"panel:{question.name}:{sha256(state.encode()).hexdigest()}"
    kept: dict[str, Any] | None = cache.get(key)
    if kept is not None:
        return kept
    context, status = _panel_answer(question, texts, panel)
    if status == 200:
        cache.set(key, context, _KEPT_SECONDS)
    elif context.get("is_stopped"):
        cache.set(key, context, _STOPPED_SECONDS)
    return context


def _panel_answer(
    question: Question, texts: dict[str, str], panel: Panel
) -> tuple[dict[str, Any], int]:
    """Return the template variables of a panel, and the status."""
    context, status, _ = _answer(question, texts, panel.limit, panel.columns)
    return context | {"title": question.title["en"], "answered_at": now()}, status


def _answer(
    question: Question, texts: dict[str, str], limit: int, columns: Sequence[str] = ()
) -> tuple[dict[str, Any], int, str]:
    """Return the template variables of an answer, the status, and the invalid parameter.

    :param limit: rows of the table; charts with lines are drawn from more
    :param columns: the columns of the table; all if empty
    """
    try:
        with ask(question.name, limit=_row_limit(question, limit), **texts) as answer:
            rows = list(answer.as_dicts())
        table = tables.table(answer, rows[:limit], columns)
        is_cut = answer.is_truncated or answer.row_count > limit
        chart = charts.chart_of(question, rows, _end(answer))
        table |= {"chart": chart, "is_cut": is_cut, "limit": limit}
    except ParameterError as error:
        return {"error": f"{error}."}, 400, error.name
    except (Error, MarketplaceError) as error:
        return {"error": explain(error), "is_stopped": isinstance(error, AnswerError)}, 503, ""
    return table, 200, ""


def _row_limit(question: Question, limit: int) -> int:
    """Return the rows that are read for a table of `limit` rows and the chart."""
    has_lines = question.chart.get("kind", "bar") != "bar"
    return max(limit, charts.ROW_LIMIT if has_lines else charts.BAR_LIMIT)


def _end(answer: Answer) -> datetime | None:
    """Return the time until which the answer knows prices: `until`, or the newest observation."""
    newest = max((at for at in answer.as_of.values() if at), default=None)
    until = answer.values.get("until")
    if newest is None or not isinstance(until, date):
        return newest
    midnight = datetime.combine(until + timedelta(days=1), time(), get_current_timezone())
    return min(newest, midnight)


def _export(
    request: HttpRequest, question: Question, texts: dict[str, str], kind: str
) -> HttpResponseBase:
    """Return a file with all rows, or the error that prevents it."""
    try:
        return downloads.download(request.user, question, texts, kind)
    except ParameterError as error:
        return HttpResponse(f"{error}.\n", status=400, content_type="text/plain; charset=utf-8")
    except (Error, MarketplaceError) as error:
        return HttpResponse(
            f"{explain(error)}\n", status=503, content_type="text/plain; charset=utf-8"
        )


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return TemplateResponse(
        request, template, admin.site.each_context(request) | context, status=status
    )


def urls() -> Iterator[Any]:
    """Yield the URLs of the pages; a login is required."""
    yield path("questions/", admin.site.admin_view(question_list), name="questions")
    options = admin.site.admin_view(choices.suggestions)
    yield path("questions/<str:alias>/<str:name>/choices/<str:parameter>/", options, name="choices")
    page = admin.site.admin_view(question_page)
    yield path("questions/<str:alias>/<str:name>/", page, name="question")
