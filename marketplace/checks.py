"""System checks: the proof that each model has one home and no relation leaves its database."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.db.models import Model

from marketplace.loading.adapters import Shape
from marketplace.registry import ALIASES, PLATFORMS, Platform
from marketplace.routers import home


@register()
def check_homes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every model with a table is routed, and relates only to models of its own database."""
    models = apps.get_models(include_auto_created=True)
    return [message for model in models for message in _check_model(model)]


@register()
def check_platforms(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every platform has a database and an adapter; no name is used twice."""
    return [*_check_databases(), *_check_names()]


def _check_model(model: type[Model]) -> Iterator[CheckMessage]:
    label, alias = model._meta.label, home(model._meta.app_label)
    if model._meta.proxy or not model._meta.managed:
        return
    if alias is None:
        yield Error(
            f"{label} has no database: no app of the registry owns it.",
            hint="Put its app into CONTROL_APPS of marketplace/registry.py, or remove the app.",
            obj=model,
            id="marketplace.E001",
        )
    for field in model._meta.get_fields():
        target = field.related_model if field.concrete and field.is_relation else None
        if isinstance(target, type) and home(target._meta.app_label) != alias:
            yield Error(
                f"{label}.{field.name} points to {target._meta.label} in another database.",
                hint="Keep the other row's natural key in a plain field instead.",
                obj=model,
                id="marketplace.E002",
            )


def _check_databases() -> Iterator[CheckMessage]:
    for platform in PLATFORMS:
        if platform.database not in ALIASES:
            yield Error(
                f"Platform {platform.name} names the unknown database {platform.database}.",
                hint=f"Use one of {', '.join(ALIASES)} in marketplace/registry.py.",
                id="marketplace.E003",
            )
        else:
            yield from _check_adapter(platform)


def _check_adapter(platform: Platform) -> Iterator[CheckMessage]:
    name = f"{platform.database}.platforms.{platform.name}"
    try:
        shapes = getattr(import_module(name), "SHAPES", ())
    except ImportError as error:
        yield Error(
            f"Platform {platform.name} has no adapter that can be imported: {error}.",
            hint=f"Write {name.replace('.', '/')}.py.",
            id="marketplace.E004",
        )
        return
    if not shapes or not all(isinstance(shape, Shape) for shape in shapes):
        yield Error(
            f"The adapter of {platform.name} has no SHAPES.",
            hint=f"Give {name} a tuple of marketplace.loading.adapters.Shape.",
            id="marketplace.E006",
        )


def _check_names() -> Iterator[CheckMessage]:
    names = [platform.name for platform in PLATFORMS]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Error(
            f"Platform {name} is registered twice.",
            hint="Keep one line in marketplace/registry.py.",
            id="marketplace.E005",
        )
