"""Review what waits for a person: held and failed runs, quarantined records, marked prices."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from django.utils import timezone

from marketplace.cli import (
    DatabaseCommand,
    IntermixedParser,
    add_destructive_arguments,
    add_format_argument,
)
from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.humanize import counted
from marketplace.loading import review, run_review
from marketplace.loading.addresses import Address, find_kind, parse_address
from marketplace.loading.ingest import Summary
from marketplace.loading.models import LoadRun
from marketplace.loading.review import Selection, Waiting
from marketplace.loading.run_review import WaitingRun
from marketplace.postgresql.errors import explain
from marketplace.registry import ALIASES, PLATFORMS, get_database, get_platform

#: Lines, and characters of each, of a payload that is shown without --full.
_LINES, _WIDTH = 40, 200

#: Marked prices that are listed without --all.
_NEWEST = 3

#: What each action may be about. "records" are chosen by what they have in common.
_KINDS = {
    "show": ("run", "record", "outlier"),
    "release": ("run", "record", "records", "outlier"),
    "discard": ("run", "record", "records", "outlier"),
    "restore": ("outlier",),
}

_PLATFORMS = [platform.name for platform in PLATFORMS]

Options = dict[str, Any]
T = TypeVar("T")


class Command(DatabaseCommand):
    """List, show, release and discard what waits for a person."""

    help = """Review held and failed runs, quarantined records and marked prices.

    A run is held where a gate found it unlike the platform's recent runs.
    What came before is loaded; the rest waits. A run that failed keeps what
    was pushed until it is loaded or discarded. A record is in quarantine if
    it could not be loaded. A price is marked as a outlier if it lasted one
    observation and came back.

    list: what waits, and why. show: one of them, with its payload.
    release: load it as if it had come in time; for a failed run: try again;
    for a outlier: accept it.
    discard: throw it away. restore: mark a released outlier again.

    Each is named as the list names it: run uzum-17, record uzum-5 uzum-6,
    outlier uzum-9. The first word may be left out where the number means one
    of them only. Records that have something in common are chosen by
    release records --reason TEXT --platform NAME, and so discarded.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the actions and their arguments."""
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="ACTION", parser_class=IntermixedParser
        )
        self._add_listing(actions.add_parser("list", help="Show what waits, and why."))
        show = actions.add_parser("show", help="Show a run, record or outlier, with its payload.")
        _add_words(show, "show")
        show.add_argument("--full", action="store_true", help="Do not shorten payloads.")
        add_format_argument(show)
        release = actions.add_parser("release", help="Load it, as if it had come in time.")
        _add_words(release, "release")
        _add_common(release)
        release.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )
        discard = actions.add_parser("discard", help="Throw it away.")
        _add_words(discard, "discard")
        _add_common(discard)
        add_destructive_arguments(discard)
        restore = actions.add_parser("restore", help="Mark released prices as outliers again.")
        _add_words(restore, "restore")

    def _add_listing(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--platform", choices=_PLATFORMS, help="Of this platform only.")
        parser.add_argument("--all", action="store_true", help="All reasons, with all ids.")
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the action says."""
        action = options["action"]
        try:
            if action == "list":
                self._list(options)
            elif action == "show":
                self._show(options)
            else:
                for kind, addresses in _chosen(options):
                    method: Callable[[Options], None] = getattr(self, f"_{action}_{kind}")
                    method(options | {"addresses": addresses})
        except (MarketplaceError, Error) as error:
            raise CommandError(explain(error)) from None

    # list

    def _list(self, options: Options) -> None:
        platform, found = options["platform"], list[Waiting]()

        def visit(alias: str) -> None:
            waiting = review.waiting(alias, platform, is_all=options["all"])
            found.append(waiting)
            if options["format"] == "text":
                self.stdout.write("\n".join(self._lines(waiting, options["all"])))

        aliases = self.selected(options)
        if platform:
            aliases = tuple(each for each in aliases if each == get_platform(platform).database)
        try:
            self.visit(aliases, visit)
        finally:
            if options["format"] == "json":
                self.print_json([_plain(waiting) for waiting in found])

    def _lines(self, waiting: Waiting, is_all: bool) -> Iterator[str]:
        yield f"{waiting.alias.upper()} - {get_database(waiting.alias).title}"
        failed = [run for run in waiting.runs if run.status == LoadRun.Status.FAILED]
        held = [run for run in waiting.runs if run.status != LoadRun.Status.FAILED]
        yield f"   Held runs: {self._number(len(held))}"
        yield from _describe_runs(held)
        if failed:
            yield f"   Failed runs: {self._number(len(failed))}"
            yield from _describe_runs(failed)
        yield f"   Quarantine: {self._number(waiting.records)}"
        for group in waiting.groups:
            newest = " ".join(["record", *group.newest])
            yield f"      {group.platform} {group.records:,}: {group.reason} ({newest})"
        rest = waiting.records - sum(group.records for group in waiting.groups)
        if rest:
            yield f"      {rest:,} for other reasons; --all lists them"
        if waiting.outliers is not None:
            more = " or more" if len(waiting.outliers) >= review.MAX_OUTLIERS else ""
            yield f"   Outliers: {self._number(len(waiting.outliers))}{more}"
            shown = waiting.outliers if is_all else waiting.outliers[:_NEWEST]
            yield from map(_describe_outlier, shown)

    def _number(self, number: int) -> str:
        return self.style.WARNING(f"{number:,}") if number else "0"

    # show

    def _show(self, options: Options) -> None:
        described = [
            (kind, _DESCRIBE[kind](address))
            for kind, addresses in _chosen(options)
            for address in addresses
        ]
        if options["format"] == "json":
            each = [facts for _, facts in described]
            self.print_json(each if len(each) > 1 else each[0])
            return
        for place, (kind, facts) in enumerate(described):
            if place:
                self.stdout.write("")
            method: Callable[[review.Json, bool], None] = getattr(self, f"_show_{kind}")
            method(facts, options["full"])

    def _show_run(self, facts: review.Json, is_full: bool) -> None:
        first, received = facts.pop("first"), facts.pop("received")
        self._print_facts(facts)
        for held in first:
            place = f"{held.get('source', '')}: {held['place']}"
            self.stdout.write(f"held {place} ({held.get('shape') or held['reason']})")
            payload = held["payload"] if "payload" in held else held["raw"]
            self._print_payload(payload, is_full)
        for line in received:
            self.stdout.write(f"received {line['place']}")
            self._print_payload(line["raw"], is_full)

    def _show_record(self, facts: review.Json, is_full: bool) -> None:
        payload = facts.pop("payload")
        self._print_facts(facts)
        self.stdout.write("payload:")
        self._print_payload(payload, is_full)

    def _show_outlier(self, facts: review.Json, is_full: bool) -> None:
        self._print_facts(facts)

    def _print_facts(self, facts: dict[str, Any]) -> None:
        for name, value in facts.items():
            for text in value if isinstance(value, list) else [value]:
                if text not in (None, "", {}):
                    self.stdout.write(f"{name.replace('_', ' ')}: {_fact(text)}")

    def _print_payload(self, payload: Any, is_full: bool) -> None:
        text = payload if isinstance(payload, str) else _json(payload, indent=2)
        lines = text.splitlines()
        for line in lines if is_full else lines[:_LINES]:
            is_long = not is_full and len(line) > _WIDTH
            self.stdout.write(f"   {line[:_WIDTH]}…" if is_long else f"   {line}")
        if len(lines) > _LINES and not is_full:
            more = counted(len(lines) - _LINES, "more line")
            self.stdout.write(f"   … {more}; --full shows all")

    # release, discard, restore

    def _release_run(self, options: Options) -> None:
        def release(address: Address) -> bool:
            held = counted(run_review.check_waiting(address), "record")
            if options["dry_run"]:
                self.stdout.write(f"Would release {held} of run {address}.")
                return True
            summary = run_review.release_run(address)
            self.stdout.write(f"Released {held} of run {address}: {_counts(summary)}.")
            for failure in summary.failures:
                self.stderr.write(self.style.ERROR(failure))
            return not summary.is_failure

        self._each(options["addresses"], release)

    def _discard_run(self, options: Options) -> None:
        def discard(address: Address) -> None:
            held = counted(run_review.check_waiting(address), "record")
            if self._may_discard(f"{held} of run {address}", str(address), options):
                held = counted(run_review.discard_run(address), "record")
                self.stdout.write(f"Discarded {held} of run {address}.")

        self._each(options["addresses"], discard)

    def _release_record(self, options: Options) -> None:
        self._release(review.select(options["addresses"]), options)

    def _release_records(self, options: Options) -> None:
        self._release(_common(options), options)

    def _release(self, chosen: list[Selection], options: Options) -> None:
        def release(selection: Selection) -> bool:
            if options["dry_run"]:
                count = counted(selection.rows().count(), "record")
                self.stdout.write(f"Would release {count} of {selection.name}.")
                return True
            loaded, again = review.release_records(selection)
            text = f"Released {counted(loaded, 'record')} of {selection.name}"
            self.stdout.write(f"{text}; {again:,} failed again." if again else f"{text}.")
            return not again

        self._each(chosen, release)

    def _discard_record(self, options: Options) -> None:
        self._discard(review.select(options["addresses"]), options)

    def _discard_records(self, options: Options) -> None:
        self._discard(_common(options), options)

    def _discard(self, chosen: list[Selection], options: Options) -> None:
        def discard(selection: Selection) -> None:
            name, count = selection.name, counted(selection.rows().count(), "record")
            if self._may_discard(f"{count} of {name}", name, options):
                count = counted(review.discard_records(selection), "record")
                self.stdout.write(f"Discarded {count} of {name}.")

        self._each(chosen, discard)

    def _discard_outlier(self, options: Options) -> None:
        raise SourceError(
            "A outlier stays in the price history, but is left out of lows and averages. "
            "If its price is right, release it."
        )

    def _may_discard(self, what: str, name: str, options: Options) -> bool:
        """Return whether something is to be thrown away; ask, unless --force is given."""
        if options["dry_run"]:
            self.stdout.write(f"Would discard {what}.")
        elif not options["force"]:
            self.confirm(f"This throws away {what}.", name)
        return not options["dry_run"]

    def _release_outlier(self, options: Options) -> None:
        def release(address: Address) -> None:
            if not options["dry_run"]:
                review.settle_outlier(address, "release")
            done = "Would release" if options["dry_run"] else "Released"
            self.stdout.write(f"{done} outlier {address}.")

        self._each(options["addresses"], release)

    def _restore_outlier(self, options: Options) -> None:
        def restore(address: Address) -> None:
            review.settle_outlier(address, "restore")
            self.stdout.write(f"Restored outlier {address}.")

        self._each(options["addresses"], restore)

    def _each(self, chosen: list[T], function: Callable[[T], bool | None]) -> None:
        """Call the function with each of what was chosen, whether or not others fail."""
        failed = 0
        for each in chosen:
            try:
                failed += function(each) is False
            except (MarketplaceError, Error) as error:
                self.stderr.write(self.style.ERROR(explain(error)))
                failed += 1
        if failed:
            raise CommandError(f"{failed} of {len(chosen)} failed: see ingest_review list.")


