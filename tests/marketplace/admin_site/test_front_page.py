"""The front page, the navigation, and the pages of a database that is down."""

import re
import time

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from marketplace.admin_site import front_page, middleware
from marketplace.monitoring.status import DatabaseStatus, Freshness, LastRun
from marketplace.postgresql.errors import Remark
from marketplace.registry import ALIASES
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

CONNECTED = DatabaseStatus(
    alias="ecommerce",
    title="B2C e-commerce platforms",
    name="ecommerce_db",
    platforms=("uzum", "yandex"),
    is_connected=True,
    revision="head",
    size_bytes=5 * 1024**3,
    rows={"products": 812345, "price_history": 50000000},
    runs=(
        LastRun(17, "uzum", "failed", *[factories.SEEN] * 2, 124300, 1200, 0, 0, 10, 0, "Cut off."),
    ),
    freshness=(
        Freshness("uzum", None, None, None, factories.SEEN),
        Freshness("yandex", None, None, None),
    ),
    quarantined=3,
    waiting={"run": 1200, "record": 3, "outlier": 0},
)
DOWN = DatabaseStatus(
    alias="classifieds",
    title="C2C classifieds platforms",
    name="classifieds_db",
    platforms=("olx",),
    error="Connection refused. Start the server.",
)


@pytest.fixture
def statuses(monkeypatch):
    """Set the statuses of the databases."""

    def set_statuses(*statuses):
        monkeypatch.setattr(front_page, "get_statuses", lambda aliases: list(statuses))

    return set_statuses


@pytest.fixture
def down(monkeypatch):
    """Make a database refuse connections."""

    def fail(*args, **kwargs):
        raise OperationalError("connection to server failed: Connection refused")

    def down(alias):
        monkeypatch.setattr(connections[alias], "cursor", fail)

    return down


def _text(response):
    html = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index('class="mp-page') :]))


class TestFrontPage:
    def test_shows_the_status_of_each_database(self, admin_client, statuses):
        statuses(CONNECTED, DOWN)

        response = admin_client.get("/databases/")

        text = _text(response)
        assert "ECOMMERCE B2C Connected B2C e-commerce platforms" in text
        assert "Size 5.0 GB Revision head Last backup — Quarantine 3 records" in text
        assert "products 812 345 price history 50 000 000" in text
        assert "124 300 read 1 200 created 0 updated 10 rejected Cut off." in text
        assert re.search("Last observed: .+ ago Last loaded: never New data: never", text)
        assert "Yandex Market Never loaded" in text
        assert "CLASSIFIEDS C2C Unreachable" in text
        assert "Connection refused. Start the server." in text

    def test_shows_how_many_rows_wait_for_review(self, admin_client, statuses):
        nothing = CONNECTED._replace(alias="procurement", waiting={"run": 0, "record": 0})
        statuses(CONNECTED, DOWN, nothing)

        text = _text(admin_client.get("/"))

        assert "1 203 waiting for review" in text.replace("\xa0", " ")
        assert "Waiting for review: none" in text

    def test_links_to_lists(self, admin_client, statuses):
        statuses(CONNECTED)

        html = admin_client.get("/databases/").content.decode()

        for name in ("product", "pricepoint", "quarantinedrecord", "loadrun"):
            assert f'class="mp-link" href="/ecommerce/{name}/"' in html

    def test_shows_a_card_for_each_database(self, admin_client):
        response = admin_client.get("/databases/")

        cards = [card["status"].alias for card in response.context["databases"]]
        assert cards == list(ALIASES)

    def test_issues_few_queries(self, admin_client, statuses):
        statuses(CONNECTED, DOWN)

        with CaptureQueriesContext(connections["default"]) as queries:
            admin_client.get("/databases/")

        assert len(queries) <= 4

    def test_opens_within_seconds_if_a_server_does_not_answer(
        self, admin_client, set_port, mute_port
    ):
        set_port("procurement", mute_port)

        started = time.monotonic()
        response = admin_client.get("/databases/")

        assert response.status_code == 200
        assert time.monotonic() - started < 6
        assert "PROCUREMENT B2B Unreachable" in _text(response)


@pytest.fixture
def staff(client):
    """Return the client of a staff account that may view only the given models."""

    def staff(*models):
        user = User.objects.create_user("reader", is_staff=True)
        codes = [f"view_{model}" for model in models]
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="ecommerce", codename__in=codes)
        )
        client.force_login(user)
        return client

    return staff


