"""Errors of the API: JSON with the problem, the reason and the next step."""

import logging
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import Error
from django.http import JsonResponse
from ninja.errors import ValidationError

from marketplace.exceptions import DatabaseUnavailableError, RequestError
from marketplace.push.request_body import RequestBody

logger = logging.getLogger(__name__)

#: Response header of temporary failures: the seconds until the next attempt.
RETRY_LATER = {"Retry-After": "10"}

#: Seconds for which the remaining body of a rejected request is received.
_DISCARD_SECONDS = 5.0

#: The errors of which the response says more than that the server failed.
HANDLED = (RequestError, Error, DatabaseUnavailableError)


class ErrorResponse(JsonResponse):
    """The response to a rejected request. The rest of the request's body is discarded."""

    body: RequestBody | None = None

    def close(self) -> None:
        """Discard the rest of the body, after the response has been sent."""
        if self.body:
            self.body.discard(_DISCARD_SECONDS)
        super().close()


def error_response(error: Exception) -> ErrorResponse:
    """Return the response to a request that failed with an error."""
    if not isinstance(error, RequestError):
        error = _as_request_error(error)
    content: dict[str, Any] = {"error": str(error)}
    content |= {
        name: value
        for name, value in (("line", error.line), ("parameter", error.parameter))
        if value is not None
    }
    return ErrorResponse(content, status=error.status, headers=error.headers)


def _as_request_error(error: Exception) -> RequestError:
    if isinstance(error, SuspiciousOperation):
        return RequestError(400, f"The request cannot be read: {error}")
    if isinstance(error, ValidationError):
        return RequestError(400, f"The request cannot be read: {error.errors[0]['msg']}.")
    if isinstance(error, HANDLED):
        # Only the log has the details: they may name servers and roles.
        logger.error("A request failed: %s", error)
        return RequestError(
            503,
            "The platform's database is currently unavailable. Send the request again later, with "
            "the same Idempotency-Key if it has one.",
            headers=RETRY_LATER,
        )
    logger.error("A request failed", exc_info=error)
    return RequestError(
        500,
        "The server failed to process this request; its log has the reason. Send it again later, "
        "with the same Idempotency-Key if it has one.",
    )
