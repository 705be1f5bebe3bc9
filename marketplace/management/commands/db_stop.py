"""Stop the embedded PostgreSQL."""

from contextlib import suppress
from typing import Any

import psycopg2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from marketplace.humanize import counted, file_size
from marketplace.postgresql import embedded, reserve


class Command(BaseCommand):
    """Stop the embedded PostgreSQL."""

    help = (
        "Stop the embedded PostgreSQL. The next command that needs it starts it again. "
        "--release-reserve is for a full disk, on which the server cannot start: it removes a file "
        "that reserves space for this case. The server creates the file again when it starts, if "
        "there is enough space."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option."""
        parser.add_argument(
            "--release-reserve",
            action="store_true",
            help="Remove the reserve (EMBEDDED_RESERVE). The server need not be running.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop the server and print whether it was running."""
        if not settings.EMBEDDED_POSTGRES:
            self.stdout.write(
                "The embedded PostgreSQL is not in use: each database has a server in the settings."
            )
            return
        if options["release_reserve"]:
            # First, because stopping the server may need space too.
            self._release()
        connections.close_all()
        client_count = _count_clients()
        if embedded.stop(settings.DATA_DIR):
            self.stdout.write("Stopped the embedded PostgreSQL.")
            if client_count:
                self.stderr.write(self.style.WARNING(_still_used(client_count)))
        elif embedded.is_accepting(settings.DATA_DIR):
            raise CommandError(
                "The embedded PostgreSQL did not stop. See "
                f"{settings.DATA_DIR}/postgres/server.log."
            )
        else:
            self.stdout.write("The embedded PostgreSQL is not running.")

    def _release(self) -> None:
        released = reserve.release(settings.DATA_DIR)
        free = file_size(reserve.free_bytes(settings.DATA_DIR))
        if released:
            self.stdout.write(f"Released {file_size(released)}: {free} are free now.")
        else:
            self.stdout.write(f"No reserve to release: {free} are free.")


def _count_clients() -> int:
    # A server that accepts no more connections can be stopped, too.
    with suppress(psycopg2.Error):
        return embedded.count_clients(settings.DATA_DIR)
    return 0


def _still_used(client_count: int) -> str:
    return (
        f"It had {counted(client_count, 'open connection')}. A site or command that still runs "
        "starts it again: stop a site with Ctrl-C in its terminal, which also stops the server."
    )
