"""Writing a month to Parquet, and the proof that the files hold what the table does."""

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

#: Rows that are skipped or read as one, as the offers and times that each holds are known.
_ROW_GROUP = 122_880

_COPY = """
COPY (
    SELECT {columns}
    FROM {table} AS h
    LEFT JOIN ecommerce_offers AS o ON h.offer_id = o.id
) TO STDOUT WITH (FORMAT csv, NULL '\\N')
"""

# What a person finds in the metadata of a file that is all there is.
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
    """Write a month's table to the archive, and compare it; return the manifest.

    What the archive had of the month stays, for databases that are restored. Of what fails nothing
    is left.

    :param work: the folder for what is not finished, on the archive's disk
    :raises ArchiveError: if the disk lacks room, or the files do not hold what the table does
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
    """Read files again, and compare them with what was in the table.

    :raises ArchiveError: if a file is not what was written, or they hold other rows
    """
    for file in files:
        layout.check(file)
    names = ", ".join(str(layout.root() / file.path) for file in files) or "no file"
    with reading.connect(what=f"{names} cannot be read again") as archive:
        reading.show_files(archive, (layout.root() / file.path for file in files))
        found = content.fingerprint_files(archive)
        found_offers = content.offers_hash_of_files(archive)
    if found != expected:
        raise ArchiveError(
            f"The files hold other rows than were archived: {found.summary}; expected "
            f"{expected.summary}. Files: {names}."
        )
    if found_offers != offers:
        raise ArchiveError(f"The files name other offers than were archived. Files: {names}.")


def fingerprint_of(manifest: ArchiveManifest) -> Fingerprint:
    """Return the fingerprint that a manifest tells."""
    return Fingerprint(
        manifest.rows, manifest.min_recorded_at, manifest.max_recorded_at, manifest.content_hash
    )


@contextmanager
def _snapshot() -> Iterator[CursorWrapper]:
    """Open a transaction in which all statements see the same rows."""
    alias = months.alias()
    with atomic(using=alias, durable=True), connections[alias].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield cursor


def _require_room(cursor: CursorWrapper, table: str, work: Path) -> None:
    # Rows as text, sorted and as Parquet take less together than the table without its indexes.
    cursor.execute("SELECT pg_table_size(to_regclass(%(table)s))", {"table": table})
    needed = cursor.fetchone()[0]
    free = shutil.disk_usage(work).free
    if free < needed:
        raise ArchiveError(
            f"{layout.root()} has {free:,} bytes free, {table} needs {needed:,}. Free some, or set "
            "ARCHIVE_DIR to another disk."
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
    """Execute a COPY, in a session that a statement before has prepared."""
    cursor.execute(before)
    # Django translates the errors of execute(), not those of copy_expert().
    with cursor.db.wrap_database_errors:
        cursor.copy_expert(statement, file, 1 << 20)


def _write_files(month: date, work: Path, content_hash: str) -> list[ArchivedFile]:
    """Write a file a platform, and put them where they belong."""
    what = f"{month:%Y-%m} cannot be written to {layout.root()}"
    with reading.connect(work / "temporary", what=what) as archive:
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
    # Names of platforms come from the registry; the path goes as DuckDB's own text.
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
