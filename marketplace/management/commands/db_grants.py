"""Show and repair what roles may do in the databases; give a role of one's own access."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.roles.accounts import Difference
from marketplace.databases.roles.grants import grant
from marketplace.databases.roles.inspection import Inspection
from marketplace.databases.roles.reconcile import Reconciliation, inspect_roles, reconcile
from marketplace.databases.roles.report import describe, others, sentence
from marketplace.humanize import counted
from marketplace.registry import ALIASES


class Command(DatabaseCommand):
    """Show, per database, its roles and what differs from what they should have."""

    help = (
        "Show what the roles of each database may do, and what differs from what they should; "
        "exit with 1 if something does.\n"
        "--repair mends that: it creates the roles, gives them what they lack and takes away what "
        "is too much, from everybody else too. Passwords come from the environment.\n"
        "With ROLE: let an existing role of your own read the tables of the databases, those of "
        "later migrations included. Safe to run again."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "role", metavar="ROLE", nargs="?", help="A PostgreSQL role that gets access."
        )
        parser.add_argument(
            "--write", action="store_true", help="Let ROLE write data too, as a loader does."
        )
        parser.add_argument(
            "--repair", action="store_true", help="Make the roles what they should be."
        )
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant, repair or show, database by database."""
        role = options["role"]
        if role and (options["repair"] or options["format"] == "json"):
            raise CommandError("ROLE goes with --write and --database only.")
        if options["write"] and not role:
            raise CommandError("Name the role that may write: python manage.py db_grants ROLE …")
        if role:
            self._grant(role, options)
        elif options["format"] == "json":
            self._show_json(options)
        else:
            self.visit(self.selected(options), self._mend if options["repair"] else self._show)

    def _grant(self, role: str, options: dict[str, Any]) -> None:
        verb = "read and write" if options["write"] else "read"

        def work(alias: str) -> None:
            grant(alias, role, can_write=options["write"])
            self.stdout.write(f"{alias.upper()}: {role} may {verb}")

        # The accounts are not meant where none is named.
        self.visit(self.selected(options) if options["database"] else ALIASES, work)

    def _show(self, alias: str) -> bool:
        return self._print(alias, inspect_roles(alias))

    def _mend(self, alias: str) -> bool:
        done = reconcile(alias)
        is_well = self._print(alias, inspect_roles(alias), done)
        return is_well and not done.left

    def _print(self, alias: str, found: Inspection, done: Reconciliation | None = None) -> bool:
        """Print the roles and what is wrong; return whether nothing is."""
        done = done or Reconciliation()
        self.stdout.write(
            f"{alias.upper()}: {counted(len(found.logins), 'role')} of database "
            f"{database_name(alias)}"
        )
        width = max(len(role.name) for role in found.roles)
        for role in found.roles:
            self.stdout.write(f"   {role.name:{width}}  {sentence(found, role)}")
        for line in others(found):
            self.stdout.write(f"   other role: {line}")
        for name in done.made:
            self.stdout.write(f"   Created: {name}")
        self._list("Mended", done.mended)
        reasons = {str(left.difference): left.reason for left in done.left}
        for difference in found.differences:
            reason = reasons.get(str(difference))
            text = f"{difference}: {reason}" if reason else str(difference)
            self.stdout.write("   " + self.style.WARNING(f"Difference: {text}"))
        if found.differences and not reasons:
            self.stdout.write(f"   Mend: python manage.py db_grants --repair --database {alias}")
        return not found.differences

    def _list(self, title: str, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self.stdout.write(f"   {title}: {difference}")

    def _show_json(self, options: dict[str, Any]) -> None:
        answers: dict[str, Any] = {}

        def work(alias: str) -> bool:
            done = reconcile(alias) if options["repair"] else Reconciliation()
            found = inspect_roles(alias)
            answers[alias] = describe(found, done)
            return not found.differences

        try:
            self.visit(self.selected(options), work)
        finally:
            self.print_json(answers)
