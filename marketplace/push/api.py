"""The push API: a scraper hands payloads over by HTTP, and needs no password of a database.

`POST /api/ingest/<platform>` queues JSON lines as a run; `GET /api/ingest/runs/<platform>-<number>`
tells what became of it. All answers are JSON; an error names the thing, the reason, the next step.
"""

import hmac
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, TypeAlias

from django.apps import apps
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import Error
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from marketplace.exceptions import DatabaseUnavailableError, PayloadError, SourceError
from marketplace.loading import run_warnings, sources
from marketplace.loading.values import instant
from marketplace.push import inbox
from marketplace.push.bodies import Body, Documents, Limits, RefusedError
from marketplace.push.body_encodings import ENCODINGS, unpack
from marketplace.registry import PLATFORMS, get_platform
from marketplace.secret_checks import MIN_TOKEN

logger = logging.getLogger(__name__)

#: What payloads may omit, as the options of `ingest` say it.
_OPTIONS = ("shop", "lot", "lot_type", "currency", "decimal")
_PARAMETERS = ("observed_at", "full_listing", *_OPTIONS)
_FULL_LISTINGS = ("shop", "category", "auto")

#: Deprecated alias of full_listing.
_SNAPSHOT = "snapshot"
_MAX_TEXT = 255

#: A "+" that was not escaped in the address arrives as a space.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")

#: When to try again what failed for a reason that passes, in seconds.
_LATER = {"Retry-After": "10"}

#: Seconds for which the rest of a refused body is received.
_DISCARD_SECONDS = 5.0

_FAILED = (
    "The server failed to process this request; its log has the reason. Send it again later, with "
    "the same Idempotency-Key if it has one."
)

#: Reasons of rejection that are told of a run.
_MAX_REASONS = 10

#: What a run counts, and its name in the table.
_COUNTS = {
    "read": "read_count",
    "created": "created_count",
    "updated": "updated_count",
    "unchanged": "unchanged_count",
    "rejected": "rejected_count",
    "held": "held_count",
    "price_points": "price_point_count",
}

_ERRORS = (RefusedError, inbox.KeyConflictError, Error, DatabaseUnavailableError)

_receiving = BoundedSemaphore(settings.INGEST_API_CONCURRENCY)

View: TypeAlias = Callable[..., HttpResponse]


class _Refusal(JsonResponse):
    """An error, after which the rest of the request's body is thrown away."""

    body: Body | None = None

    def close(self) -> None:
        """Receive the rest of the body: the answer is sent, and a client reads it after that."""
        if self.body:
            self.body.discard(_DISCARD_SECONDS)
        super().close()


def _answering(view: View) -> View:
    """Make errors answers. There is no session, and so no forgery of requests to guard against."""

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except _ERRORS as error:
            return _refuse(error)
        except SuspiciousOperation as error:
            return _refuse(RefusedError(400, f"The request cannot be read: {error}"))
        except Exception:
            logger.exception("A request failed")
            return _refuse(RefusedError(500, _FAILED))

    return csrf_exempt(answer)


@_answering
def push(request: HttpRequest, platform: str) -> HttpResponse:
    """Queue the JSON lines of the request as a run."""
    _check_method(request, "POST")
    _authorize(request, platform)
    what, encoding = _describe(request, platform, timezone.now()), _encoding(request)
    with _turn():
        body = Body(request.META, _limits())
        try:
            return _receive(what, body, encoding)
        except _ERRORS as error:
            refusal = _refuse(error)
            refusal.body = body
            return refusal


@_answering
def run(request: HttpRequest, name: str) -> HttpResponse:
    """Tell what became of a run."""
    _check_method(request, "GET", "HEAD")
    platform, _, number = name.rpartition("-")
    if not platform:
        raise RefusedError(
            404, f"{name} is not the id of a run. Write PLATFORM-NUMBER, as in uzum-17."
        )
    _authorize(request, platform)
    alias = get_platform(platform).database
    runs = apps.get_model(alias, "LoadRun").objects.filter(platform=platform)
    found = runs.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
    if found is None:
        raise RefusedError(404, f"There is no run {name}. Ask for an id that a push was given.")
    return JsonResponse(_outcome(alias, found))


@_answering
def nowhere(request: HttpRequest) -> HttpResponse:
    """Say which addresses there are."""
    raise RefusedError(
        404,
        f"There is nothing at {request.path}. Push to /api/ingest/<platform>, without a slash at "
        "the end; ask for a run at /api/ingest/runs/<id>.",
    )


def tokens(platform: str) -> list[str]:
    """Return the tokens with which one may push to a platform."""
    return [
        token
        for name, token in settings.INGEST_TOKENS
        if name == platform and len(token) >= MIN_TOKEN
    ]


def _check_method(request: HttpRequest, *methods: str) -> None:
    if request.method not in methods:
        raise RefusedError(
            405,
            f"{request.method} is not possible here. Use {methods[0]}.",
            headers={"Allow": ", ".join(methods)},
        )


