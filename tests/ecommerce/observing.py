"""Observations of offers: loaded as documents, or merged directly."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connections

from ecommerce import history
from ecommerce.loading import PLAN, create_months
from ecommerce.models import PricePoint as StoredPoint
from ecommerce.platforms import yandex
from ecommerce.records import Offer, PricePoint
from marketplace.loading import merge_statements, staging
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.ecommerce.price_model import Seen

#: Two hours before a month of UTC ends.
START = datetime(2026, 1, 31, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: The id of the product of `feed`, and of its only offer.
OFFER = "shop:1"

PLATFORM = {"platform": "yandex"}

_STAGED = [
    "external_id",
    "product_external_id",
    "first_seen_at",
    "last_seen_at",
    "scraped_at",
    "price",
    "old_price",
    "currency",
    "is_available",
    "stock_quantity",
]


def seen(hour, price, old_price=None, **fields):
    """Return an observation some hours after `START`."""
    amounts = [None if amount is None else Decimal(amount) for amount in (price, old_price)]
    return Seen(START + hour * HOUR, *amounts, **fields)


def sold_out(hour):
    """Return an observation without a price of an offer that is out of stock."""
    return seen(hour, None, available=False, amount=0)


def shapes():
    """Return the shapes of Yandex Market, with one more for offers of unknown availability.

    An offer in a price list without an availability is available.
    """
    [yml] = [shape for shape in yandex.SHAPES if shape.name == "YML"]

    def split(document, source):
        return (item._replace(shape="NO-AVAILABILITY") for item in yml.split(document, source))

    def parse(payload, context):
        parsed = yml.parse(payload, context)
        records = [
            record._replace(is_available=None) if hasattr(record, "is_available") else record
            for record in parsed.records
        ]
        return parsed._replace(records=records)

    no_availability = replace(
        yml,
        name="NO-AVAILABILITY",
        recognize=lambda document: "no_availability" in document,
        split=split,
        parse=parse,
    )
    return (no_availability, *yandex.SHAPES)


def feed(observation):
    """Return an offer of a price list with the known values of an observation."""
    offer = {"@id": "1", "name": ["Choynak"], "currencyId": [observation.currency]}
    if observation.price is not None:
        offer["price"] = [str(observation.price)]
    if observation.old_price is not None:
        offer["oldprice"] = [str(observation.old_price)]
    if observation.available is not None:
        offer["@available"] = "true" if observation.available else "false"
    if observation.amount is not None:
        offer["quantity"] = [str(observation.amount)]
    document = {"yml_catalog": {"name": "Shop"}, "offer": offer}
    return document if observation.available is not None else document | {"no_availability": True}


def load(observations):
    """Load observations of one offer, each in its own run; return the number of new points."""
    runs = [load_documents("yandex", [feed(seen)], observed_at=seen.at) for seen in observations]
    assert not any(run.rejected or run.held for run in runs)
    return sum(run.price_points for run in runs)


@contextmanager
def staged(observations):
    """Create the temporary tables of a batch.

    :param observations: external_id of a product and its only offer → its observation
    """
    target = next(target for target in PLAN.targets if target.record is Offer)
    tables = [target.stage_table, target.prior_table, PLAN.observations.table]
    rows = ([key, key, seen.at, seen.at, *seen] for key, seen in observations.items())
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(staging.definition(tables[0], staging.stage_columns(target)))
        cursor.execute(staging.definition_like(tables[1], target.table))
        cursor.execute(staging.definition(tables[2], list(history.COLUMNS.items())))
        staging.copy(cursor, target.stage_table, _STAGED, rows)
        cursor.execute(merge_statements.keep_prior(target), PLATFORM)
        yield cursor
        staging.clear(cursor, tables)


def append(observations):
    """Merge a batch that is newer than the stored state; return the number of new points.

    :param observations: external_id of an existing product → an observation of its offer
    """
    target = next(target for target in PLAN.targets if target.record is Offer)
    create_months("ecommerce", {observation.at for observation in observations.values()})
    with staged(observations) as cursor:
        cursor.execute(merge_statements.upsert(target), PLATFORM)
        return history.append_points(cursor, PLATFORM["platform"])


def rebuild(observations):
    """Rebuild histories; return the number of new points.

    :param observations: external_id of an existing offer → its observations
    """
    points = [
        PricePoint(key, at, price, currency, old_price, available, amount)
        for key, series in observations.items()
        for at, price, old_price, currency, available, amount in series
    ]
    create_months("ecommerce", {point.recorded_at for point in points})
    with staged({}) as cursor:
        return history.rebuild(cursor, PLATFORM["platform"], points)


def observe(*prices, **fields):
    """Return hourly observations of one offer."""
    return [seen(hour, price, **fields) for hour, price in enumerate(prices)]


def one_by_one(observations):
    """Append observations of the offer of a new product, each in its own batch."""
    factories.product(platform="yandex", external_id=OFFER)
    for observation in observations:
        append({OFFER: observation})


def marked():
    """Return the hours of the outliers."""
    points = StoredPoint.objects.filter(is_outlier=True).order_by("recorded_at")
    return [round((point.recorded_at - START) / HOUR) for point in points]
