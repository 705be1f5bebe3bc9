"""Load exchange rates of the central bank."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.management.rollups import compute_quick
from marketplace.rates import Reading, load_rates, read_rates


class Command(DatabaseCommand):
    """Load the rates of a file into the databases."""

    help = """Load exchange rates in the JSON format of the Central Bank of Uzbekistan.

    Each database converts prices with its rates: see docs/analysis.md.
    A rate that differs from the stored rate of the same day replaces it. Safe to run again.
    Invalid entries are reported, and the others are loaded.

    Exits with 1 if the file cannot be read, or nothing could be loaded into a database.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="JSON file; - for standard input.")
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the file once, and load its rates into each database."""
        aliases, self.is_json = self.selected(options), options["format"] == "json"
        try:
            reading = read_rates(options["file"])
        except MarketplaceError as error:
            raise CommandError(str(error)) from None
        self.loaded: list[dict[str, Any]] = []
        try:
            self._report_faults(reading)
            self.visit(aliases, lambda alias: self._load(alias, reading))
            compute_quick(self, aliases, is_forced=True)
        finally:
            if self.is_json:
                faults = [fault._asdict() for fault in reading.faults]
                self.print_json({"faults": faults, "databases": self.loaded})

    def report_error(self, alias: str, message: str) -> None:
        """Print the reason for which a database was not loaded, and add it to the JSON output."""
        super().report_error(alias, message)
        self.loaded.append({"alias": alias, "error": message})

    def _load(self, alias: str, reading: Reading) -> None:
        summary = load_rates(alias, reading.rates)
        self.loaded.append({"alias": alias, "error": "", **summary._asdict()})
        if not self.is_json:
            self.stdout.write(f"{alias.upper()}: {summary}")

    def _report_faults(self, reading: Reading) -> None:
        for fault in reading.faults:
            self.stderr.write(self.style.WARNING(f"{reading.name}, {fault}"))
        if not reading.faults:
            return
        count = len(reading.rates) + len(reading.faults)
        if not reading.rates:
            rates = f"All {count:,} rates" if count > 1 else "The only rate"
            verb = "are" if count > 1 else "is"
            raise CommandError(
                f"{rates} in {reading.name} {verb} invalid. Nothing was loaded. Correct the file "
                "and load it again."
            )
        invalid = f"{len(reading.faults):,} of {counted(count, 'rate')} in {reading.name}"
        self.stderr.write(
            self.style.WARNING(
                f"{invalid} omitted because of errors. Correct the file and load it again."
            )
        )
