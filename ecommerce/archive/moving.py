"""Moving months between PostgreSQL and the archive.

A month that is archived goes through these steps. Killed at any of them, it is whole in at least
one place, and the next call goes on:

1. Its rows are written to files, which are read again and compared.
2. It is closed: what would change it is not loaded any more.
3. Its table is detached, which waits for all that was begun before.
4. The table is compared with the files again. Where rows came in between, it is attached, and all
   begins anew; as the month is closed by then, none come any more.
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
from ecommerce.archive.manifests import Removed
from ecommerce.archive.months import FileMonth, Place
from ecommerce.models import ArchivedMonth
from marketplace.backups import sets
from marketplace.exceptions import ArchiveError

#: How often a month is begun anew that something came into meanwhile.
_TRIES = 3


class MovedMonth(NamedTuple):
    """What became of a month, or would.

    :param bytes: of its table before, with indexes
    :param archived_bytes: of its files
    """

    month: date
    rows: int
    bytes: int
    archived_bytes: int
    files: int


def due_months(older_than: timedelta, now: datetime) -> list[date]:
    """Return the months to archive: those that ended so long ago, and those that were begun.

    :raises django.db.Error: if the database cannot be asked
    """
    begun = [each.month for each in months.marks() if each.archived_at is None]
    ended = [
        each.month
        for each in months.table_months()
        if months.bounds(each.month)[1] <= now - older_than
    ]
    # What was begun comes first: PostgreSQL detaches one month at a time.
    return list(dict.fromkeys([*begun, *ended]))


def plan(month: date) -> MovedMonth:
    """Return what archiving a month would do; its files are not known before."""
    found = next((each for each in months.table_months() if each.month == month), None)
    return MovedMonth(month, found.rows if found else 0, found.bytes if found else 0, 0, 0)


def archive(month: date, work: Path, now: datetime) -> MovedMonth:
    """Archive a month; go on where an earlier call was interrupted.

    :param work: the folder that `layout.exclusive_lock` gave
    :raises ArchiveError: if something depends on its table, its files are not what was written, the
        disk refuses, or rows keep coming
    :raises django.db.Error: if the database refuses, or sessions read on for too long
    """
    try:
        with layout.explain_write_errors():
            return _archive(month, work, now)
    except (ArchiveError, Error):
        # Without its database it stays closed until the next call.
        with suppress(Error):
            _give_back(month)
        raise


def _give_back(month: date) -> None:
    """Let a month that could not be archived be as it was; one on its way out stays so."""
    if months.place(month) is Place.DETACHED and dependents.names(month):
        months.attach(month)
    if months.place(month) is Place.ATTACHED:
        months.reopen(month)


def _archive(month: date, work: Path, now: datetime) -> MovedMonth:
    dependents.require_none(month)
    size = plan(month).bytes
    for _ in range(_TRIES):
        if months.place(month) is Place.ABSENT:
            return _finished(month, now, size)
        if months.place(month) is Place.ATTACHED:
            manifest = export.export(month, work, now)
            months.mark(month, manifest.rows, manifest.content_hash)
        months.detach(month)
        if _is_whole(month):
            months.drop(month, now)
            return _finished(month, now, size)
        if months.place(month) is Place.DETACHED:
            months.attach(month)
    raise ArchiveError(
        f"{month:%Y-%m} changed {_TRIES} times while it was archived; it is in the table as "
        "before. Run this again when less of that month is being loaded."
    )


def _is_whole(month: date) -> bool:
    """Return whether the files hold all that a detached table does."""
    mark = months.mark_of(month)
    if mark is None:
        return False
    try:
        manifest = reading.open_manifest(_file_month(mark))
        for file in manifest.files:
            layout.check(file)
    except ArchiveError:
        # They are written anew.
        return False
    with connections[months.alias()].cursor() as cursor:
        found = content.fingerprint_table(cursor, months.table_name(month))
    return found == export.fingerprint_of(manifest)


def _finished(month: date, now: datetime, size: int) -> MovedMonth:
    mark = months.mark_of(month)
    if mark is None:
        raise ArchiveError(f"There is nothing of {month:%Y-%m} to archive.")
    manifest = verify(mark)
    if mark.archived_at is None:
        months.drop(month, now)
    total = sum(file.bytes for file in manifest.files)
    return MovedMonth(month, manifest.rows, size, total, len(manifest.files))


def _file_month(mark: ArchivedMonth) -> FileMonth:
    return FileMonth(mark.month, mark.row_count, mark.content_hash)


def remove_superseded(now: datetime) -> Removed:
    """Remove older archives of months that were archived anew; files that nothing names, too.

    Those stay that a database may name which is restored from one of the backup sets, and all for
    ARCHIVE_KEEP_DAYS days after they were superseded: sets may be kept elsewhere.

    To be called by who has the archive for themselves, see `layout.exclusive_lock`.

    :raises ArchiveError: if the archive cannot be written
    :raises BackupError: if the folder of the backup sets cannot be read
    """
    keep = timedelta(days=settings.ARCHIVE_KEEP_DAYS)
    backed_up = [sets.start_time(name) for name in sets.names()]

    def is_needed(superseded_at: datetime) -> bool:
        return now - superseded_at < keep or any(each < superseded_at for each in backed_up)

    current = [(mark.month, mark.content_hash) for mark in months.marks()]
    with layout.explain_write_errors():
        return manifests.remove_superseded(current, is_needed)


def verify(mark: ArchivedMonth, *, is_thorough: bool = False) -> ArchiveManifest:
    """Compare the files of an archived month with their manifest, and that with the database.

    :param is_thorough: whether to read all values, too
    :raises ArchiveError: if any differs, by the file's name
    """
    manifest = reading.open_manifest(_file_month(mark))
    for file in manifest.files:
        layout.check(file)
    if is_thorough:
        export.compare(manifest.files, export.fingerprint_of(manifest), manifest.offers_hash)
    return manifest


def require_unreadable(month: date) -> ArchivedMonth:
    """Return what the database says of an archived month whose files cannot be read.

    :raises ArchiveError: if it is not archived, or can be read
    """
    mark = require_archived(month)
    try:
        verify(mark)
    except ArchiveError:
        return mark
    raise ArchiveError(
        f"{month:%Y-%m} is not lost: its files are complete and unchanged. Bring it back: "
        f"python manage.py db_unarchive {month:%Y-%m}."
    )


def unarchive(month: date, work: Path) -> MovedMonth:
    """Bring a month back: its table is as it was, ids included. All of it happens or nothing does.

    Its files stay where they are, see `remove_superseded`.

    :param work: the folder that `layout.exclusive_lock` gave
    :raises ArchiveError: if it is not archived, its files are not what was written, the disk
        refuses, or the connected role is not the owner
    :raises django.db.Error: if the database refuses
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
        found = content.fingerprint_table(cursor, table)
        if found != export.fingerprint_of(manifest):
            raise ArchiveError(
                f"{month:%Y-%m} came back as {found.summary}, expected "
                f"{export.fingerprint_of(manifest).summary}. It stays in the archive."
            )
        cursor.execute(SQL("ANALYZE {}").format(Identifier(table)))
        months.attach(month)
        months.reopen(month)
    rows.unlink()
    return _moved(month, manifest)


