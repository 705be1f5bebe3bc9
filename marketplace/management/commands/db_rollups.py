"""Compute the rollups that questions read."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand
from marketplace.humanize import age, counted
from marketplace.registry import ALIASES
from marketplace.rollups.definition import rollups_of
from marketplace.rollups.refresh import Refresh, find_due, refresh
from marketplace.rollups.states import states_of


class Command(DatabaseCommand):
    """Compute rollups, or list them."""

    help = """Compute the rollups: tables of precomputed rows that questions read.

    Readers see the earlier rows until a rollup is complete. The commands that load compute those
    that take seconds; run this one every ten minutes with --due for the others, as deploy/schedule
    does. To compute some rollups only, name them.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "names",
            metavar="NAME",
            nargs="*",
            help="Rollups, such as ecommerce.price_drops. Default: all.",
        )
        parser.add_argument(
            "--due",
            action="store_true",
            help="Compute only those that were not computed since the newest load, or today. One "
            "that takes long is computed again only after ten times as long.",
        )
        parser.add_argument(
            "--list", action="store_true", help="Print when each was computed; compute none."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Compute or list the rollups of each database."""
        known = {item.address: item for alias in ALIASES for item in rollups_of(alias).values()}
        for name in options["names"]:
            if name not in known:
                raise CommandError(
                    f"The rollup {name[:100]} does not exist. List them: python manage.py "
                    "db_rollups --list"
                )
        named = [known[name] for name in options["names"]]

        def visit(alias: str) -> None:
            if options["list"]:
                self._list(alias)
                return
            chosen = [item.name for item in named if item.alias == alias]
            if not named:
                chosen = find_due(alias) if options["due"] else list(rollups_of(alias))
            for done in refresh(alias, chosen):
                self._print(done)

        self.visit(self.selected(options), visit)

    def _print(self, done: Refresh) -> None:
        text = f"{counted(done.row_count, 'row')} in {done.seconds:.1f} s"
        if done.is_skipped:
            text = "skipped, because another process is computing rollups of this database"
        self.stdout.write(f"{done.rollup.address}: {text}")
        self.stdout.flush()

    def _list(self, alias: str) -> None:
        states, now = {state.name: state for state in states_of(alias)}, timezone.now()
        for name, rollup in rollups_of(alias).items():
            state = states.get(name)
            text = "not computed yet"
            if state:
                text = (
                    f"{counted(state.row_count, 'row')}, computed {age(state.computed_at, now)} "
                    f"in {state.seconds:.1f} s"
                )
            self.stdout.write(f"{rollup.address}: {text}")
