"""Queued runs for the tests of the worker."""

import json
from datetime import UTC, datetime

from django.apps import apps

from marketplace.push import inbox
from marketplace.registry import get_platform

NOW = datetime(2026, 6, 2, tzinfo=UTC)

#: The output, error output and exit code of the command if no run is waiting.
NO_RUNS = ("No runs are waiting.\n", "", 0)


def product(number, price=1000):
    """Return a document of uzum with one product and one offer."""
    return {
        "payload": {
            "data": {
                "id": number,
                "title": f"Choynak {number}",
                "seller": {"id": 1, "title": "Malika Savdo"},
                "category": {"id": 1, "title": "Idishlar"},
                "skuList": [{"id": number * 10, "purchasePrice": price, "availableAmount": 1}],
            }
        },
        "timestamp": "2026-06-01T10:00:00",
    }


def queue(*documents, platform="uzum", observed_at=NOW):
    """Push documents, None for a blank line; return the key of their run."""
    alias = get_platform(platform).database
    options = {"options": {}, "observed_at": observed_at.isoformat(), "columns": None}
    push = inbox.Push(platform, None, options | {"full_listing": "", "paths": []}, {}, NOW)
    lines = [json.dumps(document).encode() if document else b"" for document in documents]
    return inbox.store(alias, push, lines, lock_timeout=5).run_id


def get_run(pk, alias="ecommerce"):
    """Return a run."""
    return apps.get_model(alias, "LoadRun").objects.get(pk=pk)
