"""Keys and passwords that anybody could guess: a site in production does not start with them."""

import os
import re
from collections.abc import Iterator
from typing import Any

#: Characters that a key has at least, and different ones among them; Django's own measure.
MIN_KEY, MIN_DIFFERENT = 50, 5

#: Characters that must be left of a secret without the words below.
_MIN_OWN = 5

# Words that documents, examples and images put where a secret belongs.
_WORDS = re.compile(
    r"change|replace|your|this|some|insert|todo|here|please|production|secret|token|key|password|"
    r"passwd|pass|pwd|example|dummy|sample|placeholder|default|testing|test|development|demo|"
    r"insecure|django|postgresql|postgres|admin|root|user|database|redis|grafana|marketplace|"
    r"ecommerce|classifieds|procurement|owner|loader|analyst|scraper|guest|qwerty|letmein|unused|"
    r"only|while|building|1234567890|[\W_]",
    re.IGNORECASE,
)

_MAKE_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
_MAKE_PASSWORD = "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"


def is_example(secret: str) -> bool:
    """Return whether a secret is made of words that stand in examples, and hardly more."""
    return bool(secret) and len(_WORDS.sub("", secret)) < _MIN_OWN


def find_key_faults(key: str) -> Iterator[str]:
    """Yield what is wrong with SECRET_KEY, and the next step."""
    if not key:
        yield f"SECRET_KEY is not set. Put a random value into the environment or .env: {_MAKE_KEY}"
    elif is_example(key) or key.startswith("django-insecure-"):
        yield f"SECRET_KEY is an example that anybody knows. Make one: {_MAKE_KEY}"
    elif len(key) < MIN_KEY or len(set(key)) < MIN_DIFFERENT:
        yield (
            f"SECRET_KEY has less than {MIN_KEY} characters, or less than {MIN_DIFFERENT} "
            f"different ones. Make one: {_MAKE_KEY}"
        )


def find_password_faults(name: str, config: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a database's password, and the next step.

    :param name: of the variable that has it
    :param config: of the database, as Django has it
    """
    password = config["PASSWORD"]
    if is_example(password) or (password and password == config["USER"]):
        yield f"The password in {name} is an example or the role's name. Make one: {_MAKE_PASSWORD}"
    elif not password and _needs_password(config):
        yield (
            f"{name} has no password for {config['HOST']}. Set it, or PGPASSFILE to a file that "
            "has it."
        )


def find_secret_faults(secrets: dict[str, str]) -> Iterator[str]:
    """Yield which of other secrets are examples; empty ones are not in use.

    :param secrets: name of the variable → value
    """
    for name, secret in secrets.items():
        if is_example(secret):
            yield f"{name} is an example that anybody knows. Make one: {_MAKE_PASSWORD}"


def _needs_password(config: dict[str, Any]) -> bool:
    """Return whether nothing else can prove who connects: no socket, own machine, file or key."""
    host: str = config["HOST"]
    is_near = not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    others = {"passfile", "sslcert", "service", "gsslib", "krbsrvname"}
    return not (is_near or others & config["OPTIONS"].keys() or os.environ.get("PGPASSFILE"))
