"""Django's `showmigrations`, on the database of the named apps."""

from typing import Any

from django.core.management.commands import showmigrations

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, showmigrations.Command):
    """Show the migrations of the apps in one database."""

    help = (
        "Show the migrations of the apps in one database: that of --database, or of the named "
        "apps, or default."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the name of the database and show its migrations."""
        self.write_database(options["database"])
        super().handle(*args, **options)
