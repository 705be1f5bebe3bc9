"""Django's `showmigrations`, for one database of several."""

from typing import Any

from django.core.management.commands import showmigrations

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, showmigrations.Command):
    """Show the migrations of the apps that live in one database."""

    help = (
        "Show the migrations of the apps that live in one database: that of --database, or of the "
        "apps that are named, or default."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Name the database, and show its migrations."""
        self.write_database(options["database"])
        super().handle(*args, **options)
