"""Times: ISO 8601, "30.11.2026 09:05", RFC 822, and seconds or milliseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from marketplace.loading.values.errors import invalid

TASHKENT = ZoneInfo("Asia/Tashkent")

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_CLOCK = (
    r"(?:[T, ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-./](?P<month>\d{1,2})[-./](?P<day>\d{1,2})" + _CLOCK)
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})" + _CLOCK)
_MONTH_NAME = re.compile(r"\d\s+[A-Za-z]{3}\s+\d")


def instant(value: Any, field: str, zone: ZoneInfo = TASHKENT) -> datetime | None:
    """Return an aware time.

    Text may be ISO 8601 (the hour may have one digit), "30.11.2026 09:05" or RFC 822; a number is
    seconds or milliseconds since 1970. Digits beyond microseconds are dropped.

    :param zone: the zone of a time that states none
    """
    if value is None or value == "":
        return None
    try:
        time = _parse(value, zone)
    except (ValueError, OverflowError, OSError):
        raise invalid(field, value, "is not a time") from None
    if not _EARLIEST <= time < _LATEST:
        raise invalid(field, value, "is not between the years 2000 and 2100")
    return time


def _parse(value: Any, zone: ZoneInfo) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) > 1e11 else value
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if not isinstance(value, str):
        raise ValueError
    published = value.strip()
    if len(published) in (10, 13) and published.isdecimal():
        return _parse(int(published), zone)
    try:
        time = datetime.fromisoformat(published)
    except ValueError:
        time = _parse_other_form(published)
    return time if time.tzinfo else time.replace(tzinfo=zone)


def _parse_other_form(text: str) -> datetime:
    """Return the time of a text that is not strict ISO 8601.

    :raises ValueError: if the text has none of the known forms
    """
    match = _YEAR_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if match:
        year, month, day = (int(match[name]) for name in ("year", "month", "day"))
        hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
        zone = datetime.strptime(match["zone"], "%z").tzinfo if match["zone"] else None
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    if not _MONTH_NAME.search(text):
        raise ValueError
    try:
        return parsedate_to_datetime(text)
    except (TypeError, IndexError):
        raise ValueError from None
