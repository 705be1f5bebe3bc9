"""Review held and failed runs, quarantined records and outliers."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from marketplace.cli import (
    DatabaseCommand,
    IntermixedParser,
    add_destructive_arguments,
    add_format_argument,
)
from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.humanize import counted
from marketplace.loading import review, run_review
from marketplace.loading.addresses import Address
from marketplace.loading.review import Selection, Waiting
from marketplace.management.review_arguments import (
    PLATFORM_NAMES,
    Options,
    add_selection,
    add_words,
    chosen_rows,
    selected_records,
)
from marketplace.management.review_output import (
    failure_lines,
    format_counts,
    list_json,
    list_lines,
    record_lines,
    run_lines,
    value_lines,
)
from marketplace.postgresql.errors import explain
from marketplace.registry import get_platform

T = TypeVar("T")


class Command(DatabaseCommand):
    """List, show, release and discard rows that are pending review."""

    help = """Review held and failed runs, quarantined records and price outliers.

    A quality gate compares each batch with the platform's recent runs: how many
    records are invalid, lack a field, or have a very different price. A run is
    held if a gate detects a significant difference; the remaining batches are
    not loaded. A failed run keeps pushed records until it is loaded or
    discarded. A record is in quarantine if it could not be loaded. A price is
    marked as an outlier if it lasted for one observation and then returned to
    its earlier value.

    list: show the rows that are pending review, and why.
    show: show one row, with its payload.
    release: load records or a held run at their original times of observation;
    resume a failed run; accept an outlier.
    discard: delete records, or the records of a run that are not loaded.
    restore: mark a released outlier again.

    Name rows as the list shows them: run uzum-17, record uzum-5 uzum-6,
    outlier uzum-9. The kind may be omitted if the id has only one meaning.
    Select several records by their reason or platform:
    release records --reason TEXT --platform NAME, or discard records ….
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the actions and their arguments."""
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="ACTION", parser_class=IntermixedParser
        )
        listing = actions.add_parser("list", help="Show the rows that are pending review, and why.")
        self._add_list(listing)
        show = actions.add_parser("show", help="Show a run, record or outlier, with its payload.")
        add_words(show, "show")
        show.add_argument("--full", action="store_true", help="Do not shorten payloads.")
        add_format_argument(show)
        release = actions.add_parser(
            "release",
            help="Load records or runs at their original times of observation; accept outliers.",
        )
        add_words(release, "release")
        add_selection(release)
        release.add_argument(
            "--dry-run", action="store_true", help="Print the actions without performing them."
        )
        discard = actions.add_parser(
            "discard", help="Delete records, or the records of a run that are not loaded."
        )
        add_words(discard, "discard")
        add_selection(discard)
        add_destructive_arguments(discard)
        restore = actions.add_parser("restore", help="Mark released prices as outliers again.")
        add_words(restore, "restore")

    def _add_list(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--platform", choices=PLATFORM_NAMES, help="List only this platform.")
        parser.add_argument("--all", action="store_true", help="Show all reasons, with all ids.")
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        action = options["action"]
        try:
            if action == "list":
                self._list(options)
            elif action == "show":
                self._show(options)
            else:
                for kind, addresses in chosen_rows(options):
                    method: Callable[[Options], None] = getattr(self, f"_{action}_{kind}")
                    method(options | {"addresses": addresses})
        except (MarketplaceError, Error) as error:
            raise CommandError(explain(error)) from None

    # list and show

    def _list(self, options: Options) -> None:
        platform, visited = options["platform"], list[Waiting]()

        def visit(alias: str) -> None:
            waiting = review.waiting(alias, platform, show_all=options["all"])
            visited.append(waiting)
            if options["format"] == "text":
                lines = list_lines(waiting, options["all"], self._format_number)
                self.stdout.write("\n".join(lines))

        aliases = self.selected(options)
        if platform:
            database = get_platform(platform).database
            aliases = tuple(alias for alias in aliases if alias == database)
        try:
            self.visit(aliases, visit)
        finally:
            if options["format"] == "json":
                self.print_json([list_json(waiting) for waiting in visited])

    def _format_number(self, number: int) -> str:
        return self.style.WARNING(f"{number:,}") if number else "0"

    def _show(self, options: Options) -> None:
        rows = [
            (kind, _DESCRIBE[kind](address))
            for kind, addresses in chosen_rows(options)
            for address in addresses
        ]
        if options["format"] == "json":
            values = [row for _, row in rows]
            self.print_json(values if len(values) > 1 else values[0])
            return
        for position, (kind, row) in enumerate(rows):
            if position:
                self.stdout.write("")
            for line in _LINES[kind](row, options["full"]):
                self.stdout.write(line)

    # release, discard and restore

    def _release_run(self, options: Options) -> None:
        def release(address: Address) -> bool:
            held = counted(run_review.check_waiting(address), "record")
            if options["dry_run"]:
                self.stdout.write(f"Would release {held} of run {address}.")
                return True
            summary = run_review.release_run(address)
            self.stdout.write(f"Released {held} of run {address}: {format_counts(summary)}.")
            for failure in summary.source_errors:
                self.stderr.write(self.style.ERROR(failure))
            for line in summary.rejections():
                self.stderr.write(self.style.WARNING(line))
            return not summary.needs_attention

        self._apply(options["addresses"], release)

    def _discard_run(self, options: Options) -> None:
        def discard(address: Address) -> None:
            held = counted(run_review.check_waiting(address), "record")
            if self._may_discard(f"{held} of run {address}", str(address), options):
                held = counted(run_review.discard_run(address), "record")
                self.stdout.write(f"Discarded {held} of run {address}.")

        self._apply(options["addresses"], discard)

    def _release_record(self, options: Options) -> None:
        self._release(review.select(options["addresses"]), options)

    def _release_records(self, options: Options) -> None:
        self._release(selected_records(options), options)

    def _release(self, selections: list[Selection], options: Options) -> None:
        def release(selection: Selection) -> bool:
            if options["dry_run"]:
                count = counted(selection.rows().count(), "record")
                self.stdout.write(f"Would release {count} of {selection.name}.")
                return True
            loaded, again, reasons = review.release_records(selection)
            text = f"Released {counted(loaded, 'record')} of {selection.name}"
            self.stdout.write(f"{text}; {again:,} failed again." if again else f"{text}.")
            for line in failure_lines(reasons):
                self.stderr.write(self.style.WARNING(line))
            return not again

        self._apply(selections, release)

    def _discard_record(self, options: Options) -> None:
        self._discard(review.select(options["addresses"]), options)

    def _discard_records(self, options: Options) -> None:
        self._discard(selected_records(options), options)

    def _discard(self, selections: list[Selection], options: Options) -> None:
        def discard(selection: Selection) -> None:
            name, count = selection.name, counted(selection.rows().count(), "record")
            if self._may_discard(f"{count} of {name}", name, options):
                count = counted(review.discard_records(selection), "record")
                self.stdout.write(f"Discarded {count} of {name}.")

        self._apply(selections, discard)

    def _discard_outlier(self, options: Options) -> None:
        raise SourceError(
            "An outlier stays in the price history, but is excluded from lows and averages. "
            "If its price is right, release it."
        )

    def _may_discard(self, rows: str, name: str, options: Options) -> bool:
        """Return whether to discard rows. Ask for confirmation unless --force is used."""
        if options["dry_run"]:
            self.stdout.write(f"Would discard {rows}.")
        elif not options["force"]:
            self.confirm(f"This discards {rows}.", name)
        return not options["dry_run"]

    def _release_outlier(self, options: Options) -> None:
        def release(address: Address) -> None:
            if not options["dry_run"]:
                review.settle_outlier(address, "release")
            verb = "Would release" if options["dry_run"] else "Released"
            self.stdout.write(f"{verb} outlier {address}.")

        self._apply(options["addresses"], release)

    def _restore_outlier(self, options: Options) -> None:
        def restore(address: Address) -> None:
            review.settle_outlier(address, "restore")
            self.stdout.write(f"Restored outlier {address}.")

        self._apply(options["addresses"], restore)

    def _apply(self, targets: list[T], action: Callable[[T], bool | None]) -> None:
        """Call the action with each target. A failure does not prevent the others.

        :param action: returns False if it failed
        :raises CommandError: if any of the calls failed
        """
        failed = 0
        for target in targets:
            try:
                failed += action(target) is False
            except (MarketplaceError, Error) as error:
                self.stderr.write(self.style.ERROR(explain(error)))
                failed += 1
        if failed:
            raise CommandError(f"{failed} of {len(targets)} failed. See the reasons above.")


#: Kind → function that returns a row as JSON.
_DESCRIBE: dict[str, Callable[[Address], review.Json]] = {
    "run": run_review.describe_run,
    "record": review.describe_record,
    "outlier": review.describe_outlier,
}

#: Kind → function that yields the lines of a row.
_LINES: dict[str, Callable[[review.Json, bool], Iterator[str]]] = {
    "run": run_lines,
    "record": record_lines,
    "outlier": value_lines,
}
