"""Vacuum and analyze the tables that need it."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.vacuum import TaskResult, VacuumTask, find_tasks, run_task
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Vacuum and analyze the tables that need it."""

    help = """Vacuum and analyze the tables that need it: tables whose dead, added or changed rows
    exceed the thresholds of autovacuum, tables that were never analyzed, tables with old
    transaction ids, and partitioned tables as a whole, which autovacuum never analyzes.

    Loads and queries are not blocked, because VACUUM FULL is never used. A table that stays
    locked for 5 seconds, or belongs to another role, is skipped; the command then exits with 1.
    Several processes may run it at the same time. Connect to the server itself, not to a pooler.
    """
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the actions without performing them."
        )
        parser.add_argument("--all", action="store_true", help="Vacuum and analyze every table.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Vacuum the tables of each database."""
        is_dry, include_all, now = options["dry_run"], options["all"], timezone.now()

        def work(alias: str) -> bool:
            tasks = find_tasks(alias, now, include_all=include_all)
            if not tasks or is_dry:
                self._plan(alias, tasks)
                return True
            return self._run(alias, tasks)

        self.visit(self.selected(options), work)

    def _plan(self, alias: str, tasks: list[VacuumTask]) -> None:
        if not tasks:
            self.stdout.write(f"{alias.upper()}: nothing to do")
            return
        self.stdout.write(
            f"{alias.upper()}: Would vacuum or analyze {counted(len(tasks), 'table')}"
        )
        for task in tasks:
            self.stdout.write(f"   {task.statement}: {task.reason}")

    def _run(self, alias: str, tasks: list[VacuumTask]) -> bool:
        self.stdout.write(f"{alias.upper()}: {counted(len(tasks), 'table')} to vacuum or analyze")
        results = [self._run_task(alias, task) for task in tasks]
        failed = sum(bool(result.error) for result in results)
        text = f"vacuumed or analyzed {counted(len(tasks) - failed, 'table')}"
        if failed:
            text += f", {self.style.ERROR(f'{failed} failed')}"
        self.stdout.write(f"{alias.upper()}: {text}")
        return not failed

    def _run_task(self, alias: str, task: VacuumTask) -> TaskResult:
        is_terminal = sys.stderr.isatty()
        result = run_task(alias, task, self._progress if is_terminal else None)
        if is_terminal:
            self._progress("")
        self.stdout.write(f"   {task.statement}: {task.reason} ... {self._outcome(result)}")
        return result

    def _outcome(self, result: TaskResult) -> str:
        if result.error:
            return self.style.ERROR(f"not done: {result.error}")
        return f"done in {result.seconds:.1f} s"

    def _progress(self, text: str) -> None:
        # Return to the start of the line, and clear it.
        self.stderr.write(f"\r\x1b[K{text}", style_func=str, ending="")
        self.stderr.flush()
