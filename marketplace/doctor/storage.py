"""Room on disk and in memory: sizes, their growth, and how often memory has what is asked for."""

from collections.abc import Iterable, Iterator

from marketplace.databases import lacking_files
from marketplace.doctor import snapshots
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Growth, Severity, Sizes
from marketplace.doctor.session import reading
from marketplace.doctor.wording import file_size

#: Days until the disk is full, and the share of it that is free: a warning, and critical.
_DAYS = (30, 7)
_FREE = (0.10, 0.05)

#: Blocks read without which the hit rate says nothing.
_ENOUGH_READS = 100_000

#: Tables and indexes whose sizes are told.
_LARGEST = 20


def _disk(examination: Examination) -> Iterator[Finding]:
    """Find whether the disk is full, or soon will be; and take the sizes down."""
    examination.sizes = sizes = measure(examination)
    if sizes.note:
        examination.doubts.append(sizes.note)
    if sizes.disk_free is None or not sizes.disk_total:
        return
    share, days = sizes.disk_free / sizes.disk_total, sizes.days_to_full
    severity = _urgency(share, days)
    if severity is None:
        return
    when = f"; at the present growth it is full in {days:.0f} days" if days is not None else ""
    yield Finding(
        code="disk-full",
        severity=severity,
        subject="disk",
        what=f"{file_size(sizes.disk_free)} of {file_size(sizes.disk_total)} are free "
        f"({share:.0%}){when}.",
        why="When it is full the server stops, and may not start before room is made.",
        fix=f"python manage.py db_archive --dry-run  # for ecommerce; then a larger disk: "
        f"the largest tables of {examination.alias} are in this report",
        evidence={"free": sizes.disk_free, "total": sizes.disk_total, "days": days},
        is_of_server=True,
    )


def _urgency(share: float, days: float | None) -> Severity | None:
    days = float("inf") if days is None else days
    if share < _FREE[1] or days < _DAYS[1]:
        return Severity.CRITICAL
    if share < _FREE[0] or days < _DAYS[0]:
        return Severity.WARNING
    return None


def measure(examination: Examination) -> Sizes:
    """Return the sizes as they are, and as the history says that they grow."""
    alias, now = examination.alias, examination.now
    row = examination.read("sizes")[0]
    slopes = snapshots.object_growth(alias, now)
    largest = tuple(
        Growth(each["name"], each["kind"], each["bytes"], slopes.get(each["name"]))
        for each in examination.read("objects")[:_LARGEST]
    )
    disk = snapshots.disk_of(alias, row["used"])
    per_day, filled = snapshots.growth(alias, now), snapshots.disk_growth(alias, now)
    is_filling = disk.free is not None and filled is not None and filled > 0
    return Sizes(
        database=Growth(examination.facts["name"], "database", row["size"], per_day),
        largest=largest,
        disk_free=disk.free,
        disk_total=disk.total,
        days_to_full=disk.free / filled if is_filling and disk.free and filled else None,
        note=_note(per_day, disk),
    )


def _note(per_day: float | None, disk: snapshots.Disk) -> str:
    if disk.free is None:
        return (
            "free disk: unknown, as the server is not on this machine: set DISK_CAPACITY to the "
            "size of its disk"
        )
    if per_day is None:
        return (
            "growth and days until the disk is full: not enough history, two snapshots "
            f"{snapshots.ENOUGH_HOURS} hours apart are needed: let db_snapshot run every day"
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
            fix="python manage.py db_archive --verify  # then copy back what it names",
        )


CHECKS: Iterable[Check] = (
    Check("sizes and disk", ("disk-full",), _disk),
    Check("files of archived months", ("archive-unreadable",), _outside),
    Check("cache hit rate", ("cache-hit-rate",), _cache),
)
