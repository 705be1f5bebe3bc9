"""Record the sizes of the databases."""

from typing import Any

from django.utils import timezone

from marketplace.cli import DatabaseCommand
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.size_history import KEPT_DAYS, Snapshot, take
from marketplace.humanize import counted, file_size


class Command(DatabaseCommand):
    """Record the sizes of databases, tables and indexes, and the room on the disk."""

    help = (
        "Record the sizes of each database, its tables and indexes, and the room on its server's "
        "disk, in the file snapshots.sqlite3 of DATA_DIR: from these db_doctor tells the growth, "
        f"and the days until the disk is full. Run it once a day or once an hour; {KEPT_DAYS} days "
        "are kept. The databases are only read. Safe to run several times at once."
    )
    choices = ALL_ALIASES

    def handle(self, *args: Any, **options: Any) -> None:
        """Record, database by database."""
        now = timezone.now()
        self.visit(self.selected(options), lambda alias: self._print(take(alias, now)))

    def _print(self, snapshot: Snapshot) -> None:
        free = "free disk unknown (see DISK_CAPACITY)"
        if snapshot.disk_free is not None:
            free = f"disk {file_size(snapshot.disk_free)} free"
        self.stdout.write(
            f"{snapshot.alias.upper()}: recorded {file_size(snapshot.size)} in "
            f"{counted(snapshot.tables, 'table')}, "
            f"{counted(snapshot.indexes, 'index', 'indexes')}; {free}"
        )
