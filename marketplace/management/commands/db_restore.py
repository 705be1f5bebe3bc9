"""Bring a database back from a backup set."""

import os
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.backups import clients, restore, sets
from marketplace.backups.restore import Restore
from marketplace.cli import DatabaseCommand, add_destructive_arguments, add_unsigned_argument
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.revisions import get_revision
from marketplace.exceptions import BackupError
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Restore a database from a set, beside the live one, and exchange them in one moment."""

    help = (
        "Restore a database from a set. It is rebuilt beside the live database, compared with the "
        "set's manifest, and takes the live one's name in one moment; sessions are ended then. "
        "Whatever fails before leaves the live database as it was. The database that was replaced "
        "is kept until --drop-old.\n"
        "\n"
        "To replace the live database, to make a copy, to drop what was replaced:\n"
        "  db_restore SET --database ecommerce\n"
        "  db_restore SET --database ecommerce --into NAME\n"
        "  db_restore --drop-old --database ecommerce"
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "set", nargs="?", metavar="SET", help="Name, as db_backup --list tells it."
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
            help="Let a set of another server, or of a database of another name, replace it.",
        )
        add_unsigned_argument(parser)
        parser.add_argument(
            "--jobs",
            type=int,
            default=min(os.cpu_count() or 1, 8),
            help="Processes that restore at once (default: %(default)s).",
        )
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, drop what was replaced, or say what that would do."""
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
        what = restore.plan(
            alias,
            options["set"],
            timezone.now(),
            into=options["into"],
            is_foreign=options["foreign"],
            is_unsigned_allowed=options["unsigned"],
        )
        if what.note:
            self._tell(alias, f"warning: {what.note}")
        if self.is_dry:
            for name in what.leftovers:
                self._say(alias, f"Would drop {name}, which an interrupted restore had left")
            self._say(alias, f"Would {_sentence(what)}")
            return
        if not what.is_copy and not self.is_forced:
            self.confirm(f"{alias.upper()}: going to {_sentence(what)}.", what.target)
        restore.restore(what, jobs=self.jobs, say=lambda text: self._tell(alias, text))
        amount = f"{counted(len(what.dump.tables), 'table')}, {counted(what.dump.rows, 'row')}"
        self._say(alias, f"restored {what.target} from {what.set_name} ({amount}, all as dumped)")
        if what.old:
            self._say(
                alias,
                f"what it replaced is {what.old}; drop it: "
                f"python manage.py db_restore --drop-old --database {alias}",
            )
        if not what.is_copy and (pending := get_revision(alias).pending):
            self._say(
                alias, f"{counted(len(pending), 'migration')} pending: python manage.py db_migrate"
            )

    def _drop_old(self, alias: str) -> None:
        names = restore.replaced(alias)
        if not names:
            self._say(alias, "there is nothing that a restore has replaced")
        elif self.is_dry:
            self._say(alias, f"Would drop {', '.join(names)}")
        else:
            if not self.is_forced:
                what = f"{', '.join(names)} and all data in it will be dropped."
                self.confirm(f"{alias.upper()}: {what}", database_name(alias))
            self._say(alias, f"dropped {', '.join(restore.drop_replaced(alias))}")

    def _say(self, alias: str, text: str) -> None:
        self.stdout.write(f"{alias.upper()}: {text}")

    def _tell(self, alias: str, text: str) -> None:
        self.stderr.write(f"{alias.upper()}: {text}")


def _check(options: dict[str, Any]) -> None:
    """See that the options go together, and name what must be named."""
    named = [options["database"]] if isinstance(options["database"], str) else options["database"]
    if options["set"] is None and not options["drop_old"]:
        raise CommandError("Name the set: python manage.py db_backup --list.")
    if not named:
        raise CommandError(
            f"db_restore never guesses: name the database, with --database {'|'.join(ALL_ALIASES)}."
        )
    if options["into"] is not None and (len(named) > 1 or options["drop_old"]):
        raise CommandError("--into goes with one --database, and not with --drop-old.")
    if options["jobs"] < 1:
        raise CommandError("--jobs is at least 1.")
    if options["set"] is not None:
        try:
            sets.path_of(options["set"])
        except BackupError as error:
            raise CommandError(str(error)) from error


def _sentence(what: Restore) -> str:
    state = f"{what.dump.database} as of {what.dump.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if what.is_copy:
        return f"restore {state} into the new database {what.target}"
    if not what.old:
        return f"restore {state} as {what.target}, which there is not"
    return f"replace {what.target} by {state}; what was written since is in {what.old} only"
