"""The database of each app: its own, or `default`."""

from typing import Any

from django.db.models import Model

from marketplace.registry import ALIASES, CONTROL, CONTROL_APPS


def database_of(app_label: str) -> str | None:
    """Return the alias of the database of an app's tables; None if the app has no database."""
    if app_label in ALIASES:
        return app_label
    return CONTROL if app_label in CONTROL_APPS else None


class AppRouter:
    """Route reads, writes, relations and migrations of each app to its database."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Read from the app's database."""
        return database_of(model._meta.app_label)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Write to the app's database."""
        return database_of(model._meta.app_label)

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:
        """Allow relations within one database only."""
        return database_of(obj1._meta.app_label) == database_of(obj2._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Create an app's tables in its database only. Unknown apps have no tables."""
        return database_of(app_label) == db
