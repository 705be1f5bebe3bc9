"""Checks of disk space, growth and the files of archived months."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connections

from marketplace.databases.partitions import lacking_files
from marketplace.doctor import size_history
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Growth, Severity, Sizes
from marketplace.doctor.session import reading
from marketplace.humanize import file_size
from marketplace.postgresql import reserve

#: Limits for a warning and for a critical finding: days until the disk is full, share in use.
_DAYS = (30, 7)
_USED = (0.85, 0.92)

_GUIDE = 'docs/operations.md, "Disk full"'

#: Number of tables and indexes whose sizes are reported.
_LARGEST = 20


def _disk(context: CheckContext) -> Iterator[Finding]:
    """Find whether the disk is full or soon will be; store the sizes in the context."""
    context.sizes = sizes = measure(context)
    if sizes.note:
        context.insufficient_data.append(sizes.note)
    disk, subject = size_history.Disk(sizes.disk_free, sizes.disk_total), "disk"
    if disk.free is None and disk.total:
        # A role that may not see the other databases knows at least the size of this one.
        disk = disk._replace(free=max(0, disk.total - sizes.database.size))
        subject = "disk, counting this database alone"
    yield from _fullness(subject, disk, sizes.days_to_full, is_of_server=True)


def disk_of_unreachable(alias: str, now: datetime) -> Iterator[Finding]:
    """Find whether the disk of an unreachable database is full, if it can be measured.

    The data folder is unknown without the server, so the folder of the socket is measured instead.
    """
    host = connections[alias].settings_dict["HOST"]
    disk = size_history.disk_of(alias, None, host)
    # The usual commands that free space need the server.
    fix = _GUIDE if host else f"python manage.py db_stop --release-reserve  # then {_GUIDE}"
    subject = f"disk of {host}" if host else "disk"
    days = _days_to_full(alias, disk, now)
    for finding in _fullness(subject, disk, days, is_of_server=True):
        yield replace(finding, fix=fix)


def _folders(context: CheckContext) -> Iterator[Finding]:
    """Find whether the disks of backups and archived months are full, if they are separate."""
    checked = {_device(Path(settings.DATA_DIR))}
    for name in ("BACKUP_DIR", "ARCHIVE_DIR"):
        folder = Path(getattr(settings, name))
        device = _device(folder)
        if device is not None and device not in checked:
            checked.add(device)
            disk = size_history.disk_usage(folder)
            yield from _fullness(f"disk of {name}", disk, None, is_of_server=False)


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _reserve(context: CheckContext) -> Iterator[Finding]:
    """Find whether the embedded server's reserve file for a full disk is missing."""
    data_dir = Path(settings.DATA_DIR)
    if not context.is_embedded or not settings.EMBEDDED_RESERVE:
        return
    if not reserve.path_of(data_dir).exists():
        size = file_size(settings.EMBEDDED_RESERVE)
        yield Finding(
            code="reserve-missing",
            severity=Severity.WARNING,
            subject=reserve.path_of(data_dir).name,
            what=f"The reserve of {size} for a full disk is missing.",
            why="If the disk becomes full, the server cannot start until files are removed by "
            "hand.",
            fix=f"python manage.py db_stop  # when twice {size} are free; the next start creates "
            "it",
            is_of_server=True,
        )


def _fullness(
    subject: str, disk: size_history.Disk, days: float | None, *, is_of_server: bool
) -> Iterator[Finding]:
    """Find whether a disk is full or soon will be; no finding if its space is unknown."""
    if disk.free is None or not disk.total:
        return
    used = 1 - disk.free / disk.total
    severity = _severity(used, days)
    if severity is None:
        return
    when = (
        f"; at the current growth the disk is full in {days:.0f} days" if days is not None else ""
    )
    yield Finding(
        code="disk-full",
        severity=severity,
        subject=subject,
        what=f"{file_size(disk.free)} of {file_size(disk.total)} are free, {used:.0%} are in "
        f"use{when}.",
        why="When the disk is full, the server stops, and cannot start until space is freed."
        if is_of_server
        else "When the disk is full, backup sets and archived months cannot be written.",
        fix=f"python manage.py db_archive --dry-run  # then {_GUIDE}",
        evidence={"free": disk.free, "total": disk.total, "days": days},
        is_of_server=is_of_server,
    )


def _severity(used: float, days: float | None) -> Severity | None:
    days = float("inf") if days is None else days
    if used >= _USED[1] or days < _DAYS[1]:
        return Severity.CRITICAL
    if used >= _USED[0] or days < _DAYS[0]:
        return Severity.WARNING
    return None


def measure(context: CheckContext) -> Sizes:
    """Return the current sizes, and their growth according to the size history."""
    alias, now = context.alias, context.now
    sizes = context.read("sizes")[0]
    slopes = size_history.object_growth(alias, now)
    largest = tuple(
        Growth(row["name"], row["kind"], row["bytes"], slopes.get(row["name"]))
        for row in context.read("objects")[:_LARGEST]
    )
    disk = size_history.disk_of(alias, sizes["used"], sizes["data_directory"])
    per_day = size_history.growth(alias, now)
    return Sizes(
        database=Growth(context.server_info["name"], "database", sizes["size"], per_day),
        largest=largest,
        disk_free=disk.free,
        disk_total=disk.total,
        days_to_full=_days_to_full(alias, disk, now),
        note=_note(per_day, disk),
    )


def _days_to_full(alias: str, disk: size_history.Disk, now: datetime) -> float | None:
    per_day = size_history.disk_growth(alias, now)
    return disk.free / per_day if disk.free is not None and per_day and per_day > 0 else None


def _note(per_day: float | None, disk: size_history.Disk) -> str:
    if disk.free is None and disk.total:
        return (
            "free disk: unknown, because this role may not see the sizes of the server's other "
            "databases: grant it pg_monitor"
        )
    if disk.free is None:
        return (
            "free disk: unknown, because the server is on another machine, or this role may not "
            "see its folder: set DISK_CAPACITY to the size of its disk, or grant the role "
            "pg_monitor"
        )
    if per_day is None:
        return (
            "growth and days until the disk is full: insufficient data: two records at least "
            f"{size_history.ENOUGH_HOURS} hours apart are needed: run db_record_sizes every day"
        )
    return ""


def _outside(context: CheckContext) -> Iterator[Finding]:
    """Find archived months whose files are missing or changed."""
    with reading(context.alias) as cursor:
        unreadable = lacking_files(context.alias, cursor)
    for name, reason in unreadable:
        yield Finding(
            code="archive-unreadable",
            severity=Severity.CRITICAL,
            subject=name,
            what=f"{name} is archived, but its files are not those that the database expects: "
            f"{reason}",
            why="Queries of that month fail, and no backup set of the database contains it.",
            fix="python manage.py db_archive --verify  # then copy the named files back\n"
            f"python manage.py db_archive --abandon {name} --dry-run  # if it is lost for good",
        )


CHECKS: Iterable[Check] = (
    Check("sizes and disk", ("disk-full",), _disk),
    Check("disks of backups and archived months", ("disk-full",), _folders),
    Check("reserve for a full disk", ("reserve-missing",), _reserve),
    Check("files of archived months", ("archive-unreadable",), _outside),
)
