"""Restore a backup set for practice."""

import os
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, drill, manifests, sets
from marketplace.backups.drill import Drill
from marketplace.cli import DatabaseCommand, add_format_argument, add_unsigned_argument
from marketplace.databases.names import ALL_ALIASES
from marketplace.exceptions import BackupError
from marketplace.humanize import counted

#: Differences that are printed; JSON has all.
_SHOWN = 20


class Command(DatabaseCommand):
    """Prove that a set can be restored, without touching a live database."""

    help = (
        "Restore every database of a set into a scratch database, compare it with the set's "
        "manifest (rows of each table, migrations, extensions, objects), and drop it.\n"
        "\n"
        "Says how long restoring took, and how old the data are. Live databases are not connected "
        "to. Exits with 1 if anything differs, or could not be restored."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "set", nargs="?", metavar="SET", help="Its name. By default the newest."
        )
        super().add_arguments(parser)
        parser.add_argument(
            "--jobs",
            type=int,
            default=min(os.cpu_count() or 1, 8),
            help="Processes that restore at once (default: %(default)s).",
        )
        add_unsigned_argument(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Drill each database of the set, and print what was found."""
        self.is_json, self.jobs = options["format"] == "json", options["jobs"]
        self.is_unsigned_allowed = options["unsigned"]
        self.found: list[dict[str, Any]] = []
        try:
            self.set_name = self._newest() if options["set"] is None else options["set"]
            manifest = sets.read(self.set_name)
        except BackupError as error:
            raise CommandError(str(error)) from error
        # A database that is not in the set is one that would not come back.
        aliases = self.selected(options) if options["database"] else self._aliases(manifest)
        try:
            with clients.interruptible():
                self.visit(aliases, self._drill)
        finally:
            left = [alias for alias in self.choices if alias not in aliases]
            if self.is_json:
                self.print_json(self.found)
            elif left and not options["database"]:
                names = ", ".join(left)
                self.stdout.write(f"Not in the set {self.set_name}, so not drilled: {names}")

    def report_error(self, alias: str, message: str) -> None:
        """Say why a database could not be restored."""
        super().report_error(alias, message)
        self.found.append({"alias": alias, "set_name": self.set_name, "error": message})

    def _newest(self) -> str:
        """Return the newest set, whether or not it is whole: a drill shall find out."""
        for name in sets.names():
            try:
                sets.path_of(name)
            except BackupError as error:
                self.stderr.write(self.style.WARNING(str(error)))
            else:
                return name
        raise BackupError(
            f"There is no set in {sets.folder()}. Make one: python manage.py db_backup."
        )

    def _aliases(self, manifest: manifests.Manifest) -> list[str]:
        return [alias for alias in self.choices if alias in {*manifest.databases, *manifest.failed}]

    def _drill(self, alias: str) -> bool:
        done = drill.drill(
            alias,
            self.set_name,
            timezone.now(),
            jobs=self.jobs,
            is_unsigned_allowed=self.is_unsigned_allowed,
        )
        self.found.append({"error": "", **done._asdict()})
        if not self.is_json:
            self._print(done)
        return not done.differences

    def _print(self, done: Drill) -> None:
        for name in done.dropped:
            self.stderr.write(f"{done.alias.upper()}: dropped {name}, left by an interrupted drill")
        for warning in done.warnings:
            word = self.style.WARNING("warning")
            self.stderr.write(f"{done.alias.upper()}: {word}: {warning}")
        amount = f"{counted(done.tables, 'table')}, {counted(done.rows, 'row')}"
        times = (
            f"restored in {done.restore_seconds:.1f} s, compared in "
            f"{done.seconds - done.restore_seconds:.1f} s; data {_age(done.age_seconds)} old"
        )
        if not done.differences:
            self.stdout.write(f"{done.alias.upper()}: ok ({amount}; {times})")
            return
        count = self.style.ERROR(counted(len(done.differences), "difference"))
        self.stdout.write(f"{done.alias.upper()}: {count} ({times})")
        for line in done.differences[:_SHOWN]:
            self.stdout.write(f"   {line}")
        if len(done.differences) > _SHOWN:
            self.stdout.write(f"   and {len(done.differences) - _SHOWN} more: --format json")


def _age(seconds: float) -> str:
    hours, minutes = divmod(int(seconds) // 60, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "under 1 min"
