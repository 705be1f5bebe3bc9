"""Restore a database from a backup set."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, restore, sets
from marketplace.backups.restore import RestorePlan
from marketplace.cli import (
    DatabaseCommand,
    add_destructive_arguments,
    add_jobs_argument,
    add_unsigned_argument,
)
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.revisions import get_revision
from marketplace.exceptions import BackupError
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Restore a database from a set, then swap it with the live one."""

    help = (
        "Restore a database from a set. The set is restored into a new database, which is compared "
        "with the set's manifest and then replaces the live database in one transaction, ending "
        "its sessions. A failure before that leaves the live database unchanged. The replaced "
        "database is kept until --drop-old.\n"
        "\n"
        "To replace the live database, to make a copy, to drop the replaced databases:\n"
        "  db_restore SET --database ecommerce\n"
        "  db_restore SET --database ecommerce --into NAME\n"
        "  db_restore --drop-old --database ecommerce"
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "set", nargs="?", metavar="SET", help="Name of the set, as db_backup --list shows it."
        )
        parser.add_argument(
            "--database",
            action="append",
            choices=self.choices,
            metavar="ALIAS",
            help=f"The database to restore: {', '.join(self.choices)}. May be repeated.",
        )
        parser.add_argument(
            "--into", metavar="NAME", help="Restore into a new database of this name."
        )
        parser.add_argument(
            "--drop-old",
            action="store_true",
            help="Drop the databases that restores have replaced, with ALL their data.",
        )
        parser.add_argument(
            "--foreign",
            action="store_true",
            help="Allow a set of another server, or of a database with another name.",
        )
        add_unsigned_argument(parser)
        add_jobs_argument(parser, "restore")
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore databases or drop replaced ones; with --dry-run, only report the plan."""
        _check(options)
        aliases = self.selected(options)
        self.is_dry, self.jobs = options["dry_run"], options["jobs"]
        self.is_forced = options["force"]
        with clients.interruptible():
            self.visit(aliases, lambda alias: self._work(alias, options))

    def _work(self, alias: str, options: dict[str, Any]) -> None:
        if options["set"] is not None:
            self._restore(alias, options)
        if options["drop_old"]:
            self._drop_old(alias)

    def _restore(self, alias: str, options: dict[str, Any]) -> None:
        plan = restore.plan(
            alias,
            options["set"],
            timezone.now(),
            into=options["into"],
            is_foreign=options["foreign"],
            is_unsigned_allowed=options["unsigned"],
        )
        if plan.note:
            self._write_progress(alias, f"warning: {plan.note}")
        if self.is_dry:
            for name in plan.leftovers:
                self._write(alias, f"Would drop {name}, left by an interrupted restore")
            self._write(alias, f"Would {_describe(plan)}")
            return
        if not plan.is_copy and not self.is_forced:
            self.confirm(f"{alias.upper()}: going to {_describe(plan)}.", plan.target)
        restore.restore(
            plan, jobs=self.jobs, progress=lambda text: self._write_progress(alias, text)
        )
        amount = f"{counted(len(plan.dump.tables), 'table')}, {counted(plan.dump.rows, 'row')}"
        self._write(alias, f"restored {plan.target} from {plan.set_name} ({amount}, all as dumped)")
        if plan.old:
            self._write(
                alias,
                f"the replaced database is {plan.old}; drop it: "
                f"python manage.py db_restore --drop-old --database {alias}",
            )
        if not plan.is_copy and (pending := get_revision(alias).pending):
            self._write(
                alias, f"{counted(len(pending), 'migration')} pending: python manage.py db_migrate"
            )

    def _drop_old(self, alias: str) -> None:
        names = restore.replaced(alias)
        if not names:
            self._write(alias, "there is no replaced database")
        elif self.is_dry:
            self._write(alias, f"Would drop {', '.join(names)}")
        else:
            if not self.is_forced:
                warning = f"{', '.join(names)} and all data in it will be dropped."
                self.confirm(f"{alias.upper()}: {warning}", database_name(alias))
            self._write(alias, f"dropped {', '.join(restore.drop_replaced(alias))}")

    def _write(self, alias: str, text: str) -> None:
        self.stdout.write(f"{alias.upper()}: {text}")

    def _write_progress(self, alias: str, text: str) -> None:
        self.stderr.write(f"{alias.upper()}: {text}")


def _check(options: dict[str, Any]) -> None:
    """Raise CommandError if required options are missing or options contradict each other."""
    named = [options["database"]] if isinstance(options["database"], str) else options["database"]
    if options["set"] is None and not options["drop_old"]:
        raise CommandError("Specify a set; list them: python manage.py db_backup --list.")
    if not named:
        raise CommandError(
            f"db_restore has no default database: add --database {'|'.join(ALL_ALIASES)}."
        )
    if options["into"] is not None and (len(named) > 1 or options["drop_old"]):
        raise CommandError("--into requires exactly one --database, and excludes --drop-old.")
    if options["set"] is not None:
        try:
            sets.path_of(options["set"])
        except BackupError as error:
            raise CommandError(str(error)) from error


def _describe(plan: RestorePlan) -> str:
    state = f"{plan.dump.database} as of {plan.dump.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if plan.is_copy:
        return f"restore {state} into the new database {plan.target}"
    if not plan.old:
        return f"restore {state} as {plan.target} (does not exist yet)"
    return f"replace {plan.target} by {state}; later changes will be in {plan.old} only"
