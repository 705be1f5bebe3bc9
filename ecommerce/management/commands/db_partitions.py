"""Create the months of the price history ahead, and show all of them."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import router
from django.utils import timezone

from ecommerce import partitions
from ecommerce.models import PricePoint
from ecommerce.partitions import Partition
from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.partitions import ensure_partitions
from marketplace.humanize import counted, file_size


class Command(DatabaseCommand):
    """Create months ahead, and list all months."""

    help = """Create the partitions of the current month and the months ahead, and list all months.

    hot: in PostgreSQL, with its rows and size.
    archived: moved to Parquet files by db_archive; files that are missing or have the wrong size are listed.
    being archived: db_archive was interrupted; run it again to resume.
    lost: archived, then marked as lost by db_archive --abandon; has only points loaded since then.
    missing: not created because of --dry-run.
    """  # noqa: E501 # a line is a paragraph
    choices = (router.db_for_write(PricePoint),)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Only report what would be created."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the missing months, and list all."""

        def show(alias: str) -> None:
            today = timezone.now().date()
            created = [] if options["dry_run"] else ensure_partitions(alias, today)
            months = partitions.report(today)
            if options["format"] == "json":
                rows = [month._asdict() for month in months]
                self.print_json({"alias": alias, "created": created, "months": rows})
            else:
                self._print(alias, months, created)

        self.visit(self.selected(options), show)

    def _print(self, alias: str, months: list[Partition], created: list[str]) -> None:
        self.stdout.write(f"{alias.upper()}: price history by month")
        for month in months:
            self.stdout.write(f"   {month.month:%Y-%m}  {self._state(month)}")
        if created:
            self.stdout.write(f"   Created: {', '.join(created)}")

    def _state(self, partition: Partition) -> str:
        if partition.lost_at is None:
            return self._place(partition)
        gap = self.style.WARNING(
            f"lost {partition.lost_at:%Y-%m-%d}, {counted(partition.rows, 'row')}"
        )
        if partition.state == "lost":
            return gap
        lost = self.style.WARNING(f"lost before {partition.lost_at:%Y-%m-%d}")
        return f"{self._place(partition)}; {lost}"

    def _place(self, partition: Partition) -> str:
        rows = f"{'about ' if partition.is_estimate else ''}{counted(partition.rows, 'row')}"
        if partition.state == "hot":
            return f"hot, {rows}, {file_size(partition.bytes)}"
        if partition.state == "archived":
            problem = f": {self.style.ERROR(partition.problem)}" if partition.problem else ""
            return f"archived {partition.archived_at:%Y-%m-%d}, {rows}{problem}"
        if partition.state == "missing":
            return self.style.WARNING("missing")
        return f"{self.style.WARNING(partition.state)}, {rows}: resume: python manage.py db_archive"