#: How each kind is described.
_DESCRIBE: dict[str, Callable[[Address], review.Json]] = {
    "run": run_review.describe_run,
    "record": review.describe_record,
    "outlier": review.describe_outlier,
}


def _add_words(parser: CommandParser, action: str) -> None:
    """Add the names of what an action is about, as the list prints them."""
    kinds = _KINDS[action]
    parser.add_argument(
        "words",
        metavar="[KIND] ID",
        nargs="*",
        help=f"As the list names it: run uzum-17, record uzum-5. Kinds: {', '.join(kinds)}.",
    )


def _add_common(parser: CommandParser) -> None:
    """Add the options that choose records by what they have in common."""
    parser.add_argument("--reason", metavar="TEXT", help="Records whose reason contains this.")
    parser.add_argument("--platform", choices=_PLATFORMS, help="Records of this platform.")


def _chosen(options: Options) -> Iterator[tuple[str, list[Address]]]:
    """Yield the kinds of what the user named, each with its rows, each row once.

    :raises SourceError: if an id is ambiguous, or an option does not fit
    """
    action, words = options["action"], options["words"]
    kinds, is_common = _KINDS[action], bool(options.get("reason") or options.get("platform"))
    kind = words[0] if words and words[0] in kinds else ""
    names = [name.strip("(),:") for name in (words[1:] if kind else words)]
    if kind == "records" or (is_common and not words):
        if names:
            raise SourceError(f"To {action} some records by their ids, write record {names[0]}.")
        yield "records", []
        return
    if is_common:
        raise SourceError(f"--reason and --platform choose {action} records: leave out the ids.")
    if not names:
        raise SourceError(f"Say what to {action}, as ingest_review list names it: run uzum-17.")
    addresses = list(dict.fromkeys(map(parse_address, filter(None, names))))
    found = [(kind or find_kind(address, kinds), address) for address in addresses]
    for each in dict.fromkeys(name for name, _ in found):
        yield each, [address for name, address in found if name == each]


