"""Reading archived months: DuckDB queries over the files in their manifests, which are checked."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
from django.conf import settings
from duckdb import DuckDBPyConnection

from ecommerce.archive import content, layout, manifests
from ecommerce.archive.layout import ArchivedFile, ArchiveManifest
from ecommerce.archive.months import FileMonth
from marketplace.exceptions import ArchiveError
from marketplace.humanize import counted
from marketplace.postgresql.errors import first_line

_PARAMETER = re.compile(r"%\((\w+)\)s")

_CONFIGURATION = {
    # All used extensions are built in, so nothing is downloaded.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def connect(
    folder: Path | None = None, *, failure: str = "The archive cannot be read"
) -> Iterator[DuckDBPyConnection]:
    """Open an in-memory DuckDB database with time zone UTC and a memory limit.

    :param folder: for temporary files; a temporary folder if None
    :param failure: the first part of error messages
    :raises ArchiveError: if a query within the block fails
    """
    with temporary_folder() as temporary, closing(_open(folder or Path(temporary))) as archive:
        try:
            archive.execute("SET TimeZone = 'UTC'")
            yield archive
        except duckdb.OutOfMemoryException as error:
            raise ArchiveError(
                f"{failure}: ARCHIVE_MEMORY={settings.ARCHIVE_MEMORY} is too little: "
                f"{_first_line(error)}. Increase it, for example to 1GB, in the environment or "
                ".env."
            ) from error
        except duckdb.Error as error:
            raise ArchiveError(
                f"{failure}: {_first_line(error)}. Check the disk of ARCHIVE_DIR, and the files: "
                "python manage.py db_archive --verify."
            ) from error


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder.

    :raises ArchiveError: if it cannot be created
    """
    try:
        return tempfile.TemporaryDirectory(prefix="marketplace-")
    except OSError as error:
        raise ArchiveError(
            f"A temporary folder cannot be created: {error.strerror}. Free some space, or set "
            "TMPDIR to a folder that this user may write to."
        ) from error


def _open(folder: Path) -> DuckDBPyConnection:
    memory = {"memory_limit": settings.ARCHIVE_MEMORY, "temp_directory": str(folder)}
    try:
        return duckdb.connect(":memory:", config=_CONFIGURATION | memory)
    except duckdb.Error as error:
        raise ArchiveError(
            f"ARCHIVE_MEMORY={settings.ARCHIVE_MEMORY} is invalid: {_first_line(error)}. Set it to "
            "an amount such as 1GB, in the environment or .env."
        ) from error


def _first_line(error: duckdb.Error) -> str:
    """Return the first line of an error: the following ones are hints for authors of SQL."""
    return first_line(error).rstrip(".")


#: The columns of the files, and the time without time zone (UTC), from which days and months are
#: computed three times as fast.
_POINTS = "*, make_timestamp(epoch_us(recorded_at)) AS recorded_at_utc"


def show_files(archive: DuckDBPyConnection, paths: Iterable[Path]) -> None:
    """Create the view `points` of the rows of Parquet files; an empty one if there are no files."""
    names = [str(path) for path in paths]
    if names:
        rows = archive.read_parquet(names, hive_partitioning=False)
    else:
        types = content.COLUMNS.items()
        columns = ", ".join(f"CAST(NULL AS {type_name}) AS {name}" for name, type_name in types)
        rows = archive.sql(f"SELECT {columns} WHERE false")
    rows.project(_POINTS).create_view("points")


