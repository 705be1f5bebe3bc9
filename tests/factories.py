"""Rows for tests: each function creates one, with defaults that a test can override."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import zstandard
from django.apps import apps
from django.db import connections, router

from marketplace.loading.deduplication import digest
from marketplace.registry import get_database

#: The default time of observation: 14:00 in Tashkent.
SEEN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

_numbers = count(1000)


def load_run(alias, **overrides):
    """Create a completed run of `ingest` that created two of three records."""
    values = {
        "platform": "olx",
        "source": "page.json",
        "status": "completed",
        "read_count": 3,
        "created_count": 2,
        "unchanged_count": 1,
        "started_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
        "finished_at": datetime(2026, 11, 20, 9, 5, tzinfo=UTC),
    }
    return apps.get_model(alias, "LoadRun").objects.create(**values | overrides)


def rate(alias, **overrides):
    """Create the exchange rate of the dollar for one day."""
    values = {"currency": "USD", "rate_date": SEEN.date(), "rate": Decimal("11987.33")}
    return apps.get_model(alias, "ExchangeRate").objects.create(**values | overrides)


def quarantined(alias, payload=b'{"price": "bepul"}', **overrides):
    """Create a record in quarantine."""
    values = {
        "platform": "olx",
        "content_hash": digest(payload),
        "reason": "is not a number: 'bepul'",
        "field": "price",
        "source": "page.json, record 7",
        "payload": zstandard.compress(payload),
        "first_seen_at": SEEN,
        "last_seen_at": SEEN,
    }
    return apps.get_model(alias, "QuarantinedRecord").objects.create(**values | overrides)


def raw_payload(alias, body=b'{"payload": {"title": "Choynak"}}', **overrides):
    """Create a payload version."""
    values = {
        "platform": "olx",
        "shape": "OLX-AD",
        "external_id": "1",
        "content_hash": body[:16],
        "body": zstandard.compress(body),
        "observed_at": SEEN,
    }
    return apps.get_model(alias, "RawPayload").objects.create(**values | overrides)


def seller(**overrides):
    """Create a shop of Uzum."""
    return _platform_row("ecommerce", "Seller", {"name": "Malika Savdo"}, overrides)


def category(**overrides):
    """Create a node of Uzum's category tree."""
    values = {"name": "Смартфоны", "path_names": "Электроника > Смартфоны", "level": 2}
    return _platform_row("ecommerce", "Category", values, overrides)


def product(**overrides):
    """Create a product card of Uzum."""
    values = {
        "title": "Чайник электрический",
        "title_normalized": "чайник электрический",
        "min_price": Decimal(5300716),
        "max_price": Decimal(5300716),
        "currency": "UZS",
        "is_available": True,
    }
    return _platform_row("ecommerce", "Product", values, overrides)


def offer(**overrides):
    """Create an offer, of a new product unless the test passes one."""
    if "product" not in overrides:
        overrides["product"] = product(external_id=f"p{next(_numbers)}")
    values = {"price": Decimal(5300716), "currency": "UZS", "scraped_at": SEEN}
    return _platform_row("ecommerce", "Offer", values, overrides)


def price_point(**overrides):
    """Create a price point, and the partition of its month."""
    values = {"price": Decimal(5300716), "currency": "UZS", "recorded_at": SEEN} | overrides
    model = _with_months([values])
    return model.objects.create(**values)


def price_points(points):
    """Create the price points with these fields, and the partitions of their months."""
    model = _with_months(points)
    model.objects.bulk_create(model(**values) for values in points)


def _with_months(points):
    """Create the partitions of the months of some points, and return their model."""
    model = apps.get_model("ecommerce", "PricePoint")
    with connections[router.db_for_write(model)].cursor() as cursor:
        cursor.execute(
            "SELECT ecommerce_create_price_month(moment) "
            "FROM unnest(%(moments)s::timestamptz[]) AS moment",
            {"moments": [values["recorded_at"] for values in points]},
        )
    return model


def listing(**overrides):
    """Create an ad of OLX."""
    values = {
        "title": "Chevrolet Cobalt 2022",
        "price": Decimal("12500.50"),
        "currency": "USD",
        "status": "active",
        "city": "Tashkent",
        "category_path": "transport/cars",
        "posted_at": SEEN,
    }
    return _platform_row("classifieds", "Listing", values, overrides)


def listing_event(**overrides):
    """Create an event for a changed ad price."""
    values = {"kind": "price", "old_price": Decimal(13000), "new_price": Decimal("12500.50")}
    values |= {"old_currency": "USD", "new_currency": "USD", "recorded_at": SEEN}
    return apps.get_model("classifieds", "ListingEvent").objects.create(**values | overrides)


def ad_seller(**overrides):
    """Create a person who posts ads."""
    return _platform_row("classifieds", "Seller", {"name": "Dilshod"}, overrides)


def ad_category(**overrides):
    """Create a node of OLX's category tree."""
    values = {"name": "Легковые автомобили", "path": "Транспорт > Легковые автомобили"}
    return _platform_row("classifieds", "Category", values, overrides)


def organization(**overrides):
    """Create an organization that buys."""
    values = {"name": "Соғлиқни сақлаш вазирлиги", "inn": "201122919"}
    return _platform_row("procurement", "Organization", values, overrides)


def lot(**overrides):
    """Create a completed lot with both costs known."""
    values = {
        "display_no": "231100",
        "title": "Лекарственные средства",
        "start_cost": Decimal(15300716),
        "deal_cost": Decimal(13000000),
        "currency": "UZS",
        "status": "completed",
        "lot_type": "auction",
    }
    return _platform_row("procurement", "Lot", values, overrides)


def lot_item(**overrides):
    """Create a line of a lot, of a new lot unless the test passes one."""
    if "lot" not in overrides:
        overrides["lot"] = lot(external_id=f"l{next(_numbers)}")
    values = {"order_num": 1, "product_name": "Парацетамол 500 мг", "currency": "UZS"}
    return _platform_row("procurement", "LotItem", values, overrides)


def lot_event(**overrides):
    """Create an entry in the audit trail of a lot."""
    values = {"kind": "changed", "changes": {"status": ["active", "completed"]}}
    values |= {"payload": {"id": 1}, "recorded_at": SEEN, "created_at": SEEN}
    return apps.get_model("procurement", "LotEvent").objects.create(**values | overrides)


def reference(**overrides):
    """Create an entry of UZEX's list of regions."""
    values = {"kind": "region", "code": "1", "name": "г. Ташкент"}
    return _platform_row("procurement", "Reference", values, overrides)


def _platform_row(alias, model, values, overrides):
    """Create a row of the first platform of a database, with a new external id."""
    common = {
        "platform": get_database(alias).platforms[0],
        "external_id": str(next(_numbers)),
        "first_seen_at": SEEN,
        "last_seen_at": SEEN,
        "updated_at": SEEN,
    }
    return apps.get_model(alias, model).objects.create(**common | values | overrides)
