"""Retention of sets: recent sets are kept, and the newest set per day, week and month."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from marketplace.backups import sets
from marketplace.backups.verify import is_complete, verify_files
from marketplace.exceptions import BackupError

#: All younger sets are kept, so that a set from before a migration outlives later ones of that day.
YOUNG_HOURS = 48


class RetentionPolicy(NamedTuple):
    """The number of days, weeks and months (in TIME_ZONE) of which the newest set is kept.

    Periods without a set are skipped.
    """

    daily: int
    weekly: int
    monthly: int


class Pruning(NamedTuple):
    """The result of pruning, or what pruning would do."""

    removed: tuple[str, ...]
    #: Sets that could not be removed completely, and the reasons, as sentences.
    left: tuple[str, ...]
    #: Sets that are to be removed, but were in use.
    busy: tuple[str, ...]
    #: Sets without an intact manifest or without all files, to be checked and removed manually.
    broken: tuple[str, ...]


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d")


def _week(time: datetime) -> str:
    return time.strftime("%G-%V")


def _month(time: datetime) -> str:
    return time.strftime("%Y-%m")


class _SetContents(NamedTuple):
    """The name of a set and the databases in it."""

    name: str
    databases: Collection[str]


def plan_pruning(keep: RetentionPolicy, now: datetime, aliases: Collection[str] = ()) -> Pruning:
    """Return what `prune` would do.

    :param aliases: the databases of the set that will be written first; empty if none will
    """
    coming = _SetContents(sets.free_name(now), aliases)
    return _prune(keep, now, coming=coming, trusted=coming.name, dry_run=True)


def prune(keep: RetentionPolicy, now: datetime, *, trusted: str = "") -> Pruning:
    """Remove the sets that the policy does not keep; never the last good set of a database.

    The caller must hold `sets.exclusive_lock`.

    :param now: sets that are younger than `YOUNG_HOURS` at this time are kept
    :param trusted: a set that was just written, and is not verified again
    """
    return _prune(keep, now, coming=None, trusted=trusted, dry_run=False)


def _prune(
    keep: RetentionPolicy,
    now: datetime,
    *,
    coming: _SetContents | None,
    trusted: str,
    dry_run: bool,
) -> Pruning:
    manifests = [manifest for _, manifest in sets.readable() if is_complete(manifest)]
    broken = set(sets.names()) - {manifest.name for manifest in manifests}
    complete = [_SetContents(manifest.name, manifest.databases) for manifest in manifests]
    if coming and coming.databases:
        complete.insert(0, coming)
    limit = now - timedelta(hours=YOUNG_HOURS)
    unneeded = {name for name in _unneeded(complete, keep) if sets.start_time(name) <= limit}
    if unneeded:
        unneeded -= _last_good(complete, trusted)
    removed, left, busy = (sorted(unneeded), [], []) if dry_run else _remove(sorted(unneeded))
    return Pruning(tuple(removed), tuple(left), tuple(busy), tuple(sorted(broken)))


def _remove(names: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Remove sets; return the removed sets, the problems of others, and the sets in use."""
    removed: list[str] = []
    left: list[str] = []
    busy: list[str] = []
    for name in names:
        try:
            (removed if sets.remove(name) else busy).append(name)
        except BackupError as error:
            left.append(str(error))
    return removed, left, busy


def _unneeded(complete: Iterable[_SetContents], keep: RetentionPolicy) -> set[str]:
    """Return the sets that are not the newest of any kept period for any of their databases."""
    by_alias: dict[str, list[str]] = {}
    for contents in complete:
        for alias in contents.databases:
            by_alias.setdefault(alias, []).append(contents.name)
    rules: tuple[tuple[Callable[[datetime], str], int], ...] = (
        (_day, keep.daily),
        (_week, keep.weekly),
        (_month, keep.monthly),
    )
    kept = {
        name
        for names in by_alias.values()
        for period, count in rules
        for name in _newest_per_period(names, period, count)
    }
    return {name for names in by_alias.values() for name in names} - kept


def _newest_per_period(
    names: list[str], period: Callable[[datetime], str], count: int
) -> list[str]:
    """Return the newest set of each of the last `count` periods that have a set.

    :param names: of sets, the newest first
    """
    newest: dict[str, str] = {}
    for name in names:
        time = timezone.localtime(sets.start_time(name), timezone.get_default_timezone())
        newest.setdefault(period(time), name)
    return list(newest.values())[:count]


def _last_good(complete: list[_SetContents], trusted: str) -> set[str]:
    """Return the newest set of each database that verifies."""
    aliases = {alias for contents in complete for alias in contents.databases}
    is_good: dict[str, bool] = {trusted: True}
    last_good = set()
    for alias in aliases:
        for contents in complete:
            name = contents.name
            if alias not in contents.databases:
                continue
            if name not in is_good:
                is_good[name] = _verifies(name)
            if is_good[name]:
                last_good.add(name)
                break
    return last_good


def _verifies(name: str) -> bool:
    """Return whether the files of a set are intact. An unsigned set may be the only one left."""
    try:
        return not verify_files(sets.read(name)).problems
    except BackupError:
        return False