def open_manifest(file_month: FileMonth) -> ArchiveManifest:
    """Return the manifest of an archived month.

    :raises ArchiveError: if it is missing, damaged, or not the one that the database expects
    """
    path = manifests.path_of(file_month.month, file_month.content_hash)
    manifest = manifests.read(path)
    if manifest.schema_version != layout.SCHEMA_VERSION:
        raise ArchiveError(
            f"{path} has version {manifest.schema_version}, which this code cannot read. Use the "
            "code that wrote it."
        )
    month = f"{file_month.month:%Y-%m}"
    if (manifest.month, manifest.content_hash) != (month, file_month.content_hash):
        raise ArchiveError(
            f"{path} is not the manifest that the database expects: it has month {manifest.month} "
            f"and content {manifest.content_hash}, expected {month} and {file_month.content_hash}. "
            "Copy the archive from a backup of the same time as the database backup."
        )
    rows = sum(file.rows for file in manifest.files)
    if not rows == manifest.rows == file_month.rows:
        raise ArchiveError(
            f"{path} is damaged: its files have {counted(rows, 'row')}, it states "
            f"{manifest.rows:,}, and the database expects {file_month.rows:,}. Copy it back from a "
            "backup of the archive."
        )
    return manifest


def unreadable_months(months: Iterable[FileMonth]) -> Iterator[tuple[date, str]]:
    """Yield month and reason of each archived month whose files are missing or changed.

    Only the manifests and the sizes of the files are checked; the files are not read.
    """
    for month in months:
        try:
            for file in open_manifest(month).files:
                layout.check_size(file)
        except ArchiveError as error:
            yield month.month, str(error)


def files_of(months: Iterable[FileMonth], platform: str | None = None) -> list[ArchivedFile]:
    """Return the files of archived months.

    :param platform: None for all platforms
    :raises ArchiveError: as `open_manifest`
    """
    files = (file for month in months for file in open_manifest(month).files)
    return [file for file in files if platform in (None, file.platform)]


@contextmanager
def points(
    months: Iterable[FileMonth], platform: str | None = None
) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB database with the view `points`: the rows of archived months.

    :raises ArchiveError: if a file is missing or damaged; the message contains its path
    """
    paths = layout.check_fast(files_of(months, platform))
    with connect() as archive:
        show_files(archive, paths)
        yield archive


def fetch(archive: DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a query with parameters in the format of psycopg2."""
    named = dict.fromkeys(_PARAMETER.findall(query))
    statement = _PARAMETER.sub(r"$\1", query).replace("%%", "%")
    return archive.execute(statement, {name: values[name] for name in named}).fetchall()


_READ_CSV = """
CREATE TABLE {table} AS FROM read_csv(
    $path, columns = {{{columns}}}, auto_detect = false, header = false, delim = ',',
    quote = '"', escape = '"', nullstr = '\\N', allow_quoted_nulls = false, parallel = false
)
"""


def read_csv(
    archive: DuckDBPyConnection, path: Path, table: str, columns: Mapping[str, str]
) -> None:
    """Create a table from CSV that PostgreSQL's COPY wrote, with NULL as \\N.

    :param columns: name → type
    """
    types = ", ".join(f"'{name}': '{type_name}'" for name, type_name in columns.items())
    archive.execute(_READ_CSV.format(table=table, columns=types), {"path": str(path)})


# Times are fetched as microseconds, because DuckDB needs pytz to return times with a time zone.
_POINTS_OF = """
SELECT
    offer_id, epoch_us(recorded_at), price, old_price, currency, is_available, available_amount,
    price_change, price_change_percent, is_outlier
FROM points
WHERE
    offer_id IN (SELECT unnest(CAST(%(offers)s AS bigint[])))
    AND recorded_at >= %(since)s
    AND recorded_at < %(until)s
ORDER BY offer_id, recorded_at
"""


def points_of(
    months: Iterable[FileMonth],
    offers: Iterable[int],
    since: datetime,
    until: datetime,
    platform: str | None = None,
) -> list[tuple[Any, ...]]:
    """Return the archived points of offers in a period, ordered by offer and time.

    :param until: the exclusive end of the period
    :raises ArchiveError: if a file is missing or damaged; the message contains its path
    """
    values = {"offers": list(offers), "since": since, "until": until}
    with points(months, platform) as archive:
        rows = fetch(archive, _POINTS_OF, values)
    return [(offer, from_microseconds(at), *rest) for offer, at, *rest in rows]


def from_microseconds(microseconds: int) -> datetime:
    """Return the time that is a number of microseconds after the epoch."""
    return content.EPOCH + content.MICROSECOND * microseconds
