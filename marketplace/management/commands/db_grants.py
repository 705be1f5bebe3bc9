"""Show and repair the privileges of the databases' roles; grant access to other roles."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.roles.accounts import Difference
from marketplace.databases.roles.grants import grant
from marketplace.databases.roles.inspection import Inspection
from marketplace.databases.roles.reconcile import Reconciliation, inspect_roles, reconcile
from marketplace.databases.roles.report import (
    as_json,
    describe_other_roles,
    describe_role,
    describe_roles_without_usage,
)
from marketplace.humanize import counted


class Command(DatabaseCommand):
    """Show the roles of each database and their differences from the definition."""

    help = (
        "Show the privileges of each database's roles and their differences from the definition. "
        "The exit code is 1 if there are differences.\n"
        "--repair creates the roles, grants missing privileges and revokes extra ones, also those "
        "of other roles. Passwords come from the environment.\n"
        "With ROLE and --database: grant an existing role of your own read access to the tables "
        "of that database, including those of later migrations. Safe to run repeatedly."
    )
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "role",
            metavar="ROLE",
            nargs="?",
            help="A PostgreSQL role to grant access to. Requires --database.",
        )
        parser.add_argument(
            "--write", action="store_true", help="Also grant ROLE write access, as a loader has."
        )
        parser.add_argument("--repair", action="store_true", help="Repair the differences.")
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant access, repair the roles or show them."""
        role = options["role"]
        if role and (options["repair"] or options["format"] == "json"):
            raise CommandError("ROLE can be combined with --write and --database only.")
        if options["write"] and not role:
            raise CommandError(
                "--write needs a role: python manage.py db_grants ROLE --write --database ALIAS"
            )
        if role and not options["database"]:
            raise CommandError(
                f"Name the database to which {role} gets access: add --database "
                f"{'|'.join(self.choices)}. May be repeated. To show the privileges of all roles: "
                "python manage.py db_grants"
            )
        if role:
            self._grant(role, options)
        elif options["format"] == "json":
            self._show_json(options)
        else:
            self.visit(self.selected(options), self._repair if options["repair"] else self._show)

    def _grant(self, role: str, options: dict[str, Any]) -> None:
        access = "read and write access" if options["write"] else "read access"

        def grant_access(alias: str) -> None:
            if grant(alias, role, can_write=options["write"]):
                self.stdout.write(f"{alias.upper()}: granted {access} to {role}")
            else:
                self.stdout.write(f"{alias.upper()}: {role} already has {access}")

        self.visit(self.selected(options), grant_access)

    def _show(self, alias: str) -> bool:
        return self._print(alias, inspect_roles(alias))

    def _repair(self, alias: str) -> bool:
        result = reconcile(alias)
        has_no_differences = self._print(alias, inspect_roles(alias), result)
        return has_no_differences and not result.unresolved

    def _print(
        self, alias: str, inspection: Inspection, result: Reconciliation | None = None
    ) -> bool:
        """Print the roles and their differences; return whether there are none."""
        result = result or Reconciliation()
        self.stdout.write(
            f"{alias.upper()}: {counted(len(inspection.logins), 'role')} of database "
            f"{database_name(alias)}"
        )
        width = max(len(role.name) for role in inspection.roles)
        for role in inspection.roles:
            self.stdout.write(f"   {role.name:{width}}  {describe_role(inspection, role)}")
        for line in describe_other_roles(inspection):
            self.stdout.write(f"   other role: {line}")
        for line in describe_roles_without_usage(inspection, alias):
            self.stdout.write("   " + self.style.WARNING(line))
        for name in result.created:
            self.stdout.write(f"   Created: {name}")
        self._list("Repaired", result.repaired)
        reasons = {str(item.difference): item.reason for item in result.unresolved}
        for difference in inspection.differences:
            reason = reasons.get(str(difference))
            text = f"{difference}: {reason}" if reason else str(difference)
            self.stdout.write("   " + self.style.WARNING(f"Difference: {text}"))
        if inspection.differences and not reasons:
            self.stdout.write(f"   Repair: python manage.py db_grants --repair --database {alias}")
        return not inspection.differences

    def _list(self, title: str, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self.stdout.write(f"   {title}: {difference}")

    def _show_json(self, options: dict[str, Any]) -> None:
        reports: dict[str, Any] = {}

        def report(alias: str) -> bool:
            result = reconcile(alias) if options["repair"] else Reconciliation()
            inspection = inspect_roles(alias)
            reports[alias] = as_json(inspection, result)
            return not inspection.differences

        try:
            self.visit(self.selected(options), report)
        finally:
            self.print_json(reports)
