"""Load the runs that were pushed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand
from marketplace.humanize import counted
from marketplace.management.rollups import compute_quick
from marketplace.push.worker import RunResult, Worker

_COUNTS = ("read", "created", "updated", "unchanged", "rejected", "held", "price_points")


class Command(DatabaseCommand):
    """Load the queued runs of pushes."""

    help = """Load the runs that scrapers have pushed by POST /api/ingest/<platform>.

    The runs of a platform are loaded one by one, in the order of their arrival. Any number of
    workers can run. If a worker is killed, the next one resumes its run.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--watch", action="store_true", help="Wait for more runs, until SIGTERM or Ctrl-C."
        )
        parser.add_argument(
            "--parent",
            type=int,
            metavar="PID",
            help="With --watch: end when the process that started this one, PID, ends.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the runs, and print the result of each."""
        aliases = self.selected(options)
        self.result_count = self.failure_count = 0
        worker = Worker(aliases, on_result=self._print, on_error=self.report_error)
        with _stop_on_signal(worker):
            if options["watch"]:
                worker.watch(options["parent"], on_idle=lambda: compute_quick(self, aliases))
                return
            failed = worker.drain()
            if self.result_count:
                compute_quick(self, [alias for alias in aliases if alias not in failed])
            self.fail_if(failed, aliases)
        if not self.result_count:
            self.stdout.write("No runs are waiting.")
        if self.failure_count:
            raise CommandError(
                f"{counted(self.failure_count, 'run')} failed or held. See the reasons above."
            )

    def _print(self, result: RunResult) -> None:
        self.result_count += 1
        summary = result.summary
        if summary is None:
            self.failure_count += 1
            self.stderr.write(self.style.ERROR(f"{result.name}: {result.error}"))
            return
        counts = ", ".join(f"{name} {getattr(summary, name):,}" for name in _COUNTS)
        self.stdout.write(f"{result.name}: {counts.replace('_', ' ')}")
        self.stdout.flush()
        for warning in summary.warnings:
            self.stderr.write(self.style.WARNING(f"{result.name}: Warning: {warning}"))
        for line in summary.rejections():
            self.stderr.write(self.style.WARNING(f"{result.name}: {line}"))
        if summary.needs_attention:
            self.failure_count += 1
            self.stderr.write(self.style.ERROR(f"{result.name}: {summary.error_message}"))


@contextmanager
def _stop_on_signal(worker: Worker) -> Iterator[None]:
    """Stop the worker after its current batch on a first signal, immediately on a second one."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: object) -> None:
        if worker.is_stopping:
            raise KeyboardInterrupt
        worker.stop()

    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
