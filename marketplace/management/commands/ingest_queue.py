"""Load what was pushed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand
from marketplace.humanize import counted
from marketplace.push.worker import Loaded, Worker

_COUNTS = ("read", "created", "updated", "unchanged", "rejected", "held", "price_points")


class Command(DatabaseCommand):
    """Load the runs that pushes have queued."""

    help = """Load what scrapers have pushed by POST /api/ingest/<platform>.

    The runs of a platform are loaded in their order, one at a time; any number of workers may run.
    If a worker is killed, the next one resumes its run.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--watch", action="store_true", help="Wait for more, until SIGTERM or Ctrl-C."
        )
        parser.add_argument(
            "--parent",
            type=int,
            metavar="PID",
            help="With --watch: end when this process, which must have started this one, ends.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and print what became of each run."""
        aliases = self.selected(options)
        self.loaded = self.failed = 0
        worker = Worker(aliases, on_loaded=self._print, on_trouble=self.report_error)
        with _stopping(worker):
            if options["watch"]:
                worker.watch(options["parent"])
                return
            self.fail_if(worker.drain(), aliases)
        if not self.loaded:
            self.stdout.write("Nothing was waiting.")
        if self.failed:
            raise CommandError(
                f"{counted(self.failed, 'run')} failed or held; the lines above say why."
            )

    def _print(self, loaded: Loaded) -> None:
        self.loaded += 1
        summary = loaded.summary
        if summary is None:
            self.failed += 1
            self.stderr.write(self.style.ERROR(f"{loaded.name}: {loaded.error}"))
            return
        counts = ", ".join(f"{name} {getattr(summary, name):,}" for name in _COUNTS)
        self.stdout.write(f"{loaded.name}: {counts.replace('_', ' ')}")
        self.stdout.flush()
        for warning in summary.warnings:
            self.stderr.write(self.style.WARNING(f"{loaded.name}: Warning: {warning}"))
        if summary.is_failure:
            self.failed += 1
            self.stderr.write(self.style.ERROR(f"{loaded.name}: {summary.why_failed}"))


@contextmanager
def _stopping(worker: Worker) -> Iterator[None]:
    """Let a signal end the worker after the batch that it is at, and a second one at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: object) -> None:
        if worker.is_stopping:
            raise KeyboardInterrupt
        worker.stop()

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
