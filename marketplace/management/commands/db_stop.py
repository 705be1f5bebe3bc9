"""Stop the embedded PostgreSQL."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from marketplace import embedded


class Command(BaseCommand):
    """Stop the embedded PostgreSQL."""

    help = "Stop the embedded PostgreSQL. The next command that needs it starts it again."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop it, and say whether it ran."""
        if not settings.EMBEDDED_POSTGRES:
            self.stdout.write(
                "No embedded PostgreSQL is in use: the settings name a server for each database."
            )
            return
        connections.close_all()
        if embedded.stop(settings.DATA_DIR):
            self.stdout.write("Stopped the embedded PostgreSQL.")
        elif embedded.is_accepting(settings.DATA_DIR):
            raise CommandError(f"It did not stop. See {settings.DATA_DIR}/postgres/server.log.")
        else:
            self.stdout.write("It is not running.")
