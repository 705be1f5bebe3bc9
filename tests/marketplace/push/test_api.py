"""Pushing payloads by HTTP, as a scraper on another machine does."""

import gzip
import json
from datetime import UTC, datetime

import pytest
import zstandard
from django.apps import apps
from django.db import OperationalError, connections

from marketplace.loading import chunks
from marketplace.push import api
from marketplace.registry import PLATFORMS
from tests import factories

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

TOKEN = "uzum-token-of-the-tests"
LINES = b'{"payload": {"data": {"id": 1}}}\n\n[{"id": 2}, {"id": 3}]\n'


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.INGEST_TOKENS = [
        ("uzum", TOKEN),
        ("uzum", "uzum-token-that-is-next"),
        ("olx", "olx-token-of-the-tests"),
        ("ozon", "short"),
    ]


@pytest.fixture
def push(client):
    """Push and return the answer."""

    def push(body=LINES, platform="uzum", token=TOKEN, query="", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        return client.generic(
            "POST",
            f"/api/ingest/{platform}{query}",
            data=body,
            content_type="application/x-ndjson",
            headers=named,
        )

    return push


@pytest.fixture
def ask(client):
    """Ask what became of a run."""

    def ask(run, token=TOKEN):
        return client.get(f"/api/ingest/runs/{run}", headers={"Authorization": f"Bearer {token}"})

    return ask


def runs(alias="ecommerce"):
    return list(apps.get_model(alias, "LoadRun").objects.order_by("pk"))


def stored(run, alias="ecommerce"):
    return [line.raw for line in chunks.read(alias, run.pk)]


class TestPush:
    def test_queues_a_run_with_its_lines(self, push):
        answer = push()

        [run] = runs()
        assert answer.status_code == 202
        assert answer.json() == {
            "run": f"uzum-{run.pk}",
            "status": "queued",
            "documents": 3,
            "duplicate": False,
            "url": f"/api/ingest/runs/uzum-{run.pk}",
        }
        assert answer.headers["Location"] == f"/api/ingest/runs/uzum-{run.pk}"
        assert (run.platform, run.status, run.idempotency_key) == ("uzum", "queued", None)
        # What stands for the blank line keeps the number of the one behind it.
        assert stored(run) == [
            b'{"payload": {"data": {"id": 1}}}',
            b"[]",
            b'[{"id": 2}, {"id": 3}]',
        ]

    def test_goes_to_the_database_of_the_platform(self, push):
        answer = push(b"{}", platform="olx", token="olx-token-of-the-tests")

        [run] = runs("classifieds")
        assert answer.json()["run"] == f"olx-{run.pk}"
        assert runs() == []

    @pytest.mark.parametrize(
        ("encoding", "pack"),
        [("gzip", gzip.compress), ("zstd", zstandard.compress), ("identity", bytes)],
    )
    def test_unpacks(self, push, encoding, pack):
        answer = push(pack(LINES), Content_Encoding=encoding)

        assert answer.status_code == 202
        assert stored(runs()[0])[0] == b'{"payload": {"data": {"id": 1}}}'

    def test_cuts_large_bodies_into_chunks(self, push):
        body = b"".join(b'{"id": %d, "text": "%s"}\n' % (n, b"x" * 1000) for n in range(3000))

        answer = push(body)

        [run] = runs()
        assert answer.json()["documents"] == 3000
        assert run.chunks.count() == 3
        assert b"\n".join(stored(run)) + b"\n" == body

    def test_keeps_what_was_said_beside_the_lines(self, push):
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

    def test_takes_the_plus_of_a_time_that_was_not_escaped(self, push):
        push(query="?observed_at=2026-06-01T10:00:00+05:00")

        assert runs()[0].options["observed_at"] == "2026-06-01T05:00:00+00:00"

    def test_what_tells_no_time_was_observed_when_it_was_pushed(self, push):
        before = datetime.now(UTC)

        push()

        [run] = runs()
        assert before <= run.started_at <= datetime.now(UTC)
        assert run.options["observed_at"] is None

    def test_takes_either_token_while_they_are_changed(self, push):
        assert push(token="uzum-token-that-is-next").status_code == 202

    def test_answers_whoever_is_logged_in_elsewhere(self, client, push):
        client.cookies["sessionid"] = "of another page"

        assert push().status_code == 202


class TestRefusal:
    """Each names the thing, the reason and the next step, and queues nothing."""

    @pytest.fixture(autouse=True)
    def _nothing_is_queued(self):
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
    def test_a_wrong_token(self, push, headers):
        answer = push(token=None, **headers)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json() == {
            "error": "This takes a token of uzum. Send the header Authorization: Bearer <token>."
        }

    def test_an_unknown_platform(self, push):
        answer = push(platform="amazon")

        assert answer.status_code == 404
        assert answer.json()["error"] == (
            "There is no platform amazon. "
            f"Choose from {', '.join(platform.name for platform in PLATFORMS)}."
        )

    @pytest.mark.parametrize(("platform", "token"), [("yandex", TOKEN), ("ozon", "short")])
    def test_a_platform_without_a_sound_token(self, push, platform, token):
        answer = push(platform=platform, token=token)

        assert answer.status_code == 403
        assert f"Pushing is off for {platform}" in answer.json()["error"]
        assert "INGEST_TOKENS" in answer.json()["error"]

    def test_another_method(self, client):
        answer = client.get("/api/ingest/uzum")

        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert answer.json() == {"error": "GET is not possible here. Use POST."}

    @pytest.mark.parametrize("path", ["/api/", "/api/ingest", "/api/ingest/uzum/", "/api/runs/1"])
    def test_another_address(self, client, path):
        answer = client.post(path)

        assert answer.status_code == 404
        assert "/api/ingest/<platform>" in answer.json()["error"]

    def test_an_unknown_encoding(self, push):
        answer = push(Content_Encoding="br")

        assert answer.status_code == 415
        assert "Use gzip or zstd" in answer.json()["error"]

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("?shop=%00", "shop must have"),
            (f"?shop={'x' * 256}", "shop must have"),
            ("?observed_at=yesterday", 'observed_at: "yesterday" is not a time'),
            ("?observed_at=2096-01-01T10:00:00Z", "lies more than a day in the future"),
            ("?full_listing=some", "full_listing must be one of"),
            ("?snapshot=some", "full_listing must be one of"),
            ("?decimal=;", 'decimal must be "." or ","'),
            ("?obsreved_at=2026-06-01", "no parameter obsreved_at"),
        ],
    )
    def test_a_wrong_parameter(self, push, query, reason):
        answer = push(query=query)

        assert answer.status_code == 400
        assert reason in answer.json()["error"]

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
    def test_a_wrong_key(self, push, key):
        answer = push(Idempotency_Key=key)

        assert answer.status_code == 400
        assert "Idempotency-Key must have 1 to 255" in answer.json()["error"]

    def test_a_bad_line_far_behind_others_that_were_stored(self, push, monkeypatch):
        monkeypatch.setattr("marketplace.push.inbox.CHUNK_SIZE", 100)

        answer = push(b'{"id": 1}\n' * 100 + b"{oops}\n" + b'{"id": 1}\n' * 100)

        assert answer.status_code == 400
        assert answer.json()["line"] == 101
        assert answer.json()["error"].startswith("Line 101 is not JSON")

    def test_an_empty_body(self, push):
        answer = push(b"")

        assert (answer.status_code, "line" in answer.json()) == (400, False)
        assert "no document" in answer.json()["error"]

    def test_a_body_that_is_too_large(self, push, settings):
        settings.INGEST_API_MAX_BODY = len(LINES) - 1

        assert push().status_code == 413

    def test_a_body_that_unpacks_to_too_much(self, push, settings):
        settings.INGEST_API_MAX_UNPACKED = len(LINES) - 1

        answer = push(gzip.compress(LINES), Content_Encoding="gzip")

        assert answer.status_code == 413
        assert "INGEST_API_MAX_UNPACKED" in answer.json()["error"]

    @pytest.mark.parametrize("name", ["INGEST_API_MAX_LINE", "INGEST_MAX_RECORD"])
    def test_a_line_that_is_too_long(self, push, settings, name):
        setattr(settings, name, 30)

        answer = push()

        assert (answer.status_code, answer.json()["line"]) == (413, 1)

    def test_more_at_once_than_one_process_takes(self, push, settings):
        with api._turn(), api._turn():
            answer = push()

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert push(b"").status_code == 400

    @pytest.mark.parametrize("method", ["push", "ask"])
    def test_a_database_that_cannot_be_used(self, request, monkeypatch, caplog, method):
        def fail(*args, **options):
            raise OperationalError('connection to server at "10.0.0.7" failed')

        with monkeypatch.context() as patched:
            patched.setattr(connections["ecommerce"], "cursor", fail)
            argument = {"push": LINES, "ask": "uzum-1"}[method]
            answer = request.getfixturevalue(method)(argument)

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert "same Idempotency-Key" in answer.json()["error"]
        # Where the database is concerns those who run it.
        assert "10.0.0.7" not in answer.content.decode()
        assert "10.0.0.7" in caplog.text


