"""Quality metrics: counts of records and of their problems, which the gates judge.

The metrics of a run are the sum of the metrics of its batches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.loading.adapters import Parsed
from marketplace.loading.targets import Plan, Target

#: Keys of the tallies of all records and of all compared prices; other keys are shapes.
RECORDS, PRICES = "records", "prices"

#: Kinds of problems, other than a missing field. The values are stored with a run.
UNREADABLE, REPEATED = "unreadable", "repeated"
MOVED, SLIPPED, CURRENCY = "moved", "slipped", "currency"

#: The number of distinct reasons that are counted; the most frequent one is shown.
_MAX_REASONS = 20

# The ratio is the higher price divided by the lower one. A ratio within 5% of 10, 100 or
# 1,000 is a price-scale error ("slipped").
_COMPARE = """
SELECT
    count(*) FILTER (WHERE is_newer),
    count(*) FILTER (WHERE is_newer AND same AND ratio > %(factor)s),
    count(*) FILTER (
        WHERE is_newer AND same AND (
            ratio BETWEEN 9.5 AND 10.5
            OR ratio BETWEEN 95 AND 105
            OR ratio BETWEEN 950 AND 1050
        )
    ),
    count(*) FILTER (WHERE is_newer AND NOT same),
    count(*) FILTER (WHERE is_late)
FROM ({pairs}) AS compared
"""
# The planner expects few stored rows. It cannot choose nested loops for a full join.
_STORED = """
SELECT
    coalesce(s.last_seen_at > t.last_seen_at, false) AS is_newer,
    s.last_seen_at < t.last_seen_at AS is_late,
    t.currency IS NULL OR s.currency IS NOT DISTINCT FROM t.currency AS same,
    greatest(s.price, t.price) / least(s.price, t.price) AS ratio
FROM (SELECT * FROM {stage} WHERE price > 0) AS s
FULL JOIN (
    SELECT * FROM {table}
    WHERE platform = %(platform)s AND price > 0
    AND external_id = ANY(ARRAY(SELECT external_id FROM {stage}))
) AS t ON t.external_id = s.external_id
"""
# A late price is compared with the price in effect at its time, or else with the next price.
_LATE = """
SELECT
    true AS is_newer,
    true AS is_late,
    h.currency IS NULL OR s.currency IS NOT DISTINCT FROM h.currency AS same,
    greatest(s.price, h.price) / least(s.price, h.price) AS ratio
