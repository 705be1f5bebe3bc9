"""The push API: scrapers send payloads by HTTP, without access to a database.

`POST /api/ingest/<platform>` queues JSON lines as a run.
`GET /api/ingest/runs/<platform>-<number>` returns the state of a run.
All responses are JSON. An error has the problem, the reason and the next step.
"""

import hmac
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, TypeAlias

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import Error
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from marketplace.exceptions import DatabaseUnavailableError
from marketplace.loading.models import LoadRun, loading_models
from marketplace.loading.summary import warnings_of
from marketplace.push import inbox
from marketplace.push.content_encoding import decompress
from marketplace.push.errors import IdempotencyConflictError, RequestError
from marketplace.push.json_lines import JsonLines
from marketplace.push.parameters import read_content_encoding, read_parameters
from marketplace.push.request_body import Limits, RequestBody
from marketplace.registry import PLATFORMS, get_platform
from marketplace.secret_checks import MIN_TOKEN

logger = logging.getLogger(__name__)

#: Response header of temporary failures: the seconds until the next attempt.
_RETRY_LATER = {"Retry-After": "10"}

#: Seconds for which the remaining body of a rejected request is received.
_DISCARD_SECONDS = 5.0

_SERVER_ERROR = (
    "The server failed to process this request; its log has the reason. Send it again later, with "
    "the same Idempotency-Key if it has one."
)

#: Number of rejection reasons in the state of a run.
_MAX_REASONS = 10

#: Counts in the state of a run, and their columns.
_COUNTS = {
    "read": "read_count",
    "created": "created_count",
    "updated": "updated_count",
    "unchanged": "unchanged_count",
    "rejected": "rejected_count",
    "held": "held_count",
    "price_points": "price_point_count",
}

_ERRORS = (RequestError, IdempotencyConflictError, Error, DatabaseUnavailableError)

_receive_slots = BoundedSemaphore(settings.INGEST_API_CONCURRENCY)

View: TypeAlias = Callable[..., HttpResponse]


class _ErrorResponse(JsonResponse):
    """The response to a rejected request. The rest of the request's body is discarded."""

    body: RequestBody | None = None

    def close(self) -> None:
        """Discard the rest of the body, after the response has been sent."""
        if self.body:
            self.body.discard(_DISCARD_SECONDS)
        super().close()


def _api_view(view: View) -> View:
    """Return a view that answers errors by JSON.

    It is exempt from the CSRF check, because the API uses no session.
    """

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except _ERRORS as error:
            return _error_response(error)
        except SuspiciousOperation as error:
            return _error_response(RequestError(400, f"The request cannot be read: {error}"))
        except Exception:
            logger.exception("A request failed")
            return _error_response(RequestError(500, _SERVER_ERROR))

    return csrf_exempt(wrapped)


@_api_view
def push(request: HttpRequest, platform: str) -> HttpResponse:
    """Queue the JSON lines of the request as a run."""
    _check_method(request, "POST")
    _authorize(request, platform)
    new_push = read_parameters(request, platform, timezone.now())
    encoding = read_content_encoding(request)
    with _receive_slot():
        body = RequestBody(request.META, _limits())
        try:
            return _receive(new_push, body, encoding)
        except _ERRORS as error:
            response = _error_response(error)
            response.body = body
            return response


@_api_view
def run(request: HttpRequest, name: str) -> HttpResponse:
    """Return the state of a run."""
    _check_method(request, "GET", "HEAD")
    platform, _, number = name.rpartition("-")
    if not platform:
        raise RequestError(
            404, f"{name} is not the id of a run. Write PLATFORM-NUMBER, as in uzum-17."
        )
    _authorize(request, platform)
    alias = get_platform(platform).database
    runs = loading_models(alias).runs.of(platform)
    row = runs.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
    if row is None:
        raise RequestError(404, f"Run {name} does not exist. Use the id in the response to a push.")
    return JsonResponse(_run_state(alias, row))


@_api_view
def unknown_path(request: HttpRequest) -> HttpResponse:
    """Answer 404 with the paths of the API."""
    raise RequestError(
        404,
        f"{request.path} does not exist. Push to /api/ingest/<platform>, without a slash at "
        "the end; ask for a run at /api/ingest/runs/<id>.",
    )


def accepted_tokens(platform: str) -> list[str]:
    """Return the tokens of a platform that are long enough."""
    return [
        token
        for name, token in settings.INGEST_TOKENS
        if name == platform and len(token) >= MIN_TOKEN
    ]


