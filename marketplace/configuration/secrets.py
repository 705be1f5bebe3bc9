"""The secret key, and the check for weak secrets of a site in production."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from marketplace import secret_checks
from marketplace.configuration.databases import DEFAULT_NAMES, database_url, variable_prefix
from marketplace.configuration.environment import env


def secret_key(data_dir: Path, *, is_embedded: bool) -> str:
    """Return SECRET_KEY; without one, the generated key of a machine with the embedded server."""
    key: str = env.str("SECRET_KEY", default="")
    if key or not is_embedded:
        return key
    from marketplace.postgresql.embedded import development_secret

    return development_secret(data_dir)


def require_strong_secrets(
    *,
    allowed_hosts: Iterable[str],
    key: str,
    metrics_token: str,
    ingest_tokens: Sequence[tuple[str, str]],
    databases: dict[str, dict[str, Any]],
) -> None:
    """Reject weak keys, passwords and tokens, and the allowed host *.

    This runs when the settings are loaded, because WSGI servers do not run system checks.

    :raises ImproperlyConfigured: with all errors and their next steps
    """
    passwords = {name: value for name, value in env.ENVIRON.items() if name.endswith("_PASSWORD")}
    prefixes = ("REDIS", "DJANGO_SUPERUSER", *(variable_prefix(alias) for alias in DEFAULT_NAMES))
    others = [(name, value) for name, value in passwords.items() if name.startswith(prefixes)]
    tokens = [("A token in INGEST_TOKENS", token) for _, token in ingest_tokens]
    errors = [
        *secret_checks.find_host_errors(allowed_hosts),
        *secret_checks.find_key_errors(key),
        *secret_checks.find_secret_errors(others),
        *secret_checks.find_secret_errors(
            [("METRICS_TOKEN", metrics_token), *tokens], secret_checks.MIN_TOKEN
        ),
    ]
    for alias, config in databases.items():
        variable = (
            f"{variable_prefix(alias)}_DATABASE_URL" if database_url(alias) else "DB_PASSWORD"
        )
        errors += secret_checks.find_password_errors(variable, config)
    if errors:
        raise ImproperlyConfigured("\n".join(dict.fromkeys(errors)))