class TestPermissions:
    def test_front_page_without_permissions_refers_to_an_administrator(self, staff):
        text = _text(staff().get("/databases/"))

        assert "Ask an administrator to add it to a group" in text
        assert not any(alias in text.lower() for alias in ALIASES)

    def test_front_page_shows_permitted_tables_only(self, staff, statuses):
        statuses(CONNECTED)

        text = _text(staff("product").get("/databases/"))

        assert "ECOMMERCE B2C Connected" in text
        assert "Size 5.0 GB" in text
        assert "products 812 345" in text
        for hidden in ("price history", "Quarantine", "Last loads", "Uzum", "Cut off."):
            assert hidden not in text

    def test_only_permitted_databases_are_queried(self, staff, monkeypatch):
        queried = []
        monkeypatch.setattr(
            front_page, "get_statuses", lambda aliases: queried.extend(aliases) or []
        )

        staff("product").get("/databases/")

        assert queried == ["ecommerce"]

    def test_reason_of_a_failure_is_shown_with_permission_only(self, staff, down, monkeypatch):
        monkeypatch.setattr(middleware, "find_failure", lambda alias: Remark("silent", "is silent"))
        client = staff("product")

        assert "ecommerce_db: is silent" in _text(client.get("/ecommerce/product/"))
        assert client.get("/classifieds/listing/").status_code == 403
        client.logout()
        assert client.get("/ecommerce/product/").headers["Location"].startswith("/login/")

    def test_anonymous_user_does_not_see_why_accounts_cannot_be_read(self, client, down):
        down("default")

        html = client.post("/login/", {"username": "x", "password": "x"}).content.decode()

        assert "The database default is unreachable" in html
        assert "server's log" in html.replace("&#x27;", "'")
        assert "Connection refused" not in html


class TestNavigation:
    def test_groups_the_tables_by_database(self, admin_client, statuses):
        statuses(CONNECTED)

        groups = admin_client.get("/databases/").context["sidebar_navigation"]

        titles = {
            group.get("title"): [item["title"] for item in group["items"]] for group in groups
        }
        assert list(titles) == [None, "E-commerce", "Classifieds", "Procurement", "Accounts"]
        assert titles["Procurement"] == [
            "Review",
            "Lots",
            "Lot items",
            "Organizations",
            "Audit trail",
            "References",
            "Load runs",
            "Quarantine",
            "Exchange rates",
        ]


class TestUnavailable:
    @pytest.mark.parametrize("path", ["listing/", "listing/1/change/", "review/"])
    def test_shows_the_reason_and_the_next_step(self, admin_client, down, path):
        down("classifieds")

        response = admin_client.get(f"/classifieds/{path}")

        assert response.status_code == 503
        assert "The database classifieds is unreachable" in _text(response)
        assert "Connection refused. Start the server" in _text(response)
        assert 'href="/ecommerce/product/"' in response.content.decode()

    def test_other_databases_are_not_affected(self, admin_client, down):
        down("classifieds")

        for path in ("lot/", "review/"):
            assert admin_client.get(f"/procurement/{path}").status_code == 200

    def test_names_the_control_database(self, admin_client, down):
        down("default")

        response = admin_client.get("/ecommerce/product/")

        assert response.status_code == 503
        assert "The database default is unreachable" in response.content.decode()

    def test_login_without_control_database_gets_503(self, client, down):
        down("default")

        response = client.post("/login/", {"username": "admin", "password": "password"})

        assert response.status_code == 503

    def test_missing_table_is_explained(self, admin_client):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("ALTER TABLE classifieds_sellers RENAME TO elsewhere")

        response = admin_client.get("/classifieds/seller/")

        assert response.status_code == 503
        assert "python manage.py db_migrate --database classifieds" in _text(response)

    def test_slow_list_is_cancelled(self, admin_client, monkeypatch):
        monkeypatch.setattr("marketplace.admin_site.large_tables.QUERY_TIMEOUT", 1)
        monkeypatch.setattr(
            "marketplace.admin_site.large_tables._ESTIMATE",
            "SELECT 1 FROM pg_sleep(1) WHERE %(table)s <> ''",
        )

        response = admin_client.get("/classifieds/listing/")

        assert response.status_code == 503
        assert "This list takes too long" in _text(response)

    def test_other_exceptions_are_not_handled(self, admin_client, monkeypatch):
        def fail(*args):
            raise ValueError("a fault of the program")

        monkeypatch.setattr(front_page, "get_statuses", fail)

        with pytest.raises(ValueError, match="a fault of the program"):
            admin_client.get("/databases/")
