"""Preview the records that `ingest` would load."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.checks.project import TAG
from marketplace.cli import add_format_argument
from marketplace.exceptions import MarketplaceError
from marketplace.management.commands.ingest import add_defaults
from marketplace.management.preview import RecordSurvey, ShapeSurvey, Survey, survey

_OPTIONS = ("shop", "lot", "lot_type", "currency", "decimal")


class Command(BaseCommand):
    """Read files as `ingest` does; write nothing."""

    # The checks of all adapters do not run: an error in another adapter must not prevent this.
    requires_system_checks = [TAG]

    help = (
        "Read sources as `ingest` does, and show their content: records of each type, how many "
        "of them have each field, and which records cannot be read. Does not use a database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("platform", metavar="PLATFORM", help="Platform of the payloads.")
        parser.add_argument(
            "paths", metavar="PATH", nargs="+", help="Files and folders; - for standard input."
        )
        add_defaults(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the sources, and print their content."""
        try:
            result = survey(
                options["platform"],
                options["paths"],
                options={name: options[name] for name in _OPTIONS if options[name]},
                columns=options["columns"],
            )
        except MarketplaceError as error:
            raise CommandError(str(error)) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps(_as_json(result), ensure_ascii=False))
        else:
            self._print(result)
        for failure in result.failures:
            self.stderr.write(self.style.ERROR(failure))
        for warning in result.warnings:
            self.stderr.write(self.style.WARNING(f"Warning: {warning}"))
        if result.failures or not result.items:
            raise SystemExit(1)

    def _print(self, result: Survey) -> None:
        self.stdout.write(
            f"{result.platform}: sources {result.sources:,}, documents {result.documents:,}, "
            f"read {result.items + result.fault_count:,}, rejected {result.fault_count:,}"
        )
        for name, shape in result.shapes.items():
            self._print_shape(name, shape)
        if result.faults:
            shown = f"{len(result.faults)} of {result.fault_count:,}"
            self.stdout.write(f"First rejected records ({shown})")
        for place, field, reason in result.faults:
            self.stdout.write(f"   {place}: " + (f"{field}: {reason}" if field else reason))

    def _print_shape(self, name: str, shape: ShapeSurvey) -> None:
        self.stdout.write(
            f"{name}: documents {shape.documents:,}, items {shape.items:,}, "
            f"distinct ids {shape.distinct:,}, repeats {shape.repeats:,}"
        )
        for kind, records in shape.records.items():
            self.stdout.write(f"   {kind} {records.count:,}: {_coverage(records)}")
            never = [field for field, share in records.coverage.items() if not share]
            if never:
                self.stdout.write(f"      never: {', '.join(never)}")


def _coverage(records: RecordSurvey) -> str:
    shares = ((field, share) for field, share in records.coverage.items() if share)
    return ", ".join(f"{field} {share:g}%" for field, share in shares)


def _as_json(result: Survey) -> dict[str, Any]:
    shapes = {
        name: {
            "documents": shape.documents,
            "items": shape.items,
            "distinct": shape.distinct,
            "repeats": shape.repeats,
            "records": {
                kind: {"count": records.count, "coverage": records.coverage}
                for kind, records in shape.records.items()
            },
        }
        for name, shape in result.shapes.items()
    }
    return {
        "platform": result.platform,
        "sources": result.sources,
        "documents": result.documents,
        "items": result.items,
        "shapes": shapes,
        "fault_count": result.fault_count,
        "faults": [fault._asdict() for fault in result.faults],
        "failures": result.failures,
        "warnings": result.warnings,
    }
