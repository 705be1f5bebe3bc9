"""The monitoring endpoints."""

import pytest

from marketplace.databases.names import ALL_ALIASES

pytestmark = pytest.mark.usefixtures("_only_olx")

TOKEN = "a-token-that-prometheus-has"


class TestHealthz:
    def test_no_database_is_queried(self, client):
        # The test declares no database, so that a query would fail.
        answer = client.get("/healthz")

        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})

    def test_no_caching_and_no_cookie(self, client):
        answer = client.get("/healthz")

        assert "no-store" in answer["Cache-Control"]
        assert not answer.cookies

    def test_any_host_name_without_tls(self, client, settings):
        settings.SECURE_SSL_REDIRECT = True

        answer = client.get("/healthz", headers={"Host": "10.1.2.3:8000"})

        assert answer.status_code == 200

    def test_post_is_refused(self, client):
        assert client.post("/healthz").status_code == 405


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestReadyz:
    def test_is_ready(self, client):
        answer = client.get("/readyz")

        body = answer.json()
        assert (answer.status_code, body["status"]) == (200, "ready")
        assert list(body["databases"]) == list(ALL_ALIASES)
        assert not answer.cookies

    def test_reason_of_an_unready_database(self, client, move):
        move("procurement", 1)

        answer = client.get("/readyz")

        body = answer.json()
        assert (answer.status_code, body["status"]) == (503, "not ready")
        found = body["databases"]["procurement"]
        text = "its server does not accept connections"
        assert found["reasons"] == [{"code": "unreachable", "text": text}]
        others = {body["databases"][alias]["status"] for alias in ALL_ALIASES[:-1]}
        assert others == {"ready"}

    def test_selected_databases(self, client, move):
        move("procurement", 1)

        answer = client.get("/readyz?database=default&database=ecommerce")

        assert answer.status_code == 200
        assert list(answer.json()["databases"]) == ["default", "ecommerce"]

    def test_warning_about_old_data(self, client):
        body = client.get("/readyz?database=classifieds").json()

        found = body["databases"]["classifieds"]
        assert found["warnings"] == [{"code": "stale", "text": "olx has no completed load"}]
        assert found["loaded_at"] == found["observed_at"] == {"olx": None}

    def test_unknown_database(self, client):
        answer = client.get("/readyz?database=warehouse")

        assert answer.status_code == 400
        assert "'warehouse'" in answer.json()["error"]


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestMetrics:
    def test_request_of_this_machine(self, client):
        assert client.get("/metrics").status_code == 200

    @pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", ""])
    def test_request_of_another_machine(self, client, address):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 403

    def test_forwarded_request(self, client):
        answer = client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"})

        assert answer.status_code == 403

    def test_valid_token(self, client, settings):
        settings.METRICS_TOKEN = TOKEN
        headers = {"Authorization": f"Bearer {TOKEN}"}

        answer = client.get("/metrics", headers=headers, REMOTE_ADDR="10.0.0.7")

        assert answer.status_code == 200

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer ж"])
    def test_missing_or_wrong_token(self, client, settings, header):
        settings.METRICS_TOKEN = TOKEN

        answer = client.get("/metrics", headers={"Authorization": header})

        assert answer.status_code == 403
        assert TOKEN not in answer.content.decode()
