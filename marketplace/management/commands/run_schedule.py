"""Run commands at their times."""

import signal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from marketplace.cli import ParagraphFormatter
from marketplace.schedule import Job, ScheduleError, Scheduler, read


class Command(BaseCommand):
    """Run the commands of a schedule at their times."""

    help = """Run commands at their times, until SIGTERM or Ctrl-C.

    A line of the file is: minute hour day month weekday command, as in crontab, where the command
    is one of manage.py. Times are those of TIME_ZONE. deploy/schedule is the one of docker compose.
    """

    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that keeps the lines of `help`."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=ParagraphFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        parser.add_argument("file", type=Path, help="The schedule.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say when each would run next, and run nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow the schedule."""
        try:
            jobs = read(options["file"])
        except ScheduleError as error:
            raise CommandError(str(error)) from None
        scheduler = Scheduler(jobs, self._say)
        if options["dry_run"]:
            self._announce(jobs, "Would run")
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: scheduler.stop())
        self._announce(jobs, "Will run")
        scheduler.run()

    def _announce(self, jobs: list[Job], would: str) -> None:
        now = timezone.localtime()
        for due, job in sorted((job.after(now), job) for job in jobs):
            self.stdout.write(f"{would} at {due:%Y-%m-%d %H:%M %Z}: {job.title}")
        self.stdout.flush()

    def _say(self, text: str) -> None:
        self.stdout.write(f"{timezone.localtime():%Y-%m-%d %H:%M:%S} {text}")
        self.stdout.flush()
