"""Pages that say what went wrong: with the navigation beside them where that can be shown."""

from django.contrib import admin
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from marketplace.exceptions import DatabaseUnavailableError

#: What is raised where a database does not answer.
UNREACHABLE = (OperationalError, InterfaceError, DatabaseUnavailableError)

_TEMPLATES = "admin/marketplace"


def error_page(
    request: HttpRequest, status: int, title: str, reason: str, without: str = ""
) -> HttpResponse:
    """Return a page about an error; without the navigation for users who are not logged in.

    :param without: the address without the parameters at fault; empty if there are none
    :raises OperationalError, InterfaceError: if accounts cannot be read
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return plain_page(request, status, title, reason)
    context = admin.site.each_context(request) | _context(status, title, reason)
    context["without"] = without
    page = render_to_string(f"{_TEMPLATES}/error.html", context, request)
    return HttpResponse(page, status=status)


def plain_page(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    """Return a page about an error that needs no database."""
    template = f"{_TEMPLATES}/error_plain.html"
    # Without the request: the accounts of its context processors may be what fails.
    context = _context(status, title, reason) | {"address": request.get_full_path()}
    return HttpResponse(render_to_string(template, context), status=status)


def _context(status: int, title: str, reason: str) -> dict[str, object]:
    return {"status": status, "title": title, "reason": reason}


def _page(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"error": reason}, status=status)
    try:
        return error_page(request, status, title, reason)
    except UNREACHABLE:
        return plain_page(request, status, title, reason)


def bad_address(request: HttpRequest, reason: str, without: str) -> HttpResponse:
    """Return the page about an address or a form with a value that is not valid.

    :param without: the address without the parameters at fault; empty if it is not known
    """
    kind = "address" if request.method in ("GET", "HEAD") else "form"
    return error_page(request, 400, f"This {kind} is not valid", reason, without)


# The handlers of marketplace.urls.


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for a request that Django refuses to read."""
    return _page(
        request, 400, "Bad request", "The server cannot read this request. Check the address."
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for what the user may not see or do."""
    return _page(
        request,
        403,
        "Permission denied",
        "Your account does not have permission for this page or action. "
        "Ask an administrator to grant it.",
    )


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for an address that does not exist."""
    return _page(
        request,
        404,
        "Page not found",
        f"There is no page at {request.path}. Check the address, or choose a list.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for an error in the program; it needs nothing that may have failed."""
    return plain_page(
        request,
        500,
        "Server error",
        "The server failed to answer this request. The error is in the server's log. "
        "Try again; if it fails again, report it to an administrator.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page for a form that was sent without its CSRF token."""
    return plain_page(
        request,
        403,
        "The form has expired",
        "The form was sent without a valid CSRF token. Open the page again and send it once more; "
        "the browser has to accept cookies.",
    )
