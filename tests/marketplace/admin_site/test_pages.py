"""Every table has a list and pages of rows, which issue few queries."""

from contextlib import ExitStack

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.registry import ALIASES
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

#: Queries of a page at most, over all databases.
QUERY_LIMIT = 15

MODELS = [
    model for alias in ALIASES for model in admin.site._registry if model._meta.app_label == alias
]


def _list_url(model, query=""):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + query


def _row_url(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,))


def _get(client, url):
    """Return the response and the number of queries over all databases."""
    with ExitStack() as stack:
        captured = [
            stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in connections
        ]
        response = client.get(url)
    return response, sum(len(queries) for queries in captured)


@pytest.fixture
def rows():
    """Create three related rows in every table."""
    for _ in range(3):
        _ecommerce()
        _classifieds()
        _procurement()
    for alias in ALIASES:
        run = factories.load_run(alias)
        for number in range(3):
            payload = b"%d" % number
            factories.quarantined(alias, payload, run=run)
            factories.rate(alias, currency=["USD", "RUB", "KZT"][number])
            if alias != "procurement":
                factories.raw_payload(alias, payload)


def _ecommerce():
    product = factories.product(category=factories.category(), seller=factories.seller())
    for offer in (factories.offer(product=product, seller=factories.seller()) for _ in range(3)):
        factories.price_point(offer=offer)


def _classifieds():
    listing = factories.listing(category=factories.ad_category(), seller=factories.ad_seller())
    factories.listing_event(listing=listing)


def _procurement():
    customer = factories.organization(inn=None)
    lot = factories.lot(customer=customer, provider=customer)
    for _ in range(3):
        factories.lot_item(lot=lot)
    factories.lot_event(lot=lot)
    factories.reference()


class TestLists:
    def test_shows_every_table(self):
        tables = {model._meta.db_table for model in MODELS}

        assert len(MODELS) == 25
        assert {"ecommerce_price_history", "classifieds_quarantine"} <= tables

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_issues_few_queries(self, admin_client, rows, model):
        response, queries = _get(admin_client, _list_url(model))

        assert response.status_code == 200
        assert queries <= QUERY_LIMIT
        assert len(response.context["cl"].result_list) >= 1

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_can_be_searched(self, admin_client, rows, model):
        terms = ["saqlash", "'x%_\\", "1001"]

        results = [_get(admin_client, _list_url(model, f"?q={term}")) for term in terms]

        assert [response.status_code for response, _ in results] == [200, 200, 200]
        assert all(queries <= QUERY_LIMIT for _, queries in results)

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_does_not_read_large_columns(self, admin_client, rows, model):
        response = admin_client.get(_list_url(model))

        deferred = response.context["cl"].result_list[0].get_deferred_fields()
        columns = {field.name for field in model._meta.fields}
        assert {"search_vector", "payload", "body", "description"} & columns <= deferred


class TestRows:
    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_issues_few_queries(self, admin_client, rows, model):
        row = model.objects.order_by("pk").first()

        response, queries = _get(admin_client, _row_url(row))

        assert response.status_code == 200
        assert queries <= QUERY_LIMIT

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_cannot_be_written(self, admin_client, rows, model):
        row = model.objects.order_by("pk").first()
        urls = [
            _list_url(model) + "add/",
            _row_url(row),
            _row_url(row).replace("/change/", "/delete/"),
        ]

        codes = [admin_client.post(url, {"post": "yes"}).status_code for url in urls]

        assert codes == [403, 403, 403]
        assert model.objects.filter(pk=row.pk).exists()

    @pytest.mark.parametrize("key", ["0", "x", "9" * 30])
    def test_unknown_row_redirects_to_the_front_page(self, admin_client, key):
        response = admin_client.get(f"/ecommerce/product/{key}/change/")

        assert response.status_code == 302
        assert response.headers["Location"] == "/"


class TestPermissions:
    def test_anonymous_user_is_redirected_to_the_login(self, client):
        response = client.get("/ecommerce/product/")

        assert response.status_code == 302
        assert response.headers["Location"] == "/login/?next=/ecommerce/product/"

    def test_analyst_sees_permitted_tables_only(self, client):
        user = User.objects.create_user("analyst", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_product"))
        client.force_login(user)

        codes = [client.get(url).status_code for url in ("/ecommerce/product/", "/auth/user/")]
        links = client.get("/").content.decode()

        assert codes == [200, 403]
        assert 'href="/ecommerce/product/"' in links
        assert 'href="/ecommerce/offer/"' not in links


class TestAccounts:
    @pytest.mark.parametrize("name", ["user", "group"])
    def test_opens(self, admin_client, name):
        urls = [f"/auth/{name}/", f"/auth/{name}/add/"]

        results = [_get(admin_client, url) for url in urls]

        assert [response.status_code for response, _ in results] == [200, 200]
        assert all(queries <= QUERY_LIMIT for _, queries in results)

    def test_adds_an_account(self, admin_client):
        password = "a-long-enough-secret"
        values = {"username": "analyst", "password1": password, "password2": password}

        response = admin_client.post("/auth/user/add/", values | {"usable_password": "true"})

        assert response.status_code == 302
        assert User.objects.get(username="analyst").check_password(password)

    def test_login_redirects_to_the_front_page(self, client, admin_user):
        values = {"username": "admin", "password": "password"}

        response = client.post("/login/", values)

        assert response.headers["Location"] == "/"
