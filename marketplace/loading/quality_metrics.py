"""What is counted of the records that are loaded, for the gates to judge."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.loading.adapters import Parsed
from marketplace.loading.targets import Plan, Target

#: What is counted beside the records of each shape.
RECORDS, PRICES = "records", "prices"

#: The faults that are no missing field.
UNREADABLE, REPEATED = "unreadable", "repeated"
MOVED, SLIPPED, CURRENCY = "moved", "slipped", "currency"

#: Reasons that are counted apart: the most frequent one explains what cannot be read.
_MAX_REASONS = 20

# The higher price by the lower one: a slip is within 5% of a power of ten, either way.
_COMPARE = """
SELECT
    count(*) FILTER (WHERE is_news),
    count(*) FILTER (WHERE is_news AND same AND ratio > %(factor)s),
    count(*) FILTER (
        WHERE is_news AND same AND (
            ratio BETWEEN 9.5 AND 10.5
            OR ratio BETWEEN 95 AND 105
            OR ratio BETWEEN 950 AND 1050
        )
    ),
    count(*) FILTER (WHERE is_news AND NOT same),
    count(*) FILTER (WHERE is_late)
FROM ({pairs}) AS compared
"""
_STORED = """
SELECT
    s.last_seen_at > t.last_seen_at AS is_news,
    s.last_seen_at < t.last_seen_at AS is_late,
    t.currency IS NULL OR s.currency IS NOT DISTINCT FROM t.currency AS same,
    greatest(s.price, t.price) / least(s.price, t.price) AS ratio
FROM {stage} AS s
JOIN {table} AS t ON t.platform = %(platform)s AND t.external_id = s.external_id
WHERE s.price > 0 AND t.price > 0
"""
# A price that came late is compared with the one in effect then, else with the one after it.
_LATE = """
SELECT
    true AS is_news,
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
    """Rows of one kind, and how many of them have each fault.

    :param faults: fault → rows that have it
    :param worst: fault → its highest share in a stretch
    """

    count: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)

    def note(self, fault: str, number: int) -> None:
        """Count a fault."""
        if number:
            self.faults[fault] = self.faults.get(fault, 0) + number

    def share(self, fault: str, recognized: int = 0) -> float:
        """Return the share of the rows that have a fault, rows known to be good among them."""
        return self.faults.get(fault, 0) / max(self.count + recognized, 1)

    def add(self, other: "Tally", rows: int) -> None:
        """Add what was counted elsewhere, in a stretch or more; few rows are no stretch."""
        self.count += other.count
        shares = other.worst
        if not shares and other.count >= rows:
            shares = {fault: other.share(fault) for fault in other.faults}
        for fault, number in other.faults.items():
            self.note(fault, number)
        for fault, share in shares.items():
            self.worst[fault] = max(self.worst.get(fault, 0), round(share, 4))