class TestKey:
    def test_the_same_again_is_told_its_run(self, push):
        first = push(Idempotency_Key="page 1")

        again = push(Idempotency_Key="page 1")

        [run] = runs()
        assert run.idempotency_key == "page 1"
        assert again.status_code == 202
        assert again.json() == first.json() | {"duplicate": True}

    def test_the_same_packed_otherwise_is_the_same(self, push):
        push(Idempotency_Key="page 1")

        again = push(gzip.compress(LINES), Idempotency_Key="page 1", Content_Encoding="gzip")

        assert again.json()["duplicate"] is True

    def test_tells_how_far_the_run_is(self, push):
        push(Idempotency_Key="page 1")
        apps.get_model("ecommerce", "LoadRun").objects.update(status="completed")

        assert push(Idempotency_Key="page 1").json()["status"] == "completed"

    @pytest.mark.parametrize(
        ("body", "query"), [(b'{"id": 9}\n', ""), (LINES + b"{}\n", ""), (LINES, "?shop=Malika")]
    )
    def test_something_else_is_refused(self, push, body, query):
        push(Idempotency_Key="page 1")

        answer = push(body, query=query, Idempotency_Key="page 1")

        assert answer.status_code == 409
        assert "page 1 was used before" in answer.json()["error"]
        assert len(runs()) == 1

    def test_belongs_to_its_platform(self, push, settings):
        settings.INGEST_TOKENS = [("uzum", TOKEN), ("yandex", TOKEN)]
        push(Idempotency_Key="page 1")

        assert push(platform="yandex", Idempotency_Key="page 1").json()["duplicate"] is False

    def test_without_one_each_push_is_a_run(self, push):
        push()
        push()

        assert len(runs()) == 2


