"""Queries of the price history for analysts.

They cover the months in PostgreSQL and the archived months. Each of the two systems aggregates its
own months, and the aggregates are combined here, so memory use depends on the size of the result
only. A period ends before `until`. Days and months are days and months of UTC.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connections, router
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic

from ecommerce.archive import months, reading
from ecommerce.archive.months import FileMonth
from ecommerce.models import Category, PricePoint
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, __file__)

#: A period without bounds.
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))

_CENTS = Decimal("0.01")


class PriceStatistics(NamedTuple):
    """The prices of an offer in its current currency, without outliers. None if it has no points.

    :param avg_price: average weighted by time; the last price holds until the last observation
    :param lowest_at: first time of the lowest price
    :param first_at: time of the first point
    :param last_at: time of the last point
    """

    currency: str | None
    point_count: int
    outlier_count: int
    min_price: Decimal | None
    max_price: Decimal | None
    avg_price: Decimal | None
    lowest_at: datetime | None
    first_at: datetime | None
    last_at: datetime | None


class Point(NamedTuple):
    """A change of an offer's price or availability; see `ecommerce.models.PricePoint`."""

    offer_id: int
    recorded_at: datetime
    price: Decimal
    old_price: Decimal | None
    currency: str | None
    is_available: bool | None
    available_amount: int | None
    price_change: Decimal | None
    price_change_percent: Decimal | None
    is_outlier: bool | None


class Extremes(NamedTuple):
    """The prices of an offer in a currency and period, without outliers.

    :param avg_price: unweighted average of the points
    """

    offer_id: int
    currency: str | None
    point_count: int
    min_price: Decimal
    max_price: Decimal
    avg_price: Decimal
    first_at: datetime
    last_at: datetime


class MonthlyPrices(NamedTuple):
    """The points of a platform in a month and currency. The prices exclude outliers.

    :param unavailable_count: number of points at which an offer is unavailable
    """

    platform: str
    month: date
    currency: str | None
    point_count: int
    outlier_count: int
    unavailable_count: int
    min_price: Decimal | None
    max_price: Decimal | None
    avg_price: Decimal | None


class DailyChanges(NamedTuple):
    """The number of points of a platform on a day, without outliers."""

    platform: str
    day: date
    point_count: int
    rise_count: int
    fall_count: int


class Drop(NamedTuple):
    """A decrease of an offer's price."""

    platform: str
    offer_id: int
    recorded_at: datetime
    price: Decimal
    currency: str | None
    price_change_percent: Decimal


class CategoryChanges(NamedTuple):
    """The number of points of the offers whose products are in a category now.

    :param path: for example "Electronics > Phones"; None for products without a category
    """

    category_id: int | None
    path: str | None
    point_count: int


# Queries of single offers


def price_statistics(offer_id: int) -> PriceStatistics | None:
    """Return the statistics of an offer's prices; None if the offer does not exist.

    :raises ArchiveError: if an archived month cannot be read, as all queries here
    """
    with _history(*ALWAYS) as (cursor, archived):
        rows = reading.points_of(archived, [offer_id], *ALWAYS) if archived else []
        points = [Point(*row) for row in rows]
        values: dict[str, Any] = {
            "offer_id": offer_id,
            "prices": [point.price for point in points],
            "currencies": [point.currency for point in points],
            "times": [point.recorded_at for point in points],
            "outliers": [point.is_outlier for point in points],
        }
        cursor.execute(_sql("price_statistics"), values)
        row = cursor.fetchone()
    return PriceStatistics(*row) if row else None


def price_points(
    offers: Iterable[int], since: datetime = ALWAYS[0], until: datetime = ALWAYS[1]
) -> list[Point]:
    """Return the points of some offers in a period, sorted by offer and time."""
    values: dict[str, Any] = {"offers": list(offers), "since": since, "until": until}
    with _history(since, until) as (cursor, archived):
        cursor.execute(_sql("price_points"), values)
        rows = cursor.fetchall()
        if archived:
            rows += reading.points_of(archived, values["offers"], since, until)
    return sorted((Point(*row) for row in rows), key=lambda point: point[:2])


def prices_at(offers: Iterable[int], time: datetime) -> dict[int, Point]:
    """Return offer id → the point in effect at a time. Outliers are skipped."""
    points = price_points(offers, until=time + timedelta(microseconds=1))
    return {point.offer_id: point for point in points if not point.is_outlier}


def price_extremes(
    offers: Iterable[int], since: datetime = ALWAYS[0], until: datetime = ALWAYS[1]
) -> list[Extremes]:
    """Return the lowest, highest and average prices of some offers in a period."""
    values = {"offers": list(offers), "since": since, "until": until}
    groups = _aggregate("price_extremes", values, 2, (_add, _least, _most, _add, _least, _most))
    return [
        Extremes._make((*key, count, low, high, _mean(total, count), first, last))
        for key, (count, low, high, total, first, last) in groups
    ]


# Queries of all offers


