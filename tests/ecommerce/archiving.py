"""Helpers for tests of the archive: creating, archiving and reading months."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connections
from django.utils import timezone

from ecommerce import queries
from ecommerce.archive import layout, manifests, months, moving
from ecommerce.loading import create_months
from ecommerce.models import PricePoint
from tests import factories
from tests.commands import run

#: Months without rows of other tests.
MAY, JUNE, JULY = date(2021, 5, 1), date(2021, 6, 1), date(2021, 7, 1)

#: The option of `db_archive` that selects May and June.
AGE = f"--older-than={(timezone.now().date() - JULY).days - 10}d"

_COLUMNS = (
    "id, offer_id, price, old_price, currency, discount_percent, is_available, available_amount, "
    "price_change, price_change_percent, recorded_at, is_outlier"
)

_PLATFORMS = ("uzum", "wildberries", "uzum", "ozon")


def make_history(since=MAY, days=92, offers=12, seed=0):
    """Create offers of several platforms with points in several months; return the offers."""
    dice = random.Random(seed)
    tree = [factories.category(path_names=f"Root > {name}") for name in ("Phones", "Kettles")]
    created = []
    for number in range(offers):
        platform = _PLATFORMS[number % len(_PLATFORMS)]
        product = factories.product(
            platform=platform, external_id=f"product-{number}", category=dice.choice([*tree, None])
        )
        offer = factories.offer(
            platform=platform,
            external_id=f'sku,"{number}"',
            product=product,
            currency="RUB" if platform == "wildberries" else "UZS",
        )
        created.append(offer)
    points = [point for offer in created for point in _points(offer, since, days, dice)]
    create_months("ecommerce", {point.recorded_at for point in points})
    PricePoint.objects.bulk_create(points)
    return created


def _points(offer, since, days, dice):
    moment = datetime(since.year, since.month, 1, tzinfo=UTC)
    end, price = moment + timedelta(days=days), Decimal(dice.randint(1000, 90_000_000))
    while moment < end:
        change = Decimal(dice.randint(-30_000, 40_000)) / 100
        yield PricePoint(
            offer=offer,
            recorded_at=moment,
            price=max(price + change, Decimal(0)),
            old_price=dice.choice([None, price * 2]),
            currency=dice.choice([offer.currency] * 8 + [None]),
            is_available=dice.choice([None, True, False]),
            available_amount=dice.choice([None, 0, 5]),
            price_change=dice.choice([None, change]),
            price_change_percent=dice.choice([None, change / 100]),
            is_outlier=dice.choice([None] * 6 + [True, False]),
        )
        moment += timedelta(days=dice.randint(1, 9), microseconds=dice.randint(0, 10**9))


def rows(month):
    """Return the rows of a month in PostgreSQL, by id."""
    first, following = months.bounds(month)
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM ecommerce_price_history "  # noqa: S608 # constants
            "WHERE recorded_at >= %(first)s AND recorded_at < %(following)s ORDER BY id",
            {"first": first, "following": following},
        )
        return cursor.fetchall()


def archive(*dates):
    """Archive months."""
    with layout.exclusive_lock() as work:
        return [moving.archive(month, work, timezone.now()) for month in dates]


def unarchive(*dates):
    """Move months back to PostgreSQL."""
    with layout.exclusive_lock() as work:
        return [moving.unarchive(month, work) for month in dates]


def files(month):
    """Return the files of an archived month."""
    return [layout.root() / file.path for file in manifests.read(manifest_of(month)).files]


def manifest_of(month):
    """Return the path of the manifest that the database expects."""
    return manifests.path_of(month, months.mark_of(month).content_hash)


def answers(offers):
    """Return the results of all queries of the price history."""
    first, offer = offers[0], offers[1]
    ids = [item.pk for item in offers]
    since, until = datetime(2021, 5, 20, tzinfo=UTC), datetime(2021, 7, 11, 13, tzinfo=UTC)
    return {
        "statistics": [queries.price_statistics(pk) for pk in ids],
        "an offer": queries.price_points([first.pk]),
        "a product": queries.price_points(
            first.product.offers.values_list("pk", flat=True), since, until
        ),
        "at a moment": queries.prices_at(ids, datetime(2021, 6, 15, tzinfo=UTC)),
        "extremes": queries.price_extremes(ids),
        "months": queries.monthly_prices(),
        "months of a platform": queries.monthly_prices(since, until, "uzum"),
        "days": queries.daily_changes(since, until),
        "drops": queries.largest_drops(since, limit=7),
        "categories": queries.category_changes(until=until),
        "the command": run("price_history", offer.platform, offer.external_id).out,
    }
