"""Fixtures of the tests of pushes."""

import pytest
from django.apps import apps

from marketplace.loading import ingest
from marketplace.loading.ingest import Summary
from tests.marketplace.push.api_client import LINES, TOKEN


@pytest.fixture
def api_tokens(settings):
    """Set the tokens of the API. The token of ozon is too short."""
    settings.INGEST_TOKENS = [
        ("uzum", TOKEN),
        ("uzum", "uzum-token-that-is-next"),
        ("olx", "olx-token-of-the-tests"),
        ("ozon", "short"),
    ]


@pytest.fixture
def push(client, api_tokens):
    """Return a function that sends a push and returns the response."""

    def push(body=LINES, platform="uzum", token=TOKEN, query="", **headers):
        request_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            request_headers["Authorization"] = f"Bearer {token}"
        return client.generic(
            "POST",
            f"/api/ingest/{platform}{query}",
            data=body,
            content_type="application/x-ndjson",
            headers=request_headers,
        )

    return push


@pytest.fixture
def get_run(client, api_tokens):
    """Return a function that requests the state of a run and returns the response."""

    def get_run(run, token=TOKEN):
        return client.get(f"/api/ingest/runs/{run}", headers={"Authorization": f"Bearer {token}"})

    return get_run


@pytest.fixture
def resume(monkeypatch):
    """Replace `ingest.resume` by a function that records its calls and calls `resume.action`."""
    calls = []

    def resume(alias, pk, *, progress):
        calls.append((alias, pk))
        return resume.action(alias, pk, progress)

    def succeed(alias, pk, progress):
        objects = apps.get_model(alias, "LoadRun").objects.filter(pk=pk)
        objects.update(status="completed")
        apps.get_model(alias, "LoadChunk").objects.filter(run_id=pk).delete()
        return Summary(objects.get().platform, pk, read=1)

    resume.action, resume.calls, resume.succeed = succeed, calls, succeed
    monkeypatch.setattr(ingest, "resume", resume)
    return resume
