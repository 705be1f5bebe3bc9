"""Pushes by HTTP: stored runs and idempotency keys."""

import gzip
from datetime import UTC, datetime

import pytest
import zstandard
from django.apps import apps

from tests.marketplace.push.api_client import LINES, TOKEN, runs, stored_lines

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


class TestPush:
    def test_queues_a_run_with_its_lines(self, push):
        response = push()

        [run] = runs()
        assert response.status_code == 202
        assert response.json() == {
            "run": f"uzum-{run.pk}",
            "status": "queued",
            "documents": 3,
            "duplicate": False,
            "url": f"/api/ingest/runs/uzum-{run.pk}",
        }
        assert response.headers["Location"] == f"/api/ingest/runs/uzum-{run.pk}"
        assert (run.platform, run.status, run.idempotency_key) == ("uzum", "queued", None)
        # The replacement of the blank line preserves the number of the next line.
        assert stored_lines(run) == [
            b'{"payload": {"data": {"id": 1}}}',
            b"[]",
            b'[{"id": 2}, {"id": 3}]',
        ]

    def test_is_stored_in_the_database_of_the_platform(self, push):
        response = push(b"{}", platform="olx", token="olx-token-of-the-tests")

        [run] = runs("classifieds")
        assert response.json()["run"] == f"olx-{run.pk}"
        assert runs() == []

    @pytest.mark.parametrize(
        ("encoding", "pack"),
        [("gzip", gzip.compress), ("zstd", zstandard.compress), ("identity", bytes)],
    )
    def test_is_decompressed(self, push, encoding, pack):
        response = push(pack(LINES), Content_Encoding=encoding)

        assert response.status_code == 202
        assert stored_lines(runs()[0])[0] == b'{"payload": {"data": {"id": 1}}}'

    def test_splits_large_bodies_into_chunks(self, push):
        body = b"".join(b'{"id": %d, "text": "%s"}\n' % (n, b"x" * 1000) for n in range(3000))

        response = push(body)

        [run] = runs()
        assert response.json()["documents"] == 3000
        assert run.chunks.count() == 3
        assert b"\n".join(stored_lines(run)) + b"\n" == body

    def test_stores_the_parameters(self, push):
        push(
            query="?observed_at=2026-06-01T10:00:00%2B05:00&shop=Malika&lot=7&full_listing=shop&decimal=,"
        )

        options = runs()[0].options
        assert options.pop("push").keys() == {"digest", "attempts"}
        assert options == {
            "options": {"shop": "Malika", "lot": "7", "decimal": ","},
            "observed_at": "2026-06-01T05:00:00+00:00",
            "columns": None,
            "full_listing": "shop",
            "paths": [],
        }

    def test_accepts_snapshot_as_an_alias_of_full_listing(self, push):
        push(query="?snapshot=category")

        assert runs()[0].options["full_listing"] == "category"

    def test_accepts_an_unescaped_plus_in_a_time(self, push):
        push(query="?observed_at=2026-06-01T10:00:00+05:00")

        assert runs()[0].options["observed_at"] == "2026-06-01T05:00:00+00:00"

    def test_time_of_the_push_is_the_default_of_observed_at(self, push):
        before = datetime.now(UTC)

        push()

        [run] = runs()
        assert before <= run.started_at <= datetime.now(UTC)
        assert run.options["observed_at"] is None

    def test_accepts_any_token_of_the_platform(self, push):
        assert push(token="uzum-token-that-is-next").status_code == 202

    def test_ignores_an_unknown_session_cookie(self, client, push):
        client.cookies["sessionid"] = "of another page"

        assert push().status_code == 202


class TestIdempotencyKey:
    def test_repeated_push_returns_the_first_run(self, push):
        first = push(Idempotency_Key="page 1")

        repeated = push(Idempotency_Key="page 1")

        [run] = runs()
        assert run.idempotency_key == "page 1"
        assert repeated.status_code == 202
        assert repeated.json() == first.json() | {"duplicate": True}

    def test_compression_does_not_matter(self, push):
        push(Idempotency_Key="page 1")

        repeated = push(gzip.compress(LINES), Idempotency_Key="page 1", Content_Encoding="gzip")

        assert repeated.json()["duplicate"] is True

    def test_repeated_push_returns_the_current_status(self, push):
        push(Idempotency_Key="page 1")
        apps.get_model("ecommerce", "LoadRun").objects.update(status="completed")

        assert push(Idempotency_Key="page 1").json()["status"] == "completed"

    @pytest.mark.parametrize(
        ("body", "query"), [(b'{"id": 9}\n', ""), (LINES + b"{}\n", ""), (LINES, "?shop=Malika")]
    )
    def test_key_of_another_push_is_rejected(self, push, body, query):
        push(Idempotency_Key="page 1")

        response = push(body, query=query, Idempotency_Key="page 1")

        assert response.status_code == 409
        assert "page 1 was used before" in response.json()["error"]
        assert len(runs()) == 1

    def test_key_is_separate_for_each_platform(self, push, settings):
        settings.INGEST_TOKENS = [("uzum", TOKEN), ("yandex", TOKEN)]
        push(Idempotency_Key="page 1")

        assert push(platform="yandex", Idempotency_Key="page 1").json()["duplicate"] is False

    def test_pushes_without_key_are_separate_runs(self, push):
        push()
        push()

        assert len(runs()) == 2
