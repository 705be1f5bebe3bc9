"""Errors that a user can act on. Only `cli.py`, `manage.py` and the admin make them messages."""

from collections.abc import Mapping


class MarketplaceError(Exception):
    """Raised if something cannot be done. Its text names the thing, the reason, the next step."""


class DatabaseUnavailableError(MarketplaceError):
    """Raised if a database cannot be reached, or does not exist."""


class EmbeddedServerError(DatabaseUnavailableError):
    """Raised if the embedded PostgreSQL server cannot be prepared, started or stopped."""


class DiskFullError(DatabaseUnavailableError):
    """Raised if a server's disk is full: nothing can be written, or the server cannot start."""


class BackupError(MarketplaceError):
    """Raised if a set cannot be written, trusted or restored. Names the set or the file."""


class ArchiveError(MarketplaceError):
    """Raised if an archived month cannot be written, read or trusted. Names the file."""


class SourceError(MarketplaceError):
    """Raised if an input as a whole cannot be read: missing, empty, of another platform."""


class ReplacedError(MarketplaceError):
    """Raised if a database is another one than it was before: it was restored meanwhile."""


class PayloadError(MarketplaceError):
    """Raised if one payload cannot become records. It alone goes to quarantine.

    :param reason: what is wrong, in words for the person who reviews the quarantine
    :param field: the payload's field at fault, as the platform names it; empty if no single one is
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


class MergeRequiredError(MarketplaceError):
    """Raised if a batch of new items cannot be inserted in bulk, so that it must be merged."""


class RecordLimitError(ValueError):
    """Raised if a JSON value is more than one record may be."""


class NestingError(RecordLimitError):
    """Raised if a JSON value has more levels of arrays and objects than INGEST_MAX_DEPTH."""


class TooManyValuesError(RecordLimitError):
    """Raised if a JSON value has so many values in it that they do not fit in memory."""


def name_error(error: BaseException) -> str:
    """Return an error's type and text: "ValueError: too large"; the type alone if it has none."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class BadParameterError(MarketplaceError):
    """Raised if a request to the admin has a value that is not valid. Its text says which.

    :param names: the parameters at fault: the address is valid without them
    """

    def __init__(self, text: str, *names: str) -> None:
        super().__init__(text)
        self.names = names
