"""Gates: the quality of loaded records is measured and judged before they become visible.

Each batch of a run is judged. Its metrics are compared with those of the platform's recent runs.
Problems that are wrong in any case, such as prices a hundred times as high, have absolute limits.
Unchanged items, and items that were loaded before, are regarded as valid. The shares of recent runs
are those of their parsed records.

Which runs are recent depends on the times of their observations, not on when they were loaded: a
batch is compared with earlier observations, in whatever order the days arrive.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from django.conf import settings

from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.loading.gates.quality_metrics import (
    CURRENCY,
    MOVED,
    REPEATED,
    SLIPPED,
    UNREADABLE,
    QualityMetrics,
    Tally,
)
from marketplace.loading.models import loading_models
from marketplace.loading.values import quote
from marketplace.registry import PLATFORMS

#: Problems that have an absolute limit, named like its threshold. All others are missing fields.
_UNIT_ERRORS = (SLIPPED, CURRENCY)
_ABSOLUTE = (UNREADABLE, REPEATED, MOVED, *_UNIT_ERRORS)

#: The number of runs that are searched for recent ones of each shape.
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

#: Type of a threshold, or its name → a test of its values, and their description.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda value: type(value) is bool, "true or false"),
    "int": (lambda value: type(value) is int and value >= 1, "a whole number, at least 1"),
    "float": (lambda v: type(v) in (int, float) and 0 <= v <= 1, "a share between 0 and 1"),
    "factor": (lambda v: type(v) in (int, float) and v > 1, "a number above 1"),
    "tuple": (lambda v: type(v) is list and {str} >= set(map(type, v)), "a list of fields"),
}


@dataclass(frozen=True)
class Thresholds:
    """How far the data of a platform may differ from the usual data. Shares are between 0 and 1.

    The variable INGEST_GATES sets them, in JSON, for all platforms or for one:
    `{"default": {"moved": 0.6}, "olx": {"essential": ["title"], "volume": 0.5}}`.

    :param is_enabled: if false, everything passes; it is measured all the same
    :param rows: a batch with fewer rows is judged together with the batches before it
    :param runs: number of recent runs with which a run is compared
    :param fewest_runs: with fewer recent runs, only essential fields are compared
    :param essential: fields that are compared as soon as there is one recent run
    :param missing: by how much the share of records without a field may exceed the usual one
    :param rise: the same for the share of repeated ids, and of prices that moved
    :param margin: by how much a share may exceed the highest share in a recent batch; the
        higher of this and the limit by `missing` or `rise` applies
    :param unreadable: share of records that are damaged, or of another platform or shape
    :param repeated: share of repeated ids, if there are fewer than `fewest_runs` recent runs
    :param factor: the factor by which a price must rise or fall to have moved
    :param moved: share of prices that moved, if there are fewer than `fewest_runs` recent runs
    :param slipped: share of prices that moved by a factor of 10, 100 or 1,000, within 5%
    :param currency: share of prices whose currency changed, or is no longer stated
    :param few: the fewest prices of another scale or currency for which a batch is held
    :param volume: share of the usual number of rows that a full listing must have
    """

    is_enabled: bool = True
    rows: int = 50
    runs: int = 10
    fewest_runs: int = 3
    essential: tuple[str, ...] = ("price", "title")
    missing: float = 0.2
    rise: float = 0.3
    margin: float = 0.05
    unreadable: float = 0.5
    repeated: float = 0.8
    factor: float = 2.0
    moved: float = 0.5
    slipped: float = 0.05
    currency: float = 0.05
    few: int = 10
    volume: float = 0.7


def get_thresholds(platform: str) -> Thresholds:
    """Return the thresholds of a platform: its own, then those for all, then the defaults.

    :raises MarketplaceError: if `INGEST_GATES` is not valid
    """
    config = settings.INGEST_GATES
    for error in find_errors(config):
        raise MarketplaceError(f"INGEST_GATES is not valid: {error}.")
    chosen = {**config.get("default", {}), **config.get(platform, {})}
    chosen["essential"] = tuple(chosen.get("essential", Thresholds.essential))
    return Thresholds(**chosen)


def find_errors(config: Any) -> Iterator[str]:
    """Yield the errors in a value of `INGEST_GATES`, each with the valid choices."""
    names = ["default", *(platform.name for platform in PLATFORMS)]
    if not isinstance(config, Mapping):
        yield f"it is not a JSON object with the keys {', '.join(names)}"
        return
    for name, section in config.items():
        if name not in names:
            yield f"{quote(name)} is not a platform; use one of {', '.join(names)}"
        elif not isinstance(section, Mapping):
            yield f"{name} is not a JSON object of thresholds"
        else:
            yield from (f"{name}.{error}" for pair in section.items() if (error := _error(*pair)))


def _error(key: str, value: Any) -> str:
    defaults = asdict(Thresholds())
    if key not in defaults:
        return f"{key} is not a threshold; use one of {', '.join(defaults)}"
    is_valid, description = _RULES[key if key in _RULES else type(defaults[key]).__name__]
    shown = json.dumps(value, ensure_ascii=False)
    return "" if is_valid(value) else f"{key} cannot be {shown}; it must be {description}"


@dataclass
class Baseline:
    """The metrics of recent runs of a platform, newest first.

    :param tallies: key → the tallies of runs that have enough rows to compare with
    :param volumes: scope → the volumes of its full listings since the last one that was
        released manually
    :param tail: the sum of the newest batches that were too small to be judged
    """

    tallies: dict[str, list[Tally]] = field(default_factory=dict)
    volumes: dict[str, list[int]] = field(default_factory=dict)
    tail: QualityMetrics = field(default_factory=QualityMetrics)


def recent_runs(alias: str, platform: str) -> list[QualityMetrics]:
    """Return the metrics of the last completed runs of a platform, newest observations first."""
    runs = loading_models(alias).runs.of(platform).completed()
    measured = runs.filter(quality_metrics__isnull=False)
    stored = measured.order_by("-pk").values_list("quality_metrics", flat=True)[:_MAX_RUNS]
    return sorted(map(QualityMetrics.from_json, stored), key=lambda run: -(run.until or 0))


def summarize(runs: Iterable[QualityMetrics], limits: Thresholds) -> Baseline:
    """Return the baseline of some runs, which are ordered newest first.

    A run is included for each shape of which it had enough rows. Several small runs are combined.
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
            # Released price-scale errors do not enter the baseline.
            pool.add(_without_unit_errors(tally) if run.is_released else tally, limits.rows)
            if pool.count >= limits.rows:
                recent.tallies.setdefault(key, []).append(pools.pop(key))
        for scope, volume in run.volumes.items():
            if scope not in closed:
                recent.volumes.setdefault(scope, []).append(volume)
        closed |= run.volumes.keys() if run.is_released else set()
    return recent