@dataclass
class Measures:
    """What was counted of a stretch, or of all stretches of a run.

    :param tallies: RECORDS, PRICES, and each shape (with its shop or table) → its rows
    :param recognized: items known to be unchanged, which are in no tally
    :param reasons: why records could not be read → how many
    :param volumes: scope of a full listing that was read to its end → its rows
    :param is_released: whether a person let it pass
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

    def date(self, moments: Iterable[datetime]) -> None:
        """Note when the rows of all tallies were observed."""
        found = sorted(moment.timestamp() for moment in moments)
        if found:
            self.since, self.until = dict.fromkeys(self.tallies, found[0]), found[-1]

    def tally(self, key: str) -> Tally:
        """Return the rows of one kind."""
        return self.tallies.setdefault(key, Tally())

    @property
    def rows(self) -> int:
        """Records read, and items recognized."""
        return self.recognized + (self.tallies[RECORDS].count if RECORDS in self.tallies else 0)

    def refuse(self, reason: str) -> None:
        """Count a record that cannot be loaded: a damaged or unknown document, a faulty item."""
        records = self.tally(RECORDS)
        records.count += 1
        records.note(UNREADABLE, 1)
        if reason in self.reasons or len(self.reasons) < _MAX_REASONS:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def add(self, other: "Measures", rows: int) -> None:
        """Add what was counted elsewhere.

        :param rows: rows of a stretch that tell what shares of faults are natural
        """
        self.recognized += other.recognized
        self.is_released |= other.is_released
        for key, tally in other.tallies.items():
            self.tally(key).add(tally, rows)
        for scope, volume in other.volumes.items():
            self.volumes[scope] = self.volumes.get(scope, 0) + volume
        for key, moment in other.since.items():
            self.since[key] = min(moment, self.since.get(key, moment))
        self.until = max(filter(None, (self.until, other.until)), default=None)

    def before(self, moment: float) -> "Measures":
        """Return what was counted of observations that are not later than a moment.

        Measures without a time, which earlier releases wrote, count as earlier.
        """
        tallies = {k: each for k, each in self.tallies.items() if self._is_before(k, moment)}
        volumes = {k: each for k, each in self.volumes.items() if self._is_before(k, moment)}
        return replace(self, tallies=tallies, volumes=volumes)

    def _is_before(self, key: str, moment: float) -> bool:
        return self.since.get(key, moment) <= moment

    def as_json(self) -> dict[str, Any]:
        """Return what later runs are compared to: all but the reasons."""
        return {name: value for name, value in asdict(self).items() if name != "reasons"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Measures":
        """Return what `as_json` told."""
        told = dict(value or {})
        tallies = {key: Tally(**tally) for key, tally in told.pop("tallies", {}).items()}
        return cls(tallies, **told)


class Prices(NamedTuple):
    """How the prices of a stretch compare to the stored ones.

    :param moved: those that rose or fell by more than the factor, slips among them
    """

    compared: int
    moved: int
    slipped: int
    currency: int

    def note(self, measures: Measures) -> None:
        """Put them into the measures of their stretch; a stretch may be tried several times."""
        tally = Tally(self.compared)
        for fault in (MOVED, SLIPPED, CURRENCY):
            tally.note(fault, getattr(self, fault))
        measures.tallies[PRICES] = tally


class Observed(Protocol):
    """An item as it is counted: see `adapters.Item`."""

    @property
    def shape(self) -> str:
        """Name of its shape."""

    @property
    def context(self) -> Mapping[str, Any]:
        """What its envelope said."""

    @property
    def is_counted(self) -> bool:
        """Whether it is a record."""

    @property
    def content_hash(self) -> str:
        """By which equal content is known."""


def observe(plan: Plan, items: Iterable[tuple[Observed, Parsed]]) -> Measures:
    """Count the items of a stretch: which fields they lack, which ids repeat.

    :param items: each with what it says: nothing if it was recognized as unchanged
    """
    names = list(plan.coverage)
    wanted: dict[type[Any], list[tuple[int, int]]] = {}
    for number, (record, attribute) in enumerate(plan.coverage.values()):
        wanted.setdefault(record, []).append((record._fields.index(attribute), 1 << number))
    found, repeated = dict[tuple[str, int], int](), dict[str, int]()
    contents, recognized, nothing = dict[tuple[str, str], str](), 0, (1 << len(names)) - 1
    for item, (external_id, records, _, _) in items:
        if not item.is_counted:
            continue
        if not records:
            recognized += 1
            continue
        missing = nothing
        for told in records:
            for index, bit in wanted.get(type(told), ()):
                if missing & bit and told[index] is not None:
                    missing ^= bit
        key = _key(item) if item.context else item.shape
        group = (key, missing)
        found[group] = found.get(group, 0) + 1
        content = item.content_hash
        if contents.setdefault((key, external_id), content) != content:
            repeated[key] = repeated.get(key, 0) + 1
    return _measures(names, found, repeated, recognized)


def _key(item: Observed) -> str:
    """Return what an item is compared to: its shape, and the shop or table that it comes from."""
    scope = item.context.get("shop") or item.context.get("columns")
    return f"{item.shape} of {scope}" if scope else item.shape


def _measures(
    names: list[str],
    found: dict[tuple[str, int], int],
    repeated: dict[str, int],
    recognized: int,
) -> Measures:
    measures = Measures(recognized=recognized)
    for (key, missing), number in found.items():
        tally = measures.tally(key)
        tally.count += number
        measures.tally(RECORDS).count += number
        for position, name in enumerate(names):
            if missing >> position & 1:
                tally.note(name, number)
    for key, number in repeated.items():
        measures.tally(key).note(REPEATED, number)
    return measures


def compare_prices(cursor: CursorWrapper, platform: str, target: Target, factor: float) -> Prices:
    """Compare the staged prices of a target with the stored ones, before they are merged.

    One that is newer than the stored row is compared with it. One that is older is compared with
    the price in effect at its own time, if the target has a history.
    """
    found = _compare(cursor, _STORED, platform, target, factor)
    if not found[-1] or target.history is None:
        return Prices(*found[:-1])
    late = _compare(cursor, _LATE, platform, target, factor)
    return Prices(*(one + other for one, other in zip(found[:-1], late, strict=False)))


def _compare(
    cursor: CursorWrapper, pairs: str, platform: str, target: Target, factor: float
) -> tuple[int, ...]:
    """Return the numbers of `Prices`, and how many staged prices are older than the stored ones."""
    history = target.history._meta.db_table if target.history else ""
    statement = SQL(_COMPARE).format(
        pairs=SQL(pairs).format(
            stage=Identifier(target.stage_table),
            table=Identifier(target.table),
            history=Identifier(history or target.table),
        )
    )
    cursor.execute(statement, {"platform": platform, "factor": factor})
    found: tuple[int, ...] = cursor.fetchone()
    return found
