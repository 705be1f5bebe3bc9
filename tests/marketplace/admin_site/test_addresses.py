"""Addresses and forms that no page offers are answered 400, with the reason and a way back."""

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
from marketplace.admin_site.addresses import CheckedAdmin, check_characters, explain
from marketplace.admin_site.large_tables import ListPaginator
from marketplace.exceptions import BadParameterError
from marketplace.groups import ensure_groups
from procurement.admin import ReferenceAdmin
from tests import factories, hostile

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

#: Alerts of the page about an address that is not valid.
ALERT = re.compile(r'role="alert">\s*<h2>This (?:address|form) is not valid</h2>\s*<p>([^<]+)</p>')

ACTION = {"action": "release", "index": "0"}


@pytest.fixture
def analyst():
    """Return a client of a user who may see all tables and change none."""
    ensure_groups()
    user = User.objects.create_user("analyst", is_staff=True)
    user.groups.add(Group.objects.get(name="analyst"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def refuse(admin_client):
    """Return the reason that the page gives for refusing an address, and its first link."""

    def refuse(url, data=None):
        response = admin_client.post(url, data) if data else admin_client.get(url)
        html = response.content.decode()
        assert response.status_code == 400, url[:100]
        link = re.search(r'<p class="mp-note"><a class="mp-link" href="([^"]*)">([^<]*)', html)
        return unescape(ALERT.search(html).group(1)), tuple(map(unescape, link.groups()))

    return refuse


def answer(user, url):
    """Return the status of the answer to an address; the page is not made, which takes long."""
    request = RequestFactory().get(url)
    request.resolver_match = match = resolve(request.path_info)
    request.user = user
    try:
        check_characters(request)
        return match.func(request, *match.args, **match.kwargs).status_code
    except (BadParameterError, SuspiciousOperation, DataError) as error:
        return 400 if explain(error) else 500


def unexpected(client, urls, expected):
    """Return the addresses with another answer than the expected ones; a 400 must say why."""
    client.raise_request_exception = False
    answers = [(url, client.get(url)) for url in urls]
    return [
        (url[:100], response.status_code)
        for url, response in answers
        if response.status_code not in expected
        or (response.status_code == 400 and not ALERT.search(response.content.decode()))
    ]


class TestHostileAddresses:
    def test_all_lists_check_theirs(self):
        unchecked = [
            model
            for model, model_admin in admin.site._registry.items()
            if not isinstance(model_admin, CheckedAdmin)
        ]

        assert unchecked == []

    def test_of_lists_are_refused(self, admin_user):
        for model in admin.site._registry:
            answers = {url: answer(admin_user, url) for url in hostile.unreadable_lists(model)}

            assert [url for url, status in answers.items() if status != 400] == []

    def test_of_filters_are_refused_or_searched_for(self, admin_user):
        for model in admin.site._registry:
            answers = {url: answer(admin_user, url) for url in hostile.odd_filters(model)}

            # Some of the values are texts to search for, or numbers.
            assert [url for url, status in answers.items() if status not in (200, 400)] == []

    def test_that_can_be_read_are_shown(self, admin_client):
        assert unexpected(admin_client, hostile.readable_lists(), {200}) == []

    def test_of_rows_lead_nowhere(self, admin_client):
        assert unexpected(admin_client, hostile.row_pages(), {302, 400, 403, 404}) == []

    def test_of_other_pages_are_refused(self, admin_client):
        assert unexpected(admin_client, hostile.other_pages(), {200, 302, 400, 403, 404}) == []

    def test_are_refused_to_all_users(self, admin_client, analyst):
        lists = [url for model in admin.site._registry for url in hostile.unreadable_lists(model)]

        assert len(lists) >= 1350
        assert unexpected(admin_client, lists[::40], {400}) == []
        assert unexpected(analyst, lists[::40], {400, 403}) == []


class TestReasons:
    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("title__regex=(", '"title__regex" is not a filter of this list.'),
            ("platform__exact=%00", '"platform__exact" has a NUL character.'),
            ("content_hash='", '"content_hash" is not a filter of this list.'),
            ("price__gte=1e999999", '"price__gte" is not a filter of this list.'),
            ("platform=%00", '"platform" has a NUL character.'),
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
    def test_name_the_value_and_lead_to_the_list_without_it(self, refuse, query, reason):
        said, link = refuse(f"/classifieds/listing/?city=Tashkent&p=2&{query}")

        assert said.startswith(reason)
        assert link == ("/classifieds/listing/?city=Tashkent", "Show the list without this filter")

    def test_lead_to_the_whole_list_where_nothing_else_is_left(self, refuse):
        assert refuse("/auth/user/?id__regex=(")[1] == ("/auth/user/", "Show the whole list")

    def test_are_given_for_the_filters_of_accounts(self, refuse):
        said, _ = refuse("/auth/user/?is_staff__exact=x")

        assert said == "A filter has a value that is not valid."


class TestPages:
    @pytest.mark.parametrize(("page", "shown"), [("1", 50), ("2", 3), ("3", 3), ("9" * 18, 3)])
    def test_beyond_the_end_are_the_last_one(self, admin_client, page, shown):
        for _ in range(53):
            factories.reference()

        response = admin_client.get(f"/procurement/reference/?p={page}")

        assert len(response.context["cl"].result_list) == shown
        assert response.context["cl"].page_num == (1 if page == "1" else 2)

    def test_that_are_left_out_have_no_link(self, admin_client, monkeypatch):
        monkeypatch.setattr(ReferenceAdmin, "list_per_page", 1)
        for _ in range(20):
            factories.reference()

        page = admin_client.get("/procurement/reference/?p=10").content.decode()

        assert "…</span>" in page
        assert {*re.findall(r'href="\?p=([^"]*)"', page)} >= {"1", "9", "11", "20"}
        assert re.findall(r'href="\?p=[^"]*[^0-9"][^"]*"', page) == []

    def test_are_not_so_many_that_a_whole_table_is_skipped(self, monkeypatch):
        monkeypatch.setattr(ListPaginator, "_estimate", 10**9)
        pages = ListPaginator(Listing.objects.order_by("pk"), 50)

        last = pages.page(10**17)

        assert last.object_list.query.low_mark < 100_000


class TestActions:
    @pytest.mark.parametrize("key", ["abc", "\0", "9" * 30, "9" * 5000, "-1", ""])
    @pytest.mark.parametrize("action", ["release", "delete_selected"])
    def test_with_an_odd_key_are_refused(self, refuse, key, action):
        url = "/auth/user/" if action == "delete_selected" else "/ecommerce/quarantinedrecord/"

        said, _ = refuse(url, ACTION | {"action": action, "_selected_action": key})

        assert said.endswith("is not the key of a row.")

    @pytest.mark.parametrize(
        "odd", [{"action": "\0"}, {"index": "x"}, {"index": "-7"}, {"select_across": "x"}]
    )
    def test_that_are_odd_change_nothing(self, admin_client, odd):
        record = factories.quarantined("ecommerce")
        form = ACTION | {"_selected_action": str(record.pk)} | odd

        response = admin_client.post("/ecommerce/quarantinedrecord/", form, follow=True)

        assert response.status_code == 200
        assert type(record).objects.filter(pk=record.pk).exists()


class TestLastResort:
    """A value that no check has found, and an error of the program."""

    @pytest.fixture
    def run(self, monkeypatch):
        """Have the list of ads run a statement as it searches."""

        def run(statement):
            def search(self, request, rows, term):
                with connections["classifieds"].cursor() as cursor:
                    cursor.execute(statement)
                return rows, False

            monkeypatch.setattr(ListingAdmin, "get_search_results", search)

        return run

    def test_is_a_page_too_and_the_connection_stays_usable(self, run, refuse, admin_client, caplog):
        run("SELECT '('::text ~ '('")

        said, _ = refuse("/classifieds/listing/")

        assert said.startswith("The database cannot read a value of the request: invalid regular")
        assert "A value reached PostgreSQL unchecked" in caplog.text
        assert Listing.objects.count() == 0

    def test_does_not_hide_errors_of_the_program(self, run, admin_client):
        run("SELECT 1 / 0")

        with pytest.raises(DataError, match="division by zero"):
            admin_client.get("/classifieds/listing/")
