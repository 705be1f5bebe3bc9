"""Moving months between PostgreSQL and the archive.

Archiving a month has these steps. If the process is killed, all rows are still in at least one
place, and the next call continues:

1. The rows are written to files, which are read again and compared.
2. The month is closed: items that would change it are not loaded any more.
3. The table is detached, which waits for earlier transactions.
4. The table is compared with the files again. If rows were added since step 1, it is attached, and
   archiving starts again. As the month is closed now, no more rows are added.
5. The table is dropped.
"""

from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import zstandard
from django.conf import settings
from django.db import Error, connections
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic
from psycopg2.sql import SQL, Identifier

from ecommerce.archive import content, dependents, export, layout, manifests, months, reading
from ecommerce.archive.layout import ArchiveManifest
from ecommerce.archive.manifests import RemovedFiles
from ecommerce.archive.months import FileMonth, Place
from ecommerce.models import ArchivedMonth
from marketplace.backups import sets
from marketplace.exceptions import ArchiveError

#: Attempts to archive a month to which rows are added during an attempt.
_TRIES = 3


class MovedMonth(NamedTuple):
    """The result of moving a month, or what moving it would do.

    :param bytes: size of its table in PostgreSQL, including indexes
    :param archived_bytes: size of its files
    :param files: number of its files
    """

    month: date
    rows: int
    bytes: int
    archived_bytes: int
    files: int


def due_months(older_than: timedelta, now: datetime) -> list[date]:
    """Return the months to archive: interrupted ones, and those that ended long enough ago.

    :raises django.db.Error: if the database cannot be queried
    """
    interrupted = [mark.month for mark in months.marks() if mark.archived_at is None]
    in_tables = [table_month.month for table_month in months.table_months()]
    ended = [month for month in in_tables if months.bounds(month)[1] <= now - older_than]
    # Interrupted months come first: PostgreSQL detaches one partition at a time.
    return list(dict.fromkeys([*interrupted, *ended]))


def plan(month: date) -> MovedMonth:
    """Return what archiving a month would do; the size of its files is not known in advance."""
    table = next((other for other in months.table_months() if other.month == month), None)
    return MovedMonth(month, table.rows if table else 0, table.bytes if table else 0, 0, 0)


def archive(month: date, work: Path, now: datetime) -> MovedMonth:
    """Archive a month; continue if an earlier call was interrupted.

    :param work: the folder that `layout.exclusive_lock` yields
    :raises ArchiveError: if other objects depend on its table, its files were changed, the disk
        cannot be written, or rows are added in every attempt
    :raises django.db.Error: if a statement fails, or sessions use the table for too long
    """
    try:
        with layout.explain_write_errors():
            return _archive(month, work, now)
    except (ArchiveError, Error):
        # If the database is not reachable, the month stays closed until the next call.
        with suppress(Error):
            _undo(month)
        raise


def _undo(month: date) -> None:
    """Open a month that could not be archived, after attaching it if other objects depend on it."""
    if months.place(month) is Place.DETACHED and dependents.names(month):
        months.attach(month)
    if months.place(month) is Place.ATTACHED:
        months.reopen(month)


def _archive(month: date, work: Path, now: datetime) -> MovedMonth:
    dependents.require_none(month)
    size = plan(month).bytes
    for _ in range(_TRIES):
        if months.place(month) is Place.ABSENT:
            return _finish(month, now, size)
        if months.place(month) is Place.ATTACHED:
            manifest = export.export(month, work, now)
            months.mark(month, manifest.rows, manifest.content_hash)
        months.detach(month)
        if _is_complete(month):
            months.drop(month, now)
            return _finish(month, now, size)
        if months.place(month) is Place.DETACHED:
            months.attach(month)
    raise ArchiveError(
        f"{month:%Y-%m} changed in each of {_TRIES} attempts to archive it, and is still in its "
        "table. Run this again when fewer records of that month are being loaded."
    )


def _is_complete(month: date) -> bool:
    """Return whether the files contain all rows of a detached table."""
    mark = months.mark_of(month)
    if mark is None:
        return False
    try:
        manifest = reading.open_manifest(_file_month(mark))
        for file in manifest.files:
            layout.check(file)
    except ArchiveError:
        # The files will be written again.
        return False
    with connections[months.alias()].cursor() as cursor:
        actual = content.fingerprint_table(cursor, months.table_name(month))
    return actual == export.fingerprint_of(manifest)


def _finish(month: date, now: datetime, size: int) -> MovedMonth:
    mark = months.mark_of(month)
    if mark is None:
        raise ArchiveError(f"{month:%Y-%m} has no rows to archive.")
    manifest = verify(mark)
    if mark.archived_at is None:
        months.drop(month, now)
    total = sum(file.bytes for file in manifest.files)
    return MovedMonth(month, manifest.rows, size, total, len(manifest.files))


def _file_month(mark: ArchivedMonth) -> FileMonth:
    return FileMonth(mark.month, mark.row_count, mark.content_hash)


def remove_superseded(now: datetime) -> RemovedFiles:
    """Remove superseded files of months that were archived again, and files without a manifest.

    Files that a database restored from a backup set may need are kept. All superseded files are
    kept for ARCHIVE_KEEP_DAYS days, because there may be other copies of sets.

    The caller must hold `layout.exclusive_lock`.

    :raises ArchiveError: if the archive cannot be written
    :raises BackupError: if the folder of the backup sets cannot be read
    """
    keep = timedelta(days=settings.ARCHIVE_KEEP_DAYS)
    backed_up = [sets.start_time(name) for name in sets.names()]

    def is_needed(superseded_at: datetime) -> bool:
        return now - superseded_at < keep or any(time < superseded_at for time in backed_up)

    current = [(mark.month, mark.content_hash) for mark in months.marks()]
    with layout.explain_write_errors():
        return manifests.remove_superseded(current, is_needed)


