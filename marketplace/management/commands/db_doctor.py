"""Check the health of the databases."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.diagnosis import CODES, diagnose
from marketplace.doctor.findings import Diagnosis, Finding, Growth, Severity, Sizes
from marketplace.humanize import counted, file_size, format_time

#: Number of tables and indexes in the text output, and their minimum size; the JSON output has
#: more.
_SHOWN = 5
_NOTEWORTHY = 1024 * 1024


class Command(DatabaseCommand):
    """Report defects of the databases, with the reason and the command to run for each."""

    help = """Check the databases: indexes, bloat, vacuum, locks, connections, limits, settings,
    replication, slow queries, sizes and disk space. Nothing is changed.

    A finding about a whole server is listed under the first of its databases. "Insufficient data"
    marks what cannot be judged yet: unused indexes are reported when the statistics cover 30 days
    and db_record_sizes has recorded the index for as long. Indexes that support constraints are
    never suggested for dropping. Only backups in BACKUP_DIR are considered.

    Exits with 0 if there are no findings or only notes, with 1 if there is a warning, and with 2 if
    a finding is critical. A database that does not answer is critical, and the others are checked.
    """
    choices = ALL_ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            choices=CODES,
            metavar="CODE",
            help=f"Only report findings with this code; may be repeated: {', '.join(CODES)}.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check all databases in parallel, and print the findings."""
        diagnoses = diagnose(self.selected(options), timezone.now(), options["only"])
        if options["format"] == "json":
            self.print_json([_as_json(diagnosis) for diagnosis in diagnoses])
        else:
            blocks = ["\n".join(self._lines(diagnosis)) for diagnosis in diagnoses]
            checks = _completed_checks(diagnoses, options["verbosity"])
            self.stdout.write("\n\n".join([*blocks, checks]))
        _exit(diagnoses)

    def _lines(self, diagnosis: Diagnosis) -> Iterator[str]:
        name = f"{diagnosis.alias.upper()} ({diagnosis.name})"
        yield f"{name}: {self._verdict(diagnosis)}"
        for finding in diagnosis.findings:
            yield from self._finding(finding)
        if diagnosis.sizes:
            yield from _sizes(diagnosis.sizes)
        yield from (f"   {note[0].upper()}{note[1:]}" for note in diagnosis.insufficient_data)
        yield from (f"   Skipped: {note}" for note in diagnosis.skipped)

    def _verdict(self, diagnosis: Diagnosis) -> str:
        if not diagnosis.findings:
            return self.style.SUCCESS("healthy")
        text = _summary(diagnosis.findings)
        return self._styled(max(finding.severity for finding in diagnosis.findings), text)

    def _finding(self, finding: Finding) -> Iterator[str]:
        mark = self._styled(finding.severity, finding.severity.label.upper())
        place = " [whole server]" if finding.is_of_server else ""
        yield f"   {mark} {finding.code}: {finding.subject}{place}"
        yield f"      {finding.what}"
        yield f"      Why: {finding.why}"
        if finding.since:
            yield f"      Counted since: {format_time(finding.since)}"
        lines = finding.fix.splitlines()
        yield from (
            f"      {'    ' if number else 'Run:'} {line}" for number, line in enumerate(lines)
        )

    def _styled(self, severity: Severity, text: str) -> str:
        if severity is Severity.INFO:
            return text
        return self.style.ERROR(text) if severity is Severity.CRITICAL else self.style.WARNING(text)


def _exit(diagnoses: Sequence[Diagnosis]) -> None:
    findings = [finding for diagnosis in diagnoses for finding in diagnosis.findings]
    worst = max((finding.severity for finding in findings), default=Severity.INFO)
    if worst is not Severity.INFO:
        raise CommandError(f"Found {_summary(findings)}.", returncode=int(worst))


def _summary(findings: Sequence[Finding]) -> str:
    counts = [
        counted(sum(finding.severity is severity for finding in findings), noun)
        for severity, noun in (
            (Severity.CRITICAL, "critical finding"),
            (Severity.WARNING, "warning"),
            (Severity.INFO, "note"),
        )
    ]
    return ", ".join(count for count in counts if not count.startswith("0 "))


def _sizes(sizes: Sizes) -> Iterator[str]:
    yield f"   Size: {_describe_growth(sizes.database)}; {_disk(sizes)}"
    largest = [
        f"{growth.name.removeprefix('public.')} {_describe_growth(growth)}"
        for growth in sizes.largest[:_SHOWN]
        if growth.size >= _NOTEWORTHY
    ]
    if largest:
        yield f"   Largest: {', '.join(largest)}"


def _describe_growth(growth: Growth) -> str:
    size = file_size(growth.size)
    if growth.per_day is None:
        return size
    return f"{size} ({'+' if growth.per_day >= 0 else ''}{file_size(growth.per_day)} a day)"


def _disk(sizes: Sizes) -> str:
    if sizes.disk_free is None or sizes.disk_total is None:
        return "free disk unknown"
    text = f"disk {file_size(sizes.disk_free)} free of {file_size(sizes.disk_total)}"
    if sizes.days_to_full is None:
        return text
    return f"{text}, full in {counted(round(sizes.days_to_full), 'day')} at this growth"


def _completed_checks(diagnoses: Sequence[Diagnosis], verbosity: int) -> str:
    """Return the number of checks that were completed for any database, or their titles."""
    titles = dict.fromkeys(title for diagnosis in diagnoses for title in diagnosis.examined)
    if verbosity > 1:
        return f"Completed checks: {', '.join(titles) or 'none'}."
    return f"Completed {counted(len(titles), 'check')} (--verbosity 2 lists them)."


def _as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    values = asdict(diagnosis)
    values["severity"] = diagnosis.severity.label if diagnosis.severity is not None else None
    # The former names of two keys, which are deprecated.
    values |= {"doubts": values["insufficient_data"], "unseen": values["skipped"]}
    for finding, finding_values in zip(diagnosis.findings, values["findings"], strict=True):
        finding_values["severity"] = finding.severity.label
        finding_values["database"] = diagnosis.alias
    return values
