"""Error pages and empty lists: the reason and a link to continue."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from marketplace.admin_site import error_pages
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

NAVIGATION, HOME_LINK = 'id="nav-sidebar', '<a class="mp-link" href="/">Go to the overview</a>'


def read(response):
    """Return the status and the HTML of a response."""
    return response.status_code, response.content.decode()


class TestErrors:
    def test_unknown_url(self, admin_client):
        status, html = read(admin_client.get("/nowhere/"))

        assert status == 404
        assert "<title> Page not found | Marketplace analytics</title>" in html
        assert "The page /nowhere/ does not exist." in html
        assert HOME_LINK in html
        assert NAVIGATION in html

    def test_anonymous_user_is_redirected_to_the_login(self, client):
        assert client.get("/nowhere/").headers["Location"] == "/login/?next=/nowhere/"

    def test_missing_permission(self, client):
        client.force_login(User.objects.create_user("reader", is_staff=True))

        status, html = read(client.get("/ecommerce/product/"))

        assert status == 403
        assert "Ask an administrator to grant it." in html
        assert HOME_LINK in html
        assert NAVIGATION in html

    def test_unknown_filter(self, admin_client):
        status, html = read(admin_client.get("/ecommerce/offer/?product__seller__name=x"))

        assert status == 400
        assert "Invalid address" in html
        assert '<a class="mp-link" href="/ecommerce/offer/">Show the whole list</a>' in html

    def test_unknown_host(self, client):
        status, html = read(client.get("/", headers={"host": "evil.example"}))

        assert status == 400
        assert HOME_LINK in html
        assert NAVIGATION not in html

    def test_unhandled_exception(self, admin_client, monkeypatch):
        admin_client.raise_request_exception = False
        monkeypatch.setattr("marketplace.admin_site.front_page.get_statuses", lambda aliases: 1 / 0)

        status, html = read(admin_client.get("/databases/"))

        assert status == 500
        assert "The error is in the server" in html
        assert "Try again" in html
        assert HOME_LINK in html
        assert "ZeroDivisionError" not in html

    def test_form_without_csrf_token(self, admin_user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)

        status, html = read(client.post("/ecommerce/pricepoint/", {"action": "release"}))

        assert status == 403
        assert "The form has expired" in html
        assert HOME_LINK in html

    def test_request_without_user(self):
        request = RequestFactory().get("/nowhere/")

        status, html = read(error_pages.not_found(request, Exception()))

        assert status == 404
        assert HOME_LINK in html


class TestEmptyLists:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("product", ["No products yet", "python manage.py ingest PLATFORM FILE…"]),
            ("quarantinedrecord", ["No record is in quarantine."]),
            ("exchangerate", ["No exchange rates yet", "python manage.py load_rates"]),
        ],
    )
    def test_explain_how_to_load_data(self, admin_client, name, expected):
        _, html = read(admin_client.get(f"/ecommerce/{name}/"))

        assert all(text in html for text in expected)
        assert "Create a new item" not in html
        assert "Clear search and filters" not in html
        assert "/add/" not in html

    @pytest.mark.parametrize("query", ["q=zzz", "platform=ozon", "seller__id__exact=1"])
    def test_link_to_clear_filters(self, admin_client, query):
        factories.product(title="Чайник")

        _, html = read(admin_client.get(f"/ecommerce/product/?{query}"))

        assert "No products match the search and filters." in html
        assert '<a class="mp-link" href="?">Clear search and filters</a>' in html
        assert "python manage.py ingest" not in html

    def test_link_to_add_a_row(self, admin_client):
        _, html = read(admin_client.get("/auth/group/"))

        assert "No groups yet" in html
        assert '<a class="mp-link" href="/auth/group/add/">Add group</a>' in html
