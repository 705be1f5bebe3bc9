"""The size history: sizes and counters recorded regularly, and the growth computed from them.

One SQLite file in the data folder holds the records of all databases. Several processes may write
at the same time.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import NamedTuple

from django.conf import settings
from django.db import connections

from marketplace.doctor.session import Row, read
from marketplace.exceptions import MarketplaceError

#: Days for which records are kept.
KEPT_DAYS = 90

#: Minimum hours between the first and the last record for computing growth.
ENOUGH_HOURS = 6

_SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshots (
    id INTEGER PRIMARY KEY,
    taken_at REAL NOT NULL,
    alias TEXT NOT NULL,
    server TEXT NOT NULL,
    size INTEGER NOT NULL,
    used INTEGER,
    disk_free INTEGER,
    disk_total INTEGER,
    commits INTEGER NOT NULL,
    blocks_read INTEGER NOT NULL,
    blocks_hit INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS snapshots_alias ON snapshots (alias, taken_at);
CREATE TABLE IF NOT EXISTS objects (
    snapshot_id INTEGER NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    kind TEXT NOT NULL,
    oid INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    scans INTEGER NOT NULL,
    PRIMARY KEY (snapshot_id, oid)
) WITHOUT ROWID;
"""

Point = tuple[float, float]


class SizeRecord(NamedTuple):
    """The sizes of a database that were recorded.

    :param size: bytes of the database
    :param tables: number of tables
    :param indexes: number of indexes
    :param used: bytes of all databases of the server; None if the role may not see them
    """

    alias: str
    size: int
    tables: int
    indexes: int
    used: int | None
    disk_free: int | None
    disk_total: int | None


class Disk(NamedTuple):
    """The free and total space of a server's disk, in bytes; None if unknown."""

    free: int | None
    total: int | None


def record_sizes(alias: str, now: datetime) -> SizeRecord:
    """Record the sizes and counters of a database, and delete records older than `KEPT_DAYS`.

    Several processes may do so at the same time.

    :raises MarketplaceError: if the history cannot be written
    """
    info, sizes = read(alias, "server_info")[0], read(alias, "sizes")[0]
    objects = read(alias, "objects")
    disk = disk_of(alias, sizes["used"], sizes["data_directory"])
    with _open() as history:
        _delete_old(history, now)
        cursor = history.execute(
            "INSERT INTO snapshots (taken_at, alias, server, size, used, disk_free, disk_total,"
            " commits, blocks_read, blocks_hit)"
            " VALUES (:taken_at, :alias, :server, :size, :used, :free, :total,"
            " :commits, :blocks_read, :blocks_hit)",
            {**sizes, **disk._asdict(), "alias": alias, "taken_at": now.timestamp()}
            | {"server": _cluster(info["server"])},
        )
        history.executemany(
            "INSERT INTO objects VALUES (:snapshot, :kind, :oid, :name, :bytes, :rows, :scans)",
            ({**row, "snapshot": cursor.lastrowid} for row in objects),
        )
    kinds = [row["kind"] for row in objects]
    tables, indexes = kinds.count("table"), kinds.count("index")
    return SizeRecord(alias, sizes["size"], tables, indexes, sizes["used"], *disk)


def disk_of(alias: str, used: int | None, data_directory: str | None = None) -> Disk:
    """Return the disk space of the database's server.

    The disk of the embedded server is measured. For other servers, DISK_CAPACITY states the total
    space; without it, the disk is measured if the host is the folder of a local socket.

    :param used: bytes of all databases of the server
    :param data_directory: of the server; None if the role may not see it
    """
    host = connections[alias].settings_dict["HOST"]
    capacity = settings.DISK_CAPACITY.get(alias, settings.DISK_CAPACITY.get(""))
    if not host:
        return _measure(settings.DATA_DIR)
    if capacity is None and data_directory and host.startswith("/"):
        return _measure(data_directory)
    if capacity is None or used is None:
        return Disk(None, capacity)
    return Disk(max(0, capacity - used), capacity)


def first_recorded(alias: str, server: str) -> dict[int, datetime]:
    """Return index oid → time of its first record.

    :param server: as in `sql/server_info.sql`, because an oid is only unique within a server
    """
    with _reading() as history:
        rows = history.execute(
            "SELECT oid, min(taken_at) FROM objects JOIN snapshots ON snapshots.id = snapshot_id"
            " WHERE alias = :alias AND server = :server AND kind = 'index' GROUP BY oid",
            {"alias": alias, "server": _cluster(server)},
        )
        return {oid: datetime.fromtimestamp(at, UTC) for oid, at in rows}


def growth(alias: str, now: datetime) -> float | None:
    """Return the growth of the database in bytes per day; None if the history is too short."""
    return slope(_points(alias, "size", now))