def _create(cursor: CursorWrapper, table: str) -> None:
    """Create the table of a month as the owner of the other months, who grants as for them."""
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
    """Return what the database says of an archived month.

    :raises ArchiveError: if it is not archived, or archiving it was interrupted
    """
    mark = months.mark_of(month)
    if mark is None:
        known = months.names(each.month for each in months.marks()) or "none"
        raise ArchiveError(f"{month:%Y-%m} is not archived. Archived months: {known}.")
    where = months.place(month)
    if where is Place.ATTACHED:
        raise ArchiveError(
            f"{month:%Y-%m} is not archived yet, only closed: archiving it was interrupted. Go on: "
            "python manage.py db_archive."
        )
    if where is not Place.ABSENT:
        raise ArchiveError(
            f"{month:%Y-%m} is being archived: its table {months.table_name(month)} is detached, "
            "and not dropped. Go on: python manage.py db_archive."
        )
    return mark


def describe(month: date) -> MovedMonth:
    """Return what bringing a month back would do.

    :raises ArchiveError: as `unarchive`
    """
    return _moved(month, verify(require_archived(month)))


def _moved(month: date, manifest: ArchiveManifest) -> MovedMonth:
    sizes = {each.month: each.bytes for each in months.table_months()}
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
    what = f"{manifest.month} cannot be brought back, and stays in the archive"
    with reading.connect(path.parent, what=what) as archive:
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
