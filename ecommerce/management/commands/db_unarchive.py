"""Bring a month of the price history back from the archive."""

from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import router

from ecommerce.archive import layout, moving
from ecommerce.archive.moving import MovedMonth
from ecommerce.models import PricePoint
from marketplace.admin_site.formatting import size
from marketplace.cli import DatabaseCommand
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Bring months back."""

    help = """Bring archived months of the price history back into PostgreSQL, row by row as they were.

    The files are compared with what was archived, before and after. They stay in ARCHIVE_DIR for databases that are restored. db_archive archives the month again at its next call unless --older-than says otherwise. What was refused because the month was archived loads by: ingest_review release records --reason "is archived".
    """  # noqa: E501 # a line is a paragraph
    choices = (router.db_for_write(PricePoint),)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        super().add_arguments(parser)
        parser.add_argument("months", nargs="+", metavar="MONTH", help="A month, as 2025-06.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring the months back, or say what that would do."""
        wanted = [_month(text) for text in options["months"]]

        def bring(alias: str) -> None:
            if options["dry_run"]:
                for month in wanted:
                    self._report(alias, moving.describe(month), "Would bring back")
                return
            with layout.exclusive_lock() as work:
                for month in wanted:
                    self._report(alias, moving.unarchive(month, work), "brought back")

        self.visit(self.selected(options), bring)

    def _report(self, alias: str, moved: MovedMonth, verb: str) -> None:
        table = f", {size(moved.bytes)} in PostgreSQL" if moved.bytes else ""
        self.stdout.write(
            f"{alias.upper()}: {verb} {moved.month:%Y-%m}: {counted(moved.rows, 'row')} from "
            f"{size(moved.archived_bytes)} in {counted(moved.files, 'file')}{table}"
        )


def _month(text: str) -> date:
    try:
        return layout.month_of(text)
    except ValueError:
        raise CommandError(f"{text} is no month, such as 2025-06.") from None
