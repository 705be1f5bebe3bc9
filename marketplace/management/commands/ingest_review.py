"""Review held and failed runs, quarantined records and outliers."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from marketplace.cli import (
    DatabaseCommand,
    IntermixedParser,
    add_destructive_arguments,
    add_format_argument,
)
from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.loading.review import records as review
from marketplace.loading.review.entries import Address, Json, Section, Selection, parse_address
from marketplace.management.review_output import list_json, list_lines, row_lines
from marketplace.postgresql.errors import explain
from marketplace.registry import ALIASES, PLATFORMS, get_platform

#: Action → the kinds of rows that it accepts. "records" are selected by --reason or --platform.
KINDS = {
    "show": ("run", "record", "outlier"),
    "release": ("run", "record", "records", "outlier"),
    "discard": ("run", "record", "records", "outlier"),
    "restore": ("outlier",),
}

HELP = {
    "list": "Show the rows that are pending review, and why.",
    "show": "Show a run, record or outlier, with its payload.",
    "release": "Load records or runs at their original times of observation; accept outliers.",
    "discard": "Delete records, or the records of a run that are not loaded.",
    "restore": "Mark released prices as outliers again.",
}

PLATFORM_NAMES = [platform.name for platform in PLATFORMS]

Options = dict[str, Any]


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
        parsers = {name: actions.add_parser(name, help=text) for name, text in HELP.items()}
        super().add_arguments(parsers["list"])
        of_platform: Options = {"choices": PLATFORM_NAMES, "help": "List only this platform."}
        parsers["list"].add_argument("--platform", **of_platform)
        parsers["list"].add_argument(
            "--all", action="store_true", help="Show all reasons, with all ids."
        )
        for name, kinds in KINDS.items():
            parsers[name].add_argument(
                "words",
                metavar="[KIND] ID",
                nargs="*",
                help="As the list shows it: run uzum-17, record uzum-5. Kinds: "
                f"{', '.join(kinds)}.",
            )
        for name in ("release", "discard"):
            parsers[name].add_argument(
                "--reason",
                metavar="TEXT",
                help="Select the records whose reason contains TEXT (case-insensitive).",
            )
            parsers[name].add_argument("--platform", **of_platform)
        for name in ("list", "show"):
            add_format_argument(parsers[name])
        parsers["show"].add_argument("--full", action="store_true", help="Do not shorten payloads.")
        add_destructive_arguments(parsers["discard"])
        parsers["release"].add_argument(
            "--dry-run", action="store_true", help="Show the actions without performing them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        method = {"list": self._list, "show": self._show}.get(options["action"], self._act)
        try:
            method(options)
        except (MarketplaceError, Error) as error:
            raise CommandError(explain(error)) from None

    def _list(self, options: Options) -> None:
        platform, visited = options["platform"] or "", dict[str, list[Section]]()

        def visit(alias: str) -> None:
            visited[alias] = review.list_waiting(alias, platform, show_all=options["all"])
            if options["format"] == "text":
                lines = list_lines(alias, visited[alias], options["all"], self._format_number)
                self.stdout.write("\n".join(lines))

        aliases = self.selected(options)
        if platform:
            database = get_platform(platform).database
            aliases = tuple(alias for alias in aliases if alias == database)
        try:
            self.visit(aliases, visit)
        finally:
            if options["format"] == "json":
                self.print_json([list_json(*pair) for pair in visited.items()])

    def _format_number(self, number: int) -> str:
        return self.style.WARNING(f"{number:,}") if number else "0"

    def _show(self, options: Options) -> None:
        rows: list[Json] = []
        for name, address in _named_rows(options):
            kind = review.get_kind(address.alias, name)
            rows.append(kind.describe(kind.get(address)))
        if options["format"] == "json":
            self.print_json(rows if len(rows) > 1 else rows[0])
            return
        texts = ("\n".join(row_lines(row, options["full"])) for row in rows)
        self.stdout.write("\n\n".join(texts))

    def _act(self, options: Options) -> None:
        """Release, discard or restore. A failure does not prevent the others.

        :raises CommandError: if any of the selections failed
        """
        selections, failed = _selections(options), 0
        for selection in selections:
            try:
                failed += not self._apply(selection, options)
            except (MarketplaceError, Error) as error:
                self.stderr.write(self.style.ERROR(explain(error)))
                failed += 1
        if failed:
            raise CommandError(f"{failed} of {len(selections)} failed. See the reasons above.")

    def _apply(self, selection: Selection, options: Options) -> bool:
        """Apply the action to rows, after a confirmation if it needs one; return its success."""
        action, kind = options["action"], review.get_kind(selection.alias, selection.kind)
        # An action that the kind does not have raises an error that explains why.
        if action in kind.actions:
            label = kind.label(selection)
            if options.get("dry_run"):
                self.stdout.write(f"Would {action} {label}.")
                return True
            if action == "discard" and not options["force"]:
                self.confirm(f"This discards {label}.", kind.subject(selection))
        result = kind.act(action, selection)
        self.stdout.write(result.text)
        for problem in result.problems:
            self.stderr.write(self.style.WARNING(problem))
        return not result.is_failed


def _named_rows(options: Options) -> list[tuple[str, Address]]:
    """Return kinds and addresses of the rows that the user named, without duplicates.

    :raises SourceError: if an id is invalid or ambiguous, or the user named none
    """
    action, words = options["action"], options["words"]
    kinds = KINDS[action]
    kind = words[0] if words and words[0] in kinds else ""
    names = filter(None, (name.strip("(),:") for name in (words[1:] if kind else words)))
    addresses = dict.fromkeys(map(parse_address, names))
    if not addresses:
        raise SourceError(f"Specify the rows to {action}, as in ingest_review list: run uzum-17.")
    return [(kind or review.find_kind(address, kinds).name, address) for address in addresses]


def _selections(options: Options) -> list[Selection]:
    """Return the rows that the user named, or the records with a reason or platform.

    :raises SourceError: if there are no such rows, or an option does not apply
    """
    action, words = options["action"], options["words"]
    reason, platform = options.get("reason") or "", options.get("platform") or ""
    if words[:1] != ["records"] and words:
        if reason or platform:
            raise SourceError(
                f"--reason and --platform select the records to {action}: omit the ids."
            )
    elif words[1:]:
        raise SourceError(f"To {action} records by their ids, write: record {words[1]}.")
    elif reason or platform:
        return _matching_records(reason, platform)
    elif words:
        raise SourceError("Choose the records: --reason TEXT, --platform NAME, or both.")
    rows = _named_rows(options)
    return [
        selection
        for kind in dict.fromkeys(kind for kind, _ in rows)
        for selection in review.select(kind, [address for name, address in rows if name == kind])
    ]


def _matching_records(reason: str, platform: str) -> list[Selection]:
    aliases = [get_platform(platform).database] if platform else ALIASES
    selections = [Selection("record", alias, platform, (), reason) for alias in aliases]
    matching = [entry for entry in selections if review.Records(entry.alias).count(entry)]
    if not matching:
        raise SourceError("No quarantined record matches. See: ingest_review list.")
    return matching
