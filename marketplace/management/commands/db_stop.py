"""Stop the embedded PostgreSQL."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from marketplace.humanize import file_size
from marketplace.postgresql import embedded, reserve


class Command(BaseCommand):
    """Stop the embedded PostgreSQL."""

    help = (
        "Stop the embedded PostgreSQL. The next command that needs it starts it again. "
        "--release-reserve is for a full disk, on which the server cannot start: it removes a file "
        "that keeps room for this. The server makes it again when it starts and has room for it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option."""
        parser.add_argument(
            "--release-reserve",
            action="store_true",
            help="Remove the reserve (EMBEDDED_RESERVE); no server needs to run.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop it, and say whether it ran."""
        if not settings.EMBEDDED_POSTGRES:
            self.stdout.write(
                "No embedded PostgreSQL is in use: the settings name a server for each database."
            )
            return
        if options["release_reserve"]:
            # Before the server is stopped: that may need room, too.
            self._release()
        connections.close_all()
        if embedded.stop(settings.DATA_DIR):
            self.stdout.write("Stopped the embedded PostgreSQL.")
        elif embedded.is_accepting(settings.DATA_DIR):
            raise CommandError(f"It did not stop. See {settings.DATA_DIR}/postgres/server.log.")
        else:
            self.stdout.write("It is not running.")

    def _release(self) -> None:
        given_back = reserve.release(settings.DATA_DIR)
        free = file_size(reserve.free(settings.DATA_DIR))
        if given_back:
            self.stdout.write(f"Released {file_size(given_back)}: {free} are free now.")
        else:
            self.stdout.write(f"There is no reserve to release: {free} are free.")