def _common(options: Options) -> list[Selection]:
    """Return the records that have a reason or a platform in common.

    :raises SourceError: if nothing was said, or there are none
    """
    reason, platform = options["reason"] or "", options["platform"] or ""
    if not (reason or platform):
        raise SourceError("Say which records: --reason TEXT, --platform NAME, or both.")
    aliases = [get_platform(platform).database] if platform else ALIASES
    chosen = [Selection(alias, platform, (), reason) for alias in aliases]
    found = [selection for selection in chosen if selection.rows().exists()]
    if not found:
        raise SourceError("No quarantined record is like that: see ingest_review list.")
    return found


def _describe_runs(runs: Iterable[WaitingRun]) -> Iterator[str]:
    for run in runs:
        since = _time(run.finished_at or run.started_at)
        yield f"      run {run.id}: {counted(run.held, 'record')} of {run.source}, since {since}"
        yield from (f"         {cause}" for cause in run.causes)


def _describe_outlier(outlier: Any) -> str:
    price, unit = f"{outlier.price:,}", outlier.currency or ""
    before = "" if outlier.price_before is None else f" after {outlier.price_before:,}"
    name = f"{outlier.platform}-{outlier.pk}"
    text = f"{price}{before} {unit}".strip()
    return f"      outlier {name}: {text} of offer {outlier.offer}, {_time(outlier.recorded_at)}"


def _counts(summary: Summary) -> str:
    names = ("created", "updated", "unchanged", "rejected", "price_points")
    return ", ".join(f"{name.replace('_', ' ')} {getattr(summary, name):,}" for name in names)


def _plain(waiting: Waiting) -> dict[str, Any]:
    plain = waiting._asdict()
    plain["runs"] = [run._asdict() for run in waiting.runs]
    plain["groups"] = [group._asdict() for group in waiting.groups]
    if waiting.outliers is not None:
        named = [(f"{each.platform}-{each.pk}", each._asdict()) for each in waiting.outliers]
        plain["outliers"] = [{"id": name} | each for name, each in named]
    return plain


def _fact(value: Any) -> str:
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_short(each)}" for name, each in value.items())
    return str(value)


def _short(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else _json(value)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=indent)


def _time(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
