"""The monitoring endpoints."""

import pytest

from marketplace.databases.names import ALL_ALIASES

pytestmark = pytest.mark.usefixtures("_only_olx")

TOKEN = "a-token-that-prometheus-has"


class TestHealthz:
    def test_no_database_is_queried(self, client):
        # The test declares no database, so that a query would fail.
        response = client.get("/healthz")

        assert (response.status_code, response.json()) == (200, {"status": "alive"})

    def test_no_caching_and_no_cookie(self, client):
        response = client.get("/healthz")

        assert "no-store" in response["Cache-Control"]
        assert not response.cookies

    def test_any_host_name_without_tls(self, client, settings):
        settings.SECURE_SSL_REDIRECT = True

        response = client.get("/healthz", headers={"Host": "10.1.2.3:8000"})

        assert response.status_code == 200

    def test_post_is_refused(self, client):
        assert client.post("/healthz").status_code == 405


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestReadyz:
    def test_is_ready(self, client):
        response = client.get("/readyz")

        body = response.json()
        assert (response.status_code, body["status"]) == (200, "ready")
        assert list(body["databases"]) == list(ALL_ALIASES)
        assert not response.cookies

    def test_reason_of_an_unready_database(self, client, set_port):
        set_port("procurement", 1)

        response = client.get("/readyz")

        body = response.json()
        assert (response.status_code, body["status"]) == (503, "not ready")
        database = body["databases"]["procurement"]
        text = "its server does not accept connections"
        assert database["reasons"] == [{"code": "unreachable", "text": text}]
        others = {body["databases"][alias]["status"] for alias in ALL_ALIASES[:-1]}
        assert others == {"ready"}

    def test_selected_databases(self, client, set_port):
        set_port("procurement", 1)

        response = client.get("/readyz?database=default&database=ecommerce")

        assert response.status_code == 200
        assert list(response.json()["databases"]) == ["default", "ecommerce"]

    def test_warning_about_old_data(self, client):
        body = client.get("/readyz?database=classifieds").json()

        database = body["databases"]["classifieds"]
        assert database["warnings"] == [{"code": "stale", "text": "olx has no completed load"}]
        assert database["loaded_at"] == database["observed_at"] == {"olx": None}

    def test_unknown_database(self, client):
        response = client.get("/readyz?database=warehouse")

        assert response.status_code == 400
        assert "'warehouse'" in response.json()["error"]


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestMetrics:
    def test_request_of_this_machine(self, client):
        assert client.get("/metrics").status_code == 200

    @pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", ""])
    def test_request_of_another_machine(self, client, address):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 403

    def test_forwarded_request(self, client):
        response = client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"})

        assert response.status_code == 403

    def test_valid_token(self, client, settings):
        settings.METRICS_TOKEN = TOKEN
        headers = {"Authorization": f"Bearer {TOKEN}"}

        response = client.get("/metrics", headers=headers, REMOTE_ADDR="10.0.0.7")

        assert response.status_code == 200

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer ж"])
    def test_missing_or_wrong_token(self, client, settings, header):
        settings.METRICS_TOKEN = TOKEN

        response = client.get("/metrics", headers={"Authorization": header})

        assert response.status_code == 403
        assert TOKEN not in response.content.decode()
