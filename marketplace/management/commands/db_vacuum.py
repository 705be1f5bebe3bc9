"""Vacuum and analyze what needs it."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.vacuum import Done, Task, needs, perform
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Vacuum and analyze the tables that need it."""

    help = """Vacuum and analyze the tables that need it: by dead rows, rows added and rows changed
    beyond the limits that autovacuum goes by, never analyzed, or with old transaction ids; and
    partitioned tables as a whole, which autovacuum never analyzes.

    Loads and queries go on meanwhile: it never runs VACUUM FULL. A table that stays locked for 5
    seconds, or belongs to another role, is left as it is, the others are done, and the command
    exits with 1. Safe to run again and at once. Connect to the server itself, not through a pool.
    """
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )
        parser.add_argument("--all", action="store_true", help="Vacuum and analyze every table.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Vacuum, database by database."""
        is_dry, is_all, now = options["dry_run"], options["all"], timezone.now()

        def work(alias: str) -> bool:
            tasks = needs(alias, now, is_all=is_all)
            if not tasks or is_dry:
                self._plan(alias, tasks)
                return True
            return self._work(alias, tasks)

        self.visit(self.selected(options), work)

    def _plan(self, alias: str, tasks: list[Task]) -> None:
        if not tasks:
            self.stdout.write(f"{alias.upper()}: nothing to do")
            return
        self.stdout.write(f"{alias.upper()}: Would tend {counted(len(tasks), 'table')}")
        for task in tasks:
            self.stdout.write(f"   {task.statement}: {task.reason}")

    def _work(self, alias: str, tasks: list[Task]) -> bool:
        self.stdout.write(f"{alias.upper()}: {counted(len(tasks), 'table')} to tend")
        results = [self._tend(alias, task) for task in tasks]
        failed = sum(bool(done.error) for done in results)
        text = f"tended {counted(len(tasks) - failed, 'table')}"
        if failed:
            text += f", {self.style.ERROR(f'{failed} failed')}"
        self.stdout.write(f"{alias.upper()}: {text}")
        return not failed

    def _tend(self, alias: str, task: Task) -> Done:
        is_watched = sys.stderr.isatty()
        done = perform(alias, task, self._progress if is_watched else None)
        if is_watched:
            self._progress("")
        self.stdout.write(f"   {task.statement}: {task.reason} ... {self._outcome(done)}")
        return done

    def _outcome(self, done: Done) -> str:
        if done.error:
            return self.style.ERROR(f"not done: {done.error}")
        return f"done in {done.seconds:.1f} s"

    def _progress(self, text: str) -> None:
        # Back to the line's beginning, and clear it.
        self.stderr.write(f"\r\x1b[K{text}", style_func=str, ending="")
        self.stderr.flush()
