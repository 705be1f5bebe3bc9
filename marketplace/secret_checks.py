"""Keys and passwords that anybody could guess: a site in production does not start with them."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

#: Characters that a key has at least, and different ones among them; Django's own measure.
MIN_KEY, MIN_DIFFERENT = 50, 5

#: Characters that passwords and tokens have at least.
MIN_PASSWORD, MIN_TOKEN = 12, 16

#: Characters of a key that signs backups: those who have a set can try keys as fast as they like.
MIN_SIGNING_KEY = 32

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


def is_common(secret: str) -> bool:
    """Return whether many have the password, or it is one with words of examples and digits."""
    own = _WORDS.sub("", secret)
    forms = {secret, own, own.strip("0123456789")}
    return any(form.lower() in _common_passwords() for form in forms)


def is_monotonous(secret: str) -> bool:
    """Return whether a secret has few different characters, or the same ones again and again."""
    # More pairs would be asked of a long random number than there are of digits.
    enough = min(len(secret), MIN_KEY) / 2
    return len(set(secret)) < MIN_DIFFERENT or len(set(pairwise(secret))) <= enough


def find_host_faults(hosts: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with ALLOWED_HOSTS, and the next step."""
    if "*" in (host.strip() for host in hosts):
        yield (
            "ALLOWED_HOSTS has *, which accepts any host name that a request claims. Set it to the "
            "names under which the site is reached, such as analytics.example.com."
        )


def find_key_faults(key: str) -> Iterator[str]:
    """Yield what is wrong with SECRET_KEY, and the next step."""
    if not key:
        yield f"SECRET_KEY is not set. Put a random value into the environment or .env: {_MAKE_KEY}"
    elif key.startswith("django-insecure-"):
        yield f"SECRET_KEY is an example that anybody knows. Make one: {_MAKE_KEY}"
    elif weakness := _weakness(key, MIN_KEY):
        yield f"SECRET_KEY {weakness}. Make one: {_MAKE_KEY}"


def find_password_faults(name: str, config: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a database's password, and the next step.

    :param name: of the variable that has it
    :param config: of the database, as Django has it
    """
    password = config["PASSWORD"]
    if password and password == config["USER"] and not is_example(password):
        yield f"The password in {name} is the role's name. Make one: {_MAKE_PASSWORD}"
    elif password and (weakness := _weakness(password, MIN_PASSWORD)):
        yield f"The password in {name} {weakness}. Make one: {_MAKE_PASSWORD}"
    elif not password and _needs_password(config):
        yield (
            f"{name} has no password for {config['HOST']}. Set it, or PGPASSFILE to a file that "
            "has it."
        )


def find_secret_faults(
    secrets: Iterable[tuple[str, str]], size: int = MIN_PASSWORD
) -> Iterator[str]:
    """Yield which of other secrets can be guessed; empty ones are not in use.

    :param secrets: pairs of the variable's name and its value
    :param size: characters that each has at least
    """
    for name, secret in secrets:
        if secret and (weakness := _weakness(secret, size)):
            yield f"{name} {weakness}. Make one: {_MAKE_PASSWORD}"


def _weakness(secret: str, size: int) -> str:
    """Return why a secret can be guessed, or nothing."""
    if is_example(secret):
        return "is an example that anybody knows"
    if is_common(secret):
        return "is a common password, which is tried first"
    if len(secret) < size:
        return f"has less than {size} characters"
    if is_monotonous(secret):
        return "has hardly any different characters, or repeats them"
    return ""


@cache
def _common_passwords() -> set[str]:
    # Not above: the settings import this module, and this imports much that they may not need.
    from django.contrib.auth.password_validation import CommonPasswordValidator

    return set(CommonPasswordValidator().passwords)


def _needs_password(config: dict[str, Any]) -> bool:
    """Return whether nothing else can prove who connects: no socket, own machine, file or key."""
    host: str = config["HOST"]
    is_near = not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    others = {"passfile", "sslcert", "service", "gsslib", "krbsrvname"}
    return not (is_near or others & config["OPTIONS"].keys() or os.environ.get("PGPASSFILE"))
