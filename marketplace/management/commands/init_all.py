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
    """Initialize the databases."""

    help = (
        "Initialize the databases: create those that do not exist, apply their migrations, create "
        "the partitions of the coming months, the roles of each database (owner, loader, analyst) "
        "and the groups of accounts (analyst, operator, administrator). Safe to run repeatedly "
        "and concurrently."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--drop-first",
            action="store_true",
            help="Drop the databases given with --database first, with ALL their data.",
        )
        add_destructive_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Initialize the databases, or print the changes that this would make."""
        aliases, drop_first = self.selected(options), options["drop_first"]
        today, is_dry = timezone.now().date(), options["dry_run"]
        if drop_first and not options["database"]:
            raise CommandError(
                "--drop-first needs the databases to drop: --database "
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
                f"The database {name} will be dropped with all its data and the privileges granted "
                "with db_grants.",
                name,
            )


def _sentence(alias: str, changes: Changes, is_dry: bool) -> str:
    name = f"database {database_name(alias)}"
    steps = [
        (changes.is_dropped, "dropped", "drop", name),
        (changes.is_created, "created", "create", name),
        (changes.migrations, "applied", "apply", counted(len(changes.migrations), "migration")),
        (changes.partitions, "created", "create", counted(len(changes.partitions), "partition")),
        (changes.groups, "set up", "set up", counted(len(changes.groups), "group")),
        *_role_steps(changes.roles),
    ]
    parts = [f"{would if is_dry else did} {noun}" for change, did, would, noun in steps if change]
    if not parts:
        return "nothing to do"
    return ("Would " if is_dry else "") + ", ".join(parts)


def _role_steps(roles: Reconciliation) -> list[tuple[object, str, str, str]]:
    if roles.created:
        return [(True, "created", "create", counted(len(roles.created), "role"))]
    differences = counted(len(roles.repaired), "difference") + " of roles"
    return [(roles.repaired, "repaired", "repair", differences)]


def _notes(alias: str, roles: Reconciliation) -> list[str]:
    """Return notes about roles that were not created, cannot log in or have differences."""
    repair = f"python manage.py db_grants --repair --database {alias}"
    notes = []
    if roles.unset_variables:
        variables = ", ".join(roles.unset_variables)
        notes.append(
            f"New roles cannot log in without a password: set {variables} and run {repair}"
        )
    if roles.is_without_roles:
        notes.append(
            f"No roles were created: {roles.unresolved[0].reason}. They are optional. To create "
            f"them, run this as a role with CREATEROLE: {repair}"
        )
    elif roles.unresolved:
        first = roles.unresolved[0]
        notes.append(
            f"{counted(len(roles.unresolved), 'difference')} of roles not repaired, for example: "
            f"{first.difference}: {first.reason}. List all: python manage.py db_grants --database "
            f"{alias}"
        )
    return notes
