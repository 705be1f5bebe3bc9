"""Invalid URLs and forms get a 400 with the reason and a link to a valid page."""

import re
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import SuspiciousOperation
from django.db import DataError, connections
from django.test import Client, RequestFactory
from django.urls import resolve

from classifieds.admin import ListingAdmin
from classifieds.models import Listing
from marketplace.admin_site.large_tables import ListPaginator
from marketplace.admin_site.query_validation import (
    QueryValidationMixin,
    as_parameter_error,
    validate_url,
)
from marketplace.exceptions import BadParameterError
from marketplace.groups import ensure_groups
from procurement.admin import ReferenceAdmin
from tests import factories, hostile

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

#: The alert of the page about invalid input.
ALERT = re.compile(r'role="alert">\s*<h2>Invalid (?:address|form)</h2>\s*<p>([^<]+)</p>')

ACTION = {"action": "release", "index": "0"}


@pytest.fixture
def analyst():
    """Return the client of a user who may view all tables and change none."""
    ensure_groups()
    user = User.objects.create_user("analyst", is_staff=True)
    user.groups.add(Group.objects.get(name="analyst"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def rejection(admin_client):
    """Return the reason on the page about invalid input, and its first link."""

    def rejection(url, data=None):
        response = admin_client.post(url, data) if data else admin_client.get(url)
        html = response.content.decode()
        assert response.status_code == 400, url[:100]
        link = re.search(r'<p class="mp-note"><a class="mp-link" href="([^"]*)">([^<]*)', html)
        return unescape(ALERT.search(html).group(1)), tuple(map(unescape, link.groups()))

    return rejection


def status_of(user, url):
    """Return the status of the response to a URL, without rendering the page, which is slow."""
    request = RequestFactory().get(url)
    request.resolver_match = match = resolve(request.path_info)
    request.user = user
    try:
        validate_url(request)
        return match.func(request, *match.args, **match.kwargs).status_code
    except (BadParameterError, SuspiciousOperation, DataError) as error:
        return 400 if as_parameter_error(error) else 500


def unexpected(client, urls, expected):
    """Return the URLs with an unexpected status, or with a 400 without a reason."""
    client.raise_request_exception = False
    responses = [(url, client.get(url)) for url in urls]
    return [
        (url[:100], response.status_code)
        for url, response in responses
        if response.status_code not in expected
        or (response.status_code == 400 and not ALERT.search(response.content.decode()))
    ]


class TestHostileUrls:
    def test_all_lists_validate_their_query(self):
        unvalidated = [
            model
            for model, model_admin in admin.site._registry.items()
            if not isinstance(model_admin, QueryValidationMixin)
        ]

        assert unvalidated == []

    def test_unknown_parameters_are_rejected(self, admin_user):
        for model in admin.site._registry:
            statuses = {url: status_of(admin_user, url) for url in hostile.invalid_list_urls(model)}

            assert [url for url, status in statuses.items() if status != 400] == []

    def test_filter_values_are_rejected_or_searched(self, admin_user):
        for model in admin.site._registry:
            statuses = {url: status_of(admin_user, url) for url in hostile.filter_urls(model)}

            # Some of the values are valid texts or numbers.
            assert [url for url, status in statuses.items() if status not in (200, 400)] == []

    def test_unusual_valid_queries_are_accepted(self, admin_client):
        assert unexpected(admin_client, hostile.valid_list_urls(), {200}) == []

    def test_invalid_row_keys_cause_no_error(self, admin_client):
        assert unexpected(admin_client, hostile.row_urls(), {302, 400, 403, 404}) == []

    def test_other_pages_cause_no_error(self, admin_client):
        assert unexpected(admin_client, hostile.other_urls(), {200, 302, 400, 403, 404}) == []

    def test_users_without_permissions_get_400_or_403(self, admin_client, analyst):
        lists = [url for model in admin.site._registry for url in hostile.invalid_list_urls(model)]

        assert len(lists) >= 1350
        assert unexpected(admin_client, lists[::40], {400}) == []
        assert unexpected(analyst, lists[::40], {400, 403}) == []


class TestReasons:
    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("title__regex=(", '"title__regex" is not a filter of this list.'),
            ("platform__exact=%00", '"platform__exact" contains a NUL character.'),
            ("content_hash='", '"content_hash" is not a filter of this list.'),
            ("price__gte=1e999999", '"price__gte" is not a filter of this list.'),
            ("platform=%00", '"platform" contains a NUL character.'),
            ("platform=uzum", 'Platform: "uzum" is not one of the choices.'),
            ("status=zzz", 'Status: "zzz" is not one of the choices.'),
            ("price_from=1e999999", 'Price: "1e999999" is not a number.'),
            ("posted_at_from=99999-01-01", 'Posted: "99999-01-01" is not a date.'),
            ("seller__id__exact=-1", '"-1" is not the key of a row.'),
            ("q=" + "x" * 5000, '"q" is longer than 4,000 characters.'),
            ("q=" + "x%20" * 260, "The search is longer than 500 characters."),
            ("o=999", "Column 999 of this list cannot be sorted."),
            ("o=0", "Column 0 of this list cannot be sorted."),
            ("o=x", '"x" is not a sort order.'),
            ("p=x", '"x" is not a page number'),
            ("_to_field=url", "_to_field names a column that no table refers to."),
        ],
    )
    def test_reason_names_the_value_and_link_removes_it(self, rejection, query, reason):
        text, link = rejection(f"/classifieds/listing/?city=Tashkent&p=2&{query}")

        assert text.startswith(reason)
        assert link == ("/classifieds/listing/?city=Tashkent", "Show the list without this filter")

    def test_link_leads_to_the_whole_list_without_other_filters(self, rejection):
        assert rejection("/auth/user/?id__regex=(")[1] == ("/auth/user/", "Show the whole list")

    def test_filters_of_accounts_are_validated(self, rejection):
        text, _ = rejection("/auth/user/?is_staff__exact=x")

        assert text == "A filter has an invalid value."


