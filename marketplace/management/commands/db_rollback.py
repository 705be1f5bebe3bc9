"""Undo migrations."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand, add_destructive_arguments
from marketplace.databases.revisions import Rollback, rollback
from marketplace.registry import ALIASES


class Command(DatabaseCommand):
    """Undo the last migrations of one database."""

    help = (
        "Undo the last N migrations of one database. Tables and columns that they created are "
        "dropped with their data. Other databases are not changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments. Both are optional here, so that the error can list the choices."""
        parser.add_argument(
            "alias", nargs="?", help=f"Alias of the database: {', '.join(ALIASES)}."
        )
        parser.add_argument(
            "steps",
            nargs="?",
            type=int,
            metavar="N",
            help="Number of migrations to undo; -N has the same meaning.",
        )
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Undo the migrations, or print them."""
        alias, steps = options["alias"], options["steps"]
        # Alembic writes the number of steps back as -1.
        steps = steps and abs(steps)
        if alias not in ALIASES or steps is None:
            raise CommandError(
                "Specify the database and the number of migrations to undo: "
                f"db_rollback {'|'.join(ALIASES)} N"
            )

        def report(alias: str) -> None:
            plan = rollback(alias, steps, dry_run=True)
            if options["dry_run"]:
                self.stdout.write(_sentence(alias, plan, "Would unapply"))
                return
            if not options["force"]:
                self.confirm(
                    f"{_sentence(alias, plan, 'Will unapply')}, dropping the data of the tables "
                    "and columns that they created.",
                    alias,
                )
            result = rollback(alias, steps)
            self.stdout.write(_sentence(alias, result, "Unapplied"))

        self.visit([alias], report)


def _sentence(alias: str, change: Rollback, verb: str) -> str:
    names = ", ".join(change.unapplied)
    return f"{alias.upper()}: {verb} {names}, back to {change.current}"
