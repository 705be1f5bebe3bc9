"""Pages about errors, and lists without rows: what is wrong, and a way back."""

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

NAVIGATION, WAY_BACK = 'id="nav-sidebar', '<a class="mp-link" href="/">Go to the front page</a>'


def read(response):
    """Return the status and the page."""
    return response.status_code, response.content.decode()


class TestErrors:
    def test_an_unknown_address(self, admin_client):
        status, html = read(admin_client.get("/nowhere/"))

        assert status == 404
        assert "<title> Page not found | Marketplace analytics</title>" in html
        assert "There is no page at /nowhere/." in html
        assert WAY_BACK in html
        assert NAVIGATION in html

    def test_a_stranger_is_asked_to_log_in(self, client):
        assert client.get("/nowhere/").headers["Location"] == "/login/?next=/nowhere/"

    def test_what_the_user_may_not_see(self, client):
        client.force_login(User.objects.create_user("reader", is_staff=True))

        status, html = read(client.get("/ecommerce/product/"))

        assert status == 403
        assert "Ask an administrator to grant it." in html
        assert WAY_BACK in html
        assert NAVIGATION in html

    def test_a_filter_that_is_not_allowed(self, admin_client):
        status, html = read(admin_client.get("/ecommerce/offer/?product__seller__name=x"))

        assert status == 400
        assert "This address is not valid" in html
        assert '<a class="mp-link" href="/ecommerce/offer/">Show the whole list</a>' in html

    def test_a_host_that_is_not_ours(self, client):
        status, html = read(client.get("/", headers={"host": "evil.example"}))

        assert status == 400
        assert WAY_BACK in html
        assert NAVIGATION not in html

    def test_an_error_of_the_program(self, admin_client, monkeypatch):
        admin_client.raise_request_exception = False
        monkeypatch.setattr("marketplace.admin_site.front_page.get_statuses", lambda aliases: 1 / 0)

        status, html = read(admin_client.get("/"))

        assert status == 500
        assert "The error is in the server" in html
        assert "Try again" in html
        assert WAY_BACK in html
        assert "ZeroDivisionError" not in html

    def test_a_form_without_its_token(self, admin_user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)

        status, html = read(client.post("/ecommerce/pricepoint/", {"action": "release"}))

        assert status == 403
        assert "The form has expired" in html
        assert WAY_BACK in html

    def test_a_page_needs_no_accounts(self):
        request = RequestFactory().get("/nowhere/")

        status, html = read(error_pages.not_found(request, Exception()))

        assert status == 404
        assert WAY_BACK in html


class TestEmptyLists:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("product", ["No products yet", "python manage.py ingest PLATFORM FILE…"]),
            ("quarantinedrecord", ["Every record that was read could be loaded."]),
            ("exchangerate", ["No exchange rates yet", "python manage.py load_rates"]),
        ],
    )
    def test_say_what_to_do(self, admin_client, name, expected):
        _, html = read(admin_client.get(f"/ecommerce/{name}/"))

        assert all(text in html for text in expected)
        assert "Create a new item" not in html
        assert "Clear search and filters" not in html
        assert "/add/" not in html

    @pytest.mark.parametrize("query", ["q=zzz", "platform=ozon", "seller__id__exact=1"])
    def test_can_be_left_where_filters_made_them(self, admin_client, query):
        factories.product(title="Чайник")

        _, html = read(admin_client.get(f"/ecommerce/product/?{query}"))

        assert "No products match the search and the filters." in html
        assert '<a class="mp-link" href="?">Clear search and filters</a>' in html
        assert "python manage.py ingest" not in html

    def test_offer_to_add_what_can_be_added(self, admin_client):
        _, html = read(admin_client.get("/auth/group/"))

        assert "No groups yet" in html
        assert '<a class="mp-link" href="/auth/group/add/">Add group</a>' in html