def _check_method(request: HttpRequest, *methods: str) -> None:
    if request.method not in methods:
        raise RequestError(
            405,
            f"{request.method} is not allowed here. Use {methods[0]}.",
            headers={"Allow": ", ".join(methods)},
        )


def _authorize(request: HttpRequest, platform: str) -> None:
    """Check the token of the request.

    :raises RequestError: if it is not a token of the platform, or the platform is unknown or has
        no token
    """
    names = [known_platform.name for known_platform in PLATFORMS]
    if platform not in names:
        raise RequestError(
            404, f"Platform {platform} does not exist. Choose from {', '.join(names)}."
        )
    accepted = accepted_tokens(platform)
    if not accepted:
        raise RequestError(
            403,
            f"Pushing is off for {platform}: it has no token of {MIN_TOKEN} characters or more in "
            "the server's INGEST_TOKENS.",
        )
    scheme, _, received = request.headers.get("Authorization", "").partition(" ")
    # All tokens are compared, in constant time, so that the time reveals nothing about them.
    matches = [hmac.compare_digest(token.encode(), received.strip().encode()) for token in accepted]
    if scheme.lower() != "bearer" or not any(matches):
        raise RequestError(
            401,
            f"A token of {platform} is required. Send the header Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": "Bearer"},
        )


@contextmanager
def _receive_slot() -> Iterator[None]:
    """Limit the number of bodies that a process receives at the same time."""
    if not _receive_slots.acquire(blocking=False):
        raise RequestError(
            503,
            "Too many pushes are being received at once. Send this push again later.",
            headers=_RETRY_LATER,
        )
    try:
        yield
    finally:
        _receive_slots.release()


def _limits() -> Limits:
    return Limits(
        settings.INGEST_API_MAX_BODY,
        settings.INGEST_API_TIMEOUT,
        settings.INGEST_API_MAX_CPU,
        settings.INGEST_API_MAX_UNPACKED,
        min(settings.INGEST_API_MAX_LINE, settings.INGEST_MAX_RECORD),
        settings.INGEST_API_MAX_RECORDS,
    )


def _receive(new_push: inbox.Push, body: RequestBody, encoding: str) -> HttpResponse:
    """Store the push and return the response with its run."""
    body.check_length()
    with body:
        blocks = body.within_limits(decompress(body.pieces(), encoding))
        documents = JsonLines(blocks, body.limits)
        receipt = inbox.store(
            get_platform(new_push.platform).database,
            new_push,
            documents.lines(),
            lock_timeout=settings.INGEST_API_TIMEOUT,
        )
    name = f"{new_push.platform}-{receipt.run_id}"
    url = reverse("api_run", args=[name])
    content = {
        "run": name,
        "status": receipt.status,
        "documents": documents.document_count,
        "duplicate": receipt.is_duplicate,
        "url": url,
    }
    return JsonResponse(content, status=202, headers={"Location": url})


def _run_state(alias: str, row: Any) -> dict[str, Any]:
    is_waiting = inbox.is_waiting(alias, row)
    return {
        "run": f"{row.platform}-{row.pk}",
        "platform": row.platform,
        "status": LoadRun.Status.QUEUED if is_waiting else row.status,
        "error": row.error,
        "counts": {name: getattr(row, column) for name, column in _COUNTS.items()},
        "warnings": warnings_of(alias, row.pk),
        "reasons": _rejection_reasons(row),
        "started_at": row.started_at,
        "finished_at": None if is_waiting else row.finished_at,
    }


def _rejection_reasons(row: Any) -> list[dict[str, Any]]:
    """Return the most frequent reasons for which records of the run were quarantined."""
    reasons = row.quarantine.values("field", "reason").annotate(count=Count("pk"))
    return list(reasons.order_by("-count", "field", "reason")[:_MAX_REASONS])


def _error_response(error: Exception) -> _ErrorResponse:
    if not isinstance(error, RequestError):
        error = _as_request_error(error)
    content: dict[str, Any] = {"error": str(error)}
    if error.line is not None:
        content["line"] = error.line
    return _ErrorResponse(content, status=error.status, headers=error.headers)


def _as_request_error(error: Exception) -> RequestError:
    if isinstance(error, IdempotencyConflictError):
        return RequestError(409, str(error))
    # Only the log has the details: they may name servers and roles.
    logger.error("A request failed: %s", error)
    return RequestError(
        503,
        "The platform's database is currently unavailable. Send the request again later, with "
        "the same Idempotency-Key if it has one.",
        headers=_RETRY_LATER,
    )