def _authorize(request: HttpRequest, platform: str) -> None:
    """Refuse whoever has no token of the platform.

    :raises RefusedError: if so; if there is no such platform, or nobody may push to it
    """
    names = [known.name for known in PLATFORMS]
    if platform not in names:
        raise RefusedError(404, f"There is no platform {platform}. Choose from {', '.join(names)}.")
    accepted = tokens(platform)
    if not accepted:
        raise RefusedError(
            403,
            f"Pushing is off for {platform}: it has no token of {MIN_TOKEN} characters or more in "
            "the server's INGEST_TOKENS.",
        )
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Each is compared, in a time that tells nothing of how much of it is right.
    matches = [hmac.compare_digest(token.encode(), given.strip().encode()) for token in accepted]
    if scheme.lower() != "bearer" or not any(matches):
        raise RefusedError(
            401,
            f"This takes a token of {platform}. Send the header Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _describe(request: HttpRequest, platform: str, now: datetime) -> inbox.Push:
    """Return what is pushed according to the head of the request."""
    said = {name: str(value) for name, value in request.GET.items() if value}
    for name, value in said.items():
        if name not in (*_PARAMETERS, _SNAPSHOT):
            known = ", ".join(_PARAMETERS)
            raise RefusedError(400, f"There is no parameter {name}. Choose from {known}.")
        _check_text(name, value)
    full_listing = said.get("full_listing", said.get(_SNAPSHOT, ""))
    if full_listing not in ("", *_FULL_LISTINGS):
        raise RefusedError(400, f"full_listing must be one of {', '.join(_FULL_LISTINGS)}.")
    if said.get("decimal", ".") not in (".", ","):
        raise RefusedError(400, 'decimal must be "." or ",".')
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        _check_text("Idempotency-Key", key)
    moment = _observed_at(said, now)
    options: dict[str, Any] = {
        "options": {name: said[name] for name in _OPTIONS if name in said},
        # Without it, what tells no time was observed when the run began: when it was pushed.
        "observed_at": moment and moment.astimezone(UTC).isoformat(),
        "columns": None,
        "full_listing": full_listing,
        "paths": [],
    }
    return inbox.Push(platform, key, options, said, now)


def _check_text(name: str, value: str) -> None:
    if not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise RefusedError(400, f"{name} must have 1 to {_MAX_TEXT} printable characters.")


def _observed_at(said: dict[str, str], now: datetime) -> datetime | None:
    try:
        moment = instant(_LOST_PLUS.sub(r"\1+\2", said.get("observed_at", "")), "observed_at")
        sources.check_observed_at(moment, now)
    except SourceError as error:
        raise RefusedError(400, str(error)) from None
    except PayloadError as error:
        raise RefusedError(400, f"{error}. Write it as 2026-06-01T10:00:00Z.") from None
    return moment


def _encoding(request: HttpRequest) -> str:
    encoding = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise RefusedError(
            415,
            f"Content-Encoding {encoding} cannot be unpacked. Use gzip or zstd, or send the lines "
            "as they are.",
        )
    return encoding


@contextmanager
def _turn() -> Iterator[None]:
    """Let only some requests of a process be received at once."""
    if not _receiving.acquire(blocking=False):
        raise RefusedError(
            503, "Other pushes are being received. Send it again in a moment.", headers=_LATER
        )
    try:
        yield
    finally:
        _receiving.release()


def _limits() -> Limits:
    return Limits(
        settings.INGEST_API_MAX_BODY,
        settings.INGEST_API_TIMEOUT,
        settings.INGEST_API_MAX_CPU,
        settings.INGEST_API_MAX_UNPACKED,
        min(settings.INGEST_API_MAX_LINE, settings.INGEST_MAX_RECORD),
        settings.INGEST_API_MAX_RECORDS,
    )


def _receive(what: inbox.Push, body: Body, encoding: str) -> HttpResponse:
    body.check_length()
    with body:
        documents = Documents(body.within_limits(unpack(body.pieces(), encoding)), body.limits)
        alias = get_platform(what.platform).database
        receipt = inbox.store(alias, what, documents.lines(), patience=settings.INGEST_API_TIMEOUT)
    name = f"{what.platform}-{receipt.run_id}"
    address = reverse("api_run", args=[name])
    answer = {
        "run": name,
        "status": receipt.status,
        "documents": documents.count,
        "duplicate": receipt.is_duplicate,
        "url": address,
    }
    return JsonResponse(answer, status=202, headers={"Location": address})


def _outcome(alias: str, run: Any) -> dict[str, Any]:
    is_waiting = inbox.is_waiting(alias, run)
    return {
        "run": f"{run.platform}-{run.pk}",
        "platform": run.platform,
        "status": "queued" if is_waiting else run.status,
        "error": run.error,
        "counts": {name: getattr(run, field) for name, field in _COUNTS.items()},
        "warnings": run_warnings.of_run(run),
        "reasons": _reasons(run),
        "started_at": run.started_at,
        "finished_at": None if is_waiting else run.finished_at,
    }


def _reasons(run: Any) -> list[dict[str, Any]]:
    """Return why records of the run were put into quarantine, the most frequent reasons first."""
    reasons = run.quarantine.values("field", "reason").annotate(count=Count("pk"))
    return list(reasons.order_by("-count", "field", "reason")[:_MAX_REASONS])


def _refuse(error: Exception) -> _Refusal:
    """Return the answer to a request that fails."""
    if not isinstance(error, RefusedError):
        error = _translated(error)
    answer: dict[str, Any] = {"error": str(error)}
    if error.line is not None:
        answer["line"] = error.line
    return _Refusal(answer, status=error.status, headers=error.headers)


def _translated(error: Exception) -> RefusedError:
    if isinstance(error, inbox.KeyConflictError):
        return RefusedError(409, str(error))
    # Where the server is and what it says is for those who run it, not for those who push.
    logger.error("A request failed: %s", error)
    return RefusedError(
        503,
        "The platform's database cannot be used at the moment. Send the request again later, with "
        "the same Idempotency-Key if it has one.",
        headers=_LATER,
    )
