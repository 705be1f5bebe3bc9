"""Load what a platform returned."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from marketplace.exceptions import MarketplaceError
from marketplace.loading.ingest import Summary, ingest
from marketplace.loading.values import instant
from marketplace.registry import PLATFORMS

_COUNTS = ("read", "created", "updated", "unchanged", "rejected", "price_points", "seconds")
_OPTIONS = ("shop", "lot", "lot_type", "currency")


class Command(BaseCommand):
    """Load files into the database of their platform."""

    help = (
        "Load what a platform returned: JSON, JSON lines, YML feeds or CSV, plain, .gz or .zst. "
        "Loading the same again changes nothing. Platforms: "
        + ", ".join(platform.name for platform in PLATFORMS)
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("platform", metavar="PLATFORM", help="whose payloads these are")
        parser.add_argument(
            "paths", metavar="PATH", nargs="+", help="files and folders; - for standard input"
        )
        parser.add_argument(
            "--observed-at",
            metavar="TIME",
            help="when payloads that tell no time were fetched (ISO 8601; Asia/Tashkent if it "
            "has no zone); default: now",
        )
        parser.add_argument("--shop", help="the shop of a feed that does not name it")
        parser.add_argument("--lot", help="the lot of items that do not name it")
        parser.add_argument("--lot-type", help="that lot's type: auction or shop")
        parser.add_argument("--currency", help="the currency of prices that do not name it")
        parser.add_argument(
            "--columns",
            metavar="MAP",
            help="a mapping file (TOML) that says which columns of a table fill which fields",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and print the summary."""
        try:
            with _Display(self, options["paths"]) as display:
                summary = ingest(
                    options["platform"],
                    options["paths"],
                    observed_at=_observed_at(options["observed_at"]),
                    options={name: options[name] for name in _OPTIONS if options[name]},
                    columns=options["columns"],
                    progress=display.show,
                )
        except MarketplaceError as error:
            raise CommandError(str(error)) from None
        self._print(summary, options["format"])
        if summary.is_failure:
            raise SystemExit(1)

    def _print(self, summary: Summary, form: str) -> None:
        if form == "json":
            self.stdout.write(json.dumps(asdict(summary), ensure_ascii=False))
        else:
            counts = ", ".join(f"{name} {getattr(summary, name):,}" for name in _COUNTS)
            self.stdout.write(f"{summary.platform}: {counts.replace('_', ' ')}")
        for failure in summary.failures:
            self.stderr.write(self.style.ERROR(failure))
        for reason, count in list(summary.reasons.items())[:10]:
            self.stderr.write(self.style.WARNING(f"quarantined {count:,}: {reason}"))
        if summary.read == 0 and not summary.failures:
            self.stderr.write(self.style.WARNING("Nothing to load was found."))


def _observed_at(value: str | None) -> datetime | None:
    return instant(value, "--observed-at")


class _Display:
    """A progress line on a terminal; nothing where standard error is none."""

    def __init__(self, command: BaseCommand, paths: list[str]) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
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
        """Show the counts so far."""
        text = f"{summary.read:,} read, {summary.created:,} created, {summary.updated:,} updated"
        if summary.rejected:
            text += f", {summary.rejected:,} rejected"
        self._bar.update(self._task, description=text)
