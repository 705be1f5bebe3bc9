"""Middleware: a database that does not answer is a page that says so, not an error report.

What machines ask about the site's health is answered before everything else.
"""

import logging
from collections.abc import Callable

from django.db import ProgrammingError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from psycopg2 import errors as pg

from marketplace.admin_site.error_pages import UNREACHABLE, error_page, plain_page
from marketplace.monitoring.readiness import find_trouble, note_trouble
from marketplace.monitoring.views import VIEWS
from marketplace.postgresql.errors import explain, is_disconnect
from marketplace.registry import ALIASES, CONTROL

logger = logging.getLogger(__name__)


class MonitoringMiddleware:
    """Answer `/healthz`, `/readyz` and `/metrics` at once, the first of all middleware.

    Whoever probes a container asks for an address, not for a host of ALLOWED_HOSTS, and by plain
    HTTP; and none of these needs a session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, or let it pass."""
        view = VIEWS.get(request.path_info)
        return view(request) if view else self.get_response(request)


class DatabaseUnavailableMiddleware:
    """Answer 503 with the reason and the next step where a page's database fails.

    Once one has, its pages are answered at once until it answers again, instead of having each
    wait: one that hangs would take all threads, and with them the pages of the others.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request pass; a page that only reads once more where its session was ended.

        A restore does that, and the next session finds the restored database.
        """
        response = self.get_response(request)
        if isinstance(response, _Cut):
            connections.close_all()
            response = self.get_response(request)
        return response

    def process_view(
        self, request: HttpRequest, view: object, arguments: object, options: object
    ) -> HttpResponse | None:
        """Return the page about a database that is known to fail; None if it is not."""
        alias = _alias(request)
        trouble = find_trouble(alias) if alias in ALIASES else None
        # The page itself asks other users to log in, or refuses them; it needs no data for that.
        if trouble is None or not _may_know(request, alias):
            return None
        name = connections[alias].settings_dict["NAME"]
        reason = f"{name}: {trouble.text}. It is asked again every few seconds: reload the page."
        return _unavailable(request, f"The database {alias} is unreachable", reason)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page about the failed database; None for errors of another kind."""
        found = _message(_alias(request), error)
        if found is None:
            return None
        if (
            is_disconnect(error)
            and request.method in ("GET", "HEAD")
            and not hasattr(request, "is_retry")
        ):
            request.is_retry = True  # type: ignore[attr-defined]
            return _Cut(status=503)
        if isinstance(error, UNREACHABLE):
            note_trouble(_alias(request))
        return _unavailable(request, *found)


class _Cut(HttpResponse):
    """Stands for a page whose session was ended, until it is asked for once more."""


#: Stands for a reason that the account may not know: reasons name servers and roles.
_HIDDEN = (
    "The reason is in the server's log. Try again in a minute; if the page still fails, report it "
    "to an administrator."
)


def _unavailable(request: HttpRequest, title: str, reason: str) -> HttpResponse:
    shown = reason if _may_know(request, _alias(request)) else _HIDDEN
    try:
        page = error_page(request, 503, title, shown)
    except UNREACHABLE as control_error:
        # With the control database down nobody is known, and there is no navigation.
        title, reason = _message(CONTROL, control_error) or (title, reason)
        page = plain_page(request, 503, title, _HIDDEN)
    logger.error("%s: %s", title, reason)
    return page


def _may_know(request: HttpRequest, alias: str) -> bool:
    """Return whether the account may know why a database fails: it has permissions there."""
    try:
        user = getattr(request, "user", None)
        return bool(user and user.is_active and user.has_module_perms(alias))
    except UNREACHABLE:
        return False


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
    if isinstance(error, UNREACHABLE):
        return f"The database {alias} is unreachable", f"{name}: {explain(error)}"
    if isinstance(error, ProgrammingError) and isinstance(
        error.__cause__, pg.UndefinedTable | pg.UndefinedColumn
    ):
        reason = str(error).splitlines()[0]
        return f"The database {alias} is not migrated", (
            f"{name}: {reason}. Run python manage.py db_migrate --database {alias}."
        )
    return None
