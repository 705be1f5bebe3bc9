"""The parameters and headers of a push."""

import re
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from marketplace.exceptions import PayloadError, RequestError, SourceError
from marketplace.loading import full_listings, sources
from marketplace.loading.values import instant
from marketplace.push import inbox
from marketplace.push.content_encoding import ENCODINGS

#: Parameters for values that payloads may omit, named like the options of `ingest`.
_OPTIONS = ("shop", "lot", "lot_type", "currency", "decimal")
_PARAMETERS = ("observed_at", "full_listing", *_OPTIONS)

#: Deprecated alias of the parameter full_listing.
_SNAPSHOT = "snapshot"
_MAX_TEXT = 255

#: A "+" that is not escaped in the URL arrives as a space.
_UNESCAPED_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")


def read_parameters(request: HttpRequest, platform: str, now: datetime) -> inbox.Push:
    """Return the push that the query string and the headers describe.

    :raises RequestError: if a parameter or the idempotency key is not valid
    """
    parameters = {name: str(value) for name, value in request.GET.items() if value}
    for name, value in parameters.items():
        if name not in (*_PARAMETERS, _SNAPSHOT):
            names = ", ".join(_PARAMETERS)
            raise RequestError(400, f"Unknown parameter {name}. Choose from {names}.")
        _check_text(name, value)
    full_listing = parameters.get("full_listing", parameters.get(_SNAPSHOT, ""))
    if full_listing not in ("", *full_listings.KINDS):
        raise RequestError(400, f"full_listing must be one of {', '.join(full_listings.KINDS)}.")
    if parameters.get("decimal", ".") not in (".", ","):
        raise RequestError(400, 'decimal must be "." or ",".')
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        _check_text("Idempotency-Key", key)
    observed_at = _observed_at(parameters, now)
    options: dict[str, Any] = {
        "options": {name: parameters[name] for name in _OPTIONS if name in parameters},
        # If None, records without a time are observed at the start of the run: the push.
        "observed_at": observed_at and observed_at.astimezone(UTC).isoformat(),
        "columns": None,
        "full_listing": full_listing,
        "paths": [],
    }
    return inbox.Push(platform, key, options, parameters, now)


def _check_text(name: str, value: str) -> None:
    if not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise RequestError(400, f"{name} must have 1 to {_MAX_TEXT} printable characters.")


def _observed_at(parameters: dict[str, str], now: datetime) -> datetime | None:
    text = _UNESCAPED_PLUS.sub(r"\1+\2", parameters.get("observed_at", ""))
    try:
        observed_at = instant(text, "observed_at")
        sources.check_observed_at(observed_at, now)
    except SourceError as error:
        raise RequestError(400, str(error)) from None
    except PayloadError as error:
        raise RequestError(400, f"{error}. Write it as 2026-06-01T10:00:00Z.") from None
    return observed_at


def read_content_encoding(request: HttpRequest) -> str:
    """Return the content encoding of the request.

    :raises RequestError: if it is not supported
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise RequestError(
            415,
            f"Content-Encoding {encoding} is not supported. Use gzip or zstd, or send the lines "
            "uncompressed.",
        )
    return encoding
