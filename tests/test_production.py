"""A site in production: secure defaults, and no start with weak secrets."""

import json
import re
import secrets
import subprocess
import sys

import pytest

from marketplace.secret_checks import (
    find_key_errors,
    find_password_errors,
    find_secret_errors,
    is_example,
)
from tests.machine import ROOT, Machine

KEY = secrets.token_urlsafe(50)
PASSWORD = secrets.token_urlsafe(24)
PRODUCTION = {"DB_HOST": "db.example", "DB_PASSWORD": PASSWORD, "SECRET_KEY": KEY}

#: Settings that affect proxies and browsers.
HTTPS_SETTINGS = (
    "DEBUG SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE "
    "SECURE_PROXY_SSL_HEADER"
)


def numbers(size):
    """Return a random number with `size` digits."""
    return "".join(secrets.choice("0123456789") for _ in range(size))


@pytest.fixture
def place(tmp_path):
    """Return a machine whose server is not used."""
    return Machine(tmp_path / "data")


def read(machine, **environment):
    """Return the settings that result from the environment."""
    code = (
        "import json; from marketplace import settings; "
        f"print(json.dumps([getattr(settings, name) for name in {HTTPS_SETTINGS.split()!r}]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=machine.environment | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return dict(zip(HTTPS_SETTINGS.split(), json.loads(result.stdout), strict=True))


class TestCheckDeploy:
    def test_has_no_issues(self, place):
        proxy = {"TRUSTED_PROXIES": "1"}
        result = place("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | proxy)

        assert result.returncode == 0, result.stderr
        assert "no issues" in result.stdout

    def test_reports_a_missing_number_of_proxies(self, place):
        result = place("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

        assert result.returncode == 1
        assert "Set TRUSTED_PROXIES to the number" in result.stderr


class TestHttps:
    def test_is_on_in_production(self, place):
        values = read(place, **PRODUCTION)

        assert values == {
            "DEBUG": False,
            "SECURE_SSL_REDIRECT": True,
            "SECURE_HSTS_SECONDS": 30 * 24 * 3600,
            "SESSION_COOKIE_SECURE": True,
            "CSRF_COOKIE_SECURE": True,
            "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
        }

    @pytest.mark.parametrize(
        "environment", [{}, PRODUCTION | {"HTTPS": "false"}, PRODUCTION | {"DEBUG": "true"}]
    )
    def test_is_off_in_development(self, place, environment):
        values = read(place, **environment)

        del values["DEBUG"]
        assert not any(values.values())


class TestWeakSecrets:
    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
            ({"SECRET_KEY": "change-me-in-production"}, "SECRET_KEY is a published example"),
            ({"SECRET_KEY": f"django-insecure-{KEY}"}, "SECRET_KEY is a published example"),
            ({"SECRET_KEY": "x" * 50}, "SECRET_KEY has few distinct"),
            ({"SECRET_KEY": "abcde" * 11}, "SECRET_KEY has few distinct"),
            ({"SECRET_KEY": KEY[:40]}, "SECRET_KEY has fewer than"),
            ({"ALLOWED_HOSTS": "analytics.example.com,*"}, "ALLOWED_HOSTS contains *"),
            ({"DB_PASSWORD": ""}, "DB_PASSWORD has no password"),
            ({"DB_PASSWORD": "postgres"}, "DB_PASSWORD is a published example"),
            ({"DB_PASSWORD": "postgres123456"}, "DB_PASSWORD is a common password"),
            ({"DB_PASSWORD": "iloveyou"}, "DB_PASSWORD is a common password"),
            ({"DB_PASSWORD": "k7Qz-mW2x"}, "DB_PASSWORD has fewer than 12 characters"),
            ({"METRICS_TOKEN": "secret"}, "METRICS_TOKEN is a published example"),
            ({"METRICS_TOKEN": "k7Qz-mW2x-Rt4v"}, "METRICS_TOKEN has fewer than 16 characters"),
            ({"INGEST_TOKENS": "uzum=x"}, "A token in INGEST_TOKENS is a published example"),
            ({"REDIS_PASSWORD": "k7Qz-mW2x"}, "REDIS_PASSWORD has fewer than 12 characters"),
            (
                {"ECOMMERCE_LOADER_PASSWORD": "changeme"},
                "ECOMMERCE_LOADER_PASSWORD is a published example",
            ),
            (
                {"DJANGO_SUPERUSER_PASSWORD": "ab"},
                "DJANGO_SUPERUSER_PASSWORD is a published example",
            ),
            (
                {
                    "DB_HOST": "",
                    "EMBEDDED": "true",
                    "ECOMMERCE_DATABASE_URL": "postgres://shop:ab@db.example/shop",
                },
                "ECOMMERCE_DATABASE_URL is a published example",
            ),
            (
                {"CLASSIFIEDS_DATABASE_URL": "postgres://scraper:scraper123@db.example/c"},
                "CLASSIFIEDS_DATABASE_URL is a published example",
            ),
        ],
    )
    def test_message_has_the_variable_and_the_next_step(self, place, change, name):
        result = place("check", **PRODUCTION | change)

        assert result.returncode == 1
        assert name in result.stderr
        assert "Traceback" not in result.stderr
        assert re.search("Generate one|Set it|Set a", result.stderr)
        for value in (KEY, PASSWORD, "scraper123"):
            assert value not in result.stderr

    def test_all_are_reported_together(self, place):
        result = place("check", **PRODUCTION | {"SECRET_KEY": "", "DB_PASSWORD": ""})

        assert "SECRET_KEY" in result.stderr
        assert "DB_PASSWORD" in result.stderr

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            (f"{PASSWORD},{PASSWORD[:31]}", "has fewer than 32"),
            ("example-key-" * 3, "is a published example"),
        ],
        ids=["short", "example"],
    )
    def test_signing_keys_are_checked_on_all_machines(self, place, keys, reason):
        result = place("check", DEBUG="true", BACKUP_SIGNING_KEY=keys)

        assert f"A key in BACKUP_SIGNING_KEY {reason}" in result.stderr
        assert result.returncode == 1

    def test_gunicorn_does_not_start(self, place):
        weak = {"SECRET_KEY": "changeme", "METRICS_TOKEN": "secret"}
        result = subprocess.run(
            [sys.executable, "-c", "import marketplace.wsgi"],
            cwd=ROOT,
            env=place.environment | PRODUCTION | weak,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert result.returncode != 0
        for name in weak:
            assert f"{name} is a published example" in result.stderr

    def test_are_allowed_in_development(self, place):
        weak = {"SECRET_KEY": "changeme", "DB_PASSWORD": "postgres", "DEBUG": "true"}

        assert place("check", **PRODUCTION | weak).returncode == 0


class TestHosts:
    URLS = {
        f"{name}_DATABASE_URL": f"postgres://app:{PASSWORD}@db.example/{name.lower()}"
        for name in ("ECOMMERCE", "CLASSIFIEDS", "PROCUREMENT")
    }

    def test_a_missing_one_is_reported(self, place):
        result = place("check", SECRET_KEY=KEY, **self.URLS)

        assert result.returncode == 1
        assert "these have none: default (MARKETPLACE_DATABASE_URL)." in result.stderr
        assert "EMBEDDED=true" in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_url_without_a_host_is_reported(self, place):
        url = {"ECOMMERCE_DATABASE_URL": "postgres:///ecommerce_db"}

        result = place("check", **PRODUCTION | url)

        assert "these have none: ecommerce (ECOMMERCE_DATABASE_URL)." in result.stderr

    @pytest.mark.parametrize("change", [{"EMBEDDED": "true"}, {"DEBUG": "true"}])
    def test_a_deliberate_mixture_starts(self, place, change):
        result = place("check", **self.URLS | change)

        assert result.returncode == 0, result.stderr


class TestSecretChecks:
    @pytest.mark.parametrize(
        "secret",
        [
            "changeme",
            "Change-Me!",
            "your-secret-key-here",
            "scraper123",
            "postgres",
            "password1234",
            "<insert password>",
            "only-while-building",
            "admin",
        ],
    )
    def test_rejects_examples(self, secret):
        assert is_example(secret)

    @pytest.mark.parametrize("size", [12, 24, 50])
    def test_accepts_random_ones(self, size):
        for _ in range(200):
            assert not is_example(secrets.token_urlsafe(size))

    @pytest.mark.parametrize(
        "secret",
        [
            *("123456", "12345678", "qwerty123", "postgres123456", "iloveyou", "abc12345"),
            *("aaaaa", "iloveyou2024", "qwertyuiop123", "aaaaaaaaaaaaaaaa", "abcdefabcdef"),
            "k7Qz-mW2x",
        ],
    )
    def test_rejects_common_passwords(self, secret):
        config = {"HOST": "db.example", "PASSWORD": secret, "USER": "app", "OPTIONS": {}}

        [error] = find_password_errors("DB_PASSWORD", config)

        assert error.startswith("The password in DB_PASSWORD ")
        assert secret not in error

    @pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex, numbers])
    @pytest.mark.parametrize("size", [24, 50, 200])
    def test_accepts_random_ones_of_any_length(self, make, size):
        for _ in range(100):
            assert list(find_secret_errors([("DB_PASSWORD", make(size))])) == []

    def test_an_empty_one_is_not_an_example(self):
        assert not is_example("")

    def test_accepts_a_strong_key(self):
        assert list(find_key_errors(KEY)) == []

    @pytest.mark.parametrize(
        ("host", "options"),
        [
            ("", {}),
            ("/run/postgresql", {}),
            ("127.0.0.1", {}),
            ("db.example", {"passfile": "/run/secrets/pgpass"}),
        ],
    )
    def test_a_password_may_be_missing_if_it_is_not_needed(self, host, options):
        config = {"HOST": host, "PASSWORD": "", "USER": "app", "OPTIONS": options}

        assert list(find_password_errors("DB_PASSWORD", config)) == []

    def test_a_password_must_differ_from_the_role(self):
        config = {"HOST": "", "PASSWORD": "malika-77", "USER": "malika-77", "OPTIONS": {}}

        [error] = find_password_errors("DB_PASSWORD", config)

        assert "the role's name" in error


class TestLog:
    LOG = """
import logging
request, security = map(logging.getLogger, ("django.request", "django.security.DisallowedHost"))
try:
    1 / 0
except ZeroDivisionError as error:
    request.error("Internal Server Error: /", exc_info=error)
request.error("Service Unavailable: /readyz")
security.error("Invalid HTTP_HOST header")
"""

    def test_contains_errors_with_tracebacks_and_refused_requests(self, place):
        result = place("shell", "--no-imports", "-c", self.LOG, **PRODUCTION)

        assert result.stderr.count("Internal Server Error: /") == 1
        assert "ZeroDivisionError: division by zero" in result.stderr
        assert result.stderr.count("Invalid HTTP_HOST header") == 1

    def test_omits_repeated_unavailable_responses(self, place):
        result = place("shell", "--no-imports", "-c", self.LOG, **PRODUCTION)

        assert "readyz" not in result.stderr