class TestRun:
    def test_tells_counts_and_reasons(self, ask):
        run = factories.load_run(
            "ecommerce", platform="uzum", rejected_count=3, price_point_count=5, held_count=1
        )
        for number in range(3):
            factories.quarantined(
                "ecommerce",
                b'{"price": %d}' % number,
                platform="uzum",
                run=run,
                reason="is negative" if number else "is missing",
            )

        answer = ask(f"uzum-{run.pk}")

        assert answer.status_code == 200
        assert answer.json() == {
            "run": f"uzum-{run.pk}",
            "platform": "uzum",
            "status": "completed",
            "error": "",
            "counts": {
                "read": 3,
                "created": 2,
                "updated": 0,
                "unchanged": 1,
                "rejected": 3,
                "held": 1,
                "price_points": 5,
            },
            "warnings": [],
            "reasons": [
                {"field": "price", "reason": "is negative", "count": 2},
                {"field": "price", "reason": "is missing", "count": 1},
            ],
            "started_at": "2026-11-20T09:00:00Z",
            "finished_at": "2026-11-20T09:05:00Z",
        }

    def test_a_failure_that_a_worker_will_try_again_is_queued(self, push, ask):
        name = push().json()["run"]
        model = apps.get_model("ecommerce", "LoadRun").objects
        model.update(status="failed", finished_at=factories.SEEN)

        waiting = ask(name).json()
        apps.get_model("ecommerce", "LoadChunk").objects.all().delete()
        ended = ask(name).json()

        assert (waiting["status"], waiting["finished_at"]) == ("queued", None)
        assert (ended["status"], ended["finished_at"]) == ("failed", "2026-11-20T09:00:00Z")

    def test_is_told_to_those_with_a_token_of_its_platform(self, push, ask):
        name = push().json()["run"]

        assert ask(name, token="olx-token-of-the-tests").status_code == 401
        assert ask(name, token="uzum-token-that-is-next").status_code == 200

    @pytest.mark.parametrize("name", ["uzum-0", "uzum-", "uzum-x", "uzum-²", f"uzum-{'9' * 40}"])
    def test_an_unknown_one(self, ask, name):
        answer = ask(name)

        assert answer.status_code == 404
        assert answer.json()["error"].startswith(f"There is no run {name}.")

    def test_one_of_an_unknown_platform(self, ask):
        answer = ask("amazon-17")

        assert answer.status_code == 404
        assert "There is no platform" in answer.json()["error"]

    @pytest.mark.parametrize("name", ["17", "uzum", "-17"])
    def test_what_is_not_an_id(self, ask, name):
        answer = ask(name)

        assert answer.status_code == 404
        assert answer.json()["error"] == (
            f"{name} is not the id of a run. Write PLATFORM-NUMBER, as in uzum-17."
        )

    def test_one_of_another_platform(self, ask):
        run = factories.load_run("ecommerce", platform="ozon")

        assert ask(f"uzum-{run.pk}").status_code == 404

    def test_is_only_read(self, client):
        answer = client.delete("/api/ingest/runs/uzum-1")

        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_answers_are_json_in_utf_8(push):
    answer = push(b'{"nom": "\xff"}')

    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.content)["line"] == 1