def disk_growth(alias: str, now: datetime) -> float | None:
    """Return the growth of its server's disk usage in bytes per day.

    Return None if the history is too short.
    """
    per_day = slope((at, -free) for at, free in _points(alias, "disk_free", now))
    return per_day if per_day is not None else slope(_points(alias, "used", now))


def object_growth(alias: str, now: datetime) -> dict[str, float]:
    """Return name → growth in bytes per day of each table and index."""
    with _reading() as history:
        rows = history.execute(
            "SELECT name, taken_at, objects.size FROM objects"
            " JOIN snapshots ON snapshots.id = snapshot_id"
            " WHERE alias = :alias AND taken_at BETWEEN :from AND :to ORDER BY name, taken_at",
            {"alias": alias, **_span(now)},
        ).fetchall()
    points: dict[str, list[Point]] = {}
    for name, at, size in rows:
        points.setdefault(name, []).append((at, size))
    slopes = {name: slope(series) for name, series in points.items()}
    return {name: value for name, value in slopes.items() if value is not None}


def slope(points: Iterable[Point]) -> float | None:
    """Return the change per day: the median of the slopes between all pairs of points.

    This estimator (Theil–Sen) is robust against single outliers, such as one large load. If the
    points span several days, only the last point of each day is used.

    :param points: pairs of seconds and a value, in chronological order
    :return: None if the points span less than `ENOUGH_HOURS`
    """
    series = list(points)
    if len(series) < 2 or series[-1][0] - series[0][0] < ENOUGH_HOURS * 3600:
        return None
    if series[-1][0] - series[0][0] >= 3 * 86400:
        series = list({int(at // 86400): (at, value) for at, value in series}.values())
    pairs = [
        (later - earlier) / (end - start) * 86400
        for (start, earlier), (end, later) in combinations(series[-KEPT_DAYS:], 2)
        if end - start >= 3600
    ]
    return median(pairs) if pairs else None


def disk_usage(folder: Path) -> Disk:
    """Return the disk space of a folder.

    :raises OSError: if the folder does not exist
    """
    usage = shutil.disk_usage(folder)
    return Disk(usage.free, usage.total)


# Details


def _measure(folder: str | Path) -> Disk:
    """Return the disk space of a folder; unknown if it does not exist, as in another container."""
    try:
        return disk_usage(Path(folder))
    except OSError:
        return Disk(None, None)


def _points(alias: str, column: str, now: datetime) -> Sequence[Point]:
    queries = {
        "size": "SELECT taken_at, size FROM snapshots",
        "used": "SELECT taken_at, used FROM snapshots",
        "disk_free": "SELECT taken_at, disk_free FROM snapshots",
    }
    condition = " WHERE alias = :alias AND taken_at BETWEEN :from AND :to ORDER BY taken_at"
    with _reading() as history:
        rows = history.execute(queries[column] + condition, {"alias": alias, **_span(now)})
        return [(at, value) for at, value in rows if value is not None]


def _span(now: datetime) -> Row:
    oldest = now - timedelta(days=KEPT_DAYS)
    return {"from": oldest.timestamp(), "to": now.timestamp()}


def _cluster(server: str) -> str:
    """Return the part of the server's identity that a restart does not change."""
    return server.partition("/")[0]


def _delete_old(history: sqlite3.Connection, now: datetime) -> None:
    history.execute("DELETE FROM snapshots WHERE taken_at < :from", _span(now))


def _path() -> Path:
    return Path(settings.DATA_DIR, "snapshots.sqlite3")


@contextmanager
def _open() -> Iterator[sqlite3.Connection]:
    """Open the history for writing, in one transaction."""
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(_path(), timeout=30, isolation_level=None)) as history:
            # In WAL mode, readers do not wait for a writer.
            history.execute("PRAGMA journal_mode = WAL")
            history.execute("PRAGMA foreign_keys = ON")
            history.executescript(_SCHEMA)
            with history:
                # Taking the write lock later could fail regardless of the timeout.
                history.execute("BEGIN IMMEDIATE")
                yield history
    except (sqlite3.Error, OSError) as error:
        raise MarketplaceError(
            f"The size history {_path()} cannot be used: {error}. Check that its folder is "
            "writable. If the file is damaged, rename it: a new one is created."
        ) from error


@contextmanager
def _reading() -> Iterator[sqlite3.Connection]:
    """Open the history for reading; an empty one if nothing was recorded yet."""
    exists = _path().exists()
    try:
        with closing(sqlite3.connect(_path() if exists else ":memory:", timeout=30)) as history:
            history.executescript(_SCHEMA)
            yield history
    except (sqlite3.Error, OSError) as error:
        raise MarketplaceError(
            f"The size history {_path()} cannot be read: {error}. If the file is damaged, rename "
            "it: db_record_sizes creates a new one."
        ) from error
