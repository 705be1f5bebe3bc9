"""Django's `migrate`, for one database of several."""

from typing import Any

from django.core.management.commands import migrate

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, migrate.Command):
    """Apply the migrations of the apps that live in one database."""

    help = (
        "Apply the migrations of the apps that live in one database: that of --database, or of "
        "the app that is named, or default. To migrate all databases: db_migrate."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Name the database, and migrate it."""
        if options["verbosity"] >= 1:
            self.write_database(options["database"])
        super().handle(*args, **options)
