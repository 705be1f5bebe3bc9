"""Compare the databases with the models."""

from typing import Any

from django.core.management.base import CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.verification import Verification, verify
from marketplace.humanize import counted

_NEXT_STEP = (
    "Next: apply pending migrations with python manage.py db_migrate. Revert manual changes, or "
    "restore the database."
)


class Command(DatabaseCommand):
    """Find differences between the databases and the models."""

    help = (
        "Compare each database's tables, columns, indexes, constraints and migrations with the "
        "models of its own app, and check that it has no tables of other apps. The exit code is 1 "
        "if there are differences."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify the databases and print the differences."""
        self.is_json = options["format"] == "json"
        self.results: list[dict[str, Any]] = []
        try:
            self.visit(self.selected(options), self._verify)
        finally:
            if self.is_json:
                self.print_json(self.results)

    def report_error(self, alias: str, message: str) -> None:
        """Report that a database could not be verified."""
        super().report_error(alias, message)
        self.results.append({"alias": alias, "error": message})

    def _verify(self, alias: str) -> bool:
        verification = verify(alias)
        self.results.append({"alias": alias, "error": "", **verification._asdict()})
        if not self.is_json:
            self._print(alias, verification)
        return not verification.drifts

    def _print(self, alias: str, verification: Verification) -> None:
        if not verification.drifts:
            counts = (
                counted(verification.tables, "table"),
                f"{verification.indexes} indexes",
                counted(verification.constraints, "constraint"),
            )
            self.stdout.write(f"{alias.upper()}: ok ({', '.join(counts)})")
            return
        differences = counted(len(verification.drifts), "difference")
        self.stdout.write(f"{alias.upper()}: {self.style.ERROR(differences)}")
        for drift in verification.drifts:
            self.stdout.write(f"   {drift}")
        self.stdout.write(f"   {_NEXT_STEP}")
