"""Reading archived months: DuckDB over the files that manifests name, each checked before."""

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

_PARAMETER = re.compile(r"%\((\w+)\)s")

_CONFIGURATION = {
    # Everything that is used is built in: nothing is ever fetched.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def connect(
    folder: Path | None = None, *, what: str = "The archive cannot be read"
) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB of one's own, whose times are UTC and whose memory is bounded.

    :param folder: where it keeps what does not fit into memory; one that is removed after, if None
    :param what: cannot be done if it fails, as a message begins
    :raises ArchiveError: if anything fails that it is asked within
    """
    with temporary_folder() as temporary, closing(_open(folder or Path(temporary))) as archive:
        try:
            archive.execute("SET TimeZone = 'UTC'")
            yield archive
        except duckdb.OutOfMemoryException as error:
            raise ArchiveError(
                f"{what}: ARCHIVE_MEMORY={settings.ARCHIVE_MEMORY} is too little: {_line(error)}. "
                "Set it to more, such as 1GB, in the environment or .env."
            ) from error
        except duckdb.Error as error:
            raise ArchiveError(
                f"{what}: {_line(error)}. Look at the disk of ARCHIVE_DIR, and for damage: "
                "python manage.py db_archive --verify."
            ) from error


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for files that are not kept.

    :raises ArchiveError: if there can be none
    """
    try:
        return tempfile.TemporaryDirectory(prefix="marketplace-")
    except OSError as error:
        raise ArchiveError(
            f"There is no folder for temporary files: {error.strerror}. Free some room there, or "
            "set TMPDIR to a folder that this user may write."
        ) from error


def _open(folder: Path) -> DuckDBPyConnection:
    memory = {"memory_limit": settings.ARCHIVE_MEMORY, "temp_directory": str(folder)}
    try:
        return duckdb.connect(":memory:", config=_CONFIGURATION | memory)
    except duckdb.Error as error:
        raise ArchiveError(
            f"ARCHIVE_MEMORY={settings.ARCHIVE_MEMORY} cannot be used: {_line(error)}. Set it to "
            "an amount such as 1GB, in the environment or .env."
        ) from error


def _line(error: duckdb.Error) -> str:
    """Return what is wrong, without the advice for those who write SQL."""
    return str(error).strip().partition("\n")[0].rstrip(".")


#: Adds to the columns of the files the time without its zone, UTC: turning days and months out of
#: it takes a third of what a time with a zone takes.
_POINTS = "*, make_timestamp(epoch_us(recorded_at)) AS moment"


def show_files(archive: DuckDBPyConnection, paths: Iterable[Path]) -> None:
    """Make the view `points` of Parquet files; without any it has no rows."""
    names = [str(path) for path in paths]
    if names:
        found = archive.read_parquet(names, hive_partitioning=False)
    else:
        kinds = content.COLUMNS.items()
        columns = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in kinds)
        found = archive.sql(f"SELECT {columns} WHERE false")
    found.project(_POINTS).create_view("points")


def open_manifest(file_month: FileMonth) -> ArchiveManifest:
    """Return the manifest of an archived month.

    :raises ArchiveError: if it is absent, damaged, or another than the database names
    """
    path = manifests.path_of(file_month.month, file_month.content_hash)
    manifest = manifests.read(path)
    if manifest.schema_version != layout.SCHEMA_VERSION:
        raise ArchiveError(
            f"{path} is of version {manifest.schema_version}, which this code does not read. Use "
            "the code that wrote it."
        )
    month = f"{file_month.month:%Y-%m}"
    if (manifest.month, manifest.content_hash) != (month, file_month.content_hash):
        raise ArchiveError(
            f"{path} is not what the database names: it is {manifest.month}, and its content is "
            f"{manifest.content_hash}, expected {month} and {file_month.content_hash}. Copy the "
            "archive back from the backup of the same time as the database's."
        )
    rows = sum(file.rows for file in manifest.files)
    if not rows == manifest.rows == file_month.rows:
        raise ArchiveError(
            f"{path} is damaged: its files have {counted(rows, 'row')}, it says "
            f"{manifest.rows:,}, and the database {file_month.rows:,}. Copy it back from a backup "
            "of the archive."
        )
    return manifest


def unreadable_months(months: Iterable[FileMonth]) -> Iterator[tuple[date, str]]:
    """Yield the archived months whose files are not those that the database names, and the reason.

    Compares manifests and the sizes of files, and reads no file.
    """
    for month in months:
        try:
            for file in open_manifest(month).files:
                layout.check_size(file)
        except ArchiveError as error:
            yield month.month, str(error)


def files_of(months: Iterable[FileMonth], platform: str | None = None) -> list[ArchivedFile]:
    """Return the files of archived months.

    :raises ArchiveError: as `open_manifest`
    """
    found = (each for month in months for each in open_manifest(month).files)
    return [each for each in found if platform in (None, each.platform)]


@contextmanager
def points(
    months: Iterable[FileMonth], platform: str | None = None
) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB with the view `points`: the rows of archived months.

    :raises ArchiveError: if a file is absent or damaged, by its name
    """
    paths = layout.check_fast(files_of(months, platform))
    with connect() as archive:
        show_files(archive, paths)
        yield archive


def fetch(archive: DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a query that is written as for PostgreSQL."""
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
    """Make a table of what PostgreSQL's COPY wrote as CSV, with NULL as \\N.

    :param columns: name → type
    """
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    archive.execute(_READ_CSV.format(table=table, columns=kinds), {"path": str(path)})


# Times as microseconds: DuckDB gives times with a zone to programs that have pytz only.
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
    """Return the archived points of some offers in a period, by offer and time.

    :param until: the period ends before it
    :raises ArchiveError: if a file is absent or damaged, by its name
    """
    values = {"offers": list(offers), "since": since, "until": until}
    with points(months, platform) as archive:
        rows = fetch(archive, _POINTS_OF, values)
    return [(offer, moment(at), *rest) for offer, at, *rest in rows]


def moment(microseconds: int) -> datetime:
    """Return the time that is so many microseconds after the epoch."""
    return content.EPOCH + content.MICROSECOND * microseconds
