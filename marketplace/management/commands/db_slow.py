"""List the most expensive statements of the databases."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.statements import Statement, Statements, get_statements
from marketplace.humanize import counted, format_time, one_line

_ORDERS = ("total", "mean", "longest", "calls", "rows")

#: Characters of a statement in the text output; the JSON output has all.
_SHOWN = 160


class Command(DatabaseCommand):
    """List the most expensive statements of the databases."""

    help = """List the most expensive statements of each database, from pg_stat_statements.

    share: share of the total execution time in the database. cached: share of the requested
    blocks that were in the server's memory. rows: returned or changed by all calls together.
    Statements that differ only in their values are combined. The command is read-only.
    Statements of pg_dump and on system catalogs are omitted without --all.

    Exits with 1 if a server does not record statements, and explains how to enable it.
    """
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)
        parser.add_argument(
            "--limit",
            type=int,
            default=10,
            metavar="N",
            help="Number of statements per database. Default: 10.",
        )
        parser.add_argument(
            "--order", choices=_ORDERS, default="total", help="Sort key. Default: total."
        )
        parser.add_argument(
            "--search", default="", metavar="TEXT", help="List only statements that contain TEXT."
        )
        parser.add_argument(
            "--all", action="store_true", help="Include dumps of tables and catalog queries."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the statements of each database."""
        is_json, results = options["format"] == "json", []

        def show(alias: str) -> None:
            recorded = get_statements(alias)
            included = [
                statement
                for statement in recorded.statements
                if options["all"] or not statement.is_from_tools
            ]
            listed = _select(included, options)
            result = {"alias": alias, "since": recorded.since, "total": recorded.total}
            results.append(result | {"statements": [statement._asdict() for statement in listed]})
            if not is_json:
                self._print(alias, recorded, listed)
                self._print_omitted(recorded, included)

        try:
            self.visit(self.selected(options), show)
        finally:
            if is_json:
                self.print_json(results)

    def _print(self, alias: str, recorded: Statements, listed: Sequence[Statement]) -> None:
        number = counted(len(recorded.statements), "statement")
        since = f" since {format_time(recorded.since)}" if recorded.since else ""
        self.stdout.write(f"{alias.upper()}: {number} took {_duration(recorded.total)}{since}")
        if listed:
            titles = ("share", "total", "mean", "calls", "rows", "cached")
            self.stdout.write("   " + "".join(f"{title:>11}" for title in titles) + "  statement")
        for statement in listed:
            cells = (
                f"{statement.share:.1%}",
                _duration(statement.total),
                _duration(statement.mean),
                f"{statement.calls:,}",
                f"{statement.rows:,}",
                f"{statement.cached:.0%}" if statement.cached is not None else "-",
            )
            row = "".join(f"{cell:>11}" for cell in cells)
            self.stdout.write(f"   {row}  {one_line(statement.query, _SHOWN)}")

    def _print_omitted(self, recorded: Statements, included: Sequence[Statement]) -> None:
        if number := len(recorded.statements) - len(included):
            share = 1 - sum(statement.share for statement in included)
            self.stdout.write(
                f"   Omitted: {counted(number, 'statement')} of pg_dump and on system catalogs "
                f"({share:.1%} of total time; --all includes them)"
            )


def _select(statements: Sequence[Statement], options: dict[str, Any]) -> list[Statement]:
    text, order = options["search"].lower(), options["order"]
    matching = [statement for statement in statements if text in statement.query.lower()]
    ordered = sorted(matching, key=lambda statement: -getattr(statement, order))
    return ordered[: max(0, options["limit"])]


def _duration(milliseconds: float) -> str:
    for length, unit in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if milliseconds >= length:
            return f"{milliseconds / length:,.1f} {unit}"
    return f"{milliseconds:,.1f} ms"
