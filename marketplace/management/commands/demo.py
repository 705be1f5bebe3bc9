"""The command that fills the databases with demonstration data."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from marketplace import demo
from marketplace.management.rollups import compute_quick
from marketplace.registry import ALIASES, CONTROL


class Command(BaseCommand):
    """Initialize the databases, load the demonstration data, and print the databases' status."""

    help = (
        "Fill the databases with 120 days of invented data of every platform, until the day before "
        "the first run (DEMO_END). Runs init_all first. Running it again makes no changes."
    )
    # There may be no database yet.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument(
            "--scale",
            type=_positive,
            default=1,
            help="Amount of data, as a multiple of 5,000 products, 5,000 listings and 2,000 lots "
            "(default: 1).",
        )
        parser.add_argument(
            "--with-admin",
            action="store_true",
            help="Create the account admin even if the accounts are on an external server. "
            "The account is created only if there is no superuser.",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="Load all feeds again, for example after rows were deleted.",
        )

    def handle(self, *, scale: int, with_admin: bool, again: bool, **options: Any) -> None:
        """Initialize, load, create the account, show the state."""
        call_command("init_all", stdout=self.stdout, stderr=self.stderr)
        for total in demo.load(scale, again=again):
            self.stdout.write(str(total))
        for alias in ALIASES:
            summary = demo.load_rates(alias)
            if summary.read:
                self.stdout.write(f"{alias}: {summary}")
            compute_quick(self, [alias], is_forced=True)
        if with_admin or not settings.DATABASES[CONTROL]["HOST"]:
            path = demo.create_admin(settings.DATA_DIR)
            if path:
                self.stdout.write(f"Created the account {demo.ADMIN}; its password is in {path}")
        call_command("db_status", stdout=self.stdout, stderr=self.stderr)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
