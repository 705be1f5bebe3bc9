"""Apply migrations."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from marketplace.cli import DatabaseCommand
from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.revisions import get_compatible_revision, migrate


class Command(DatabaseCommand):
    """Apply the pending migrations of each database."""

    help = "Apply the pending migrations of each database's own app. Safe to run repeatedly."
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the migrations without applying them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the migrations, or print them."""
        action = self._plan if options["dry_run"] else self._migrate
        self.visit(self.selected(options), action)

    def _plan(self, alias: str) -> None:
        self._report(alias, get_compatible_revision(alias).pending, "Would apply")

    def _migrate(self, alias: str) -> None:
        self._report(alias, migrate(alias), "applied")

    def _report(self, alias: str, names: Sequence[str], verb: str) -> None:
        result = f"{verb} {', '.join(names)}" if names else "nothing to do"
        self.stdout.write(f"{alias.upper()}: {result}")
