"""Apply migrations."""

from typing import Any

from marketplace.cli import DatabaseCommand
from marketplace.databases import ALL_ALIASES
from marketplace.revisions import migrate


class Command(DatabaseCommand):
    """Apply the pending migrations of each database."""

    help = "Apply the pending migrations of each database's own app. Safe to run again."
    choices = ALL_ALIASES

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, and name what was applied."""
        self.visit(self.selected(options), self._migrate)

    def _migrate(self, alias: str) -> None:
        names = migrate(alias)
        done = f"applied {', '.join(names)}" if names else "nothing to do"
        self.stdout.write(f"{alias.upper()}: {done}")
