"""A scheduler that runs the commands of a crontab without root privileges and without cron.

A line consists of the five time fields of crontab(5) and a command of `manage.py`. Times are in
TIME_ZONE. Each command runs in its own process. Runs that are due while it is running are skipped.
"""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.core.management import get_commands
from django.utils import timezone

from marketplace.exceptions import MarketplaceError

#: Seconds between two checks for due commands and for commands that have ended.
_INTERVAL = 1.0

#: Seconds that commands have to end after SIGTERM.
GRACE = 60.0


class ScheduleError(MarketplaceError):
    """Raised if a schedule is invalid, with the file and the line."""


class Job(NamedTuple):
    """A line of the schedule."""

    expression: str
    command: tuple[str, ...]

    @property
    def title(self) -> str:
        """The command line of the job."""
        return shlex.join(self.command)

    def next_after(self, time: datetime) -> datetime:
        """Return the first time of the job after `time`."""
        following: datetime = next(CronSim(self.expression, time))
        return following


def read_schedule(path: Path) -> list[Job]:
    """Return the jobs of a file; empty lines and lines that start with # are ignored.

    :raises ScheduleError: if the file cannot be read or a line is invalid
    """
    try:
        # Some editors write a byte order mark.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ScheduleError(
            f"{path}: {error.strerror}. Specify the path of a schedule file."
        ) from error
    except UnicodeDecodeError as error:
        raise ScheduleError(
            f"{path}: not UTF-8: {error.reason} at byte {error.start}. Save it as UTF-8."
        ) from error
    return [
        _parse(f"{path}:{number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


class Scheduler:
    """Runs jobs at their times until it is stopped.

    :param report: called with a line of text when a job starts, ends or is skipped
    """

    def __init__(self, jobs: Iterable[Job], report: Callable[[str], None]) -> None:
        now = timezone.localtime()
        self._due = {job: job.next_after(now) for job in jobs}
        self._running: dict[Job, tuple[subprocess.Popen[bytes], datetime]] = {}
        self._report = report
        # Not an Event: a signal handler that sets it while `wait` holds its lock waits for ever.
        self._is_stopping = False

    def stop(self) -> None:
        """Start no more jobs and end the running ones. Safe to call from a signal handler."""
        self._is_stopping = True

    def run(self) -> None:
        """Run jobs until `stop`, then wait up to `GRACE` seconds for the running ones."""
        while not self._is_stopping:
            self._collect_ended()
            self._start_due(timezone.localtime())
            time.sleep(_INTERVAL)
        for process, _ in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self._running.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._collect_ended()

    def _start_due(self, now: datetime) -> None:
        for job, due in self._due.items():
            if due > now:
                continue
            # After a suspended machine or a changed clock, one run replaces all missed ones.
            self._due[job] = job.next_after(now)
            if job in self._running:
                self._report(f"Skipped {job.title}: it is still running.")
                continue
            self._report(f"Started {job.title}.")
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *job.command]
            self._running[job] = (subprocess.Popen(command, stdin=subprocess.DEVNULL), now)

    def _collect_ended(self) -> None:
        for job, (process, started_at) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[job]
            duration = timedelta(seconds=round((timezone.localtime() - started_at).total_seconds()))
            self._report(
                f"{'Failed' if code else 'Ended'} {job.title}: exit code {code}, {duration}."
            )


def _parse(place: str, line: str) -> Job:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise ScheduleError(
            f"{place}: {str(error).lower()}: close the quote, or write a backslash before it. "
            f"The line is: {line.strip()}"
        ) from error
    expression, command = " ".join(words[:5]), tuple(words[5:])
    for reason in _find_errors(expression, command):
        raise ScheduleError(f"{place}: {reason}. The line is: {line.strip()}")
    return Job(expression, command)


def _find_errors(expression: str, command: tuple[str, ...]) -> Iterator[str]:
    try:
        next(CronSim(expression, timezone.localtime()))
    except (CronSimError, StopIteration):
        yield f"{expression!r} is not a valid time: minute hour day month weekday, as in crontab"
    if not command:
        yield "the command after the five time fields is missing"
    elif command[0] not in get_commands():
        yield f"unknown command {command[0]}; `python manage.py help` lists the commands"
