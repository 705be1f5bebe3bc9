"""Suggestions for a field of a question's form: rows and values that match its text."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db import Error, connections
from django.db.transaction import atomic
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from marketplace.postgresql.errors import explain
from marketplace.questions.access import permitted_question

#: Suggestions of a field, and the characters of a text for which rows are searched.
_LIMIT, _MIN_LENGTH, _MAX_LENGTH = 12, 2, 100

#: Seconds for which the values of a column are kept.
_KEPT_SECONDS = 300

_TIMEOUT = "SELECT set_config('statement_timeout', '2s', true)"

#: Types of parameters whose values are rows with a page in the admin site.
ROW_TYPES = frozenset({"product", "offer", "seller", "listing", "lot", "organization"})


class _Values(NamedTuple):
    """A column whose values are suggested, of the rows with the given values of other columns."""

    model: str
    column: str
    rows: dict[str, Any]


#: Type of parameter → the columns of which the first that a database has is suggested.
_COLUMNS = {
    # The index of active ads has both columns.
    "city": (_Values("listing", "city", {"status": "active"}),),
    "category": (
        _Values("listing", "category_path", {"status": "active"}),
        _Values("category", "path_names", {}),
    ),
}


def has_suggestions(alias: str, kind: str) -> bool:
    """Return whether the fields of a type of parameter suggest something."""
    return kind in ROW_TYPES or _column(alias, kind) is not None


def suggestions(request: HttpRequest, alias: str, name: str, parameter: str) -> HttpResponse:
    """Return the options that match the text of a field, or the reason why there are none."""
    question = permitted_question(request.user, f"{alias}.{name}")
    kind = next((item.type for item in question.parameters if item.name == parameter), "")
    text = request.GET.get(parameter, "").strip().replace("\0", "")
    context: dict[str, Any] = {"parameter": parameter, "options": [], "error": ""}
    if has_suggestions(alias, kind) and len(text) <= _MAX_LENGTH:
        try:
            with atomic(using=alias):
                with connections[alias].cursor() as cursor:
                    cursor.execute(_TIMEOUT)
                context["options"] = list(_options(request, alias, kind, text))
        except Error as error:
            context["error"] = f"No suggestions: {explain(error)}"
    return TemplateResponse(request, "questions/options.html", context)


def _options(request: HttpRequest, alias: str, kind: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield values of the parameter and their names."""
    column = _column(alias, kind)
    model: Any = apps.get_model(alias, column.model if column else kind)
    page: Any = admin.site._registry[model]
    if not page.has_view_permission(request):
        return
    if column:
        found = [value for value in _values(alias, model, column) if text.lower() in value.lower()]
        yield from ((value, "") for value in found[:_LIMIT])
    elif kind in ROW_TYPES and len(text) >= _MIN_LENGTH:
        rows, _ = page.get_search_results(request, page.get_queryset(request), text)
        for row in rows[:_LIMIT]:
            yield f"{row.platform}:{row.external_id}", str(row)


def _column(alias: str, kind: str) -> _Values | None:
    models = apps.get_app_config(alias).models
    return next((item for item in _COLUMNS.get(kind, ()) if item.model in models), None)


def _values(alias: str, model: Any, column: _Values) -> list[str]:
    """Return the sorted values of a column, of which there are few."""
    key = f"choices:{alias}:{column.column}"
    kept: list[str] | None = cache.get(key)
    if kept is None:
        rows = model.objects.filter(**column.rows).exclude(**{f"{column.column}__isnull": True})
        kept = sorted(rows.order_by().values_list(column.column, flat=True).distinct())
        cache.set(key, kept, _KEPT_SECONDS)
    return kept
