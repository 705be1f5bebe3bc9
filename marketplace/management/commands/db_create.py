"""Create the databases."""

from typing import Any

from marketplace.cli import DatabaseCommand
from marketplace.databases.creation import create_database
from marketplace.databases.names import ALL_ALIASES, database_name


class Command(DatabaseCommand):
    """Create the databases that do not exist."""

    help = "Create the databases that do not exist, without tables. Safe to run repeatedly."
    choices = ALL_ALIASES

    def handle(self, *args: Any, **options: Any) -> None:
        """Create each database and print whether it is new."""
        self.visit(self.selected(options), self._create)

    def _create(self, alias: str) -> None:
        is_new, name = create_database(alias), database_name(alias)
        result = f"created database {name}" if is_new else f"database {name} exists"
        self.stdout.write(f"{alias.upper()}: {result}")
