"""Reading archived months: DuckDB over the files that manifests name, each checked before."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from django.conf import settings
from duckdb import DuckDBPyConnection

from ecommerce.archive import content, layout
from ecommerce.archive.layout import ArchivedFile, Manifest
from ecommerce.archive.months import Cold
from marketplace.exceptions import ArchiveError

_PARAMETER = re.compile(r"%\((\w+)\)s")

_CONFIGURATION = {
    # Everything that is used is built in: nothing is ever fetched.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def connect(folder: Path | None = None) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB of one's own, whose times are UTC and whose memory is bounded.

    :param folder: where it keeps what does not fit into memory; one that is removed after, if None
    """
    with tempfile.TemporaryDirectory(prefix="marketplace-") as temporary:
        configuration = {
            **_CONFIGURATION,
            "memory_limit": settings.ARCHIVE_MEMORY,
            "temp_directory": str(folder or temporary),
        }
        archive = duckdb.connect(":memory:", config=configuration)
        try:
            archive.execute("SET TimeZone = 'UTC'")
            yield archive
        finally:
            archive.close()


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


def open_manifest(cold: Cold) -> Manifest:
    """Return the manifest of an archived month.

    :raises ArchiveError: if it is absent, damaged, or another than the database names
    """
    manifest = layout.read_manifest(cold.month)
    if manifest.schema_version != layout.SCHEMA_VERSION:
        raise ArchiveError(
            f"{layout.manifest_path(cold.month)} is of version {manifest.schema_version}, which "
            "this code does not read. Use the code that wrote it."
        )
    if manifest.content_hash != cold.content_hash:
        raise ArchiveError(
            f"{layout.manifest_path(cold.month)} is not what the database names: its content is "
            f"{manifest.content_hash}, expected {cold.content_hash}. Copy the archive back from "
            "the backup of the same time as the database's."
        )
    return manifest


def files_of(months: Iterable[Cold], platform: str | None = None) -> list[ArchivedFile]:
    """Return the files of archived months.

    :raises ArchiveError: as `open_manifest`
    """
    found = (each for month in months for each in open_manifest(month).files)
    return [each for each in found if platform in (None, each.platform)]


@contextmanager
def points(months: Iterable[Cold], platform: str | None = None) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB with the view `points`: the rows of archived months.

    :raises ArchiveError: if a file is absent or damaged, by its name
    """
    paths = layout.check_fast(files_of(months, platform))
    with connect() as archive:
        show_files(archive, paths)
        yield archive


def fetch(archive: DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a query that is written as for PostgreSQL.

    :raises ArchiveError: if a file cannot be read
    """
    named = dict.fromkeys(_PARAMETER.findall(query))
    statement = _PARAMETER.sub(r"$\1", query).replace("%%", "%")
    try:
        return archive.execute(statement, {name: values[name] for name in named}).fetchall()
    except duckdb.IOException as error:
        raise ArchiveError(f"The archive cannot be read: {error}") from error


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
    price_change, price_change_percent, is_glitch
FROM points
WHERE
    offer_id IN (SELECT unnest(CAST(%(offers)s AS bigint[])))
    AND recorded_at >= %(since)s
    AND recorded_at < %(until)s
ORDER BY offer_id, recorded_at
"""


def points_of(
    months: Iterable[Cold],
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