def monthly_prices(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[MonthlyPrices]:
    """Return the prices of a period per platform, month and currency."""
    merges = (_add, _add, _add, _least, _most, _add)
    groups = _aggregate("monthly_prices", {"since": since, "until": until}, 3, merges, platform)
    return [
        MonthlyPrices._make((*key, *figures[:-1], _mean(figures[-1], figures[0])))
        for key, figures in groups
    ]


def daily_changes(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[DailyChanges]:
    """Return the number of price changes in a period, per platform and day."""
    values = {"since": since, "until": until}
    groups = _aggregate("daily_changes", values, 2, (_add, _add, _add), platform)
    return [DailyChanges(*key, *counts) for key, counts in groups]


def largest_drops(
    since: datetime = ALWAYS[0],
    until: datetime = ALWAYS[1],
    platform: str | None = None,
    limit: int = 20,
) -> list[Drop]:
    """Return the largest decreases of prices in a period, in percent."""
    values = {"since": since, "until": until, "limit": limit}
    rows = [Drop(*row) for row in _rows("largest_drops", values, platform)]
    drops = [drop._replace(recorded_at=drop.recorded_at.replace(tzinfo=UTC)) for drop in rows]
    drops.sort(key=lambda drop: (drop.price_change_percent, drop.recorded_at, drop.offer_id))
    return drops[:limit]


def category_changes(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[CategoryChanges]:
    """Return the number of points per category in a period, the largest first."""
    values = {"since": since, "until": until}
    counts: dict[int | None, int] = defaultdict(int)
    for category_id, count in _rows("category_changes", values, platform, has_categories=True):
        counts[category_id] += count
    categories = Category.objects.using(router.db_for_read(Category)).filter(
        pk__in=filter(None, counts)
    )
    paths = {
        pk: path or name for pk, path, name in categories.values_list("pk", "path_names", "name")
    }
    changes = [CategoryChanges(pk, paths.get(pk or 0), count) for pk, count in counts.items()]
    return sorted(changes, key=lambda change: (-change.point_count, change.category_id or 0))


# Reading both systems

_HOT = """
WITH points AS (
    SELECT
        coalesce(o.platform, 'unknown') AS platform,
        h.*,
        h.recorded_at AT TIME ZONE 'UTC' AS recorded_at_utc
    FROM ecommerce_price_history AS h
    LEFT JOIN ecommerce_offers AS o ON h.offer_id = o.id
    WHERE %(platform)s::text IS NULL OR o.platform = %(platform)s
),
offer_categories AS (
    SELECT o.id AS offer_id, p.category_id
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
)
"""

_CATEGORIES = """
COPY (
    SELECT o.id, p.category_id
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
) TO STDOUT WITH (FORMAT csv, NULL '\\N')
"""


@contextmanager
def _history(since: datetime, until: datetime) -> Iterator[tuple[CursorWrapper, list[FileMonth]]]:
    """Yield a cursor with an MVCC snapshot of the price history, and a period's archived months."""
    alias = router.db_for_read(PricePoint)
    is_nested = connections[alias].in_atomic_block
    with atomic(using=alias), connections[alias].cursor() as cursor:
        if not is_nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # Moving a month waits for this lock, so a month that the next statement sees attached
        # stays attached.
        cursor.execute("LOCK TABLE ONLY ecommerce_price_history IN ACCESS SHARE MODE")
        yield cursor, months.file_months(cursor, since, until)


def _rows(
    name: str, values: Mapping[str, Any], platform: str | None, *, has_categories: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query: first those of PostgreSQL, then those of archived months."""
    with _history(values["since"], values["until"]) as (cursor, archived):
        cursor.execute(_HOT + _sql(name), {**values, "platform": platform})
        yield from cursor.fetchall()
        if archived:
            with reading.points(archived, platform) as archive:
                if has_categories:
                    _export_categories(cursor, archive)
                yield from reading.fetch(archive, _sql(name), values)


def _export_categories(cursor: CursorWrapper, archive: Any) -> None:
    """Copy the current category of each offer to the table `offer_categories` of the archive."""
    with reading.temporary_folder() as folder:
        path = Path(folder) / "offers.csv"
        with path.open("wb") as file, cursor.db.wrap_database_errors:
            cursor.copy_expert(_CATEGORIES, file)
        columns = {"offer_id": "BIGINT", "category_id": "BIGINT"}
        reading.read_csv(archive, path, "offer_categories", columns)


def _aggregate(
    name: str,
    values: Mapping[str, Any],
    keys: int,
    merges: Sequence[Callable[[Any, Any], Any]],
    platform: str | None = None,
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Return pairs of key and figures, combined from both systems and sorted by key.

    :param keys: number of the leading columns that are the key
    :param merges: for each other column, the function that combines two values
    """
    groups: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in _rows(name, values, platform):
        key, figures = row[:keys], tuple(map(_aware, row[keys:]))
        if key in groups:
            pairs = zip(merges, groups[key], figures, strict=True)
            figures = tuple(merge(one, other) for merge, one, other in pairs)
        groups[key] = figures
    return sorted(groups.items(), key=lambda item: [str(part or "") for part in item[0]])


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _add(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else one + other


def _least(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else min(one, other)


def _most(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else max(one, other)


def _mean(total: Decimal | None, count: int) -> Decimal | None:
    return None if total is None else (total / count).quantize(_CENTS, rounding=ROUND_HALF_UP)
