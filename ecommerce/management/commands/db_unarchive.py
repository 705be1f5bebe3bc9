"""Move archived months of the price history back into PostgreSQL."""

from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import router

from ecommerce.archive import layout, moving
from ecommerce.archive.moving import MovedMonth
from ecommerce.models import PricePoint
from marketplace.cli import DatabaseCommand
from marketplace.humanize import counted, file_size
from marketplace.management.rollups import compute_quick


class Command(DatabaseCommand):
    """Move archived months of the price history back into PostgreSQL."""

    help = """Move archived months of the price history back into PostgreSQL, with all values and ids.

    The files are compared with their manifests before, and with the table afterwards. They stay in ARCHIVE_DIR, because restored databases may need them. The next db_archive archives the month again, unless --older-than excludes it. To load the records that were quarantined because the month was archived: ingest_review release records --reason "archived month".
    """  # noqa: E501 # a line is a paragraph
    choices = (router.db_for_write(PricePoint),)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        super().add_arguments(parser)
        parser.add_argument("months", nargs="+", metavar="MONTH", help="A month, such as 2025-06.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the actions without performing them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Move the months back to PostgreSQL; with --dry-run, only report the plan."""
        requested = [_month(text) for text in options["months"]]

        def unarchive(alias: str) -> None:
            if options["dry_run"]:
                for month in requested:
                    self._report(alias, moving.describe(month), "Would unarchive")
                return
            with layout.exclusive_lock() as work:
                for month in requested:
                    self._report(alias, moving.unarchive(month, work), "unarchived")
            compute_quick(self, [alias], is_forced=True)

        self.visit(self.selected(options), unarchive)

    def _report(self, alias: str, moved: MovedMonth, verb: str) -> None:
        table = f", {file_size(moved.bytes)} in PostgreSQL" if moved.bytes else ""
        self.stdout.write(
            f"{alias.upper()}: {verb} {moved.month:%Y-%m}: {counted(moved.rows, 'row')} from "
            f"{file_size(moved.archived_bytes)} in {counted(moved.files, 'file')}{table}"
        )


def _month(text: str) -> date:
    try:
        return layout.month_of(text)
    except ValueError:
        raise CommandError(f"{text} is not a month, such as 2025-06.") from None
