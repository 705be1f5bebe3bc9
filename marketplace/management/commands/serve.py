"""Serve the admin on this machine, and stop the embedded server afterwards."""

import os
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from marketplace.demo import ADMIN
from marketplace.humanize import counted
from marketplace.postgresql import embedded

_HOST = "127.0.0.1"

#: Seconds for the worker to finish the current batch when it is stopped.
_GRACE = 20.0


class Command(BaseCommand):
    """Initialize the databases, serve the admin and load pushed payloads until interrupted."""

    help = (
        "Initialize the databases, then serve the admin on this machine and load pushed payloads "
        "until Ctrl-C; then stop the embedded PostgreSQL unless other processes use it. For "
        "development: production runs gunicorn, as docker-compose.yml shows."
    )
    # The databases may not exist yet.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--port", type=int, default=8000, help="Port (default: %(default)s).")
        parser.add_argument("--demo", action="store_true", help="Load the demo data first.")

    def handle(self, *, port: int, demo: bool, **options: Any) -> None:
        """Serve until interrupted."""
        _check_port(port)
        # These signals end the server as Ctrl-C does, so that the cleanup below runs.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            call_command("demo" if demo else "init_all", stdout=self.stdout, stderr=self.stderr)
            self._greet(port)
            with _queue_worker():
                call_command("runserver", f"{_HOST}:{port}", use_reloader=False, skip_checks=True)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted.")
        finally:
            if settings.EMBEDDED_POSTGRES:
                self._stop_server()

    def _stop_server(self) -> None:
        connections.close_all()
        client_count = embedded.count_clients(settings.DATA_DIR)
        if client_count:
            self.stdout.write(
                "Left the embedded PostgreSQL running: it has "
                f"{counted(client_count, 'other connection')}. `make stop` stops it."
            )
        elif embedded.stop(settings.DATA_DIR):
            self.stdout.write("Stopped the embedded PostgreSQL.")

    def _greet(self, port: int) -> None:
        self.stdout.write("")
        self.stdout.write(self.style.SUCCESS(f"The admin is at http://{_HOST}:{port}/"))
        path = settings.DATA_DIR / "admin_password"
        if path.exists():
            self.stdout.write(f"   Username: {ADMIN}")
            self.stdout.write(f"   Password: {path.read_text().strip()}")
        else:
            self.stdout.write("   Create an account: python manage.py createsuperuser")
        self.stdout.write("   Press Ctrl-C to stop.")
        self.stdout.flush()


def _check_port(port: int) -> None:
    """Raise an error early if the port cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} of {_HOST} cannot be used: {error.strerror}. Stop the program that "
                f"uses it, or choose another port: make run PORT={port + 1}."
            ) from None


@contextmanager
def _queue_worker() -> Iterator[None]:
    """Run a process that loads pushed payloads."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "ingest_queue", "--watch"]
    # In a new session, so that Ctrl-C reaches the server only, which then stops the worker.
    worker = subprocess.Popen([*command, "--parent", str(os.getpid())], start_new_session=True)
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(_GRACE)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
