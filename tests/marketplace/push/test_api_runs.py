"""The state of a run in the push API."""

import pytest
from django.apps import apps

from tests import factories

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


class TestRunState:
    def test_has_counts_and_reasons(self, get_run):
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

        response = get_run(f"uzum-{run.pk}")

        assert response.status_code == 200
        assert response.json() == {
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

    def test_failed_run_with_attempts_left_is_queued(self, push, get_run):
        name = push().json()["run"]
        model = apps.get_model("ecommerce", "LoadRun").objects
        model.update(status="failed", finished_at=factories.SEEN)

        waiting = get_run(name).json()
        apps.get_model("ecommerce", "LoadChunk").objects.all().delete()
        ended = get_run(name).json()

        assert (waiting["status"], waiting["finished_at"]) == ("queued", None)
        assert (ended["status"], ended["finished_at"]) == ("failed", "2026-11-20T09:00:00Z")

    def test_requires_a_token_of_the_platform(self, push, get_run):
        name = push().json()["run"]

        assert get_run(name, token="olx-token-of-the-tests").status_code == 401
        assert get_run(name, token="uzum-token-that-is-next").status_code == 200

    @pytest.mark.parametrize("name", ["uzum-0", "uzum-", "uzum-x", "uzum-²", f"uzum-{'9' * 40}"])
    def test_unknown_run(self, get_run, name):
        response = get_run(name)

        assert response.status_code == 404
        assert response.json()["error"].startswith(f"Run {name} does not exist.")

    def test_run_of_unknown_platform(self, get_run):
        response = get_run("amazon-17")

        assert response.status_code == 404
        assert "does not exist" in response.json()["error"]

    @pytest.mark.parametrize("name", ["17", "uzum", "-17"])
    def test_invalid_id(self, get_run, name):
        response = get_run(name)

        assert response.status_code == 404
        assert response.json()["error"] == (
            f"{name} is not the id of a run. Write PLATFORM-NUMBER, as in uzum-17."
        )

    def test_run_of_another_platform(self, get_run):
        run = factories.load_run("ecommerce", platform="ozon")

        assert get_run(f"uzum-{run.pk}").status_code == 404

    def test_other_methods_are_not_allowed(self, client):
        response = client.delete("/api/ingest/runs/uzum-1")

        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
