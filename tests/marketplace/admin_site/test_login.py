"""Throttling of logins by account and IP address, and by IP address."""

import re

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections
from django.test import RequestFactory
from django.urls import reverse

from marketplace.admin_site.login import ADDRESS_FAILURE_LIMIT, client_address
from marketplace.registry import ALIASES

pytestmark = [
    pytest.mark.django_db,
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def login(client, admin_user):
    """Log in, and return the response."""

    def login(password="password", username="admin", address=HERE, **headers):
        data = {"username": username, "password": password}
        return client.post(reverse("admin:login"), data, REMOTE_ADDR=address, headers=headers)

    return login


def fail(username="admin", failures=settings.AXES_FAILURE_LIMIT, address=HERE):
    """Store failed logins."""
    AccessAttempt.objects.create(
        username=username, ip_address=address, failures_since_start=failures
    )


class TestThrottle:
    def test_locks_an_account_for_one_address(self, login):
        responses = [login(f"wrong-{number}") for number in range(settings.AXES_FAILURE_LIMIT)]

        assert {response.status_code for response in responses[:-1]} == {200}
        assert responses[-1].status_code == 429
        assert login().status_code == 429
        assert login(address=ELSEWHERE).status_code == 302

    def test_states_the_end_of_the_lock(self, login):
        fail()

        response = login()

        assert 0 < int(response["Retry-After"]) <= settings.AXES_COOLOFF_TIME.total_seconds()
        assert re.search(
            r"Try again in .+, at \d{4}-\d\d-\d\d \d\d:\d\d", response.content.decode()
        )

    def test_counts_failures_of_all_browsers(self, login):
        for number in range(settings.AXES_FAILURE_LIMIT):
            response = login("wrong", **{"user-agent": f"browser {number}"})

        assert response.status_code == 429

    def test_other_accounts_of_the_address_are_not_locked(self, login):
        fail("somebody", failures=ADDRESS_FAILURE_LIMIT - 1)

        assert login().status_code == 302

    def test_locks_an_address_that_tries_many_accounts(self, login):
        for number in range(ADDRESS_FAILURE_LIMIT):
            fail(f"account-{number}", failures=1)

        assert login().status_code == 429
        assert login(address=ELSEWHERE).status_code == 302

    def test_further_attempts_do_not_extend_the_lock(self, login):
        fail()
        started = AccessAttempt.objects.get().attempt_time
        login("wrong")
        assert AccessAttempt.objects.get().attempt_time == started

        AccessAttempt.objects.update(attempt_time=started - settings.AXES_COOLOFF_TIME)

        assert login().status_code == 302
        assert not AccessAttempt.objects.exists()

    def test_deletes_expired_failures_of_all_accounts(self, login):
        fail("somebody", address=ELSEWHERE)
        AccessAttempt.objects.update(attempt_time="2025-11-22T12:00:00Z")

        login("wrong")

        assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["admin"]

    def test_login_deletes_only_its_own_failures(self, login):
        fail(failures=3)
        fail(failures=3, address=ELSEWHERE)
        fail("somebody", failures=3)

        assert login().status_code == 302

        left = AccessAttempt.objects.values_list("username", "ip_address")
        assert set(left) == {("admin", ELSEWHERE), ("somebody", HERE)}

    def test_counts_names_longer_than_the_column(self, login):
        responses = [login("wrong", "x" * 300) for _ in range(settings.AXES_FAILURE_LIMIT)]

        assert [response.status_code for response in responses] == [200] * 9 + [429]

    def test_command_unlocks_an_account(self, login):
        fail()

        call_command("axes_reset_username", "admin")

        assert login().status_code == 302

    def test_uses_the_control_database_only(self, login, monkeypatch):
        def refuse(*args, **kwargs):
            raise OperationalError("connection to server failed: Connection refused")

        for alias in ALIASES:
            monkeypatch.setattr(connections[alias], "cursor", refuse)

        assert login("wrong").status_code == 200
        assert login().status_code == 302

    def test_counts_clients_behind_a_proxy(self, login, settings):
        settings.TRUSTED_PROXIES = 1
        fail(address="198.51.100.7")

        assert login(**{"x-forwarded-for": "198.51.100.7"}).status_code == 429
        assert login(**{"x-forwarded-for": "198.51.100.7, 198.51.100.8"}).status_code == 302


class TestClientAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (0, "198.51.100.7", HERE),
            (1, "198.51.100.7", "198.51.100.7"),
            (1, "10.0.0.1, 198.51.100.7", "198.51.100.7"),
            (2, "10.0.0.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
            (2, "198.51.100.7", HERE),
            (1, "", HERE),
            (1, "unknown", None),
            (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            (1, "::ffff:198.51.100.7", "198.51.100.7"),
        ],
    )
    def test_is_the_entry_of_the_first_trusted_proxy(self, settings, proxies, forwarded, address):
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory().get(
            "/", REMOTE_ADDR=HERE, headers={"x-forwarded-for": forwarded}
        )

        assert client_address(request) == address

    def test_is_unknown_for_a_unix_socket(self):
        assert client_address(RequestFactory().get("/", REMOTE_ADDR="")) is None