def verify(mark: ArchivedMonth, *, is_thorough: bool = False) -> ArchiveManifest:
    """Compare the files of an archived month with its manifest, and that with the database.

    :param is_thorough: whether to compare all rows with the fingerprint, too
    :raises ArchiveError: if there is a difference; the message contains the file's path
    """
    manifest = reading.open_manifest(_file_month(mark))
    for file in manifest.files:
        layout.check(file)
    if is_thorough:
        export.compare(manifest.files, export.fingerprint_of(manifest), manifest.offers_hash)
    return manifest


def require_unreadable(month: date) -> ArchivedMonth:
    """Return the record of an archived month whose files cannot be read.

    :raises ArchiveError: if the month is not archived, or its files can be read
    """
    mark = require_archived(month)
    try:
        verify(mark)
    except ArchiveError:
        return mark
    raise ArchiveError(
        f"{month:%Y-%m} is not lost: its files are complete and unchanged. Unarchive it: "
        f"python manage.py db_unarchive {month:%Y-%m}."
    )


def unarchive(month: date, work: Path) -> MovedMonth:
    """Move a month back to PostgreSQL in one transaction, with all values and ids.

    Its files are kept, see `remove_superseded`.

    :param work: the folder that `layout.exclusive_lock` yields
    :raises ArchiveError: if the month is not archived, its files were changed, the disk cannot be
        written, or the current role is not the owner
    :raises django.db.Error: if a statement fails
    """
    months.require_owner()
    mark = require_archived(month)
    with layout.explain_write_errors():
        return _unarchive(month, verify(mark, is_thorough=True), work)


def _unarchive(month: date, manifest: ArchiveManifest, work: Path) -> MovedMonth:
    rows = work / f"{month:%Y-%m}.csv.zst"
    _write_rows(manifest, rows)
    alias, table = months.alias(), months.table_name(month)
    with atomic(using=alias, durable=True), connections[alias].cursor() as cursor:
        _create(cursor, table)
        _copy_in(cursor, table, rows)
        actual = content.fingerprint_table(cursor, table)
        if actual != export.fingerprint_of(manifest):
            raise ArchiveError(
                f"The rows of {month:%Y-%m} differ after reading them: {actual.summary}, expected "
                f"{export.fingerprint_of(manifest).summary}. The month stays in the archive."
            )
        cursor.execute(SQL("ANALYZE {}").format(Identifier(table)))
        months.attach(month)
        months.reopen(month)
    rows.unlink()
    return _moved(month, manifest)


def _create(cursor: CursorWrapper, table: str) -> None:
    """Create the table of a month, with the owner of the other months, so that grants match."""
    cursor.execute(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(%(table)s)",
        {"table": months.TABLE},
    )
    [owner] = cursor.fetchone()
    cursor.execute(SQL("SET LOCAL ROLE {}").format(Identifier(owner)))
    cursor.execute(
        SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
            Identifier(table), Identifier(months.TABLE)
        )
    )
    cursor.execute("SET LOCAL ROLE NONE")


def require_archived(month: date) -> ArchivedMonth:
    """Return the record of an archived month.

    :raises ArchiveError: if the month is not archived, or archiving it was interrupted
    """
    mark = months.mark_of(month)
    if mark is None:
        archived = months.names(other.month for other in months.marks()) or "none"
        raise ArchiveError(f"{month:%Y-%m} is not archived. Archived months: {archived}.")
    state = months.place(month)
    if state is Place.ATTACHED:
        raise ArchiveError(
            f"{month:%Y-%m} is closed, but not archived yet: archiving it was interrupted. Resume: "
            "python manage.py db_archive."
        )
    if state is not Place.ABSENT:
        raise ArchiveError(
            f"{month:%Y-%m} is being archived: its table {months.table_name(month)} is detached, "
            "but not dropped yet. Resume: python manage.py db_archive."
        )
    return mark


def describe(month: date) -> MovedMonth:
    """Return what unarchiving a month would do.

    :raises ArchiveError: if the month is not archived, or its files are missing or damaged
    """
    return _moved(month, verify(require_archived(month)))


def _moved(month: date, manifest: ArchiveManifest) -> MovedMonth:
    sizes = {table_month.month: table_month.bytes for table_month in months.table_months()}
    total = sum(file.bytes for file in manifest.files)
    return MovedMonth(month, manifest.rows, sizes.get(month, 0), total, len(manifest.files))


_WRITE_ROWS = """
COPY (
    SELECT
        {columns}
    FROM points
    ORDER BY {order}
) TO '{path}' (FORMAT csv, HEADER false, DELIMITER ',', QUOTE '"', NULLSTR '\\N', COMPRESSION zstd)
"""


def _write_rows(manifest: ArchiveManifest, path: Path) -> None:
    columns = {name: name for name in content.WRITTEN}
    columns["recorded_at"] = "strftime(recorded_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f+00')"
    statement = _WRITE_ROWS.format(
        columns=", ".join(columns.values()),
        order=", ".join(content.SORTED_BY),
        path=str(path).replace("'", "''"),
    )
    failure = f"{manifest.month} cannot be unarchived, and stays in the archive"
    with reading.connect(path.parent, failure=failure) as archive:
        reading.show_files(archive, (layout.root() / file.path for file in manifest.files))
        archive.execute(statement)


def _copy_in(cursor: CursorWrapper, table: str, path: Path) -> None:
    statement = SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv, NULL '\\N')").format(
        Identifier(table), SQL(", ").join(map(Identifier, content.WRITTEN))
    )
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader,
    ):
        export.copy_with_setting(cursor, "SET LOCAL timezone = 'UTC'", statement, reader)
