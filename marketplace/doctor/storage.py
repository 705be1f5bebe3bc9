"""Room on disk and in memory: sizes, their growth, and how often memory has what is asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connections

from marketplace.databases.partitions import lacking_files
from marketplace.doctor import size_history
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Growth, Severity, Sizes
from marketplace.doctor.session import reading
from marketplace.humanize import file_size
from marketplace.postgresql import reserve

#: Days until the disk is full, and the share of it that is in use: a warning, and critical.
_DAYS = (30, 7)
_USED = (0.85, 0.92)

_GUIDE = 'docs/operations.md, "Disk full"'

#: Blocks read without which the hit rate says nothing.
_ENOUGH_READS = 100_000

#: Tables and indexes whose sizes are told.
_LARGEST = 20


def _disk(examination: Examination) -> Iterator[Finding]:
    """Find whether the disk is full, or soon will be; and take the sizes down."""
    examination.sizes = sizes = measure(examination)
    if sizes.note:
        examination.doubts.append(sizes.note)
    disk, subject = size_history.Disk(sizes.disk_free, sizes.disk_total), "disk"
    if disk.free is None and disk.total:
        # Who may not see the other databases knows at least this one.
        disk = disk._replace(free=max(0, disk.total - sizes.database.size))
        subject = "disk, counting this database alone"
    yield from _fullness(subject, disk, sizes.days_to_full, is_of_server=True)


def unseen_disk(alias: str, now: datetime) -> Iterator[Finding]:
    """Find whether the disk of a database that does not answer is full, if it can be measured.

    Without the server, the folder of its data is not known: that of its socket stands for it.
    """
    host = connections[alias].settings_dict["HOST"]
    disk = size_history.disk_of(alias, None, host)
    # The usual commands that make room need the server.
    fix = _GUIDE if host else f"python manage.py db_stop --release-reserve  # then {_GUIDE}"
    subject = f"disk of {host}" if host else "disk"
    days = _days_to_full(alias, disk, now)
    for finding in _fullness(subject, disk, days, is_of_server=True):
        yield replace(finding, fix=fix)


def _folders(examination: Examination) -> Iterator[Finding]:
    """Find whether the disks of backups and archived months are full, where they are others."""
    known = {_device(Path(settings.DATA_DIR))}
    for name in ("BACKUP_DIR", "ARCHIVE_DIR"):
        folder = Path(getattr(settings, name))
        device = _device(folder)
        if device is not None and device not in known:
            known.add(device)
            disk = size_history.room(folder)
            yield from _fullness(f"disk of {name}", disk, None, is_of_server=False)


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _reserve(examination: Examination) -> Iterator[Finding]:
    """Find whether the embedded server lacks the reserve for a full disk."""
    data_dir = Path(settings.DATA_DIR)
    if not examination.is_embedded or not settings.EMBEDDED_RESERVE:
        return
    if not reserve.path_of(data_dir).exists():
        size = file_size(settings.EMBEDDED_RESERVE)
        yield Finding(
            code="reserve-missing",
            severity=Severity.WARNING,
            subject=reserve.path_of(data_dir).name,
            what=f"The reserve of {size} for a full disk is missing.",
            why="If the disk becomes full, the server cannot start before files are removed by "
            "hand.",
            fix=f"python manage.py db_stop  # once twice {size} are free; the next start makes it",
            is_of_server=True,
        )


def _fullness(
    subject: str, disk: size_history.Disk, days: float | None, *, is_of_server: bool
) -> Iterator[Finding]:
    """Find whether a disk is full, or soon will be; nothing where it is not seen."""
    if disk.free is None or not disk.total:
        return
    used = 1 - disk.free / disk.total
    severity = _urgency(used, days)
    if severity is None:
        return
    when = f"; at the present growth it is full in {days:.0f} days" if days is not None else ""
    yield Finding(
        code="disk-full",
        severity=severity,
        subject=subject,
        what=f"{file_size(disk.free)} of {file_size(disk.total)} are free, {used:.0%} are in "
        f"use{when}.",
        why="When it is full the server stops, and cannot start before room is made."
        if is_of_server
        else "When it is full, backup sets and archived months cannot be written.",
        fix=f"python manage.py db_archive --dry-run  # then {_GUIDE}",
        evidence={"free": disk.free, "total": disk.total, "days": days},
        is_of_server=is_of_server,
    )


def _urgency(used: float, days: float | None) -> Severity | None:
    days = float("inf") if days is None else days
    if used >= _USED[1] or days < _DAYS[1]:
        return Severity.CRITICAL
    if used >= _USED[0] or days < _DAYS[0]:
        return Severity.WARNING
    return None


def measure(examination: Examination) -> Sizes:
    """Return the sizes as they are, and as the history says that they grow."""
    alias, now = examination.alias, examination.now
    row = examination.read("sizes")[0]
    slopes = size_history.object_growth(alias, now)
    largest = tuple(
        Growth(each["name"], each["kind"], each["bytes"], slopes.get(each["name"]))
        for each in examination.read("objects")[:_LARGEST]
    )
    disk = size_history.disk_of(alias, row["used"], row["data_directory"])
    per_day = size_history.growth(alias, now)
    return Sizes(
        database=Growth(examination.facts["name"], "database", row["size"], per_day),
        largest=largest,
        disk_free=disk.free,
        disk_total=disk.total,
        days_to_full=_days_to_full(alias, disk, now),
        note=_note(per_day, disk),
    )


def _days_to_full(alias: str, disk: size_history.Disk, now: datetime) -> float | None:
    filled = size_history.disk_growth(alias, now)
    return disk.free / filled if disk.free is not None and filled and filled > 0 else None


def _note(per_day: float | None, disk: size_history.Disk) -> str:
    if disk.free is None and disk.total:
        return (
            "free disk: unknown, as this role may not see the sizes of the server's other "
            "databases: grant it pg_monitor"
        )
    if disk.free is None:
        return (
            "free disk: unknown, as the server is not on this machine, or this role may not see "
            "its folder: set DISK_CAPACITY to the size of its disk, or grant the role pg_monitor"
        )
    if per_day is None:
        return (
            "growth and days until the disk is full: not enough history, two snapshots "
            f"{size_history.ENOUGH_HOURS} hours apart are needed: let db_snapshot run every day"
        )
    return ""


def _cache(examination: Examination) -> Iterator[Finding]:
    """Find whether memory rarely has what is asked for."""
    row = examination.read("cache")[0]
    if row["read"] < _ENOUGH_READS:
        examination.doubt(
            "cache hit rate", f"{row['read']:,} blocks read; {_ENOUGH_READS:,} are needed"
        )
        return
    rate = row["hit"] / (row["hit"] + row["read"])
    if rate < 0.95:
        yield Finding(
            code="cache-hit-rate",
            severity=Severity.WARNING if rate < 0.8 else Severity.INFO,
            subject=examination.facts["name"],
            what=f"{rate:.0%} of the blocks asked for were in the server's memory.",
            why="The others came from the operating system or the disk, up to a thousand times "
            "slower. More memory, or fewer tables read from end to end, mend it.",
            fix="SHOW shared_buffers;  -- about a quarter of the machine's memory",
            evidence={"hit": row["hit"], "read": row["read"], "rate": round(rate, 4)},
            since=examination.since,
        )


def _outside(examination: Examination) -> Iterator[Finding]:
    """Find what the database keeps in files outside of it, and what is not there."""
    with reading(examination.alias) as cursor:
        found = lacking_files(examination.alias, cursor)
    for name, reason in found:
        yield Finding(
            code="archive-unreadable",
            severity=Severity.CRITICAL,
            subject=name,
            what=f"{name} is archived, and its files are not what the database names: {reason}",
            why="Questions about that time fail, and it is in no backup set of the database.",
            fix="python manage.py db_archive --verify  # then copy back what it names\n"
            f"python manage.py db_archive --abandon {name} --dry-run  # if it is lost for good",
        )


CHECKS: Iterable[Check] = (
    Check("sizes and disk", ("disk-full",), _disk),
    Check("disks of backups and archived months", ("disk-full",), _folders),
    Check("reserve for a full disk", ("reserve-missing",), _reserve),
    Check("files of archived months", ("archive-unreadable",), _outside),
    Check("cache hit rate", ("cache-hit-rate",), _cache),
)
