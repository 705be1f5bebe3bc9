"""Checks for weak keys, passwords and tokens, with which a site in production does not start."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

#: Minimum length of a key, and of distinct characters in it, as in Django's own check.
MIN_KEY, MIN_DIFFERENT = 50, 5

#: Minimum length of passwords and tokens.
MIN_PASSWORD, MIN_TOKEN = 12, 16

#: Minimum length of a key that signs backups: with a set at hand, keys can be tried offline.
MIN_SIGNING_KEY = 32

#: Minimum number of characters that remain of a secret without the words below.
_MIN_REMAINING = 5

# Words that documentation, examples and images use in place of secrets.
_WORDS = re.compile(
    r"change|replace|your|this|some|insert|todo|here|please|production|secret|token|key|password|"
    r"passwd|pass|pwd|example|dummy|sample|placeholder|default|testing|test|development|demo|"
    r"insecure|django|postgresql|postgres|admin|root|user|database|redis|grafana|marketplace|"
    r"ecommerce|classifieds|procurement|owner|loader|analyst|scraper|guest|qwerty|letmein|unused|"
    r"only|while|building|1234567890|[\W_]",
    re.IGNORECASE,
)

_GENERATE_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
_GENERATE_PASSWORD = "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"


def is_example(secret: str) -> bool:
    """Return whether a secret consists almost only of words that examples use."""
    return bool(secret) and len(_WORDS.sub("", secret)) < _MIN_REMAINING


def is_common(secret: str) -> bool:
    """Return whether a password is common, also apart from digits and words of examples."""
    remaining = _WORDS.sub("", secret)
    forms = {secret, remaining, remaining.strip("0123456789")}
    return any(form.lower() in _common_passwords() for form in forms)


def is_monotonous(secret: str) -> bool:
    """Return whether a secret has few distinct characters or repeats them."""
    # The limit of MIN_KEY allows long random numbers: digits form 100 distinct pairs only.
    enough = min(len(secret), MIN_KEY) / 2
    return len(set(secret)) < MIN_DIFFERENT or len(set(pairwise(secret))) <= enough


def find_host_errors(hosts: Iterable[str]) -> Iterator[str]:
    """Yield errors in ALLOWED_HOSTS, each with the next step."""
    if "*" in (host.strip() for host in hosts):
        yield (
            "ALLOWED_HOSTS contains *, which accepts any host name in a request. Set it to the "
            "host names of the site, such as analytics.example.com."
        )


def find_key_errors(key: str) -> Iterator[str]:
    """Yield errors in SECRET_KEY, each with the next step."""
    if not key:
        yield f"SECRET_KEY is not set. Set it in the environment or .env: {_GENERATE_KEY}"
    elif key.startswith("django-insecure-"):
        yield f"SECRET_KEY is a published example. Generate one: {_GENERATE_KEY}"
    elif weakness := _weakness(key, MIN_KEY):
        yield f"SECRET_KEY {weakness}. Generate one: {_GENERATE_KEY}"


def find_password_errors(name: str, config: dict[str, Any]) -> Iterator[str]:
    """Yield errors in a database's password, each with the next step.

    :param name: of the password's variable
    :param config: the database's entry in DATABASES
    """
    password = config["PASSWORD"]
    if password and password == config["USER"] and not is_example(password):
        yield f"The password in {name} is the role's name. Generate one: {_GENERATE_PASSWORD}"
    elif password and (weakness := _weakness(password, MIN_PASSWORD)):
        yield f"The password in {name} {weakness}. Generate one: {_GENERATE_PASSWORD}"
    elif not password and _needs_password(config):
        yield (
            f"{name} has no password for {config['HOST']}. Set it, or set PGPASSFILE to a "
            "file with the password."
        )


def find_secret_errors(
    secrets: Iterable[tuple[str, str]], size: int = MIN_PASSWORD
) -> Iterator[str]:
    """Yield errors in other secrets. Empty secrets are skipped: they are not in use.

    :param secrets: pairs of a variable's name and its value
    :param size: minimum length
    """
    for name, secret in secrets:
        if secret and (weakness := _weakness(secret, size)):
            yield f"{name} {weakness}. Generate one: {_GENERATE_PASSWORD}"


def _weakness(secret: str, size: int) -> str:
    """Return why a secret is weak, or an empty string."""
    if is_example(secret):
        return "is a published example"
    if is_common(secret):
        return "is a common password"
    if len(secret) < size:
        return f"has fewer than {size} characters"
    if is_monotonous(secret):
        return "has few distinct characters, or repeats them"
    return ""


@cache
def _common_passwords() -> set[str]:
    # Imported late: the settings import this module, and Django's validators import the settings.
    from django.contrib.auth.password_validation import CommonPasswordValidator

    return set(CommonPasswordValidator().passwords)


def _needs_password(config: dict[str, Any]) -> bool:
    """Return whether only a password can authenticate: no local server, file or certificate."""
    host: str = config["HOST"]
    is_local = not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    others = {"passfile", "sslcert", "service", "gsslib", "krbsrvname"}
    return not (is_local or others & config["OPTIONS"].keys() or os.environ.get("PGPASSFILE"))
