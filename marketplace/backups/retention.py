"""Which sets are kept: the newest of each of the last days, weeks and months."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from marketplace.backups import sets
from marketplace.backups.sets import Manifest
from marketplace.backups.verify import is_complete, verify


class Keep(NamedTuple):
    """Of how many days, weeks and months (UTC) that have sets the newest one is kept."""

    daily: int
    weekly: int
    monthly: int


class Pruning(NamedTuple):
    """What retention did, or would do."""

    removed: tuple[str, ...]
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


def prune(keep: Keep, *, trusted: str = "", dry_run: bool = False) -> Pruning:
    """Remove the sets that need not be kept; never the last good set of any database.

    To be called by who is `sets.exclusive`, unless it is a dry run.

    :param trusted: a set that was written just now, and so need not be verified
    """
    whole = [manifest for _, manifest in sets.readable() if is_complete(manifest)]
    broken = set(sets.names()) - {manifest.name for manifest in whole}
    unneeded = _unneeded(whole, keep)
    if unneeded:
        unneeded -= _last_good(whole, trusted)
    ordered = sorted(unneeded)
    removed = ordered if dry_run else [name for name in ordered if sets.remove(name)]
    busy = [name for name in ordered if name not in removed]
    return Pruning(tuple(removed), tuple(busy), tuple(sorted(broken)))


def _unneeded(manifests: Iterable[Manifest], keep: Keep) -> set[str]:
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
        newest.setdefault(period(sets.moment_of(name)), name)
    return list(newest.values())[:count]


def _last_good(manifests: list[Manifest], trusted: str) -> set[str]:
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
                verdicts[name] = not verify(name).problems
            if verdicts[name]:
                found.add(name)
                break
    return found
