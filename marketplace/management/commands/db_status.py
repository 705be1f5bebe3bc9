"""Show the status of the databases."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from marketplace.cli import DatabaseCommand, add_format_argument
from marketplace.humanize import age, counted, file_size
from marketplace.loading.models import LoadRun
from marketplace.monitoring.status import DatabaseStatus, Freshness, LastRun, get_statuses
from marketplace.registry import ALIASES, CONTROL


class Command(DatabaseCommand):
    """Show the status of the three databases and of `default`."""

    help = """Show the status of each database within five seconds, whether or not it answers.

    Status: connected, or unreachable with the reason and the next step.
    Current Revision: head, or the last applied migration and the number of pending ones.
    Rows: counted in small tables, estimated in large ones.
    Last load: the newest run of ingest, of any platform.
    Freshness: the newest observation of each platform (last observed), the end of its last
    complete load (last loaded), of its last load with new data (last new data), and of
    its last load that stored a new or changed price (last price stored).
    Quarantine: the number of records that could not be loaded.
    Queue: the number of pushed runs that wait for ingest_queue, if any.
    Last backup: the newest set in BACKUP_DIR that contains the database.

    For default (accounts), only revision, size and backup are shown.

    Exits with 1 if a database does not answer or has pending migrations.
    """
    # The databases with data come first.
    choices = (*ALIASES, CONTROL)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Query all databases in parallel, and print their status."""
        aliases = self.selected(options)
        statuses = get_statuses(aliases)
        if options["format"] == "json":
            self.print_json([_as_json(status) for status in statuses])
        else:
            now = timezone.now()
            blocks = ["\n".join(self._lines(status, now)) for status in statuses]
            self.stdout.write("\n\n".join(blocks))
        failed = [status.alias for status in statuses if status.error or status.pending]
        self.fail_if(failed, aliases)

    def _lines(self, status: DatabaseStatus, now: datetime) -> Iterator[str]:
        yield f"{status.alias.upper()} - {status.title}"
        yield f"   Database: {status.name}"
        if status.platforms:
            yield f"   Platforms: {', '.join(status.platforms)}"
        if not status.is_connected:
            yield f"   Status: {self.style.ERROR(f'unreachable: {status.error}')}"
        else:
            yield "   Status: connected"
            yield f"   Current Revision: {self._revision(status)}"
            if status.error:
                yield f"   Error: {self.style.ERROR(status.error)}"
            else:
                yield from self._details(status, now)
        yield f"   Last backup: {self._backup(status, now)}"

    def _details(self, status: DatabaseStatus, now: datetime) -> Iterator[str]:
        size = status.size_bytes
        yield f"   Size: {'unknown' if size is None else file_size(size)}"
        if status.alias != CONTROL:
            yield from self._contents(status, now)

    def _contents(self, status: DatabaseStatus, now: datetime) -> Iterator[str]:
        rows = (
            f"{name} {'about ' if name in status.estimated else ''}{rows:,}"
            for name, rows in status.rows.items()
            if name != "quarantine"
        )
        yield f"   Rows: {', '.join(rows) or self.style.WARNING('unknown')}"
        yield f"   Last load: {self._last_load(status, now)}"
        yield "   Freshness:"
        for freshness in status.freshness:
            yield f"      {freshness.platform}: {self._freshness(freshness, now)}"
        yield f"   Quarantine: {self._quarantined(status.quarantined)}"
        if status.lost_months:
            yield f"   Lost months: {self.style.WARNING(', '.join(status.lost_months))}"
        if status.held:
            text = f"{counted(status.held, 'run')}: python manage.py ingest_review list"
            yield f"   Held: {self.style.WARNING(text)}"
        if status.failed:
            text = f"{counted(status.failed, 'run')}: python manage.py ingest_review list"
            yield f"   Failed: {self.style.WARNING(text)}"
        if status.queued:
            # A warning, because queued runs wait until a worker is started.
            text = f"{counted(status.queued, 'run')} to load: python manage.py ingest_queue"
            yield f"   Queue: {self.style.WARNING(text)}"

    def _revision(self, status: DatabaseStatus) -> str:
        if not status.pending:
            return status.revision or self.style.WARNING("unknown")
        text = f"{status.revision}, {len(status.pending)} pending: run python manage.py db_migrate"
        return self.style.WARNING(text)

    def _last_load(self, status: DatabaseStatus, now: datetime) -> str:
        if not status.runs:
            return self.style.WARNING("never")
        run = max(status.runs, key=_end_time)
        counts = f"{run.read:,} read, {run.created:,} created, {run.rejected:,} rejected"
        outcome = self.style.ERROR(run.status) if _is_failed(run) else run.status
        text = f"{run.platform} {self._ago(_end_time(run), now)} ({outcome}; {counts})"
        if not _is_failed(run):
            return text
        # `ingest_review list` omits failed runs from which nothing can be loaded or discarded.
        return f"{text}. Reason: python manage.py ingest_review show run {run.platform}-{run.id}"

    def _freshness(self, freshness: Freshness, now: datetime) -> str:
        if freshness.loaded_at is None and freshness.changed_at is None:
            return self.style.WARNING("never loaded")
        text = f"last observed {self._ago(freshness.observed_at, now)}"
        text += f", last loaded {self._ago(freshness.loaded_at, now)}"
        text += f", last new data {self._ago(freshness.changed_at, now)}"
        if freshness.priced_at:
            text += f", last price stored {self._ago(freshness.priced_at, now)}"
        return text

    def _backup(self, status: DatabaseStatus, now: datetime) -> str:
        # Other tools may have made backups that are not in BACKUP_DIR.
        if status.last_backup_at is None:
            return self.style.WARNING("none recorded")
        return self._ago(status.last_backup_at, now)

    def _quarantined(self, count: int | None) -> str:
        if count is None:
            return self.style.WARNING("unknown")
        return self.style.WARNING(f"{count:,}") if count else "0"

    def _ago(self, time: datetime | None, now: datetime) -> str:
        return self.style.WARNING("never") if time is None else age(time, now)


def _is_failed(run: LastRun) -> bool:
    return run.status == LoadRun.Status.FAILED


def _end_time(run: LastRun) -> datetime:
    """Return the end time of a run; the start time if it has not ended."""
    return run.finished_at or run.started_at


def _as_json(status: DatabaseStatus) -> dict[str, Any]:
    values = status._asdict()
    values["runs"] = [run._asdict() for run in status.runs]
    values["freshness"] = [freshness._asdict() for freshness in status.freshness]
    return values
