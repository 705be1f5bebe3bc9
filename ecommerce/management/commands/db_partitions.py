"""Create the months of the price history ahead, and show all of them."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import router
from django.utils import timezone

from ecommerce import partitions
from ecommerce.models import PricePoint
from ecommerce.partitions import Partition
from marketplace.admin_site.formatting import size
from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.partitions import ensure_partitions
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Make months ahead, and list all months."""

    help = """Create the partitions of the current month and of those ahead, and list all months.

    hot: in PostgreSQL, with its rows and size.
    archived: moved to Parquet files by db_archive; files that are missing or of a wrong size are named.
    being archived: db_archive was interrupted; run it again to resume.
    lost: archived once, and declared lost by db_archive --abandon; it has only what was loaded since.
    missing: ahead, and not made because of --dry-run.
    """  # noqa: E501 # a line is a paragraph
    choices = (router.db_for_write(PricePoint),)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be created, and create nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create what is missing, and list the months."""

        def show(alias: str) -> None:
            today = timezone.now().date()
            created = [] if options["dry_run"] else ensure_partitions(alias, today)
            found = partitions.report(today)
            if options["format"] == "json":
                months = [each._asdict() for each in found]
                self.print_json({"alias": alias, "created": created, "months": months})
            else:
                self._print(alias, found, created)

        self.visit(self.selected(options), show)

    def _print(self, alias: str, found: list[Partition], created: list[str]) -> None:
        self.stdout.write(f"{alias.upper()}: price history by month")
        for each in found:
            self.stdout.write(f"   {each.month:%Y-%m}  {self._state(each)}")
        if created:
            self.stdout.write(f"   Created: {', '.join(created)}")

    def _state(self, each: Partition) -> str:
        if each.lost_at is None:
            return self._place(each)
        gap = self.style.WARNING(f"lost {each.lost_at:%Y-%m-%d}, {counted(each.rows, 'row')}")
        if each.state == "lost":
            return gap
        return f"{self._place(each)}; {self.style.WARNING(f'lost before {each.lost_at:%Y-%m-%d}')}"

    def _place(self, each: Partition) -> str:
        rows = f"{'about ' if each.is_estimate else ''}{counted(each.rows, 'row')}"
        if each.state == "hot":
            return f"hot, {rows}, {size(each.bytes)}"
        if each.state == "archived":
            problem = f": {self.style.ERROR(each.problem)}" if each.problem else ""
            return f"archived {each.archived_at:%Y-%m-%d}, {rows}{problem}"
        if each.state == "missing":
            return self.style.WARNING("missing")
        return f"{self.style.WARNING(each.state)}, {rows}: python manage.py db_archive goes on"
