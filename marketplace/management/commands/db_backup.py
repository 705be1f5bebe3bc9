"""Write, list and verify backup sets."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, dump, retention, sets, verify
from marketplace.backups.manifests import Dump
from marketplace.backups.retention import YOUNG_HOURS, Keep, Pruning
from marketplace.backups.signing import Signature
from marketplace.cli import DatabaseCommand, add_format_argument, add_unsigned_argument
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.exceptions import BackupError
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Dump the databases as one set; list and verify sets."""

    help = (
        "Dump all databases, or those named, as one set into BACKUP_DIR, at once. Each is dumped "
        "as it was in one moment, with exact counts of its rows. A set that is not complete never "
        "looks like one.\n"
        "\n"
        "Then sets that need not be kept are removed: of the last days, weeks and months (of "
        f"{settings.TIME_ZONE}) the newest set is kept, every one that is younger than "
        f"{YOUNG_HOURS} hours, and always the last good one. pg_restore can read each folder of "
        "a set without this command.\n"
        "\n"
        "Exits with 1 if a database could not be dumped, or a set does not verify."
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
            help="Compare all files of a set, or of every set, with what was written, and read "
            "them to the end.",
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Remove the sets that need not be kept, and make none.",
        )
        parser.add_argument(
            "--jobs",
            type=int,
            default=min(os.cpu_count() or 1, 8),
            help="Processes that compress at once (default: %(default)s).",
        )
        for period, noun in (("daily", "days"), ("weekly", "weeks"), ("monthly", "months")):
            parser.add_argument(
                f"--keep-{period}",
                type=int,
                metavar="N",
                default=getattr(settings, f"BACKUP_KEEP_{period.upper()}"),
                help=f"Keep the newest set of each of the last N {noun} (default: %(default)s).",
            )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )
        add_unsigned_argument(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the options say."""
        self.is_json = options["format"] == "json"
        keep = Keep(*(options[f"keep_{period}"] for period in ("daily", "weekly", "monthly")))
        if options["jobs"] < 1 or min(keep) < 0:
            raise CommandError("--jobs is at least 1, and --keep-… at least 0.")
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

    def _back_up(self, options: dict[str, Any], keep: Keep) -> None:
        aliases = self.selected(options)
        now = timezone.now()
        with clients.interruptible(), sets.exclusive():
            # First, as it makes room.
            self._warn(sets.remove_leftovers())
            manifest = dump.back_up(aliases, now, jobs=options["jobs"], report=self._report)
            pruning = retention.prune(keep, now, trusted=manifest.name)
        if self.is_json:
            self.print_json(_plain(manifest.name) | {"pruning": pruning._asdict()})
        else:
            what = f"{counted(len(manifest.databases), 'database')}, {_size(manifest.bytes)}"
            seconds = (manifest.finished_at - manifest.created_at).total_seconds()
            self.stdout.write(f"{manifest.name}: {what}, {seconds:.1f} s in {sets.folder()}")
            self._print_removed("Removed", pruning)
        self._warn_pruning(pruning)
        self.fail_if(list(manifest.failed), aliases)

    def _prune(self, keep: Keep, *, is_dry: bool) -> None:
        now = timezone.now()
        if is_dry:
            pruning = retention.foresee(keep, now)
        else:
            with sets.exclusive():
                self._warn(sets.remove_leftovers())
                pruning = retention.prune(keep, now)
        if self.is_json:
            self.print_json(pruning._asdict())
        else:
            self._print_removed("Would remove" if is_dry else "Removed", pruning)
            if not pruning.removed:
                self.stdout.write("Every set is to be kept")
        self._warn_pruning(pruning)
        if pruning.left:
            raise CommandError(f"{counted(len(pruning.left), 'set')} could not be removed")

    def _print_removed(self, what: str, pruning: Pruning) -> None:
        for name in pruning.removed:
            self.stdout.write(f"{what} {name}")

    def _report(self, alias: str, outcome: Dump | str) -> None:
        if isinstance(outcome, str):
            self.report_error(alias, outcome)
        elif not self.is_json:
            self.stdout.write(f"{alias.upper()}: dumped {outcome.database}, {_amount(outcome)}")

    def _plan(self, options: dict[str, Any], keep: Keep) -> None:
        aliases = self.selected(options)
        items, failed = dump.plan(aliases)
        for alias, reason in failed.items():
            self.report_error(alias, reason)
        pruning = retention.foresee(keep, timezone.now(), list(items))
        if self.is_json:
            planned = {alias: _planned(alias, item) for alias, item in items.items()}
            told = {"databases": planned, "failed": failed, "pruning": pruning._asdict()}
            self.print_json(told)
        for alias, item in items.items() if not self.is_json else ():
            self.stdout.write(
                f"{alias.upper()}: Would dump {database_name(alias)} ({_size(item.size_bytes)}) "
                f"by pg_dump {item.client.version}, {item.compression}; "
                f"about {_size(item.estimated_bytes)}"
            )
        if not self.is_json:
            self._print_removed("Would remove", pruning)
        self._warn_pruning(pruning)
        self.fail_if(list(failed), aliases)

    def _warn_pruning(self, pruning: Pruning) -> None:
        self._warn(pruning.left)
        for name in pruning.busy:
            self.stderr.write(f"{name} is in use: it is removed by the next backup")
        self._warn(
            f"{name} is broken: see why with db_backup --verify {name}; remove it by hand"
            for name in pruning.broken
        )

    def _warn(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.stderr.write(self.style.WARNING(sentence))

    def _list(self) -> None:
        found = [_plain(name) for name in sets.names()]
        if self.is_json:
            self.print_json(found)
        elif not found:
            self.stdout.write(f"There is no set in {sets.folder()}")
        for each in found if not self.is_json else ():
            if each["error"]:
                self.stdout.write(f"{each['name']}  {self.style.ERROR(each['error'])}")
                continue
            dumps = ", ".join(each["databases"])
            line = f"{each['name']}  {_size(each['bytes']):>8}  {dumps}"
            if _shows(each["signature"]):
                wrong = each["signature"] == Signature.WRONG
                line += f"  {(self.style.ERROR if wrong else str)(each['signature'])}"
            if each["failed"]:
                line += self.style.WARNING(f"  without {', '.join(each['failed'])}")
            self.stdout.write(line)

    def _verify(self, name: str, *, is_unsigned_allowed: bool) -> None:
        if name:
            sets.path_of(name)
        names = [name] if name else sets.names()
        if not names:
            raise CommandError(f"There is no set in {sets.folder()}.")
        found = []
        for each in names:
            verification = verify.verify(each, is_unsigned_allowed=is_unsigned_allowed)
            if verification.problems and not sets.is_there(each):
                self.stderr.write(f"{each} was removed meanwhile")
                continue
            found.append(verification._asdict())
            if not self.is_json:
                self._print_verification(verification)
        if self.is_json:
            self.print_json(found)
        failed = [each["name"] for each in found if each["problems"]]
        if failed:
            raise CommandError(
                f"{len(failed)} of {counted(len(names), 'set')} failed: {', '.join(failed)}"
            )

    def _print_verification(self, found: verify.Verification) -> None:
        if found.note:
            self._warn([found.note])
        if not found.problems:
            amount = f"{counted(found.files, 'file')}, {_size(found.bytes)}"
            names = ", ".join(found.databases)
            state = f"; {found.signature}" if _shows(found.signature) else ""
            self.stdout.write(f"{found.name}: ok ({names}; {amount}{state})")
            return
        problems = counted(len(found.problems), "problem")
        self.stdout.write(f"{found.name}: {self.style.ERROR(problems)}")
        for problem in found.problems:
            self.stdout.write(f"   {problem}")


def _planned(alias: str, item: dump.Item) -> dict[str, Any]:
    """Return what is going to be dumped, as JSON can hold it."""
    return {
        "database": database_name(alias),
        "client": item.client.version,
        "compression": item.compression,
        "bytes": item.size_bytes,
        "estimated_bytes": item.estimated_bytes,
    }


def _plain(name: str) -> dict[str, Any]:
    """Return a set as JSON can hold it."""
    try:
        manifest = sets.read(name)
    except BackupError as error:
        return {"name": name, "error": str(error)}
    databases = {
        alias: {
            "database": each.database,
            "started_at": each.started_at,
            "seconds": each.seconds,
            "bytes": each.bytes,
            "rows": each.rows,
            "migrations": each.migrations,
        }
        for alias, each in manifest.databases.items()
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


def _shows(signature: str) -> bool:
    """Return whether signatures are in use, so that one that is missing is shown, too."""
    return signature != Signature.UNSIGNED or bool(settings.BACKUP_SIGNING_KEY)


def _amount(each: Dump) -> str:
    tables = f"{counted(len(each.tables), 'table')}, {counted(each.rows, 'row')}"
    return f"{tables}: {_size(each.bytes)}, {each.seconds:.1f} s"


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