def _without_unit_errors(tally: Tally) -> Tally:
    faults = {fault: number for fault, number in tally.faults.items() if fault not in _UNIT_ERRORS}
    worst = {fault: share for fault, share in tally.worst.items() if fault not in _UNIT_ERRORS}
    return Tally(tally.count, faults, worst)


def judge(metrics: QualityMetrics, recent: Baseline, limits: Thresholds) -> list[str]:
    """Return why a batch must be held: problem, share, usual share and limit; empty if it may pass.

    A batch of few rows is judged together with the small batches before it.
    """
    reasons: list[str] = []
    for key, tally in metrics.tallies.items() if limits.is_enabled else ():
        causes = {fault: _judge(metrics, key, fault, recent, limits) for fault in tally.faults}
        if causes.get(SLIPPED):
            # Price-scale errors are also counted as moved.
            causes.pop(MOVED, None)
        reasons += filter(None, causes.values())
    return reasons


def _judge(
    metrics: QualityMetrics, key: str, fault: str, recent: Baseline, limits: Thresholds
) -> str | None:
    """Return why one problem of one kind of rows is too frequent; None if it is not."""
    own, tally, recognized = metrics.tallies[key], Tally(), metrics.recognized
    tally.add(own, limits.rows)
    if own.count + recognized < limits.rows:
        tally.add(recent.tail.tallies.get(key, Tally()), limits.rows)
        recognized += recent.tail.recognized
    rows = tally.count + recognized
    history = recent.tallies.get(key, [])[: limits.runs]
    limit = _limit(fault, rows, history, limits)
    is_few = tally.faults[fault] < limits.few if fault in _UNIT_ERRORS else rows < limits.rows
    # A batch that is valid itself is not held because of earlier ones.
    share = min(own.share(fault, metrics.recognized), tally.share(fault, recognized))
    if is_few or limit is None or share <= limit:
        return None
    usual = (
        f"usually {_percent(median(tally.share(fault) for tally in history))}, " if history else ""
    )
    values = {"share": _percent(tally.share(fault, recognized)), "rows": f"{rows:,}", "key": key}
    values |= {"fault": fault, "limits": f"{usual}limit {_percent(limit)}"}
    text = _TEXTS.get(fault, _MISSING).format(**values, factor=limits.factor)
    reasons = sorted(metrics.reasons, key=lambda reason: -metrics.reasons[reason])
    return f"{text}: {reasons[0]}" if fault == UNREADABLE and reasons else text


