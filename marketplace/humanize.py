"""Format counts, sizes and times for display."""

from datetime import datetime, timedelta

from django.utils import timezone

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def file_size(count: float) -> str:
    """Format a number of bytes: 812 bytes, 1.5 MB, 120 GB."""
    size, units = float(abs(count)), list(_UNITS)
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    sign = "-" if count < 0 else ""
    places = 1 if size < 10 and units[0] != "bytes" else 0
    return f"{sign}{size:,.{places}f} {units[0]}"


def duration(value: timedelta | float) -> str:
    """Format a duration or its seconds in its largest unit: 45 seconds, 12 minutes, 31 days."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length * 2:
            return f"{seconds / length:,.0f} {unit}s"
    return f"{seconds:,.0f} second{'' if round(seconds) == 1 else 's'}"


def age(value: datetime, now: datetime) -> str:
    """Format the age of a time: 3 hours ago, or just now."""
    return "just now" if now - value < timedelta(minutes=1) else f"{duration(now - value)} ago"


def format_time(value: datetime, *, has_offset: bool = True) -> str:
    """Format a time in TIME_ZONE, with its UTC offset or without: 2025-11-22 18:17+05:00."""
    time = timezone.localtime(value)
    return (time if has_offset else time.replace(tzinfo=None)).isoformat(" ", "minutes")


def one_line(text: str, limit: int = 0) -> str:
    """Return the text on one line, truncated to `limit` characters; 0 means no limit."""
    line = " ".join(text.split())
    return line if not limit or len(line) <= limit else f"{line[: limit - 1]}…"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun: 1 record, 4,000 records.

    :param plural: of the noun; if empty, the noun with an s
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
