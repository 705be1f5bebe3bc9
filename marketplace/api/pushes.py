"""Pushes: scrapers send payloads by HTTP, without access to a database.

`POST /api/ingest/<platform>` queues JSON lines as a run.
`GET /api/ingest/runs/<platform>-<number>` returns the state of a run.
"""

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router

from marketplace.api.errors import HANDLED, RETRY_LATER, error_response
from marketplace.exceptions import RequestError
from marketplace.loading.models import LoadRun, loading_models
from marketplace.loading.summary import warnings_of
from marketplace.push import inbox
from marketplace.push.content_encoding import decompress
from marketplace.push.json_lines import JsonLines
from marketplace.push.parameters import read_content_encoding, read_parameters
from marketplace.push.request_body import Limits, RequestBody
from marketplace.registry import PLATFORMS, get_platform
from marketplace.secret_checks import MIN_TOKEN

router = Router(tags=["Pushes"])

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

_receive_slots = BoundedSemaphore(settings.INGEST_API_CONCURRENCY)

#: The body and the headers of a push, for the documentation: the view reads them itself, in parts.
_PUSH_DOCUMENTATION = {
    "security": [{"bearer": []}],
    "parameters": [
        {"name": name, "in": place, "schema": {"type": "string"}, "description": text}
        for name, place, text in (
            ("Idempotency-Key", "header", "A push with the same key is stored once."),
            ("Content-Encoding", "header", "gzip or zstd."),
            ("observed_at", "query", "The time at which the scraper read the payloads."),
            ("shop", "query", "The name of the shop, if the payloads do not have it."),
            ("full_listing", "query", "The kind of objects that the push lists completely."),
            ("decimal", "query", "The decimal separator of prices that are text."),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    },
}


@router.post(
    "/{platform}",
    summary="Queue JSON lines as a run",
    response={202: dict[str, Any]},
    openapi_extra=_PUSH_DOCUMENTATION,
    url_name="push",
)
def push(request: HttpRequest, platform: str) -> HttpResponse:
    """Queue JSON lines, one payload or an array of payloads in each, as a run of the platform."""
    _authorize(request, platform)
    new_push = read_parameters(request, platform, timezone.now())
    encoding = read_content_encoding(request)
    with _receive_slot():
        body = RequestBody(request.META, _limits())
        try:
            return _receive(new_push, body, encoding)
        except HANDLED as error:
            response = error_response(error)
            response.body = body
            return response


@router.api_operation(
    ["GET", "HEAD"],
    "/runs/{name}",
    summary="Return the state of a run",
    response={200: dict[str, Any]},
    openapi_extra={"security": [{"bearer": []}]},
    url_name="run",
)
def run(request: HttpRequest, name: str) -> HttpResponse:
    """Return the state of a run: its status, counts, warnings, and reasons of rejections."""
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


def accepted_tokens(platform: str) -> list[str]:
    """Return the tokens of a platform that are long enough."""
    return [
        token
        for name, token in settings.INGEST_TOKENS
        if name == platform and len(token) >= MIN_TOKEN
    ]


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
            f"Pushing is disabled for {platform}: the server's INGEST_TOKENS has no token for it "
            f"with at least {MIN_TOKEN} characters.",
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
            headers=RETRY_LATER,
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
    url = reverse("api:run", args=[name])
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
