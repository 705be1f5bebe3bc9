"""The results of the readers of formats: documents, and errors in their place."""

from typing import Any, NamedTuple

from django.conf import settings

#: Bytes, or characters, that are kept of a record that is larger than INGEST_MAX_RECORD.
EXCERPT_SIZE = 1024


class Entry(NamedTuple):
    """A document, damaged data in place of a document, or a warning.

    :param place: the place in the source, for messages: "line 17"
    :param document: the parsed document; None if it is damaged
    :param fault: why the document could not be read; empty for a valid document
    :param raw: the damaged bytes
    :param warning: a warning about the source, without a document
    """

    place: str
    document: Any = None
    fault: str = ""
    raw: bytes = b""
    warning: str = ""


class Line(NamedTuple):
    """A line of JSON lines that has not been parsed."""

    place: str
    raw: bytes


def size_fault(size: int) -> str:
    """Return the reason for which a record is quarantined.

    :param size: the size of the record in bytes
    """
    return (
        f"has {size:,} bytes, more than INGEST_MAX_RECORD ({settings.INGEST_MAX_RECORD:,}); raise "
        "that setting if the size is right, and load the source again"
    )
