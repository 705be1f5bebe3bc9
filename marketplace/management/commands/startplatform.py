"""Create the files of a new platform."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace import scaffold
from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES


class Command(BaseCommand):
    """Write the adapter, sample and test of a new platform, and register it."""

    help = (
        "Create a new platform: write an adapter for an invented payload, its sample and its test, "
        "which work at once, and register the platform. Then adapt them to real payloads."
    )
    # The checks would fail because of a broken adapter of another platform.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("name", help="Name of the platform, such as bozor.")
        parser.add_argument("database", help=f"Database of the platform: {', '.join(ALIASES)}.")
        parser.add_argument("--title", help="Display name. The default is NAME, capitalized.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the files to write, without writing them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the files, and print the next steps.

        :raises CommandError: if the platform cannot be created
        """
        name, database = options["name"], options["database"]
        try:
            files = scaffold.plan(name, database, options["title"] or name.capitalize())
        except MarketplaceError as error:
            raise CommandError(str(error)) from None
        if options["dry_run"]:
            self.stdout.write(f"Would write {', '.join(files)}")
            return
        scaffold.write(files)
        adapter, sample, test, registry = files
        self.stdout.write(
            f"Wrote {adapter}, {sample}, {test}; registered {name} in {registry}.\n"
            "They load an invented payload. Next:\n"
            "   python manage.py check\n"
            f"   python -m pytest {test} tests/marketplace/loading/test_samples.py\n"
            f"   python manage.py ingest_check {name} PAYLOAD   (a real one)\n"
            "Then adapt them to the platform, as docs/platforms.md explains. A running site shows "
            "the platform after a restart."
        )
