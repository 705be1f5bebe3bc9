"""System checks of models, platforms, gates, tokens and settings."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db.models import Model

from marketplace.checks.adapters import check_shapes
from marketplace.loading.gates.gate import find_errors
from marketplace.postgresql.embedded import SUPERUSER
from marketplace.registry import ALIASES, CONTROL, PLATFORMS
from marketplace.routers import database_of
from marketplace.secret_checks import MIN_TOKEN

#: The checks that run before a load. Checks of adapters have another tag, because an error in one
#: adapter must not block loads of other platforms.
TAG = "marketplace"


@register(TAG)
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that each model has a database, and that relations stay within it."""
    models = apps.get_models(include_auto_created=True)
    return [message for model in models for message in _check_model(model)]


@register("adapters")
def check_platforms(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that each platform has a unique name, a database and an adapter for its samples."""
    platforms = [platform for platform in dict.fromkeys(PLATFORMS) if platform.database in ALIASES]
    return [*_check_databases(), *_check_names(), *check_shapes(platforms)]


@register(TAG)
def check_gates(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the names and values of the gates' thresholds."""
    return [
        Error(
            f"INGEST_GATES is not valid: {error}.",
            hint="Correct it in the environment or .env; .env.example explains the thresholds.",
            id="marketplace.E008",
        )
        for error in find_errors(settings.INGEST_GATES)
    ]


@register(TAG)
def check_tokens(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the platforms and the length of tokens."""
    return [*_check_tokens(), *_check_metrics_token()]


@register(TAG)
def check_users(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn about a user for a database in the embedded server, which has a fixed user."""
    return [
        checks.Warning(
            f"The user {config['USER']} of database {alias} is ignored: the database has no host, "
            f"and the user of the embedded server is {SUPERUSER}.",
            hint=f"Set the host in {'MARKETPLACE' if alias == CONTROL else alias.upper()}_DB_HOST "
            "or DB_HOST, or remove the user from the environment and .env.",
            id="marketplace.W001",
        )
        for alias, config in settings.DATABASES.items()
        if not config["HOST"] and config["USER"] not in ("", SUPERUSER)
    ]


@register(checks.Tags.security, deploy=True)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if HTTPS is on, but the number of trusted proxies is not set."""
    if not settings.HTTPS or settings.TRUSTED_PROXIES:
        return []
    return [
        checks.Warning(
            "TRUSTED_PROXIES is 0, but HTTPS is on, which requires a proxy: all clients appear "
            "with the proxy's address, so failed logins of one client lock out the others.",
            hint="Set TRUSTED_PROXIES to the number of proxies that a request passes through.",
            id="marketplace.W002",
        )
    ]


def _check_model(model: type[Model]) -> Iterator[CheckMessage]:
    label, alias = model._meta.label, database_of(model._meta.app_label)
    if model._meta.proxy or not model._meta.managed:
        return
    if alias is None:
        yield Error(
            f"{label} has no database: its app is not in the registry.",
            hint="Add the app to CONTROL_APPS in marketplace/registry.py, or remove it.",
            obj=model,
            id="marketplace.E001",
        )
    for field in model._meta.get_fields():
        target = field.related_model if field.concrete and field.is_relation else None
        if isinstance(target, type) and database_of(target._meta.app_label) != alias:
            yield Error(
                f"{label}.{field.name} references {target._meta.label} in another database.",
                hint="Store the natural key of the other row in a plain field instead.",
                obj=model,
                id="marketplace.E002",
            )


def _check_databases() -> Iterator[CheckMessage]:
    for platform in PLATFORMS:
        if platform.database not in ALIASES:
            yield Error(
                f"Platform {platform.name} has the unknown database {platform.database}.",
                hint=f"Use one of {', '.join(ALIASES)} in marketplace/registry.py.",
                id="marketplace.E003",
            )


def _check_tokens() -> Iterator[CheckMessage]:
    names = [platform.name for platform in PLATFORMS]
    for name, token in settings.INGEST_TOKENS:
        if name not in names:
            # The name may be a token whose platform was left out, so it is not printed.
            yield Error(
                "INGEST_TOKENS contains a token of an unknown platform.",
                hint=f"Write <platform>=<token>. Platforms: {', '.join(names)}.",
                id="marketplace.E007",
            )
        elif len(token) < MIN_TOKEN:
            yield Error(
                f"The token of {name} in INGEST_TOKENS has fewer than {MIN_TOKEN} characters.",
                hint="Generate one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
                id="marketplace.E007",
            )


def _check_metrics_token() -> Iterator[CheckMessage]:
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < MIN_TOKEN:
        yield Error(
            f"METRICS_TOKEN has fewer than {MIN_TOKEN} characters.",
            hint="Generate one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="marketplace.E009",
        )


def _check_names() -> Iterator[CheckMessage]:
    names = [platform.name for platform in PLATFORMS]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Error(
            f"Platform {name} is registered twice.",
            hint="Keep one line in marketplace/registry.py.",
            id="marketplace.E005",
        )
