"""What a field of a question's form suggests: rows that match its text."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from marketplace.questions.access import permitted_question

#: Suggestions of a field, and the characters of a text from which there are any.
_LIMIT, _MIN_LENGTH, _MAX_LENGTH = 12, 2, 100

#: Types of parameters whose values are rows with a page in the admin site.
ROW_TYPES = frozenset({"product", "offer", "seller", "listing", "lot", "organization", "category"})


def suggestions(request: HttpRequest, alias: str, name: str, parameter: str) -> HttpResponse:
    """Return the options that match the text of a field; none if the database is down."""
    question = permitted_question(request.user, f"{alias}.{name}")
    kind = next((item.type for item in question.parameters if item.name == parameter), "")
    text = request.GET.get(parameter, "").strip().replace("\0", "")
    options: list[tuple[str, str]] = []
    if kind in ROW_TYPES and _MIN_LENGTH <= len(text) <= _MAX_LENGTH:
        try:
            options = list(_rows(request, alias, kind, text))
        except Error:
            # Suggestions are a convenience. The question itself says what is wrong.
            options = []
    return TemplateResponse(request, "questions/options.html", {"options": options})


def _rows(request: HttpRequest, alias: str, kind: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the address and the name of rows that the search of their list finds."""
    model: Any = apps.get_model(alias, kind)
    page: Any = admin.site._registry[model]
    if not page.has_view_permission(request):
        return
    if kind == "category":
        # There are few categories, so that any part of a path can be found.
        paths = model.objects.filter(path_names__icontains=text).values_list(
            "path_names", flat=True
        )
        for path in paths.distinct().order_by("path_names")[:_LIMIT]:
            yield path, ""
        return
    rows, _ = page.get_search_results(request, page.get_queryset(request), text)
    for row in rows[:_LIMIT]:
        yield f"{row.platform}:{row.external_id}", str(row)
