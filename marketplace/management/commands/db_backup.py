"""Write, list and verify backup sets."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, dump, retention, sets, verify
from marketplace.backups.manifests import Dump
from marketplace.backups.retention import YOUNG_HOURS, Pruning, RetentionPolicy
from marketplace.backups.signing import Signature
from marketplace.cli import (
    DatabaseCommand,
    add_format_argument,
    add_jobs_argument,
    add_unsigned_argument,
)
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.exceptions import BackupError
from marketplace.humanize import counted, file_size


class Command(DatabaseCommand):
    """Dump the databases as one set; list and verify sets."""

    help = (
        "Dump all databases, or the named ones, in parallel into one set in BACKUP_DIR. Each dump "
        "is consistent, and the set records the exact number of rows of each table. An interrupted "
        "backup leaves no set; a set without some of the databases states which.\n"
        "\n"
        "Then remove old sets. The newest set of each of the last N days, weeks and months (in "
        f"{settings.TIME_ZONE}) is kept (--keep-…), as are all sets younger than {YOUNG_HOURS} "
        "hours and the last good set of each database. pg_restore can read the folders of a set "
        "without this command.\n"
        "\n"
        "Exits with 1 if a database could not be dumped, or a set fails verification."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--list", action="store_true", help="List the sets.")
        parser.add_argument(
            "--verify",
            nargs="?",
            const="",
            metavar="SET",
            help="Compare all files of a set, or of every set, with its manifest, and read them "
            "completely.",
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Only remove old sets; do not write a new one.",
        )
        add_jobs_argument(parser, "compress")
        for period, noun in (("daily", "days"), ("weekly", "weeks"), ("monthly", "months")):
            parser.add_argument(
                f"--keep-{period}",
                type=int,
                metavar="N",
                default=getattr(settings, f"BACKUP_KEEP_{period.upper()}"),
                help=f"Keep the newest set of each of the last N {noun} (default: %(default)s).",
            )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the actions without performing them."
        )
        add_unsigned_argument(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List, verify, prune, plan or write sets, as the options request."""
        self.is_json = options["format"] == "json"
        periods = ("daily", "weekly", "monthly")
        keep = RetentionPolicy(*(options[f"keep_{period}"] for period in periods))
        if min(keep) < 0:
            raise CommandError("--keep-… must be at least 0.")
        try:
            if options["list"]:
                self._list()
            elif options["verify"] is not None:
                self._verify(options["verify"], is_unsigned_allowed=options["unsigned"])
            elif options["prune"]:
                self._prune(keep, is_dry=options["dry_run"])
            elif options["dry_run"]:
                self._plan(options, keep)
            else:
                self._back_up(options, keep)
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _back_up(self, options: dict[str, Any], keep: RetentionPolicy) -> None:
        aliases = self.selected(options)
        now = timezone.now()
        with clients.interruptible(), sets.exclusive_lock():
            # Before the dump, because this frees disk space.
            self._warn(sets.remove_leftovers())
            manifest = dump.back_up(aliases, now, jobs=options["jobs"], report=self._report)
            pruning = retention.prune(keep, now, trusted=manifest.name)
        if self.is_json:
            self.print_json(_as_json(manifest.name) | {"pruning": pruning._asdict()})
        else:
            amount = f"{counted(len(manifest.databases), 'database')}, {file_size(manifest.bytes)}"
            seconds = (manifest.finished_at - manifest.created_at).total_seconds()
            self.stdout.write(f"{manifest.name}: {amount}, {seconds:.1f} s in {sets.folder()}")
            self._print_removed("Removed", pruning)
        self._warn_pruning(pruning)
        self.fail_if(list(manifest.failed), aliases)

    def _prune(self, keep: RetentionPolicy, *, is_dry: bool) -> None:
        now = timezone.now()
        if is_dry:
            pruning = retention.plan_pruning(keep, now)
        else:
            with sets.exclusive_lock():
                self._warn(sets.remove_leftovers())
                pruning = retention.prune(keep, now)
        if self.is_json:
            self.print_json(pruning._asdict())
        else:
            self._print_removed("Would remove" if is_dry else "Removed", pruning)
            if not pruning.removed:
                self.stdout.write("No set to remove")
        self._warn_pruning(pruning)
        if pruning.left:
            raise CommandError(f"{counted(len(pruning.left), 'set')} could not be removed")

    def _print_removed(self, verb: str, pruning: Pruning) -> None:
        for name in pruning.removed:
            self.stdout.write(f"{verb} {name}")

    def _report(self, alias: str, outcome: Dump | str) -> None:
        if isinstance(outcome, str):
            self.report_error(alias, outcome)
        elif not self.is_json:
            self.stdout.write(f"{alias.upper()}: dumped {outcome.database}, {_amount(outcome)}")

    def _plan(self, options: dict[str, Any], keep: RetentionPolicy) -> None:
        aliases = self.selected(options)
        planned, failed = dump.plan(aliases)
        for alias, reason in failed.items():
            self.report_error(alias, reason)
        pruning = retention.plan_pruning(keep, timezone.now(), list(planned))
        if self.is_json:
            databases = {alias: _plan_as_json(alias, plan) for alias, plan in planned.items()}
            self.print_json(
                {"databases": databases, "failed": failed, "pruning": pruning._asdict()}
            )
        for alias, plan in planned.items() if not self.is_json else ():
            self.stdout.write(
                f"{alias.upper()}: Would dump {database_name(alias)} "
                f"({file_size(plan.size_bytes)}) by pg_dump {plan.client.version}, "
                f"{plan.compression}; about {file_size(plan.estimated_bytes)}"
            )
        if not self.is_json:
            self._print_removed("Would remove", pruning)
        self._warn_pruning(pruning)
        self.fail_if(list(failed), aliases)

    def _warn_pruning(self, pruning: Pruning) -> None:
        self._warn(pruning.left)
        for name in pruning.busy:
            self.stderr.write(f"{name} is in use: the next backup will remove it")
        self._warn(
            f"{name} is damaged. Show the reason: python manage.py db_backup --verify {name}. "
            "Remove the set by hand."
            for name in pruning.broken
        )

    def _warn(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.stderr.write(self.style.WARNING(sentence))

    def _list(self) -> None:
        descriptions = [_as_json(name) for name in sets.names()]
        if self.is_json:
            self.print_json(descriptions)
        elif not descriptions:
            self.stdout.write(f"{sets.folder()} contains no backup sets")
        for description in descriptions if not self.is_json else ():
            self.stdout.write(self._line(description))

    def _line(self, description: dict[str, Any]) -> str:
        name, error = description["name"], description["error"]
        if error:
            return f"{name}  {self.style.ERROR(error)}"
        databases = ", ".join(description["databases"])
        line = f"{name}  {file_size(description['bytes']):>8}  {databases}"
        signature = description["signature"]
        if _is_signature_shown(signature):
            style = self.style.ERROR if signature == Signature.WRONG else str
            line += f"  {style(signature)}"
        if description["failed"]:
            line += self.style.WARNING(f"  without {', '.join(description['failed'])}")
        return line

    def _verify(self, name: str, *, is_unsigned_allowed: bool) -> None:
        if name:
            sets.path_of(name)
        names = [name] if name else sets.names()
        if not names:
            raise CommandError(f"{sets.folder()} contains no backup sets.")
        results = []
        for set_name in names:
            verification = verify.verify(set_name, is_unsigned_allowed=is_unsigned_allowed)
            if verification.problems and not sets.exists(set_name):
                self.stderr.write(f"{set_name} was removed during the verification")
                continue
            results.append(verification._asdict())
            if not self.is_json:
                self._print_verification(verification)
        if self.is_json:
            self.print_json(results)
        failed = [result["name"] for result in results if result["problems"]]
        if failed:
            raise CommandError(
                f"{len(failed)} of {counted(len(names), 'set')} failed: {', '.join(failed)}"
            )

    def _print_verification(self, verification: verify.Verification) -> None:
        if verification.note:
            self._warn([verification.note])
        if not verification.problems:
            amount = f"{counted(verification.files, 'file')}, {file_size(verification.bytes)}"
            names = ", ".join(verification.databases)
            signature = verification.signature
            state = f"; {signature}" if _is_signature_shown(signature) else ""
            self.stdout.write(f"{verification.name}: ok ({names}; {amount}{state})")
            return
        problems = counted(len(verification.problems), "problem")
        self.stdout.write(f"{verification.name}: {self.style.ERROR(problems)}")
        for problem in verification.problems:
            self.stdout.write(f"   {problem}")


def _plan_as_json(alias: str, plan: dump.PlannedDump) -> dict[str, Any]:
    return {
        "database": database_name(alias),
        "client": plan.client.version,
        "compression": plan.compression,
        "bytes": plan.size_bytes,
        "estimated_bytes": plan.estimated_bytes,
    }


def _as_json(name: str) -> dict[str, Any]:
    """Return the description of a set; only its name and the error if its manifest is damaged."""
    try:
        manifest = sets.read(name)
    except BackupError as error:
        return {"name": name, "error": str(error)}
    databases = {
        alias: {
            "database": database.database,
            "started_at": database.started_at,
            "seconds": database.seconds,
            "bytes": database.bytes,
            "rows": database.rows,
            "migrations": database.migrations,
        }
        for alias, database in manifest.databases.items()
    }
    return {
        "name": name,
        "error": "",
        "created_at": manifest.created_at,
        "finished_at": manifest.finished_at,
        "bytes": manifest.bytes,
        "signature": manifest.signature,
        "databases": databases,
        "failed": manifest.failed,
    }


def _is_signature_shown(signature: str) -> bool:
    """Return whether to show the state of a signature: only if signatures are in use."""
    return signature != Signature.UNSIGNED or bool(settings.BACKUP_SIGNING_KEY)


def _amount(database: Dump) -> str:
    tables = f"{counted(len(database.tables), 'table')}, {counted(database.rows, 'row')}"
    return f"{tables}: {file_size(database.bytes)}, {database.seconds:.1f} s"