def _limit(fault: str, rows: int, history: list[Tally], limits: Thresholds) -> float | None:
    """Return the largest share of a problem that may pass; None if it cannot be judged."""
    worst = [max(tally.worst.get(fault, 0), tally.share(fault)) for tally in history]
    seen = max(worst) + limits.margin if any(worst) else 0.0
    is_known = len(history) >= limits.fewest_runs
    if fault in _ABSOLUTE:
        if is_known and fault in (REPEATED, MOVED):
            return max(median(tally.share(fault) for tally in history) + limits.rise, seen)
        absolute: float = getattr(limits, fault)
        return max(absolute, seen)
    if not history or not (is_known or fault in limits.essential):
        return None
    usual = median(tally.share(fault) for tally in history)
    if (1 - usual) * rows * 2 < limits.rows:
        # So few rows are expected to have the field that none at all may be chance.
        return None
    # A field that only some rows usually have is missing too often if half of these lack it.
    rise = min(limits.missing, (1 - usual) * max(limits.missing, 0.5))
    return max(usual + rise, seen)


def judge_volume(rows: int, recent: list[int], limits: Thresholds) -> list[str]:
    """Return why a full listing must not mark items missing; empty if it has enough rows.

    A single earlier full listing is enough to compare with: holding a valid listing costs one
    confirmation, and marking half a platform as sold out misleads its users.

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
    """The gate of one run: the run's own metrics, and the baseline of recent runs.

    :param is_open: whether the run was released manually, so that everything passes; it is still
        measured
    :param measured: the stored metrics of an interrupted part of the run
    """

    def __init__(
        self, alias: str, platform: str, *, is_open: bool = False, measured: Any = None
    ) -> None:
        self.limits = get_thresholds(platform)
        self._runs = recent_runs(alias, platform)
        self.recent = summarize(self._runs, self.limits)
        self._newest = max((at for run in self._runs for at in run.since.values()), default=0.0)
        self._earlier = (self._newest, self.recent)
        self.total = QualityMetrics.from_json(measured)
        self.total.is_released |= is_open

    def judge(self, metrics: QualityMetrics) -> list[str]:
        """Return why a batch must be held; empty if it may pass."""
        if self.total.is_released:
            return []
        return judge(metrics, self._baseline_before(metrics.until), self.limits)

    def _baseline_before(self, time: float | None) -> Baseline:
        """Return the baseline of runs whose observations are not later than a time."""
        if time is None or time >= self._newest:
            return self.recent
        if self._earlier[0] != time:
            runs = [run.before(time) for run in self._runs]
            self._earlier = (time, summarize(runs, self.limits))
        return self._earlier[1]

    def judge_volume(self, scope: str, rows: int, at: datetime | None = None) -> list[str]:
        """Return why a full listing must not mark items missing; empty if it may.

        The volume of a listing that passes is kept, so that later ones are compared with it.

        :param at: when it was observed; now if None
        """
        recent = self._baseline_before(at.timestamp() if at else None)
        causes = judge_volume(rows, recent.volumes.get(scope, []), self.limits)
        if causes and not self.total.is_released:
            return causes
        self.keep_volume(scope, rows, at)
        return []

    def keep_volume(self, scope: str, rows: int, at: datetime | None = None) -> None:
        """Keep the volume of a full listing, to compare later ones of its scope with it."""
        self.total.volumes[scope] = rows
        if at:
            self.total.since[scope] = at.timestamp()

    def is_truncated(self, scope: str, rows: int, at: datetime) -> bool:
        """Return whether an earlier full listing of the same scope and time had more rows."""
        same_time = (run for run in self._runs if run.since.get(scope) == at.timestamp())
        return any(run.volumes.get(scope, 0) > rows for run in same_time)

    def admit(self, metrics: QualityMetrics) -> None:
        """Add the metrics of a batch that was committed."""
        self.total.add(metrics, self.limits.rows)
        tail = self.recent.tail
        tail.add(metrics, self.limits.rows)
        if tail.rows >= self.limits.rows:
            self.recent.tail = QualityMetrics()
