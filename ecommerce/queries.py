"""Questions that analysts ask of this database.

Those of the price history are answered from the months in PostgreSQL and the archived ones as one.
Each system adds up its own months; what they say is brought together here, so that an answer takes
as much memory as it is long. A period ends before `until`; days and months are those of UTC.
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
    """The prices of an offer in its present currency, outliers left out; None without any.

    :param avg_price: each price weighs as long as it held, the last one until it was seen last
    :param lowest_at: when the lowest price was first shown
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
    """A change of an offer's price or availability, as `ecommerce.models.PricePoint`."""

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
    """The prices of an offer in a currency and period, outliers left out.

    :param avg_price: of the points, each weighing the same
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
    """The points of a platform in a month and currency; prices without outliers.

    :param unavailable_count: points that say that an offer is not available
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
    """The points of a platform on a day, outliers left out."""

    platform: str
    day: date
    point_count: int
    rise_count: int
    fall_count: int


class Drop(NamedTuple):
    """A change by which an offer became cheaper."""

    platform: str
    offer_id: int
    recorded_at: datetime
    price: Decimal
    currency: str | None
    price_change_percent: Decimal


class CategoryChanges(NamedTuple):
    """The points of the offers of a category, of the category that their product has now.

    :param path: "Electronics > Phones"; None where the product has no category
    """

    category_id: int | None
    path: str | None
    point_count: int


# Questions of offers


def price_statistics(offer_id: int) -> PriceStatistics | None:
    """Return the statistics of an offer's prices; None if there is no such offer.

    :raises ArchiveError: if an archived month cannot be read; so do all questions here
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
    """Return the points of some offers in a period, by offer and time."""
    values: dict[str, Any] = {"offers": list(offers), "since": since, "until": until}
    with _history(since, until) as (cursor, archived):
        cursor.execute(_sql("price_points"), values)
        rows = cursor.fetchall()
        if archived:
            rows += reading.points_of(archived, values["offers"], since, until)
    return sorted((Point(*row) for row in rows), key=lambda point: point[:2])


def prices_at(offers: Iterable[int], moment: datetime) -> dict[int, Point]:
    """Return the point in effect at a moment of each offer that was known then; no outliers."""
    points = price_points(offers, until=moment + timedelta(microseconds=1))
    return {point.offer_id: point for point in points if not point.is_outlier}


def price_extremes(
    offers: Iterable[int], since: datetime = ALWAYS[0], until: datetime = ALWAYS[1]
) -> list[Extremes]:
    """Return the lowest, highest and average prices of some offers in a period."""
    values = {"offers": list(offers), "since": since, "until": until}
    found = _merged("price_extremes", values, 2, (_add, _least, _most, _add, _least, _most))
    return [
        Extremes._make((*key, count, low, high, _mean(total, count), first, last))
        for key, (count, low, high, total, first, last) in found
    ]


# Questions of all offers


def monthly_prices(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[MonthlyPrices]:
    """Return the prices of a period by platform, month and currency."""
    merges = (_add, _add, _add, _least, _most, _add)
    found = _merged("monthly_prices", {"since": since, "until": until}, 3, merges, platform)
    return [
        MonthlyPrices._make((*key, *figures[:-1], _mean(figures[-1], figures[0])))
        for key, figures in found
    ]


def daily_changes(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[DailyChanges]:
    """Return how many prices changed in a period, by platform and day."""
    values = {"since": since, "until": until}
    found = _merged("daily_changes", values, 2, (_add, _add, _add), platform)
    return [DailyChanges(*key, *counts) for key, counts in found]


def largest_drops(
    since: datetime = ALWAYS[0],
    until: datetime = ALWAYS[1],
    platform: str | None = None,
    limit: int = 20,
) -> list[Drop]:
    """Return the changes of a period by which prices fell most, in percent."""
    values = {"since": since, "until": until, "limit": limit}
    rows = [Drop(*row) for row in _ask("largest_drops", values, platform)]
    drops = [drop._replace(recorded_at=drop.recorded_at.replace(tzinfo=UTC)) for drop in rows]
    drops.sort(key=lambda drop: (drop.price_change_percent, drop.recorded_at, drop.offer_id))
    return drops[:limit]


def category_changes(
    since: datetime = ALWAYS[0], until: datetime = ALWAYS[1], platform: str | None = None
) -> list[CategoryChanges]:
    """Return how many points the offers of each category have in a period, the most first."""
    values = {"since": since, "until": until}
    counts: dict[int | None, int] = defaultdict(int)
    for category_id, count in _ask("category_changes", values, platform, has_categories=True):
        counts[category_id] += count
    known = Category.objects.using(router.db_for_read(Category)).filter(pk__in=filter(None, counts))
    paths = {pk: path or name for pk, path, name in known.values_list("pk", "path_names", "name")}
    found = [CategoryChanges(pk, paths.get(pk or 0), count) for pk, count in counts.items()]
    return sorted(found, key=lambda each: (-each.point_count, each.category_id or 0))


# Both systems

_HOT = """
WITH points AS (
    SELECT
        coalesce(o.platform, 'unknown') AS platform,
        h.*,
        h.recorded_at AT TIME ZONE 'UTC' AS moment
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
    """Open the price history as it is now: yield a cursor, and the archived months of a period."""
    alias = router.db_for_read(PricePoint)
    is_nested = connections[alias].in_atomic_block
    with atomic(using=alias), connections[alias].cursor() as cursor:
        if not is_nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # A month may be on its way out: whoever takes it waits for those who hold this. So what
        # the first statement after it sees as attached stays so.
        cursor.execute("LOCK TABLE ONLY ecommerce_price_history IN ACCESS SHARE MODE")
        yield cursor, months.file_months(cursor, since, until)


def _ask(
    name: str, values: Mapping[str, Any], platform: str | None, *, has_categories: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a question, those of the months in PostgreSQL first."""
    with _history(values["since"], values["until"]) as (cursor, archived):
        cursor.execute(_HOT + _sql(name), {**values, "platform": platform})
        yield from cursor.fetchall()
        if archived:
            with reading.points(archived, platform) as archive:
                if has_categories:
                    _show_categories(cursor, archive)
                yield from reading.fetch(archive, _sql(name), values)


def _show_categories(cursor: CursorWrapper, archive: Any) -> None:
    """Make the table `offer_categories` of what PostgreSQL says now."""
    with reading.temporary_folder() as folder:
        path = Path(folder) / "offers.csv"
        with path.open("wb") as file, cursor.db.wrap_database_errors:
            cursor.copy_expert(_CATEGORIES, file)
        columns = {"offer_id": "BIGINT", "category_id": "BIGINT"}
        reading.read_csv(archive, path, "offer_categories", columns)


def _merged(
    name: str,
    values: Mapping[str, Any],
    keys: int,
    merges: Sequence[Callable[[Any, Any], Any]],
    platform: str | None = None,
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Return key → figures of both systems, in the order of the keys.

    :param keys: how many of the columns are the key
    :param merges: how two values of each of the others become one
    """
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in _ask(name, values, platform):
        key, figures = row[:keys], tuple(map(_aware, row[keys:]))
        if key in found:
            pairs = zip(merges, found[key], figures, strict=True)
            figures = tuple(merge(one, other) for merge, one, other in pairs)
        found[key] = figures
    return sorted(found.items(), key=lambda item: [str(part or "") for part in item[0]])


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
