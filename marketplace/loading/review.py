"""Rows that are pending review: held and failed runs, quarantined records and price outliers.

A row is named by its platform and number, as in "uzum-17", because each database has its own
numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import zstandard
from django.db import transaction
from django.db.models import Count, QuerySet

from marketplace.exceptions import SourceError
from marketplace.loading import release
from marketplace.loading.addresses import Address, get_row, outlier_module, points_of, records_of
from marketplace.loading.formats import json_text
from marketplace.loading.run_review import WaitingRun, list_runs
from marketplace.registry import get_database

#: The number of reasons that are listed; records with other reasons are counted together.
MAX_GROUPS = 20

#: The number of ids that are listed for each reason.
_NEWEST = 3

#: The number of outliers that are read; if there are more, the count is "1,000 or more".
MAX_OUTLIERS = 1000

#: The number of records that are loaded again, or deleted, at a time.
_STEP = 1000

Json = dict[str, Any]


# Lists


class Group(NamedTuple):
    """Quarantined records of one platform with the same reason.

    :param newest: ids of the newest records
    """

    platform: str
    reason: str
    records: int
    newest: list[str]


class Waiting(NamedTuple):
    """The rows of a database that are pending review.

    :param records: number of quarantined records
    :param groups: the most frequent reasons of quarantined records
    :param outliers: the newest prices marked as outliers, at most MAX_OUTLIERS, from the app's
        `outliers.waiting`; None if the database does not mark prices
    """

    alias: str
    runs: list[WaitingRun]
    records: int
    groups: list[Group]
    outliers: list[Any] | None


def waiting(alias: str, platform: str | None = None, *, show_all: bool = False) -> Waiting:
    """Return the rows of a database that are pending review.

    :param platform: return the rows of this platform; of all platforms if None
    :param show_all: whether to return all reasons, with all ids
    """
    records = records_of(alias)
    if platform:
        records = records.filter(platform=platform)
    return Waiting(
        alias,
        list_runs(alias, platform),
        records.count(),
        list(_groups(records, show_all)),
        _outliers(alias, platform),
    )


def _groups(records: QuerySet[Any], show_all: bool) -> Iterator[Group]:
    counted = records.values("platform", "shown").annotate(count=Count("pk"))
    frequent = counted.order_by("-count", "platform", "shown")
    for group in frequent if show_all else frequent[:MAX_GROUPS]:
        platform, reason = group["platform"], group["shown"]
        alike = records.filter(platform=platform, shown=reason).order_by("-pk")
        pks = alike.values_list("pk", flat=True)
        newest = [f"{platform}-{pk}" for pk in (pks if show_all else pks[:_NEWEST])]
        yield Group(platform, reason, group["count"], newest)


# Single rows


def describe_record(address: Address) -> Json:
    """Return a quarantined record as JSON. A payload that is not JSON is returned as text.

    :raises SourceError: if the record does not exist
    """
    record = get_row(records_of(address.alias), address, "quarantined record")
    names = [
        "external_id",
        "source",
        "shape",
        "context",
        "options",
        "observed_at",
        "observed_times",
    ]
    names += ["first_seen_at", "last_seen_at", "seen_count"]
    values = {name: getattr(record, name) for name in names}
    run = record.run_id and f"{record.platform}-{record.run_id}"
    payload = _payload(zstandard.decompress(record.payload))
    return {"id": str(address), "reason": record.shown, "run": run, **values, "payload": payload}


def describe_outlier(address: Address) -> Json:
    """Return a price that is or was marked as an outlier, as JSON.

    :raises SourceError: if the database does not mark prices, or the price does not exist
    """
    points = points_of(address.alias)
    if points is None:
        raise SourceError(f"{address.alias} does not mark prices as outliers.")
    point = points.filter(pk=address.pk).select_related("offer__product").first()
    if point is None or address.platform not in ("", point.offer.platform):
        raise SourceError(f"The outlier {address} does not exist. See: ingest_review list.")
    before = None if point.price_change is None else point.price - point.price_change
    return {
        "id": str(address),
        "status": "marked" if point.is_outlier else "released",
        "price": point.price,
        "price_before": before,
        "currency": point.currency,
        "recorded_at": point.recorded_at,
        "offer": point.offer.external_id,
        "title": point.offer.product.title,
    }


def _payload(raw: bytes) -> Any:
    try:
        return json_text.parse(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


# Quarantined records


@dataclass(frozen=True)
class Selection:
    """Some quarantined records of one database.

    :param platform: select records of this platform; empty for all platforms
    :param pks: select these records; empty for all
    :param reason: select records whose reason, as it is listed, contains this text
    """

    alias: str
    platform: str = ""
    pks: tuple[int, ...] = ()
    reason: str = ""

    @property
    def name(self) -> str:
        """The platform of the records, or their database."""
        return self.platform or self.alias

    def rows(self) -> QuerySet[Any]:
        """Return the records, ordered by platform and number."""
        rows = records_of(self.alias)
        if self.platform:
            rows = rows.filter(platform=self.platform)
        if self.pks:
            rows = rows.filter(pk__in=self.pks)
        if self.reason:
            rows = rows.filter(shown__icontains=self.reason)
        return rows.order_by("platform", "pk")


class Outcome(NamedTuple):
    """The result of loading quarantined records again.

    :param loaded: number of records that were loaded
    :param again: number of records that failed again
    :param reasons: reason → the ids of the records that failed again, such as uzum-5
    """

    loaded: int
    again: int
    reasons: Mapping[str, list[str]]


def select(addresses: list[Address]) -> list[Selection]:
    """Return the records with some addresses, as one selection for each platform.

    :raises SourceError: if one of them does not exist
    """
    for address in addresses:
        get_row(records_of(address.alias), address, "quarantined record")
    ordered = sorted(set(addresses))
    return [
        Selection(alias, platform, tuple(address.pk for address in same))
        for (alias, platform), same in groupby(ordered, key=lambda address: address[:2])
    ]


def release_records(selection: Selection) -> Outcome:
    """Load records again with the current adapters, as if they had arrived in time.

    Records that are loaded leave the quarantine. The others stay, with their new reason.
    """
    total = 0
    reasons: dict[str, list[str]] = {}
    for platform, pks in _steps(selection):
        rows = records_of(selection.alias).filter(pk__in=pks)
        total += len(pks)
        release.reload_records(selection.alias, platform, list(rows))
        for pk, reason in rows.order_by("pk").values_list("pk", "shown"):
            reasons.setdefault(reason, []).append(f"{platform}-{pk}")
    again = sum(map(len, reasons.values()))
    return Outcome(total - again, again, reasons)


def discard_records(selection: Selection) -> int:
    """Delete records; return the number of deleted records."""
    deleted = 0
    for _, pks in _steps(selection):
        with transaction.atomic(using=selection.alias):
            deleted += records_of(selection.alias).filter(pk__in=pks).delete()[0]
    return deleted


def _steps(selection: Selection) -> Iterator[tuple[str, list[int]]]:
    """Yield platforms and ids of the selected records, at most _STEP ids at a time."""
    rows = selection.rows().values_list("platform", "pk")
    for platform, pairs in groupby(list(rows), key=lambda pair: pair[0]):
        pks = [pk for _, pk in pairs]
        for start in range(0, len(pks), _STEP):
            yield platform, pks[start : start + _STEP]


# Outliers


def _outliers(alias: str, platform: str | None) -> list[Any] | None:
    module = outlier_module(alias)
    if module is None:
        return None
    platforms = [platform] if platform else get_database(alias).platforms
    points = [point for name in platforms for point in module.waiting(alias, name, MAX_OUTLIERS)]
    return sorted(points, key=lambda point: point.recorded_at, reverse=True)[:MAX_OUTLIERS]


def settle_outlier(address: Address, verdict: str) -> None:
    """Accept a price that is marked as an outlier, or mark it again.

    :param verdict: "release" to accept it, "restore" to mark it again

    :raises SourceError: if the database does not mark prices, or the price does not exist
    """
    module = outlier_module(address.alias)
    if module is None:
        raise SourceError(f"{address.alias} does not mark prices as outliers.")
    settle: Callable[[str, int], None] = getattr(module, verdict)
    settle(address.alias, address.pk)
