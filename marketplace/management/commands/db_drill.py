"""Prove that a backup set can be restored."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, drill, manifests, sets
from marketplace.backups.drill import Drill
from marketplace.cli import (
    DatabaseCommand,
    add_format_argument,
    add_jobs_argument,
    add_unsigned_argument,
)
from marketplace.databases.names import ALL_ALIASES
from marketplace.exceptions import BackupError
from marketplace.humanize import counted, duration

#: The number of differences that the text output lists; the JSON output lists all.
_SHOWN = 20


class Command(DatabaseCommand):
    """Restore a set into scratch databases, without connecting to the live ones."""

    help = (
        "Restore every database of a set into a scratch database, compare it with the set's "
        "manifest (rows of each table, migrations, extensions, objects), and drop it.\n"
        "\n"
        "Reports the duration of the restore and the age of the data. No connection to a live "
        "database is opened. Exits with 1 if a database differs or could not be restored."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "set", nargs="?", metavar="SET", help="Name of the set. Default: the newest."
        )
        super().add_arguments(parser)
        add_jobs_argument(parser, "restore")
        add_unsigned_argument(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Drill each database of the set, and print the results."""
        self.is_json, self.jobs = options["format"] == "json", options["jobs"]
        self.is_unsigned_allowed = options["unsigned"]
        self.results: list[dict[str, Any]] = []
        try:
            self.set_name = self._newest() if options["set"] is None else options["set"]
            manifest = sets.read(self.set_name)
        except BackupError as error:
            raise CommandError(str(error)) from error
        # A database given with --database must be in the set.
        aliases = self.selected(options) if options["database"] else self._aliases(manifest)
        try:
            with clients.interruptible():
                self.visit(aliases, self._drill)
        finally:
            absent = [alias for alias in self.choices if alias not in aliases]
            if self.is_json:
                self.print_json(self.results)
            elif absent and not options["database"]:
                names = ", ".join(absent)
                self.stdout.write(f"Not in the set {self.set_name}, so not drilled: {names}")

    def report_error(self, alias: str, message: str) -> None:
        """Report why a database could not be restored."""
        super().report_error(alias, message)
        self.results.append({"alias": alias, "set_name": self.set_name, "error": message})

    def _newest(self) -> str:
        """Return the name of the newest set, even if it is incomplete: the drill reports that."""
        for name in sets.names():
            try:
                sets.path_of(name)
            except BackupError as error:
                self.stderr.write(self.style.WARNING(str(error)))
            else:
                return name
        raise BackupError(
            f"{sets.folder()} contains no backup sets. Create one: python manage.py db_backup."
        )

    def _aliases(self, manifest: manifests.BackupManifest) -> list[str]:
        return [alias for alias in self.choices if alias in {*manifest.databases, *manifest.failed}]

    def _drill(self, alias: str) -> bool:
        result = drill.drill(
            alias,
            self.set_name,
            timezone.now(),
            jobs=self.jobs,
            is_unsigned_allowed=self.is_unsigned_allowed,
        )
        self.results.append({"error": "", **result._asdict()})
        if not self.is_json:
            self._print(result)
        return not result.differences

    def _print(self, result: Drill) -> None:
        name = result.alias.upper()
        for dropped in result.dropped:
            self.stderr.write(f"{name}: dropped {dropped}, left by an interrupted drill")
        for warning in result.warnings:
            self.stderr.write(f"{name}: {self.style.WARNING('warning')}: {warning}")
        amount = f"{counted(result.tables, 'table')}, {counted(result.rows, 'row')}"
        times = (
            f"restored in {result.restore_seconds:.1f} s, "
            f"compared in {result.seconds - result.restore_seconds:.1f} s; "
            f"data {duration(result.age_seconds)} old"
        )
        if not result.differences:
            self.stdout.write(f"{name}: ok ({amount}; {times})")
            return
        count = self.style.ERROR(counted(len(result.differences), "difference"))
        self.stdout.write(f"{name}: {count} ({times})")
        for line in result.differences[:_SHOWN]:
            self.stdout.write(f"   {line}")
        if len(result.differences) > _SHOWN:
            self.stdout.write(f"   and {len(result.differences) - _SHOWN} more: --format json")
