"""Middleware: a database that does not answer is a page that says so, not an error report."""

import logging
from collections.abc import Callable

from django.contrib import admin
from django.db import InterfaceError, OperationalError, ProgrammingError, connections
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from psycopg2 import errors as pg

from marketplace.exceptions import DatabaseUnavailableError
from marketplace.postgresql.errors import explain
from marketplace.registry import ALIASES, CONTROL

logger = logging.getLogger(__name__)

_UNREACHABLE = (OperationalError, InterfaceError, DatabaseUnavailableError)


class DatabaseUnavailableMiddleware:
    """Answer 503 with the reason and the next step where a page's database fails."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request pass."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page about the failed database; None for errors of another kind."""
        found = _message(_alias(request), error)
        if found is None:
            return None
        # With the control database down nobody is known, and there is no navigation.
        template, context = "admin/marketplace/unavailable_plain.html", {}
        try:
            if request.user.is_authenticated:
                context = admin.site.each_context(request)
                template = "admin/marketplace/unavailable.html"
        except _UNREACHABLE as control_error:
            found = _message(CONTROL, control_error) or found
        title, reason = found
        logger.error("%s: %s", title, reason)
        page = render_to_string(template, context | {"title": title, "reason": reason}, request)
        return HttpResponse(page, status=503)


def _alias(request: HttpRequest) -> str:
    """Return the database that the page shows; the names of its addresses begin with it."""
    match = request.resolver_match
    label = (match.url_name or "").split("_")[0] if match else ""
    label = match.kwargs.get("app_label", label) if match else label
    return label if label in ALIASES else CONTROL


def _message(alias: str, error: Exception) -> tuple[str, str] | None:
    """Return the page's title and text; None if the database is not at fault."""
    name = connections[alias].settings_dict["NAME"]
    if isinstance(error.__cause__, pg.QueryCanceled):
        return "This list takes too long", (
            "Its query was stopped, so that it does not slow the database down. Search for fewer "
            "rows: add a filter, or a word to the search."
        )
    if isinstance(error, _UNREACHABLE):
        return f"The database {alias} is unreachable", f"{name}: {explain(error)}"
    if isinstance(error, ProgrammingError) and isinstance(
        error.__cause__, pg.UndefinedTable | pg.UndefinedColumn
    ):
        reason = str(error).splitlines()[0]
        return f"The database {alias} is not migrated", (
            f"{name}: {reason}. Run python manage.py db_migrate --database {alias}."
        )
    return None
