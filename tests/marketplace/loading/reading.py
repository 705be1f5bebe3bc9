"""Reading sources in tests: entries, valid documents and errors."""

import pytest
from django.test import override_settings

from marketplace.exceptions import SourceError
from marketplace.loading.formats import documents

LIMIT = 1 << 20

TOO_DEEP = (
    "is nested more than 100 levels deep (INGEST_MAX_DEPTH); raise that setting if the depth is "
    "right"
)


def read(path, limit=LIMIT):
    with override_settings(INGEST_MAX_RECORD=limit):
        return list(documents.read(str(path)))


def read_damaged(path, limit=LIMIT):
    """Return what is read before the damage, and the error behind it."""
    entries = []
    with override_settings(INGEST_MAX_RECORD=limit), pytest.raises(SourceError) as raised:
        for entry in documents.read(str(path)):
            entries.append(entry)
    return entries, str(raised.value)


def valid_documents(entries):
    return [entry.document for entry in entries if not entry.fault]


def invalid_entries(entries):
    return [entry for entry in entries if entry.fault]
