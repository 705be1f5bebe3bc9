"""Django's `migrate`, on the database of the named apps."""

from typing import Any

from django.core.management.commands import migrate

from marketplace.cli import AppDatabaseMixin
from marketplace.databases.revisions import get_compatible_revision


class Command(AppDatabaseMixin, migrate.Command):
    """Apply the migrations of the apps in one database."""

    help = (
        "Apply the migrations of the apps in one database: that of --database, or of the named "
        "app, or default. To migrate all databases, use db_migrate."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the name of the database and migrate it."""
        if options["verbosity"] >= 1:
            self.write_database(options["database"])
        # Django would report the same as an inconsistent history, without the next step.
        get_compatible_revision(options["database"])
        super().handle(*args, **options)
