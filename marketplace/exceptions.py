"""Errors that a user can act on. `cli.py`, `manage.py` and the admin show them as messages."""

from collections.abc import Mapping
from pathlib import Path


class MarketplaceError(Exception):
    """Base class. The text contains the object, the reason and the next step."""


class DatabaseUnavailableError(MarketplaceError):
    """Raised if a database cannot be reached or does not exist."""


class EmbeddedServerError(DatabaseUnavailableError):
    """Raised if the embedded PostgreSQL server cannot be prepared, started or stopped."""


class DiskFullError(DatabaseUnavailableError):
    """Raised if the disk of a server is full, so that it cannot write or start."""


class BackupError(MarketplaceError):
    """Raised if a backup set (named in the text) cannot be written, verified or restored."""


class ArchiveError(MarketplaceError):
    """Raised if an archived month (named in the text) cannot be written, read or verified."""


class SourceError(MarketplaceError):
    """Raised if an input cannot be read at all: missing, empty or of another platform."""


class ReplacedError(MarketplaceError):
    """Raised if a database was replaced, for example by a restore, during an operation."""


class PayloadError(MarketplaceError):
    """Raised if a payload cannot be converted to records. Only this payload is quarantined.

    :param reason: a description of the error, for the review of the quarantine
    :param field: the platform's name of the invalid field; may be empty
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class ItemsRefusedError(MarketplaceError):
    """Raised if items of a batch cannot be loaded in the current state of the database.

    :param reasons: index of the item in the batch → reason; the key None holds a reason that
        cannot be attributed to a single item
    """

    def __init__(self, reasons: Mapping[int | None, str]) -> None:
        super().__init__("; ".join(sorted(set(reasons.values()))))
        self.reasons = reasons


class RecordLimitError(ValueError):
    """Raised if a JSON value exceeds a limit for one record."""


class NestingError(RecordLimitError):
    """Raised if a JSON value has more levels of arrays and objects than INGEST_MAX_DEPTH."""


class TooManyValuesError(RecordLimitError):
    """Raised if a JSON value contains too many values to fit in memory."""


def name_error(error: BaseException) -> str:
    """Return an error's type and text, as "ValueError: too large", or the type alone."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class BadParameterError(MarketplaceError):
    """Raised if a request to the admin has a parameter with an invalid value.

    :param names: of the invalid parameters; the URL is valid without them
    """

    def __init__(self, text: str, *names: str) -> None:
        super().__init__(text)
        self.names = names


class RequestError(MarketplaceError):
    """Raised if a request to the HTTP API is rejected.

    :param status: the HTTP status of the response
    :param line: the line of the body with the error, or None
    :param headers: additional headers of the response
    :param parameter: the name of the invalid parameter, or None
    """

    def __init__(
        self,
        status: int,
        reason: str,
        line: int | None = None,
        headers: Mapping[str, str] | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.line = line
        self.headers = dict(headers or {})
        self.parameter = parameter


class QuestionError(MarketplaceError):
    """Raised if the file of a question is not valid, or a question does not exist.

    :param path: the file; None if there is none
    :param line: number of the line in the file
    """

    def __init__(self, path: Path | None, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if path else reason)
        self.path = path
        self.line = line
        self.reason = reason


class RollupError(MarketplaceError):
    """The file of a rollup is not valid, or the rollup does not exist."""


class ParameterError(MarketplaceError):
    """Raised if a parameter of a question has an invalid value.

    :param name: of the parameter
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


class AnswerError(MarketplaceError):
    """Raised if a question cannot be answered: no login, or it runs too long."""
