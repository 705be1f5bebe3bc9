"""The columns of a month's rows, and the fingerprint by which PostgreSQL and files are compared.

The content hash is the sum of the hashes of all rows, so that their order does not matter. The hash
of a row is the first 60 bits of the MD5 of its values as text, in which NULL differs from all
values.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from duckdb import DuckDBPyConnection
from psycopg2.sql import SQL, Identifier

from marketplace.humanize import counted

#: Column → its type in the files. The first two identify the offer and are not in the table.
COLUMNS = {
    "platform": "VARCHAR",
    "offer_external_id": "VARCHAR",
    "offer_id": "BIGINT",
    "id": "BIGINT",
    "recorded_at": "TIMESTAMPTZ",
    "price": "DECIMAL(18,2)",
    "old_price": "DECIMAL(18,2)",
    "currency": "VARCHAR",
    "discount_percent": "DECIMAL(22,2)",
    "is_available": "BOOLEAN",
    "available_amount": "INTEGER",
    "price_change": "DECIMAL(18,2)",
    "price_change_percent": "DECIMAL(22,2)",
    "is_outlier": "BOOLEAN",
}

#: The columns of the table. All but the generated column discount_percent are written.
STORED = [name for name in COLUMNS if name not in ("platform", "offer_external_id")]
WRITTEN = [name for name in STORED if name != "discount_percent"]

#: The sort order of a file's rows.
SORTED_BY = ["offer_id", "recorded_at"]

#: The platform of points whose offer does not exist.
UNKNOWN = "unknown"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

#: The separator of the values and the mark for NULL do not occur in numbers.
_ROW = " || '|' || ".join(f"coalesce({{{name}}}, '~')" for name in STORED)
_TEXTS = {name: f"CAST({name} AS varchar)" for name in STORED} | {
    "currency": "'\"' || currency || '\"'"
}
_POSTGRESQL_ROW = _ROW.format_map(
    _TEXTS
    | {"recorded_at": "CAST(CAST(extract(epoch FROM recorded_at) * 1000000 AS bigint) AS varchar)"}
)
_DUCKDB_ROW = _ROW.format_map(_TEXTS | {"recorded_at": "CAST(epoch_us(recorded_at) AS varchar)"})

_POSTGRESQL = """
SELECT
    count(*),
    CAST(extract(epoch FROM min(recorded_at)) * 1000000 AS bigint),
    CAST(extract(epoch FROM max(recorded_at)) * 1000000 AS bigint),
    CAST(sum(CAST(CAST('x0' || left(md5({row}), 15) AS bit(64)) AS bigint)) AS varchar)
FROM {table}
"""
_POSTGRESQL_OFFERS = """
SELECT
    CAST(
        sum(CAST(CAST('x0' || left(md5(
            p.offer_id || '|' || coalesce(o.platform, %(unknown)s) || '|'
            || coalesce(o.external_id, '')
        ), 15) AS bit(64)) AS bigint)) AS varchar
    )
FROM (SELECT DISTINCT offer_id FROM {table}) AS p
LEFT JOIN ecommerce_offers AS o ON p.offer_id = o.id
"""
_DUCKDB = """
SELECT
    count(*),
    epoch_us(min(recorded_at)),
    epoch_us(max(recorded_at)),
    CAST(sum(CAST('0x0' || left(md5({row}), 15) AS BIGINT)) AS varchar)
FROM points
"""
_DUCKDB_OFFERS = """
SELECT
    CAST(
        sum(CAST('0x0' || left(md5(
            offer_id || '|' || platform || '|' || offer_external_id
        ), 15) AS BIGINT)) AS varchar
    )
FROM (SELECT DISTINCT offer_id, platform, offer_external_id FROM points)
"""


class Fingerprint(NamedTuple):
    """A summary of a month's rows; equal fingerprints mean equal rows."""

    rows: int
    min_recorded_at: str | None
    max_recorded_at: str | None
    content_hash: str

    @property
    def summary(self) -> str:
        """The number of rows and the period, for messages."""
        return f"{counted(self.rows, 'row')}, {self.min_recorded_at} to {self.max_recorded_at}"


def fingerprint_table(cursor: CursorWrapper, table: str) -> Fingerprint:
    """Return the fingerprint of a month's table."""
    statement = SQL(_POSTGRESQL).format(row=SQL(_POSTGRESQL_ROW), table=Identifier(table))
    cursor.execute(statement)
    return _fingerprint(cursor.fetchone())


def offers_hash(cursor: CursorWrapper, table: str) -> str:
    """Return the hash of the offers that the rows of a month's table refer to."""
    statement = SQL(_POSTGRESQL_OFFERS).format(table=Identifier(table))
    cursor.execute(statement, {"unknown": UNKNOWN})
    return _padded(cursor.fetchone()[0])


def fingerprint_files(archive: DuckDBPyConnection) -> Fingerprint:
    """Return the fingerprint of the rows in the view `points`."""
    # The statement consists of constants of this module.
    row = archive.execute(_DUCKDB.format(row=_DUCKDB_ROW)).fetchone()
    return _fingerprint(row)


def offers_hash_of_files(archive: DuckDBPyConnection) -> str:
    """Return the hash of the offers that the rows in the view `points` refer to."""
    row = archive.execute(_DUCKDB_OFFERS).fetchone()
    return _padded(row[0] if row else None)


def _fingerprint(row: Any) -> Fingerprint:
    count, first, last, total = row
    return Fingerprint(count, _moment(first), _moment(last), _padded(total))


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return (EPOCH + MICROSECOND * microseconds).isoformat(timespec="microseconds")


def _padded(total: str | None) -> str:
    """Return a sum as hexadecimal digits, with leading zeros."""
    return f"{int(total or 0):032x}"
