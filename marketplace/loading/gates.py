"""Gates: what a platform returned is measured, and judged before it becomes visible.

A run is judged stretch by stretch, a stretch being one batch, by what the platform's own recent
runs were like; what is wrong whatever was usual, such as prices a hundred times as high, is judged
by absolute limits. What is recognized as unchanged counts as good.

Runs are recent by the time of their observations, not by that of their loading: a stretch is
compared with what was observed before it, in whatever order the days arrive. What was loaded before
counts as unchanged.

The shares of recent runs are those of the records that were parsed: a run that found everything
unchanged says nothing of how many records have a price.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from marketplace.humanize import counted
from marketplace.loading.database_models import loading_models
from marketplace.loading.quality_metrics import (
    CURRENCY,
    MOVED,
    REPEATED,
    SLIPPED,
    UNREADABLE,
    Measures,
    Tally,
)
from marketplace.loading.thresholds import Thresholds, thresholds

#: Faults that have an absolute limit, by the threshold's name; all others are missing fields.
_SLIPS = (SLIPPED, CURRENCY)
_ABSOLUTE = (UNREADABLE, REPEATED, MOVED, *_SLIPS)

#: Runs that are looked through for recent ones of each shape.
_MAX_RUNS = 200

_TEXTS = {
    UNREADABLE: "{share} of {rows} records cannot be read ({limits})",
    REPEATED: "{share} of {rows} records of {key} repeat an id with other content ({limits})",
    MOVED: "{share} of {rows} prices moved by more than a factor of {factor:g} ({limits})",
    SLIPPED: "{share} of {rows} prices moved by a factor of 10, 100 or 1,000 ({limits}): "
    "another unit?",
    CURRENCY: "{share} of {rows} prices changed their currency ({limits}): another unit?",
}
_MISSING = "{fault} is missing in {share} of {rows} records of {key} ({limits})"


@dataclass
class Baseline:
    """What recent runs of a platform were like, newest first.

    :param tallies: key → the rows of each run, where they are enough to compare with
    :param volumes: scope → the volumes of its full listings since the last one that a person
        released
    :param tail: the newest stretches that were too small to be judged
    """

    tallies: dict[str, list[Tally]] = field(default_factory=dict)
    volumes: dict[str, list[int]] = field(default_factory=dict)
    tail: Measures = field(default_factory=Measures)


def baseline(alias: str, platform: str) -> Baseline:
    """Return what the last completed runs of a platform were like.

    A run counts for each shape of which it had enough rows; several small ones count as one.
    """
    return summarize(recent_runs(alias, platform), thresholds(platform))


def recent_runs(alias: str, platform: str) -> list[Measures]:
    """Return the measures of the last completed runs of a platform, newest observations first."""
    runs = loading_models(alias).runs.of(platform).completed()
    measured = runs.filter(quality_metrics__isnull=False)
    stored = measured.order_by("-pk").values_list("quality_metrics", flat=True)[:_MAX_RUNS]
    return sorted(map(Measures.from_json, stored), key=lambda run: -(run.until or 0))


def summarize(runs: Iterable[Measures], limits: Thresholds) -> Baseline:
    """Return what some runs were like.

    :param runs: newest first
    """
    recent, pools, is_tail = Baseline(), dict[str, Tally](), True
    closed: set[str] = set()
    for run in runs:
        if is_tail and recent.tail.rows + run.rows < limits.rows:
            recent.tail.add(run, limits.rows)
        else:
            is_tail = False
        for key, tally in run.tallies.items():
            pool = pools.setdefault(key, Tally())
            # That a person let prices slip once does not make it usual.
            pool.add(_without_slips(tally) if run.is_released else tally, limits.rows)
            if pool.count >= limits.rows:
                recent.tallies.setdefault(key, []).append(pools.pop(key))
        for scope, volume in run.volumes.items():
            if scope not in closed:
                recent.volumes.setdefault(scope, []).append(volume)
        closed |= run.volumes.keys() if run.is_released else set()
    return recent


def _without_slips(tally: Tally) -> Tally:
    kept = {fault: number for fault, number in tally.faults.items() if fault not in _SLIPS}
    worst = {fault: share for fault, share in tally.worst.items() if fault not in _SLIPS}
    return Tally(tally.count, kept, worst)


def judge(stretch: Measures, recent: Baseline, limits: Thresholds) -> list[str]:
    """Return why a stretch must be held: measure, value, what is usual, limit. Empty: it is fine.

    A stretch of few rows is judged together with the small ones before it.
    """
    return list(_causes(stretch, recent, limits)) if limits.is_enabled else []


def _causes(stretch: Measures, recent: Baseline, limits: Thresholds) -> Iterator[str]:
    for key, tally in stretch.tallies.items():
        found = {fault: _judge(stretch, key, fault, recent, limits) for fault in tally.faults}
        if found.get(SLIPPED):
            # The same prices by another name.
            found.pop(MOVED, None)
        yield from filter(None, found.values())


def _judge(
    stretch: Measures, key: str, fault: str, recent: Baseline, limits: Thresholds
) -> str | None:
    """Return why one fault of one kind of rows is too frequent, if it is."""
    own, tally, recognized = stretch.tallies[key], Tally(), stretch.recognized
    tally.add(own, limits.rows)
    if own.count + recognized < limits.rows:
        tally.add(recent.tail.tallies.get(key, Tally()), limits.rows)
        recognized += recent.tail.recognized
    rows = tally.count + recognized
    history = recent.tallies.get(key, [])[: limits.runs]
    limit = _limit(fault, rows, history, limits)
    is_few = tally.faults[fault] < limits.few if fault in _SLIPS else rows < limits.rows
    # What came before is no reason to hold a stretch that is sound itself.
    share = min(own.share(fault, stretch.recognized), tally.share(fault, recognized))
    if is_few or limit is None or share <= limit:
        return None
    usual = f"usually {_percent(_usual(fault, history))}, " if history else ""
    told = {"share": _percent(tally.share(fault, recognized)), "rows": f"{rows:,}", "key": key}
    told |= {"fault": fault, "limits": f"{usual}limit {_percent(limit)}"}
    text = _TEXTS.get(fault, _MISSING).format(**told, factor=limits.factor)
    reasons = sorted(stretch.reasons, key=lambda reason: -stretch.reasons[reason])
    return f"{text}: {reasons[0]}" if fault == UNREADABLE and reasons else text


def _usual(fault: str, history: list[Tally]) -> float:
    return median(tally.share(fault) for tally in history)


def _limit(fault: str, rows: int, history: list[Tally], limits: Thresholds) -> float | None:
    """Return the share up to which a fault is let pass; None if it cannot be judged."""
    worst = [max(tally.worst.get(fault, 0), tally.share(fault)) for tally in history]
    seen = max(worst) + limits.margin if any(worst) else 0.0
    is_known = len(history) >= limits.fewest_runs
    if fault in _ABSOLUTE:
        if is_known and fault in (REPEATED, MOVED):
            return max(_usual(fault, history) + limits.rise, seen)
        absolute: float = getattr(limits, fault)
        return max(absolute, seen)
    if not history or not (is_known or fault in limits.essential):
        return None
    usual = _usual(fault, history)
    if (1 - usual) * rows * 2 < limits.rows:
        # So few are expected to have it that none at all may be chance.
        return None
    # What only some usually have is missed when half of it is gone.
    rise = min(limits.missing, (1 - usual) * max(limits.missing, 0.5))
    return max(usual + rise, seen)


def judge_volume(rows: int, recent: list[int], limits: Thresholds) -> list[str]:
    """Return why nothing may be marked missing by a full listing; empty if it is as full as usual.

    A single earlier full listing is enough: holding a sound one costs a confirmation,
    marking half a platform as sold costs the trust of its users.

    :param recent: the rows of earlier full listings of the same scope, newest first
    """
    if not limits.is_enabled or not recent:
        return []
    usual = median(recent[: limits.runs])
    if rows >= usual * limits.volume:
        return []
    return [
        f"the full listing has {counted(rows, 'row')}, {_percent(rows / usual)} of the usual "
        f"{usual:,.0f} (limit {_percent(limits.volume)}): was it read to its end?"
    ]


def _percent(share: float) -> str:
    percent = f"{100 * share:.1f}".removesuffix(".0")
    return f"{percent if len(percent) <= 3 else f'{100 * share:.0f}'}%"


class Gate:
    """The gate of one run: what it measured so far, and what recent runs were like.

    :param is_open: whether a person let everything pass; it is measured all the same
    :param measured: what an interrupted part of the run had measured
    """

    def __init__(
        self,
        alias: str,
        platform: str,
        *,
        is_open: bool = False,
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        self.limits = thresholds(platform)
        self._runs = recent_runs(alias, platform)
        self.recent = summarize(self._runs, self.limits)
        self._newest = max((at for run in self._runs for at in run.since.values()), default=0.0)
        self._earlier = (self._newest, self.recent)
        self.total = Measures.from_json(measured)
        self.total.is_released |= is_open

    def judge(self, stretch: Measures) -> list[str]:
        """Return why a stretch must be held; empty if it may pass."""
        if self.total.is_released:
            return []
        return judge(stretch, self._before(stretch.until), self.limits)

    def _before(self, moment: float | None) -> Baseline:
        """Return what runs were like whose observations are not later than a moment."""
        if moment is None or moment >= self._newest:
            return self.recent
        if self._earlier[0] != moment:
            runs = [run.before(moment) for run in self._runs]
            self._earlier = (moment, summarize(runs, self.limits))
        return self._earlier[1]

    def judge_volume(self, scope: str, rows: int, at: datetime | None = None) -> list[str]:
        """Return why nothing may be marked missing by a full listing; empty if it may.

        A full listing that passes is kept, to compare later ones of its scope to it.

        :param at: when it was observed; now if None
        """
        recent = self._before(at.timestamp() if at else None)
        causes = judge_volume(rows, recent.volumes.get(scope, []), self.limits)
        if causes and not self.total.is_released:
            return causes
        self.keep_volume(scope, rows, at)
        return []

    def keep_volume(self, scope: str, rows: int, at: datetime | None = None) -> None:
        """Have later full listings of a scope compared to one; parameters as of `judge_volume`."""
        self.total.volumes[scope] = rows
        if at:
            self.total.since[scope] = at.timestamp()

    def is_cut(self, scope: str, rows: int, at: datetime) -> bool:
        """Return whether an earlier full listing of the same scope and time had more rows."""
        same = (run for run in self._runs if run.since.get(scope) == at.timestamp())
        return any(run.volumes.get(scope, 0) > rows for run in same)

    def admit(self, stretch: Measures) -> None:
        """Count a stretch that was committed."""
        self.total.add(stretch, self.limits.rows)
        tail = self.recent.tail
        tail.add(stretch, self.limits.rows)
        if tail.rows >= self.limits.rows:
            self.recent.tail = Measures()
