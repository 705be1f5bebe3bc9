"""Errors of the push API."""

from collections.abc import Mapping

from marketplace.exceptions import MarketplaceError


class RequestError(MarketplaceError):
    """Raised if a request is rejected.

    :param status: the HTTP status of the response
    :param line: the line of the body with the error, or None
    :param headers: additional headers of the response
    """

    def __init__(
        self,
        status: int,
        reason: str,
        line: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.line = line
        self.headers = dict(headers or {})


class IdempotencyConflictError(MarketplaceError):
    """Raised if an idempotency key was used before for another push."""
