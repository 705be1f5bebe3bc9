"""Say which statements the databases spend their time on."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.statements import Statement, Statements, statements
from marketplace.humanize import counted, format_time, one_line

_ORDERS = ("total", "mean", "longest", "calls", "rows")

#: Characters of a statement that are shown: JSON has all of them.
_SHOWN = 160


class Command(DatabaseCommand):
    """Say which statements the databases spend their time on."""

    help = """Say which statements each database spends its time on, by pg_stat_statements.

    share: of the time of all statements of the database. cached: the share of the blocks asked
    for that were in the server's memory. rows: returned or changed, by all calls together.
    Statements that differ in their values only are one. Only reads.
    Dumps of tables, and what reads the server's catalog alone, are left out but for --all.

    Exits with 1 if a database cannot tell, and says how to make it.
    """
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)
        parser.add_argument(
            "--limit", type=int, default=10, metavar="N", help="Statements a database. Default: 10."
        )
        parser.add_argument(
            "--order", choices=_ORDERS, default="total", help="What to sort by. Default: total."
        )
        parser.add_argument(
            "--search", default="", metavar="TEXT", help="Only statements that contain this."
        )
        parser.add_argument(
            "--all", action="store_true", help="Those of backups and of the catalog too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the statements, database by database."""
        is_json, found = options["format"] == "json", []

        def show(alias: str) -> None:
            counted = statements(alias)
            told = [each for each in counted.found if options["all"] or not each.is_of_tools]
            chosen = _chosen(told, options)
            plain = {"alias": alias, "since": counted.since, "total": counted.total}
            found.append(plain | {"statements": [each._asdict() for each in chosen]})
            if not is_json:
                self._print(alias, counted, chosen)
                self._left_out(counted, told)

        try:
            self.visit(self.selected(options), show)
        finally:
            if is_json:
                self.print_json(found)

    def _print(self, alias: str, all_of_them: Statements, chosen: Sequence[Statement]) -> None:
        number = counted(len(all_of_them.found), "statement")
        since = f" since {format_time(all_of_them.since)}" if all_of_them.since else ""
        self.stdout.write(f"{alias.upper()}: {number} took {_time(all_of_them.total)}{since}")
        if chosen:
            titles = ("share", "total", "mean", "calls", "rows", "cached")
            self.stdout.write("   " + "".join(f"{title:>11}" for title in titles) + "  statement")
        for each in chosen:
            cached = f"{each.cached:.0%}" if each.cached is not None else "-"
            cells = (f"{each.share:.1%}", _time(each.total), _time(each.mean), f"{each.calls:,}")
            row = "".join(f"{cell:>11}" for cell in (*cells, f"{each.rows:,}", cached))
            self.stdout.write(f"   {row}  {one_line(each.query, _SHOWN)}")

    def _left_out(self, all_of_them: Statements, told: Sequence[Statement]) -> None:
        if number := len(all_of_them.found) - len(told):
            share = 1 - sum(each.share for each in told)
            self.stdout.write(
                f"   Left out: {counted(number, 'statement')} of backups and of the catalog, "
                f"{share:.1%} of the time (--all shows them)"
            )


def _chosen(found: Sequence[Statement], options: dict[str, Any]) -> list[Statement]:
    text, order = options["search"].lower(), options["order"]
    matching = [each for each in found if text in each.query.lower()]
    return sorted(matching, key=lambda each: -getattr(each, order))[: max(0, options["limit"])]


def _time(milliseconds: float) -> str:
    for length, unit in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if milliseconds >= length:
            return f"{milliseconds / length:,.1f} {unit}"
    return f"{milliseconds:,.1f} ms"
