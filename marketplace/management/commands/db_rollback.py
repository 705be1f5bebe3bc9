"""Undo migrations."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand, add_destructive_arguments
from marketplace.databases.revisions import Rollback, rollback
from marketplace.registry import ALIASES


class Command(DatabaseCommand):
    """Undo the last migrations of one database."""

    help = (
        "Undo the last N migrations of one database, and what they created, with its data. "
        "Others are not touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments. Both may be absent, so that the message can name the choices."""
        parser.add_argument("alias", nargs="?", help=f"The database: {', '.join(ALIASES)}.")
        parser.add_argument(
            "steps",
            nargs="?",
            type=int,
            metavar="N",
            help="How many migrations to undo; -N means the same.",
        )
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Roll back, or say what that would do."""
        alias, steps = options["alias"], options["steps"]
        # Alembic, which some users come from, counts steps back as -1.
        steps = steps and abs(steps)
        if alias not in ALIASES or steps is None:
            raise CommandError(
                "Name the database to roll back and how many migrations to undo: "
                f"db_rollback {'|'.join(ALIASES)} N"
            )

        def report(alias: str) -> None:
            plan = rollback(alias, steps, dry_run=True)
            if options["dry_run"]:
                self.stdout.write(_sentence(alias, plan, "Would unapply"))
                return
            if not options["force"]:
                self.confirm(
                    f"{_sentence(alias, plan, 'Will unapply')}, with the data of what they made.",
                    alias,
                )
            done = rollback(alias, steps)
            self.stdout.write(_sentence(alias, done, "Unapplied"))

        self.visit([alias], report)


def _sentence(alias: str, change: Rollback, verb: str) -> str:
    names = ", ".join(change.unapplied)
    return f"{alias.upper()}: {verb} {names}, back to {change.current}"
