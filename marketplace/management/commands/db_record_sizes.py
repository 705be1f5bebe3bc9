"""Record the sizes of the databases in the size history."""

from typing import Any

from django.utils import timezone

from marketplace.cli import DatabaseCommand
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.size_history import KEPT_DAYS, SizeRecord, record_sizes
from marketplace.humanize import counted, file_size


class Command(DatabaseCommand):
    """Record the sizes of databases, tables and indexes, and the free disk space."""

    help = (
        "Record the sizes of each database, its tables and indexes, and the free space on its "
        "server's disk, in the file snapshots.sqlite3 of DATA_DIR. From this history, db_doctor "
        "computes the growth, and the days until the disk is full. Run it once a day or once an "
        f"hour; records are kept for {KEPT_DAYS} days. The databases are only read. Several "
        "processes may run it at the same time."
    )
    choices = ALL_ALIASES

    def handle(self, *args: Any, **options: Any) -> None:
        """Record the sizes of each database."""
        now = timezone.now()
        self.visit(self.selected(options), lambda alias: self._print(record_sizes(alias, now)))

    def _print(self, record: SizeRecord) -> None:
        free = "free disk unknown (see DISK_CAPACITY)"
        if record.disk_free is not None:
            free = f"disk {file_size(record.disk_free)} free"
        self.stdout.write(
            f"{record.alias.upper()}: recorded {file_size(record.size)} in "
            f"{counted(record.tables, 'table')}, "
            f"{counted(record.indexes, 'index', 'indexes')}; {free}"
        )
