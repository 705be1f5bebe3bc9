"""Which sets are kept: the young, and the newest of each of the last days, weeks and months."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from marketplace.backups import sets
from marketplace.backups.verify import examine, is_complete
from marketplace.exceptions import BackupError

#: Sets that are younger are kept, however many they are: one that was made before a migration is
#: wanted although the next one is of the same day.
YOUNG_HOURS = 48


class Keep(NamedTuple):
    """Of how many days, weeks and months (of TIME_ZONE) that have sets the newest is kept."""

    daily: int
    weekly: int
    monthly: int


class Pruning(NamedTuple):
    """What retention did, or would do."""

    removed: tuple[str, ...]
    #: What could not be removed, or not wholly, and why, as sentences.
    left: tuple[str, ...]
    #: To be removed, but somebody was using them.
    busy: tuple[str, ...]
    #: Without a manifest that can be trusted, or without all files: a person must look at them.
    broken: tuple[str, ...]


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _week(moment: datetime) -> str:
    return moment.strftime("%G-%V")


def _month(moment: datetime) -> str:
    return moment.strftime("%Y-%m")


class _Known(NamedTuple):
    """A set, as far as retention looks at it."""

    name: str
    databases: Collection[str]


def foresee(keep: Keep, now: datetime, aliases: Collection[str] = ()) -> Pruning:
    """Return what `prune` would do.

    :param aliases: the databases of a set that is made before it; none if none is
    """
    coming = _Known(sets.free_name(now), aliases)
    return _prune(keep, now, coming=coming, trusted=coming.name, dry_run=True)


def prune(keep: Keep, now: datetime, *, trusted: str = "") -> Pruning:
    """Remove the sets that need not be kept; never the last good set of any database.

    To be called by who is `sets.exclusive`.

    :param now: sets that are younger than `YOUNG_HOURS` then are kept
    :param trusted: a set that was written just now, and so need not be verified
    """
    return _prune(keep, now, coming=None, trusted=trusted, dry_run=False)


def _prune(
    keep: Keep, now: datetime, *, coming: _Known | None, trusted: str, dry_run: bool
) -> Pruning:
    found = [manifest for _, manifest in sets.readable() if is_complete(manifest)]
    broken = set(sets.names()) - {manifest.name for manifest in found}
    whole = [_Known(manifest.name, manifest.databases) for manifest in found]
    if coming and coming.databases:
        whole.insert(0, coming)
    old = now - timedelta(hours=YOUNG_HOURS)
    unneeded = {name for name in _unneeded(whole, keep) if sets.moment_of(name) <= old}
    if unneeded:
        unneeded -= _last_good(whole, trusted)
    removed, left, busy = (sorted(unneeded), [], []) if dry_run else _remove(sorted(unneeded))
    return Pruning(tuple(removed), tuple(left), tuple(busy), tuple(sorted(broken)))


def _remove(names: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Remove sets; return those that are gone, why others are not, and those in use."""
    removed: list[str] = []
    left: list[str] = []
    busy: list[str] = []
    for name in names:
        try:
            (removed if sets.remove(name) else busy).append(name)
        except BackupError as error:
            left.append(str(error))
    return removed, left, busy


def _unneeded(manifests: Iterable[_Known], keep: Keep) -> set[str]:
    """Return the sets that are, for none of their databases, the newest of a time to keep."""
    by_alias: dict[str, list[str]] = {}
    for manifest in manifests:
        for alias in manifest.databases:
            by_alias.setdefault(alias, []).append(manifest.name)
    rules: tuple[tuple[Callable[[datetime], str], int], ...] = (
        (_day, keep.daily),
        (_week, keep.weekly),
        (_month, keep.monthly),
    )
    kept = {
        name
        for names in by_alias.values()
        for period, count in rules
        for name in _newest_of_each(names, period, count)
    }
    return {name for names in by_alias.values() for name in names} - kept


def _newest_of_each(names: list[str], period: Callable[[datetime], str], count: int) -> list[str]:
    """Return the newest set of each of the last periods that have one.

    :param names: the newest first
    """
    newest: dict[str, str] = {}
    for name in names:
        moment = timezone.localtime(sets.moment_of(name), timezone.get_default_timezone())
        newest.setdefault(period(moment), name)
    return list(newest.values())[:count]


def _last_good(manifests: list[_Known], trusted: str) -> set[str]:
    """Return for each database the newest set that verifies."""
    aliases = {alias for manifest in manifests for alias in manifest.databases}
    verdicts: dict[str, bool] = {trusted: True}
    found = set()
    for alias in aliases:
        for manifest in manifests:
            name = manifest.name
            if alias not in manifest.databases:
                continue
            if name not in verdicts:
                verdicts[name] = _is_good(name)
            if verdicts[name]:
                found.add(name)
                break
    return found


def _is_good(name: str) -> bool:
    """Return whether a set can be restored; one that is not signed may be the last there is."""
    try:
        return not examine(sets.read(name)).problems
    except BackupError:
        return False