FROM {stage} AS s
JOIN {table} AS t ON t.platform = %(platform)s AND t.external_id = s.external_id
CROSS JOIN LATERAL (
    (
        SELECT 0 AS place, price, currency FROM {history}
        WHERE offer_id = t.id AND recorded_at <= s.last_seen_at
        AND price > 0 AND is_outlier IS NOT TRUE
        ORDER BY recorded_at DESC LIMIT 1
    )
    UNION ALL
    (
        SELECT 1, price, currency FROM {history}
        WHERE offer_id = t.id AND recorded_at > s.last_seen_at
        AND price > 0 AND is_outlier IS NOT TRUE
        ORDER BY recorded_at LIMIT 1
    )
    ORDER BY place LIMIT 1
) AS h
WHERE s.price > 0 AND s.last_seen_at < t.last_seen_at
"""


@dataclass
class Tally:
    """The number of rows of one kind, and how many of them have each kind of problem.

    :param faults: kind of problem → number of rows that have it
    :param worst: kind of problem → its highest share in a batch
    """

    count: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)

    def note(self, fault: str, number: int) -> None:
        """Add a number of rows that have a problem."""
        if number:
            self.faults[fault] = self.faults.get(fault, 0) + number

    def share(self, fault: str, recognized: int = 0) -> float:
        """Return the share of rows that have a problem.

        :param recognized: number of further rows, which are unchanged and have no problem
        """
        return self.faults.get(fault, 0) / max(self.count + recognized, 1)

    def add(self, other: "Tally", rows: int) -> None:
        """Add another tally, of one batch or more.

        :param rows: the number of rows from which on the shares of a batch are meaningful
        """
        self.count += other.count
        shares = other.worst
        if not shares and other.count >= rows:
            shares = {fault: other.share(fault) for fault in other.faults}
        for fault, number in other.faults.items():
            self.note(fault, number)
        for fault, share in shares.items():
            self.worst[fault] = max(self.worst.get(fault, 0), round(share, 4))


@dataclass
class QualityMetrics:
    """The metrics of a batch, or of all batches of a run.

    :param tallies: RECORDS, PRICES, and each shape (with its shop or table) → its rows
    :param recognized: number of unchanged items, which are in no tally
    :param reasons: reason why records could not be read → number of records
    :param volumes: scope of a full listing that was read to its end → number of its rows
    :param is_released: whether the run was released manually
    :param since: key of a tally, or scope → its oldest observation, in seconds since 1970
    :param until: the newest observation; None if it is not known
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    recognized: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)
    is_released: bool = False
    since: dict[str, float] = field(default_factory=dict)
    until: float | None = None

    def set_times(self, times: Iterable[datetime]) -> None:
        """Set the times of observation of all tallies."""
        seconds = sorted(time.timestamp() for time in times)
        if seconds:
            self.since, self.until = dict.fromkeys(self.tallies, seconds[0]), seconds[-1]

    def tally(self, key: str) -> Tally:
        """Return the tally of one kind of rows."""
        return self.tallies.setdefault(key, Tally())

    @property
    def rows(self) -> int:
        """The number of records read, unchanged ones included."""
        return self.recognized + (self.tallies[RECORDS].count if RECORDS in self.tallies else 0)

    def count_reject(self, reason: str) -> None:
        """Count a record that cannot be loaded: a damaged or unknown document, an invalid item."""
        records = self.tally(RECORDS)
        records.count += 1
        records.note(UNREADABLE, 1)
        if reason in self.reasons or len(self.reasons) < _MAX_REASONS:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def add(self, other: "QualityMetrics", rows: int) -> None:
        """Add the metrics of another batch or run.

        :param rows: the number of rows from which on the shares of a batch are meaningful
        """
        self.recognized += other.recognized
        self.is_released |= other.is_released
        for key, tally in other.tallies.items():
            self.tally(key).add(tally, rows)
        for scope, volume in other.volumes.items():
            self.volumes[scope] = self.volumes.get(scope, 0) + volume
        for key, time in other.since.items():
            self.since[key] = min(time, self.since.get(key, time))
        self.until = max(filter(None, (self.until, other.until)), default=None)

    def before(self, time: float) -> "QualityMetrics":
        """Return the metrics without the tallies that begin later than a time.

        Metrics without a time, which earlier releases stored, are regarded as earlier.
        """
        tallies = {key: tally for key, tally in self.tallies.items() if self._is_before(key, time)}
        volumes = {key: rows for key, rows in self.volumes.items() if self._is_before(key, time)}
        return replace(self, tallies=tallies, volumes=volumes)

    def _is_before(self, key: str, time: float) -> bool:
        return self.since.get(key, time) <= time

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics that later runs are compared with: all but the reasons."""
        return {name: value for name, value in asdict(self).items() if name != "reasons"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "QualityMetrics":
        """Return the metrics from the result of `to_dict`."""
        values = dict(value or {})
        tallies = {key: Tally(**tally) for key, tally in values.pop("tallies", {}).items()}
        return cls(tallies, **values)


class PriceComparison(NamedTuple):
    """How the prices of a batch compare with the stored ones.

    :param compared: number of compared prices
    :param moved: prices that rose or fell by more than the factor, including price-scale errors
    :param slipped: price-scale errors: prices that changed by a factor of 10, 100 or 1,000
    :param currency: prices whose currency changed
    """

    compared: int
    moved: int
    slipped: int
    currency: int

    def note(self, metrics: QualityMetrics) -> None:
        """Set the tally of prices in the metrics of a batch, whose commit may be retried."""
        tally = Tally(self.compared)
        for fault in (MOVED, SLIPPED, CURRENCY):
            tally.note(fault, getattr(self, fault))
        metrics.tallies[PRICES] = tally


class MeasuredItem(Protocol):
    """The attributes of an item that are needed to measure it: see `adapters.Item`."""

    @property
    def shape(self) -> str:
        """Name of its shape."""

    @property
    def context(self) -> Mapping[str, Any]:
        """The values of its envelope that its payload omits."""

    @property
    def is_counted(self) -> bool:
        """Whether it is a record."""

    @property
    def content_hash(self) -> str:
        """The hash of its content."""


def measure(plan: Plan, items: Iterable[tuple[MeasuredItem, Parsed]]) -> QualityMetrics:
    """Return the metrics of a batch: which fields its items lack, and which ids repeat.

    :param items: items and their parsed content; unchanged items have no records
    """
    names = list(plan.coverage)
    wanted: dict[type[Any], list[tuple[int, int]]] = {}
    for number, (kind, attribute) in enumerate(plan.coverage.values()):
        wanted.setdefault(kind, []).append((kind._fields.index(attribute), 1 << number))
    # Key and bit mask of the missing fields → number of items.
    counts, repeated = dict[tuple[str, int], int](), dict[str, int]()
    contents, recognized, all_missing = dict[tuple[str, str], str](), 0, (1 << len(names)) - 1
    for item, (external_id, records, _, _) in items:
        if not item.is_counted:
            continue
        if not records:
            recognized += 1
            continue
        missing = all_missing
        for record in records:
            for index, bit in wanted.get(type(record), ()):
                if missing & bit and record[index] is not None:
                    missing ^= bit
        key = _key(item) if item.context else item.shape
        group = (key, missing)
        counts[group] = counts.get(group, 0) + 1
        content = item.content_hash
        if contents.setdefault((key, external_id), content) != content:
            repeated[key] = repeated.get(key, 0) + 1
    return _sum_up(names, counts, repeated, recognized)


def _key(item: MeasuredItem) -> str:
    """Return the key of an item's tally: its shape, and the shop or table of its source."""
    scope = item.context.get("shop") or item.context.get("columns")
    return f"{item.shape} of {scope}" if scope else item.shape


