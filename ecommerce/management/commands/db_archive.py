"""Move old months of the price history to Parquet files."""

import re
from argparse import ArgumentTypeError
from datetime import date, timedelta
from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error, router
from django.utils import timezone

from ecommerce.archive import dependents, layout, months, moving
from ecommerce.archive.moving import MovedMonth
from ecommerce.models import PricePoint
from marketplace.cli import DatabaseCommand, add_destructive_arguments, add_format_argument
from marketplace.exceptions import ArchiveError, BackupError, MarketplaceError
from marketplace.humanize import counted, file_size
from marketplace.management.rollups import compute_quick
from marketplace.postgresql.errors import explain


def days(text: str) -> timedelta:
    """Return a timedelta from a number of days in the format 365d."""
    match = re.fullmatch(r"(\d{1,6})d", text)
    if match is None:
        raise ArgumentTypeError(f"{text} is not a number of days, such as 365d")
    return timedelta(days=int(match[1]))


def month(text: str) -> date:
    """Return the first day of a month in the format 2025-06."""
    try:
        return layout.month_of(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a month, such as 2025-06") from None


class Command(DatabaseCommand):
    """Move old months of the price history to Parquet files."""

    help = """Move whole months of the price history to Parquet files in ARCHIVE_DIR.

    Each month is written to files, which are read again and compared. Its table is then detached while loads continue, compared once more, and dropped. Interrupted work is resumed first. An archived month accepts no more points; db_unarchive brings it back.

    --verify reads the files of all archived months, and compares them with their manifests.

    When a month is archived again, its previous files are kept for ARCHIVE_KEEP_DAYS days, and as long as BACKUP_DIR has an older set: a database restored from that set needs them.

    --abandon marks archived months as lost if their files cannot be recovered. New records for a lost month are accepted, and price histories omit its archived prices; db_partitions, db_status, price_history and the admin list the lost months. Fails for months whose files can be read.

    Exits with 1 if a month could not be archived, or if files were changed. Back up ARCHIVE_DIR: backups of the database do not contain it.
    """  # noqa: E501 # a line is a paragraph
    choices = (router.db_for_write(PricePoint),)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than",
            type=days,
            default=timedelta(days=365),
            metavar="365d",
            help="Archive the months that ended at least this long ago. Default: 365d.",
        )
        parser.add_argument(
            "--verify", action="store_true", help="Verify archived months; do not archive."
        )
        parser.add_argument(
            "--abandon",
            nargs="+",
            type=month,
            metavar="MONTH",
            help="Mark these archived months, such as 2025-01, as lost; do not archive.",
        )
        add_destructive_arguments(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Archive, verify or abandon months; with --dry-run, only report the plan."""
        self.is_json = options["format"] == "json"
        self.results: list[dict[str, Any]] = []
        action = self._verify if options["verify"] else partial(self._archive, options=options)
        if options["abandon"]:
            action = partial(self._abandon, options=options)
        try:
            self.visit(self.selected(options), action)
        finally:
            if self.is_json:
                self.print_json(self.results)

    def _archive(self, alias: str, options: dict[str, Any]) -> bool:
        if not options["dry_run"]:
            months.require_owner()
        now = timezone.now()
        due = moving.due_months(options["older_than"], now)
        if not due:
            self._write(alias, f"nothing to archive: no month ended at least {_age(options)} ago")
            if not options["dry_run"] and layout.root().exists():
                with layout.exclusive_lock():
                    self._remove_superseded(alias)
            return True
        if options["dry_run"]:
            planned = [self._plan_month(alias, month) for month in due]
            return all(planned)
        if not options["force"]:
            self.confirm(
                f"{counted(len(due), 'month')} of the price history will be moved to "
                f"{layout.root()}, and dropped from {alias}: {months.names(due)}.",
                alias,
            )
        with layout.exclusive_lock() as work:
            succeeded = [self._archive_month(alias, month, work) for month in due]
            self._remove_superseded(alias)
        compute_quick(self, [alias], is_forced=True)
        return all(succeeded)

    def _abandon(self, alias: str, options: dict[str, Any]) -> bool:
        marks = [moving.require_unreadable(month) for month in options["abandon"]]
        rows = counted(sum(mark.row_count for mark in marks), "row")
        if not options["dry_run"] and not options["force"]:
            self.confirm(
                f"{rows} of {months.names(options['abandon'])} will be marked as lost.", alias
            )
        for mark in marks:
            if not options["dry_run"]:
                months.abandon(mark, timezone.now())
            moved = MovedMonth(mark.month, mark.row_count, 0, 0, 0)
            self._report(alias, moved, "Would abandon" if options["dry_run"] else "abandoned")
        return True

    def _remove_superseded(self, alias: str) -> None:
        try:
            removed = moving.remove_superseded(timezone.now())
        except BackupError as error:
            self.stderr.write(f"{alias.upper()}: superseded files are kept: {explain(error)}")
            return
        if removed.months:
            names = months.names(removed.months)
            self._write(alias, f"removed superseded files of {names} ({file_size(removed.bytes)})")

    def _plan_month(self, alias: str, month: date) -> bool:
        try:
            dependents.require_none(month)
        except ArchiveError as error:
            self._fail(alias, month, explain(error))
            return False
        self._report(alias, moving.plan(month), "Would archive")
        return True

    def _archive_month(self, alias: str, month: date, work: Any) -> bool:
        try:
            moved = moving.archive(month, work, timezone.now())
        except (Error, MarketplaceError) as error:
            self._fail(alias, month, explain(error))
            return False
        self._report(alias, moved, "archived")
        return True

    def _verify(self, alias: str) -> bool:
        marks = [mark for mark in months.marks() if mark.archived_at]
        if not marks:
            self._write(alias, "no month is archived")
        # A list, so that all months are verified even if one fails.
        verified = [self._verify_month(alias, mark) for mark in marks]
        return all(verified)

    def _verify_month(self, alias: str, mark: Any) -> bool:
        try:
            manifest = moving.verify(mark, is_thorough=True)
        except ArchiveError as error:
            self._fail(alias, mark.month, explain(error))
            return False
        total = sum(file.bytes for file in manifest.files)
        moved = MovedMonth(mark.month, manifest.rows, 0, total, len(manifest.files))
        self._report(alias, moved, "verified")
        return True

    def _report(self, alias: str, moved: MovedMonth, verb: str) -> None:
        self.results.append({"alias": alias, "error": "", "action": verb, **moved._asdict()})
        places = [f"{file_size(moved.bytes)} in PostgreSQL"] if moved.bytes else []
        if moved.files:
            places.append(f"{file_size(moved.archived_bytes)} in {counted(moved.files, 'file')}")
        parts = [f"{verb} {moved.month:%Y-%m}: {counted(moved.rows, 'row')}", " → ".join(places)]
        self._write(alias, ", ".join(filter(None, parts)))

    def _fail(self, alias: str, month: date, reason: str) -> None:
        self.results.append({"alias": alias, "month": month, "error": reason})
        self.stderr.write(f"{alias.upper()}: {month:%Y-%m} failed: {reason}")

    def _write(self, alias: str, text: str) -> None:
        if not self.is_json:
            self.stdout.write(f"{alias.upper()}: {text}")


def _age(options: dict[str, Any]) -> str:
    return counted(options["older_than"].days, "day")