class TestPages:
    @pytest.mark.parametrize(("page", "shown"), [("1", 50), ("2", 3), ("3", 3), ("9" * 18, 3)])
    def test_number_beyond_the_end_shows_the_last_page(self, admin_client, page, shown):
        for _ in range(53):
            factories.reference()

        response = admin_client.get(f"/procurement/reference/?p={page}")

        assert len(response.context["cl"].result_list) == shown
        assert response.context["cl"].page_num == (1 if page == "1" else 2)

    def test_ellipsis_has_no_link(self, admin_client, monkeypatch):
        monkeypatch.setattr(ReferenceAdmin, "list_per_page", 1)
        for _ in range(20):
            factories.reference()

        page = admin_client.get("/procurement/reference/?p=10").content.decode()

        assert "…</span>" in page
        assert {*re.findall(r'href="\?p=([^"]*)"', page)} >= {"1", "9", "11", "20"}
        assert re.findall(r'href="\?p=[^"]*[^0-9"][^"]*"', page) == []

    def test_offset_of_the_last_page_is_bounded(self, monkeypatch):
        monkeypatch.setattr(ListPaginator, "_estimate", 10**9)
        pages = ListPaginator(Listing.objects.order_by("pk"), 50)

        last = pages.page(10**17)

        assert last.object_list.query.low_mark < 100_000


class TestActions:
    @pytest.mark.parametrize("key", ["abc", "\0", "9" * 30, "9" * 5000, "-1", ""])
    @pytest.mark.parametrize("action", ["release", "delete_selected"])
    def test_invalid_key_is_rejected(self, rejection, key, action):
        url = "/auth/user/" if action == "delete_selected" else "/ecommerce/quarantinedrecord/"

        text, _ = rejection(url, ACTION | {"action": action, "_selected_action": key})

        assert text.endswith("is not the key of a row.")

    @pytest.mark.parametrize(
        "values", [{"action": "\0"}, {"index": "x"}, {"index": "-7"}, {"select_across": "x"}]
    )
    def test_invalid_action_changes_nothing(self, admin_client, values):
        record = factories.quarantined("ecommerce")
        form = ACTION | {"_selected_action": str(record.pk)} | values

        response = admin_client.post("/ecommerce/quarantinedrecord/", form, follow=True)

        assert response.status_code == 200
        assert type(record).objects.filter(pk=record.pk).exists()


class TestMissingValidation:
    """Errors of PostgreSQL for a value that was not validated, and for a fault of the program."""

    @pytest.fixture
    def run(self, monkeypatch):
        """Make the list of ads run a statement in its search."""

        def run(statement):
            def search(self, request, rows, term):
                with connections["classifieds"].cursor() as cursor:
                    cursor.execute(statement)
                return rows, False

            monkeypatch.setattr(ListingAdmin, "get_search_results", search)

        return run

    def test_unreadable_value_gets_400(self, run, rejection, admin_client, caplog):
        run("SELECT '('::text ~ '('")

        text, _ = rejection("/classifieds/listing/")

        assert text.startswith("The database cannot read a value of the request: invalid regular")
        assert "A value reached PostgreSQL without validation" in caplog.text
        assert Listing.objects.count() == 0

    def test_fault_of_the_program_is_not_hidden(self, run, admin_client):
        run("SELECT 1 / 0")

        with pytest.raises(DataError, match="division by zero"):
            admin_client.get("/classifieds/listing/")
