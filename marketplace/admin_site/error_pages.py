"""Error pages: with the navigation for users who are logged in, without it otherwise."""

from django.contrib import admin
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from marketplace.exceptions import DatabaseUnavailableError

#: Errors that are raised if a database cannot be reached.
UNREACHABLE = (OperationalError, InterfaceError, DatabaseUnavailableError)

_TEMPLATES = "admin/marketplace"


def error_page(
    request: HttpRequest, status: int, title: str, reason: str, corrected: str = ""
) -> HttpResponse:
    """Return an error page, without the navigation for users who are not logged in.

    :param corrected: the URL without the invalid parameters; empty if there are none
    :raises OperationalError, InterfaceError: if accounts cannot be read
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return plain_page(request, status, title, reason)
    context = admin.site.each_context(request) | _context(status, title, reason)
    context["corrected"] = corrected
    page = render_to_string(f"{_TEMPLATES}/error.html", context, request)
    return HttpResponse(page, status=status)


def plain_page(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    """Return an error page that does not use a database."""
    template = f"{_TEMPLATES}/error_plain.html"
    # Rendered without the request: its context processors read accounts, which may fail.
    context = _context(status, title, reason) | {"address": request.get_full_path()}
    return HttpResponse(render_to_string(template, context), status=status)


def invalid_input(request: HttpRequest, reason: str, corrected: str) -> HttpResponse:
    """Return the page about an address or a form with an invalid value.

    :param corrected: the URL without the invalid parameters; empty if unknown
    """
    kind = "address" if request.method in ("GET", "HEAD") else "form"
    return error_page(request, 400, f"Invalid {kind}", reason, corrected)


def _context(status: int, title: str, reason: str) -> dict[str, object]:
    return {"status": status, "title": title, "reason": reason}


def _page(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"error": reason}, status=status)
    try:
        return error_page(request, status, title, reason)
    except UNREACHABLE:
        return plain_page(request, status, title, reason)


# The handlers of marketplace.urls, and CSRF_FAILURE_VIEW.


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for a request that Django rejects, such as one with an unknown host."""
    return _page(
        request, 400, "Bad request", "The server cannot read this request. Check the address."
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for a missing permission."""
    return _page(
        request,
        403,
        "Permission denied",
        "Your account does not have permission for this page or action. "
        "Ask an administrator to grant it.",
    )


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page for a URL that does not exist."""
    return _page(
        request,
        404,
        "Page not found",
        f"The page {request.path} does not exist. "
        "Check the address, or choose a page from the menu.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for an unhandled exception. It does not depend on a database."""
    return plain_page(
        request,
        500,
        "Server error",
        "The server could not process this request. The error is in the server's log. "
        "Try again. If it fails again, report it to an administrator.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page for a form without a valid CSRF token."""
    return plain_page(
        request,
        403,
        "The form has expired",
        "The form was sent without a valid CSRF token. Make sure that the browser accepts cookies, "
        "reload the page with the form and submit it again.",
    )
