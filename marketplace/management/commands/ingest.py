"""Load payloads of a platform."""

import json
from argparse import SUPPRESS
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from marketplace.checks.project import TAG
from marketplace.cli import add_format_argument
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.loading.full_listings import KINDS
from marketplace.loading.ingest import Progress, Summary, ingest, resume_all
from marketplace.loading.replay import replay
from marketplace.loading.review.entries import Runs
from marketplace.loading.values import instant
from marketplace.management.rollups import compute_quick
from marketplace.registry import PLATFORMS, get_platform

_COUNTS = ("read", "created", "updated", "unchanged", "rejected", "price_points", "seconds")
_RARE = ("missing", "held", "retries")
_OPTIONS = ("shop", "lot", "lot_type", "currency", "decimal")


class Command(BaseCommand):
    """Load files into the database of their platform."""

    # The checks of all adapters do not run: an error in another adapter must not prevent a load.
    requires_system_checks = [TAG]

    help = (
        "Load payloads of a platform: JSON, JSON lines, YML feeds or CSV, plain, .gz or .zst. "
        "Loading the same input again changes nothing. Platforms: "
        + ", ".join(platform.name for platform in PLATFORMS)
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "platform",
            metavar="PLATFORM",
            nargs="?",
            help="Platform of the payloads.",
        )
        parser.add_argument(
            "paths", metavar="PATH", nargs="*", help="Files and folders; - for standard input."
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="Resume the interrupted runs of PLATFORM, or of all platforms.",
        )
        parser.add_argument(
            "--replay",
            action="store_true",
            help="Read all stored payloads of PLATFORM again with the current adapter.",
        )
        parser.add_argument(
            "--full-listing",
            nargs="?",
            const="auto",
            choices=KINDS,
            default="",
            help="Treat the input as the complete listing of its shop or category, and mark as "
            "missing the items that it lacks. With 'shop' or 'category', apply this to each shop "
            "or category in the input.",
        )
        parser.add_argument(
            # Deprecated alias of --full-listing.
            "--snapshot",
            dest="full_listing",
            nargs="?",
            const="auto",
            choices=KINDS,
            default="",
            help=SUPPRESS,
        )
        parser.add_argument(
            "--observed-at",
            metavar="TIME",
            help="Time at which the payloads were fetched (ISO 8601; in Asia/Tashkent if TIME has "
            "no zone). It overrides the times in the payloads. Default: the times in the payloads, "
            "or the time at which the same file was first loaded, or now.",
        )
        add_defaults(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and print the summaries."""
        try:
            _check(options)
            with _Display() as display:
                summaries = list(_summaries(options, display.show))
        except MarketplaceError as error:
            raise CommandError(str(error)) from None
        for summary in summaries:
            self._print(summary, options["format"])
        compute_quick(self, {get_platform(summary.platform).database for summary in summaries})
        if not summaries:
            self.stderr.write("No run was interrupted: nothing to resume.")
        if options["resume"]:
            self._print_failed(summaries)
        if any(summary.needs_attention for summary in summaries):
            raise SystemExit(1)

    def _print_failed(self, summaries: list[Summary]) -> None:
        """Print the runs that failed, and the next step."""
        failed = {
            f"{summary.platform}-{summary.run_id}": summary
            for summary in summaries
            if summary.run_id and summary.needs_attention and not summary.hold_reasons
        }
        if failed:
            text = f"{len(failed)} of {counted(len(summaries), 'run')} failed: {', '.join(failed)}."
            self.stderr.write(self.style.ERROR(text))
            address, summary = next(iter(failed.items()))
            self.stderr.write(
                f"See why: python manage.py ingest_review show run {address}. Correct the cause"
                f"{_advice(address, summary)}"
            )

    def _print(self, summary: Summary, form: str) -> None:
        if form == "json":
            self.stdout.write(json.dumps(summary.to_dict(), ensure_ascii=False))
        else:
            shown = [*_COUNTS, *(name for name in _RARE if getattr(summary, name))]
            counts = ", ".join(f"{name} {getattr(summary, name):,}" for name in shown)
            self.stdout.write(f"{summary.platform}: {counts.replace('_', ' ')}")
        self._print_problems(summary)

    def _print_problems(self, summary: Summary) -> None:
        for failure in summary.source_errors:
            self.stderr.write(self.style.ERROR(failure))
        records = counted(summary.held, "record")
        held = f"held {records}" if summary.held else "nothing was marked missing"
        for cause in summary.hold_reasons:
            self.stderr.write(self.style.ERROR(f"{held}: {cause}"))
        if summary.hold_reasons:
            address = f"{summary.platform}-{summary.run_id}"
            self.stderr.write(f"Show the run: python manage.py ingest_review show run {address}")
        for warning in summary.warnings:
            self.stderr.write(self.style.WARNING(f"Warning: {warning}"))
        for line in summary.rejections():
            self.stderr.write(self.style.WARNING(line))
        if summary.read == 0 and not (summary.source_errors or summary.hold_reasons):
            self.stderr.write(self.style.WARNING("Nothing to load was found."))


def add_defaults(parser: CommandParser) -> None:
    """Add the options for values that payloads or tables omit."""
    parser.add_argument("--shop", help="Shop of a feed that does not name its shop.")
    parser.add_argument("--lot", help="Lot of items that do not name their lot.")
    parser.add_argument("--lot-type", help="Type of the lot: auction or shop.")
    parser.add_argument(
        "--currency", help="Currency of prices that do not state one, such as RUB (ISO 4217)."
    )
    parser.add_argument(
        "--decimal",
        metavar="MARK",
        choices=(".", ","),
        help='Decimal mark (. or ,) of prices such as "1.600". Default: the mark of the other '
        "prices, or of the currency.",
    )
    parser.add_argument(
        "--columns",
        metavar="MAP",
        help="Mapping file (TOML) that states which columns of a table fill which fields.",
    )


def _observed_at(value: str | None) -> datetime | None:
    return instant(value, "--observed-at")


def _advice(address: str, summary: Summary) -> str:
    """Return how a run that failed again is loaded."""
    runs = Runs(get_platform(summary.platform).database)
    with suppress(Error, MarketplaceError):
        # A run whose failure could not be stored is still running, and is resumed, too.
        if not (runs.waiting() | runs.rows().running()).filter(pk=summary.run_id).exists():
            return f", and load the files again: python manage.py ingest {summary.platform} FILE…"
    return (
        " and resume again, or discard the run: python manage.py ingest_review discard run "
        f"{address}"
    )


def _check(options: dict[str, Any]) -> None:
    """Check the combination of arguments.

    :raises CommandError: if it is not valid
    """
    if options["resume"] and options["replay"]:
        raise CommandError("Use --resume or --replay, not both.")
    if options["resume"] or options["replay"]:
        if options["paths"]:
            raise CommandError("--resume and --replay take no PATH: they load stored sources.")
    elif not options["paths"]:
        raise CommandError("Specify a PLATFORM and at least one PATH (- for standard input).")
    if options["replay"] and not options["platform"]:
        raise CommandError("--replay needs a PLATFORM.")


def _summaries(options: dict[str, Any], progress: Progress) -> Iterator[Summary]:
    platform = options["platform"]
    if options["resume"]:
        yield from resume_all(platform, progress=progress)
    elif options["replay"]:
        yield replay(platform, progress=progress)
    else:
        yield ingest(
            platform,
            options["paths"],
            observed_at=_observed_at(options["observed_at"]),
            options={name: options[name] for name in _OPTIONS if options[name]},
            columns=options["columns"],
            full_listing=options["full_listing"],
            progress=progress,
        )


class _Display:
    """A progress line on standard error, if it is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> "_Display":
        self._bar.start()
        self._task = self._bar.add_task("Reading…", total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def show(self, summary: Summary) -> None:
        """Show the current counts."""
        text = f"{summary.read:,} read, {summary.created:,} created, {summary.updated:,} updated"
        if summary.rejected:
            text += f", {summary.rejected:,} rejected"
        self._bar.update(self._task, description=text)
