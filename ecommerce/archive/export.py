"""Writing a month to Parquet files, and verifying that they contain the rows of the table."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

import zstandard
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic
from duckdb import DuckDBPyConnection
from psycopg2.sql import SQL, Identifier, Literal

from ecommerce.archive import content, layout, manifests, months, reading
from ecommerce.archive.content import Fingerprint
from ecommerce.archive.layout import ArchivedFile, ArchiveManifest
from marketplace.exceptions import ArchiveError

#: Rows per row group. Queries skip row groups by their ranges of offers and times.
_ROW_GROUP = 122_880

_COPY = """
COPY (
    SELECT {columns}
    FROM {table} AS h
    LEFT JOIN ecommerce_offers AS o ON h.offer_id = o.id
) TO STDOUT WITH (FORMAT csv, NULL '\\N')
"""

# The metadata explains a file that is read without the database and this documentation.
_WRITE = """
COPY (SELECT {columns} FROM rows WHERE platform = $platform ORDER BY {order})
TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group}, KV_METADATA {{
    title: 'Price history: one row per change of the price or availability of an offer',
    schema_version: '{version}',
    month: '{month}',
    time_zone: 'UTC'
}})
"""


def export(month: date, work: Path, now: datetime) -> ArchiveManifest:
    """Write a month's table to the archive, and compare both; return the manifest.

    Earlier files of the month are kept, because a restored database may need them. A failed export
    leaves no files.

    :param work: a folder for unfinished files, on the archive's disk
    :raises ArchiveError: if the disk has too little space, or the files differ from the table
    :raises OSError: if the disk cannot be written
    """
    try:
        manifest = _export(month, work, now)
    except (ArchiveError, OSError):
        with suppress(OSError):
            manifests.remove_leftovers(month)
        raise
    manifests.remove_leftovers(month)
    return manifest


def _export(month: date, work: Path, now: datetime) -> ArchiveManifest:
    table = months.table_name(month)
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        with _snapshot() as cursor:
            _require_room(cursor, table, folder)
            expected = content.fingerprint_table(cursor, table)
            offers = content.offers_hash(cursor, table)
            _copy_out(cursor, table, folder / "rows.csv.zst")
        files = _write_files(month, folder, expected.content_hash)
    compare(files, expected, offers)
    manifest = _manifest(month, expected, offers, files, now)
    manifests.write(month, manifest)
    return manifest


def compare(files: list[ArchivedFile], expected: Fingerprint, offers: str) -> None:
    """Read files again, and compare them with the fingerprint and the offers of the table.

    :raises ArchiveError: if a file was changed, or the files contain other rows
    """
    for file in files:
        layout.check(file)
    names = ", ".join(str(layout.root() / file.path) for file in files) or "no file"
    with reading.connect(failure=f"{names} cannot be read again") as archive:
        reading.show_files(archive, (layout.root() / file.path for file in files))
        actual = content.fingerprint_files(archive)
        actual_offers = content.offers_hash_of_files(archive)
    if actual != expected:
        raise ArchiveError(
            f"The rows of the files differ from the table: {actual.summary}; expected "
            f"{expected.summary}. Files: {names}."
        )
    if actual_offers != offers:
        raise ArchiveError(f"The offers of the files differ from the table. Files: {names}.")


def fingerprint_of(manifest: ArchiveManifest) -> Fingerprint:
    """Return the fingerprint stated in a manifest."""
    return Fingerprint(
        manifest.rows, manifest.min_recorded_at, manifest.max_recorded_at, manifest.content_hash
    )


@contextmanager
def _snapshot() -> Iterator[CursorWrapper]:
    """Open a read-only transaction in which all statements see the same rows."""
    alias = months.alias()
    with atomic(using=alias, durable=True), connections[alias].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield cursor


def _require_room(cursor: CursorWrapper, table: str, work: Path) -> None:
    # Together, the rows as compressed text, sorted and as Parquet are smaller than the table
    # without its indexes.
    cursor.execute("SELECT pg_table_size(to_regclass(%(table)s))", {"table": table})
    needed = cursor.fetchone()[0]
    free = shutil.disk_usage(work).free
    if free < needed:
        raise ArchiveError(
            f"{layout.root()} has {free:,} bytes free, {table} needs {needed:,}. Free some space, "
            "or set ARCHIVE_DIR to another disk."
        )


def _copy_out(cursor: CursorWrapper, table: str, path: Path) -> None:
    names = {
        "platform": SQL("coalesce(o.platform, {})").format(Literal(content.UNKNOWN)),
        "offer_external_id": SQL("coalesce(o.external_id, '')"),
    }
    columns = [names.get(name, SQL("h.{}").format(Identifier(name))) for name in content.COLUMNS]
    statement = SQL(_COPY).format(columns=SQL(", ").join(columns), table=Identifier(table))
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
        copy_with_setting(cursor, "SET LOCAL timezone = 'UTC'", statement, writer)


def copy_with_setting(cursor: CursorWrapper, before: str, statement: Any, file: IO[bytes]) -> None:
    """Execute a COPY after another statement, such as SET LOCAL."""
    cursor.execute(before)
    # Django translates errors of execute(), but not those of copy_expert().
    with cursor.db.wrap_database_errors:
        cursor.copy_expert(statement, file, 1 << 20)


def _write_files(month: date, work: Path, content_hash: str) -> list[ArchivedFile]:
    """Write one file per platform, and move them to their final paths."""
    failure = f"{month:%Y-%m} cannot be written to {layout.root()}"
    with reading.connect(work / "temporary", failure=failure) as archive:
        archive.execute("ATTACH $path AS work", {"path": str(work / "rows.duckdb")})
        archive.execute("USE work")
        reading.read_csv(archive, work / "rows.csv.zst", "rows", content.COLUMNS)
        query = "SELECT platform, count(*) FROM rows GROUP BY platform ORDER BY platform"
        counts = archive.execute(query).fetchall()
        return [
            _write_file(archive, month, work, content_hash, platform, rows)
            for platform, rows in counts
        ]


def _write_file(
    archive: DuckDBPyConnection,
    month: date,
    work: Path,
    content_hash: str,
    platform: str,
    rows: int,
) -> ArchivedFile:
    draft = work / "points.parquet"
    # COPY does not accept a parameter for the path.
    statement = _WRITE.format(
        columns=", ".join(content.COLUMNS),
        order=", ".join(content.SORTED_BY),
        path=str(draft).replace("'", "''"),
        group=_ROW_GROUP,
        version=layout.SCHEMA_VERSION,
        month=f"{month:%Y-%m}",
    )
    archive.execute(statement, {"platform": platform})
    layout.sync(draft)
    described = layout.describe(draft, platform, month, content_hash, rows)
    final = layout.root() / described.path
    final.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(final)
    layout.sync(final.parent)
    return described


def _manifest(
    month: date, expected: Fingerprint, offers: str, files: list[ArchivedFile], now: datetime
) -> ArchiveManifest:
    return ArchiveManifest(
        schema_version=layout.SCHEMA_VERSION,
        table=months.TABLE,
        month=f"{month:%Y-%m}",
        written_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        **expected._asdict(),
        offers_hash=offers,
        sorted_by=content.SORTED_BY,
        columns=content.COLUMNS,
        files=files,
    )
