"""Observing offers: through the loader, and past it, where a platform would tell no such thing."""

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
from marketplace.loading import merge, staging
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.ecommerce.price_model import Seen

#: Two hours before a month of UTC ends.
START = datetime(2026, 1, 31, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: The id of the product, and of its only offer, that `feed` tells of.
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


def seen(hour, price, old_price=None, **told):
    """Return what was observed some hours after `START`."""
    amounts = [None if each is None else Decimal(each) for each in (price, old_price)]
    return Seen(START + hour * HOUR, *amounts, **told)


def sold_out(hour):
    """Return that an offer was out of stock some hours after `START`, and had no price."""
    return seen(hour, None, available=False, amount=0)


def shapes():
    """Return the shapes of Yandex Market, with one more: an offer that tells no availability.

    In a price list, an offer that tells none is available.
    """
    [yml] = [shape for shape in yandex.SHAPES if shape.name == "YML"]

    def split(document, source):
        return (item._replace(shape="SILENT") for item in yml.split(document, source))

    def parse(payload, context):
        parsed = yml.parse(payload, context)
        records = [
            record._replace(is_available=None) if hasattr(record, "is_available") else record
            for record in parsed.records
        ]
        return parsed._replace(records=records)

    silent = replace(
        yml,
        name="SILENT",
        recognize=lambda document: "silent" in document,
        split=split,
        parse=parse,
    )
    return (silent, *yandex.SHAPES)


def feed(observation):
    """Return an offer of a price list, which tells as little as an observation does."""
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
    return document if observation.available is not None else document | {"silent": True}


def load(observations):
    """Load observations of one offer, each in a run of its own; return how many points came."""
    runs = [load_documents("yandex", [feed(each)], observed_at=each.at) for each in observations]
    assert not any(run.rejected or run.held for run in runs)
    return sum(run.price_points for run in runs)


@contextmanager
def staged(observations):
    """Make the temporary tables of a batch.

    :param observations: external_id of a product and its only offer → its observation
    """
    target = next(target for target in PLAN.targets if target.record is Offer)
    tables = [target.stage_table, target.prior_table, PLAN.observations.table]
    rows = ([key, key, each.at, each.at, *each] for key, each in observations.items())
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(staging.definition(tables[0], merge.stage_columns(target)))
        cursor.execute(staging.definition_like(tables[1], target.table))
        cursor.execute(staging.definition(tables[2], list(history.COLUMNS.items())))
        staging.copy(cursor, target.stage_table, _STAGED, rows)
        cursor.execute(merge.keep_prior(target), PLATFORM)
        yield cursor
        staging.clear(cursor, tables)


def append(observations):
    """Merge a batch that is newer than what is stored; return how many points came.

    :param observations: external_id of a product that is there → an observation of its offer
    """
    target = next(target for target in PLAN.targets if target.record is Offer)
    create_months("ecommerce", {each.at for each in observations.values()})
    with staged(observations) as cursor:
        cursor.execute(merge.upsert(target), PLATFORM)
        return history.append_points(cursor, PLATFORM["platform"])


def rebuild(observations):
    """Make histories anew; return how many points came.

    :param observations: external_id of an offer that is there → its observations
    """
    points = [
        PricePoint(key, at, price, currency, old_price, available, amount)
        for key, told in observations.items()
        for at, price, old_price, currency, available, amount in told
    ]
    create_months("ecommerce", {point.recorded_at for point in points})
    with staged({}) as cursor:
        return history.rebuild(cursor, PLATFORM["platform"], points)


def observe(*prices, **told):
    """Return observations of one offer, an hour apart."""
    return [seen(hour, price, **told) for hour, price in enumerate(prices)]


def one_by_one(observations):
    """Append observations of a new product's offer."""
    factories.product(platform="yandex", external_id=OFFER)
    for each in observations:
        append({OFFER: each})


def marked():
    """Return the hours of the points that are marked as outliers."""
    points = StoredPoint.objects.filter(is_outlier=True).order_by("recorded_at")
    return [round((point.recorded_at - START) / HOUR) for point in points]
