"""The `sqldiff` of django-extensions, which supports the default database only."""

from typing import Any

from django.core.management.base import CommandError
from django_extensions.management.commands import sqldiff

from marketplace.registry import CONTROL
from marketplace.routers import database_of


class Command(sqldiff.Command):
    """Compare the models in the database `default` with its tables."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare the models with the tables.

        :raises CommandError: if an app belongs to another database
        """
        for app in options["app_label"]:
            alias = database_of(app)
            if alias not in (None, CONTROL):
                raise CommandError(
                    f"sqldiff supports the database {CONTROL} only, and {app} belongs to {alias}. "
                    f"Use: python manage.py db_verify --database {alias}"
                )
        super().handle(*args, **options)