def _sum_up(
    names: list[str],
    counts: dict[tuple[str, int], int],
    repeated: dict[str, int],
    recognized: int,
) -> QualityMetrics:
    metrics = QualityMetrics(recognized=recognized)
    for (key, missing), number in counts.items():
        tally = metrics.tally(key)
        tally.count += number
        metrics.tally(RECORDS).count += number
        for position, name in enumerate(names):
            if missing >> position & 1:
                tally.note(name, number)
    for key, number in repeated.items():
        metrics.tally(key).note(REPEATED, number)
    return metrics


def compare_prices(
    cursor: CursorWrapper, platform: str, target: Target, factor: float
) -> PriceComparison:
    """Compare the staged prices of a target with the stored ones, before they are merged.

    A price that is newer than the stored row is compared with it. An older price is compared with
    the price in effect at its own time, if the target has a history.
    """
    counts = _compare(cursor, _STORED, platform, target, factor)
    if not counts[-1] or target.history is None:
        return PriceComparison(*counts[:-1])
    late = _compare(cursor, _LATE, platform, target, factor)
    return PriceComparison(*map(sum, zip(counts[:-1], late, strict=False)))


def _compare(
    cursor: CursorWrapper, pairs: str, platform: str, target: Target, factor: float
) -> tuple[int, ...]:
    """Return the counts of `PriceComparison`, and the number of prices that are late arrivals."""
    history = target.history._meta.db_table if target.history else ""
    statement = SQL(_COMPARE).format(
        pairs=SQL(pairs).format(
            stage=Identifier(target.stage_table),
            table=Identifier(target.table),
            history=Identifier(history or target.table),
        )
    )
    cursor.execute(statement, {"platform": platform, "factor": factor})
    counts: tuple[int, ...] = cursor.fetchone()
    return counts
