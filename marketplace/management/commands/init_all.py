"""Create and migrate the databases."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand, add_destructive_arguments
from marketplace.databases.initialization import Changes, initialize, plan_initialization
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.roles.reconcile import Reconciliation
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Make every database ready for use."""

    help = (
        "Make the databases ready for use: create those that are missing, apply their migrations, "
        "create partitions ahead, make the roles of each (owner, loader, analyst) and the groups "
        "of accounts (analyst, operator, administrator). Safe to run again, and several at once."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--drop-first",
            action="store_true",
            help="Drop the databases named by --database first, with ALL their data.",
        )
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Initialize, or say what that would do."""
        aliases, drop_first = self.selected(options), options["drop_first"]
        today, is_dry = timezone.now().date(), options["dry_run"]
        if drop_first and not options["database"]:
            raise CommandError(
                "--drop-first never guesses: name what to drop, with --database "
                f"{'|'.join(self.choices)}, repeated for several."
            )
        if drop_first and not is_dry and not options["force"]:
            self._confirm_all(aliases)
        change = plan_initialization if is_dry else initialize

        def report(alias: str) -> None:
            changes = change(alias, today, drop_first=drop_first)
            self.stdout.write(f"{alias.upper()}: {_sentence(alias, changes, is_dry)}")
            for note in _notes(alias, changes.roles):
                self.stdout.write(f"   {note}")

        self.visit(aliases, report)

    def _confirm_all(self, aliases: Sequence[str]) -> None:
        for alias in aliases:
            name = database_name(alias)
            self.confirm(
                f"The database {name} and all its data will be dropped, and what was granted there "
                "with db_grants.",
                name,
            )


def _sentence(alias: str, changes: Changes, is_dry: bool) -> str:
    name = f"database {database_name(alias)}"
    steps = [
        (changes.is_dropped, "dropped", "drop", name),
        (changes.is_created, "created", "create", name),
        (
            changes.foreign_records,
            "removed",
            "remove",
            counted(changes.foreign_records, "record") + " of other databases' migrations",
        ),
        (changes.migrations, "applied", "apply", counted(len(changes.migrations), "migration")),
        (changes.partitions, "created", "create", counted(len(changes.partitions), "partition")),
        (changes.groups, "set up", "set up", counted(len(changes.groups), "group")),
        *_role_steps(changes.roles),
    ]
    parts = [f"{would if is_dry else did} {what}" for true, did, would, what in steps if true]
    if not parts:
        return "nothing to do"
    return ("Would " if is_dry else "") + ", ".join(parts)


def _role_steps(roles: Reconciliation) -> list[tuple[object, str, str, str]]:
    if roles.made:
        return [(True, "created", "create", counted(len(roles.made), "role"))]
    return [
        (roles.mended, "mended", "mend", counted(len(roles.mended), "difference") + " of roles")
    ]


def _notes(alias: str, roles: Reconciliation) -> list[str]:
    """Return what the user should know about the roles."""
    mend = f"python manage.py db_grants --repair --database {alias}"
    notes = []
    if roles.unset:
        notes.append(
            f"No password, so no login, for new roles: set {', '.join(roles.unset)} and run {mend}"
        )
    if roles.is_without_roles:
        notes.append(
            f"No roles were made: {roles.left[0].reason}. Everything works without them; to have "
            f"them, run this as a role with CREATEROLE: {mend}"
        )
    elif roles.left:
        left = roles.left[0]
        notes.append(
            f"{counted(len(roles.left), 'difference')} of roles left, such as: {left.difference}: "
            f"{left.reason}. See them: python manage.py db_grants --database {alias}"
        )
    return notes
