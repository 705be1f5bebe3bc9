"""Examine the databases."""

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

#: Tables and indexes that the text shows; JSON has more.
_SHOWN = 5
_NOTEWORTHY = 1024 * 1024


class Command(DatabaseCommand):
    """Say what is wrong with the databases, or soon will be, and what to run against it."""

    help = """Examine the databases: indexes, bloat, vacuum, locks, connections, limits, settings,
    replication, slow queries, sizes and disk. It only reads: it ends, drops and changes nothing.

    What it says of a whole server stands at the first of its databases. "Not enough evidence" is
    what cannot be judged yet: unused indexes are told when the statistics have counted for 30 days
    and db_snapshot has known the index for as long. Indexes behind constraints are never proposed
    for dropping. Backups are known from BACKUP_DIR only.

    Exits with 0 if there is nothing, or only info; 1 with a warning; 2 if anything is critical. A
    database that does not answer is critical, and keeps none of the others from being examined.
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
            help=f"Look for this only; may be repeated: {', '.join(CODES)}.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine all databases at once, and print what was found."""
        diagnoses = diagnose(self.selected(options), timezone.now(), options["only"])
        if options["format"] == "json":
            self.print_json([_plain(diagnosis) for diagnosis in diagnoses])
        else:
            blocks = ["\n".join(self._lines(diagnosis)) for diagnosis in diagnoses]
            self.stdout.write("\n\n".join([*blocks, _looked_at(diagnoses, options["verbosity"])]))
        _exit(diagnoses)

    def _lines(self, diagnosis: Diagnosis) -> Iterator[str]:
        name = f"{diagnosis.alias.upper()} ({diagnosis.name})"
        yield f"{name}: {self._verdict(diagnosis)}"
        for finding in diagnosis.findings:
            yield from self._finding(finding)
        if diagnosis.sizes:
            yield from _sizes(diagnosis.sizes)
        yield from (f"   {doubt[0].upper()}{doubt[1:]}" for doubt in diagnosis.doubts)
        yield from (f"   Not seen: {lack}" for lack in dict.fromkeys(diagnosis.unseen))

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
    yield f"   Size: {_grown(sizes.database)}; {_disk(sizes)}"
    largest = [
        f"{each.name.removeprefix('public.')} {_grown(each)}"
        for each in sizes.largest[:_SHOWN]
        if each.size >= _NOTEWORTHY
    ]
    if largest:
        yield f"   Largest: {', '.join(largest)}"


def _grown(growth: Growth) -> str:
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


def _looked_at(diagnoses: Sequence[Diagnosis], verbosity: int) -> str:
    """Return what was examined in any of the databases: how much, or by name."""
    titles = dict.fromkeys(title for diagnosis in diagnoses for title in diagnosis.examined)
    if verbosity > 1:
        return f"Looked at: {', '.join(titles) or 'nothing'}."
    return f"Looked at {counted(len(titles), 'thing')} (--verbosity 2 names them)."


def _plain(diagnosis: Diagnosis) -> dict[str, Any]:
    plain = asdict(diagnosis)
    plain["severity"] = diagnosis.severity.label if diagnosis.severity is not None else None
    for finding, values in zip(diagnosis.findings, plain["findings"], strict=True):
        values["severity"] = finding.severity.label
        values["database"] = diagnosis.alias
    return plain
