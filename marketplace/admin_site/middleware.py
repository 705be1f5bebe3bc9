"""Middleware: health endpoints, and error pages for databases that cannot be reached."""

import logging
from collections.abc import Callable

from django.db import ProgrammingError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from psycopg2 import errors as pg

from marketplace.admin_site.error_pages import UNREACHABLE, error_page, plain_page
from marketplace.databases.health import find_failure, record_failure
from marketplace.monitoring.views import VIEWS
from marketplace.postgresql.errors import explain, first_line, is_disconnect
from marketplace.registry import ALIASES, CONTROL

logger = logging.getLogger(__name__)


class MonitoringMiddleware:
    """Answer `/healthz`, `/readyz` and `/metrics` before all other middleware.

    Probes of a container use its IP address, which is not in ALLOWED_HOSTS, and plain HTTP. The
    endpoints do not need a session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, or pass it on."""
        view = VIEWS.get(request.path_info)
        return view(request) if view else self.get_response(request)


class DatabaseUnavailableMiddleware:
    """Answer 503 with the reason and the next step if the database of a page fails.

    After a failure, pages of this database get the 503 immediately until it answers again.
    Otherwise requests that wait for one database would occupy all threads of the server.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; repeat a GET or HEAD whose database session was terminated.

        A restore terminates sessions, and a new one connects to the restored database.
        """
        response = self.get_response(request)
        if isinstance(response, _SessionTerminated):
            connections.close_all()
            response = self.get_response(request)
        return response

    def process_view(
        self, request: HttpRequest, view: object, arguments: object, options: object
    ) -> HttpResponse | None:
        """Return the page about a database that is known to fail, otherwise None."""
        alias = _alias(request)
        trouble = find_failure(alias) if alias in ALIASES else None
        # Other users get a redirect to the login or a 403 from the view, without any query.
        if trouble is None or not _may_see_reason(request, alias):
            return None
        name = connections[alias].settings_dict["NAME"]
        reason = (
            f"{name}: {trouble.text}. The database is probed every few seconds. Reload the page."
        )
        return _unavailable(request, f"The database {alias} is unreachable", reason)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page about the failed database, or None for other errors."""
        message = _message(_alias(request), error)
        if message is None:
            return None
        if (
            is_disconnect(error)
            and request.method in ("GET", "HEAD")
            and not hasattr(request, "is_repeated")
        ):
            request.is_repeated = True  # type: ignore[attr-defined]
            return _SessionTerminated(status=503)
        if isinstance(error, UNREACHABLE):
            record_failure(_alias(request))
        return _unavailable(request, *message)


class _SessionTerminated(HttpResponse):
    """A placeholder for the response of a request that will be repeated."""


#: Shown instead of a reason to accounts without permissions: reasons contain servers and roles.
_HIDDEN = (
    "The reason is in the server's log. Try again in a minute; if the page still fails, report it "
    "to an administrator."
)


def _unavailable(request: HttpRequest, title: str, reason: str) -> HttpResponse:
    shown = reason if _may_see_reason(request, _alias(request)) else _HIDDEN
    try:
        page = error_page(request, 503, title, shown)
    except UNREACHABLE as control_error:
        # Without the database `default` there are no accounts and no navigation.
        title, reason = _message(CONTROL, control_error) or (title, reason)
        page = plain_page(request, 503, title, _HIDDEN)
    logger.error("%s: %s", title, reason)
    return page


def _may_see_reason(request: HttpRequest, alias: str) -> bool:
    """Return whether the account may see why a database fails: it has permissions there."""
    try:
        user = getattr(request, "user", None)
        return bool(user and user.is_active and user.has_module_perms(alias))
    except UNREACHABLE:
        return False


def _alias(request: HttpRequest) -> str:
    """Return the database of the page: the first part of its URL pattern's name."""
    match = request.resolver_match
    label = (match.url_name or "").split("_")[0] if match else ""
    label = match.kwargs.get("app_label", label) if match else label
    return label if label in ALIASES else CONTROL


def _message(alias: str, error: Exception) -> tuple[str, str] | None:
    """Return the title and text of the error page, or None for an error of another cause."""
    name = connections[alias].settings_dict["NAME"]
    if isinstance(error.__cause__, pg.QueryCanceled):
        return "This list takes too long", (
            "Its query was cancelled to protect the database. Narrow the list down: add a filter, "
            "or a word to the search."
        )
    if isinstance(error, UNREACHABLE):
        return f"The database {alias} is unreachable", f"{name}: {explain(error)}"
    if isinstance(error, ProgrammingError) and isinstance(
        error.__cause__, pg.UndefinedTable | pg.UndefinedColumn
    ):
        reason = first_line(error)
        return f"The database {alias} is not migrated", (
            f"{name}: {reason}. Run python manage.py db_migrate --database {alias}."
        )
    return None
