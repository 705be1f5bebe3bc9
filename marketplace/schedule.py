"""Commands that are run at their times: a crontab, read and followed without root and without cron.

A line is five fields of time, as in crontab(5), and a command of `manage.py`. Times are those of
TIME_ZONE. A command runs in a process of its own; while it runs, its next times are skipped.
"""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import NamedTuple

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.core.management import get_commands
from django.utils import timezone

from marketplace.exceptions import MarketplaceError

#: Seconds after which it is looked whether a command has ended.
_INTERVAL = 1.0

#: Seconds that commands have to end once they are told to.
GRACE = 60.0


class ScheduleError(MarketplaceError):
    """Raised if a schedule cannot be read. Names the file and the line."""


class Job(NamedTuple):
    """A line of the schedule."""

    expression: str
    command: tuple[str, ...]

    @property
    def title(self) -> str:
        """The command as it was written."""
        return shlex.join(self.command)

    def after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""
        found: datetime = next(CronSim(self.expression, moment))
        return found


def read(path: Path) -> list[Job]:
    """Return the jobs of a file; empty lines and those that begin with # are none.

    :raises ScheduleError: if a line cannot be understood
    """
    try:
        # Editors of other systems put a byte order mark before the first line.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ScheduleError(f"{path}: {error.strerror}. Name a file with a schedule.") from error
    except UnicodeDecodeError as error:
        raise ScheduleError(
            f"{path}: it is not UTF-8: {error.reason} at byte {error.start}. Save it as UTF-8."
        ) from error
    return [
        _parse(f"{path}:{number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


class Scheduler:
    """What follows a schedule until it is stopped.

    :param say: told what begins and how it ended
    """

    def __init__(self, jobs: Iterable[Job], say: Callable[[str], None]) -> None:
        now = timezone.localtime()
        self._due = {job: job.after(now) for job in jobs}
        self._running: dict[Job, tuple[subprocess.Popen[bytes], datetime]] = {}
        self._say = say
        self._stopping = Event()

    def stop(self) -> None:
        """Begin nothing any more, and have what runs end. Safe to call from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Follow the schedule until `stop`; then wait for what runs, `GRACE` seconds at most."""
        while not self._stopping.wait(_INTERVAL):
            self._reap()
            self._begin(timezone.localtime())
        for process, _ in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self._running.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._reap()

    def _begin(self, now: datetime) -> None:
        for job, due in self._due.items():
            if due > now:
                continue
            # A machine that slept, or a clock that was set, owes one run and not all of them.
            self._due[job] = job.after(now)
            if job in self._running:
                self._say(f"Skipped {job.title}: it still runs.")
                continue
            self._say(f"Started {job.title}.")
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *job.command]
            self._running[job] = (subprocess.Popen(command, stdin=subprocess.DEVNULL), now)

    def _reap(self) -> None:
        for job, (process, began) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[job]
            took = timedelta(seconds=round((timezone.localtime() - began).total_seconds()))
            self._say(f"{'Failed' if code else 'Ended'} {job.title}: exit code {code}, {took}.")


def _parse(place: str, line: str) -> Job:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise ScheduleError(
            f"{place}: {str(error).lower()}: close the quote, or write a backslash before it. "
            f"The line is: {line.strip()}"
        ) from error
    expression, command = " ".join(words[:5]), tuple(words[5:])
    for fault in _faults(expression, command):
        raise ScheduleError(f"{place}: {fault}. The line is: {line.strip()}")
    return Job(expression, command)


def _faults(expression: str, command: tuple[str, ...]) -> Iterator[str]:
    try:
        next(CronSim(expression, timezone.localtime()))
    except (CronSimError, StopIteration):
        yield f"{expression!r} is not a time as in crontab: minute hour day month weekday"
    if not command:
        yield "there is no command after the five fields of time"
    elif command[0] not in get_commands():
        yield f"there is no command {command[0]}; `python manage.py help` lists them"
