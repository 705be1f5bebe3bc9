"""Give a role access to the databases."""

from typing import Any

from django.core.management.base import CommandParser

from marketplace.cli import DatabaseCommand
from marketplace.grants import grant


class Command(DatabaseCommand):
    """Let a role read the databases, or write their data too."""

    help = (
        "Let an existing role read the tables of the databases, those of later migrations "
        "included. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        super().add_arguments(parser)
        parser.add_argument("role", metavar="ROLE", help="The PostgreSQL role.")
        parser.add_argument(
            "--write", action="store_true", help="Let it write data too, as a loader does."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant, database by database."""
        role, can_write = options["role"], options["write"]
        verb = "read and write" if can_write else "read"

        def work(alias: str) -> None:
            grant(alias, role, can_write=can_write)
            self.stdout.write(f"{alias.upper()}: {role} may {verb}")

        self.visit(self.selected(options), work)
