"""Run commands at the times of a schedule."""

import signal
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.cli import ParagraphCommand
from marketplace.schedule import Job, ScheduleError, Scheduler, read_schedule


class Command(ParagraphCommand):
    """Run commands at the times of a schedule."""

    help = """Run commands at the times of a schedule, until SIGTERM or Ctrl-C.

    A line of the file is: minute hour day month weekday command, as in crontab. The command is a
    manage.py command with its arguments, such as db_backup. Times are in TIME_ZONE. docker compose
    uses deploy/schedule.
    """

    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("file", type=Path, help="Path of the schedule file.")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Print the next time of each command without running any.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the schedule, or print the next times."""
        try:
            jobs = read_schedule(options["file"])
        except ScheduleError as error:
            raise CommandError(str(error)) from None
        scheduler = Scheduler(jobs, self._report)
        if options["dry_run"]:
            self._print_next(jobs, "Would run")
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: scheduler.stop())
        self._print_next(jobs, "Will run")
        scheduler.run()

    def _print_next(self, jobs: list[Job], verb: str) -> None:
        now = timezone.localtime()
        for due, job in sorted((job.next_after(now), job) for job in jobs):
            self.stdout.write(f"{verb} at {due:%Y-%m-%d %H:%M %Z}: {job.title}")
        self.stdout.flush()

    def _report(self, text: str) -> None:
        self.stdout.write(f"{timezone.localtime():%Y-%m-%d %H:%M:%S} {text}")
        self.stdout.flush()
