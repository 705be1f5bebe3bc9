"""Errors of the push API."""

import gzip
import json

import pytest
from django.db import OperationalError, connections

from marketplace.api import pushes
from marketplace.registry import PLATFORMS
from tests.marketplace.push.api_client import LINES, TOKEN, runs

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


class TestErrors:
    """Each error has a status and a message, and nothing is queued."""

    @pytest.fixture(autouse=True)
    def nothing_is_queued(self):
        yield
        assert runs() == []

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer uzum-token-of-the-test"},
            {"Authorization": "Bearer olx-token-of-the-tests"},
            {"Authorization": "Bearer "},
            {"Authorization": "Bearer токен"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": TOKEN},
        ],
    )
    def test_wrong_token(self, push, headers):
        response = push(token=None, **headers)

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json() == {
            "error": "A token of uzum is required. Send the header Authorization: Bearer <token>."
        }

    def test_unknown_platform(self, push):
        response = push(platform="amazon")

        assert response.status_code == 404
        assert response.json()["error"] == (
            "Platform amazon does not exist. "
            f"Choose from {', '.join(platform.name for platform in PLATFORMS)}."
        )

    @pytest.mark.parametrize(("platform", "token"), [("yandex", TOKEN), ("ozon", "short")])
    def test_platform_without_valid_token(self, push, platform, token):
        response = push(platform=platform, token=token)

        assert response.status_code == 403
        assert f"Pushing is disabled for {platform}" in response.json()["error"]
        assert "INGEST_TOKENS" in response.json()["error"]

    def test_method_not_allowed(self, client):
        response = client.get("/api/ingest/uzum")

        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        assert response.json() == {"error": "GET is not allowed here. Use POST."}

    @pytest.mark.parametrize("path", ["/api/", "/api/ingest", "/api/ingest/uzum/", "/api/runs/1"])
    def test_unknown_path(self, client, path):
        response = client.post(path)

        assert response.status_code == 404
        assert "/api/ingest/<platform>" in response.json()["error"]

    def test_unknown_content_encoding(self, push):
        response = push(Content_Encoding="br")

        assert response.status_code == 415
        assert "Use gzip or zstd" in response.json()["error"]

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("?shop=%00", "shop must have"),
            (f"?shop={'x' * 256}", "shop must have"),
            ("?observed_at=yesterday", 'observed_at: "yesterday" is not a time'),
            ("?observed_at=2096-01-01T10:00:00Z", "is more than a day in the future"),
            ("?full_listing=some", "full_listing must be one of"),
            ("?snapshot=some", "full_listing must be one of"),
            ("?decimal=;", 'decimal must be "." or ","'),
            ("?obsreved_at=2026-06-01", "Unknown parameter obsreved_at"),
        ],
    )
    def test_invalid_parameter(self, push, query, reason):
        response = push(query=query)

        assert response.status_code == 400
        assert reason in response.json()["error"]

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
    def test_invalid_key(self, push, key):
        response = push(Idempotency_Key=key)

        assert response.status_code == 400
        assert "Idempotency-Key must have 1 to 255" in response.json()["error"]

    def test_invalid_line_after_stored_chunks(self, push, monkeypatch):
        monkeypatch.setattr("marketplace.push.inbox.CHUNK_SIZE", 100)

        response = push(b'{"id": 1}\n' * 100 + b"{oops}\n" + b'{"id": 1}\n' * 100)

        assert response.status_code == 400
        assert response.json()["line"] == 101
        assert response.json()["error"].startswith("Line 101 is not JSON")

    def test_empty_body(self, push):
        response = push(b"")

        assert (response.status_code, "line" in response.json()) == (400, False)
        assert "no document" in response.json()["error"]

    def test_too_large_body(self, push, settings):
        settings.INGEST_API_MAX_BODY = len(LINES) - 1

        assert push().status_code == 413

    def test_too_large_decompressed_body(self, push, settings):
        settings.INGEST_API_MAX_UNPACKED = len(LINES) - 1

        response = push(gzip.compress(LINES), Content_Encoding="gzip")

        assert response.status_code == 413
        assert "INGEST_API_MAX_UNPACKED" in response.json()["error"]

    @pytest.mark.parametrize("name", ["INGEST_API_MAX_LINE", "INGEST_MAX_RECORD"])
    def test_too_long_line(self, push, settings, name):
        setattr(settings, name, 30)

        response = push()

        assert (response.status_code, response.json()["line"]) == (413, 1)

    def test_too_many_concurrent_requests(self, push, settings):
        with pushes._receive_slot(), pushes._receive_slot():
            response = push()

        assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
        assert push(b"").status_code == 400

    @pytest.mark.parametrize("method", ["push", "get_run"])
    def test_unavailable_database(self, request, monkeypatch, caplog, method):
        def fail(*args, **options):
            raise OperationalError('connection to server at "10.0.0.7" failed')

        with monkeypatch.context() as patched:
            patched.setattr(connections["ecommerce"], "cursor", fail)
            argument = {"push": LINES, "get_run": "uzum-1"}[method]
            response = request.getfixturevalue(method)(argument)

        assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
        assert "same Idempotency-Key" in response.json()["error"]
        # The address of the database is in the log only.
        assert "10.0.0.7" not in response.content.decode()
        assert "10.0.0.7" in caplog.text


def test_error_is_json(push):
    response = push(b'{"nom": "\xff"}')

    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.content)["line"] == 1
