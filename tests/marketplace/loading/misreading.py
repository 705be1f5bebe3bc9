"""Days of Uzum products, and adapters that misread them, for the tests of replays."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import connections
from psycopg2.sql import SQL, Identifier

from ecommerce.models import Category, Offer, PricePoint, Product, Seller
from ecommerce.platforms import uzum
from ecommerce.records import Offer as OfferRecord
from ecommerce.records import Product as ProductRecord
from marketplace.loading.ingest import load_documents
from tests import content
from tests.marketplace.loading.days import rolled_back

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAYS = 5
PRODUCTS = range(1, 6)


def product(number, at, **overrides):
    """Return an Uzum product with two SKUs whose prices and stock change every day."""
    skus = [
        {
            "id": number * 10 + n,
            "purchasePrice": 1000 * number + n + 10 * (at // 2),
            "fullPrice": 2000 * number,
            "availableAmount": (number + at + n) % 3,
        }
        for n in range(2)
    ]
    data = {
        "id": number,
        "title": f"Choynak {number} elektr",
        "category": {"id": 9, "title": "Choynaklar", "parent": {"id": 1, "title": "Uy"}},
        "seller": {"id": 5, "title": f"Malika {at}", "link": "malika", "rating": 4.5},
        "reviewsAmount": at,
        "totalAvailableAmount": sum(sku["availableAmount"] for sku in skus),
        "skuList": skus,
    }
    return {"payload": {"data": data | overrides}}


def load(at, numbers=PRODUCTS, **overrides):
    documents = [product(number, at, **overrides) for number in numbers]
    summary = load_documents("uzum", documents, observed_at=START + timedelta(days=at))
    assert not (summary.rejected or summary.held)


def load_days(days=range(DAYS)):
    for at in days:
        load(at)


def stored_content():
    """Return the content of the tables."""
    with connections["ecommerce"].cursor() as cursor:
        return content.content(cursor)


def correct_content(days=range(DAYS)):
    """Return the content of the tables after loading with a correct adapter."""
    with rolled_back():
        load_days(days)
        return stored_content()


def shapes_with(parse):
    """Return the shapes of Uzum, with another parse function for products.

    :param parse: called with the original parse function, payload and context
    """
    [first, *others] = uzum.SHAPES
    read = partial(parse, first.parse)
    return (replace(first, parse=read), *others)


def shapes_editing(edit):
    """Return the shapes of Uzum, with each record of a product edited by a function."""

    def parse(original, payload, context):
        parsed = original(payload, context)
        return parsed._replace(records=[edit(record) for record in parsed.records])

    return shapes_with(parse)


def double_price(record):
    """Misread the price of one SKU as twice its value."""
    if isinstance(record, OfferRecord) and record.external_id == "10":
        return record._replace(price=record.price * 2)
    return record


def shorten_title(record):
    """Misread a title as its beginning."""
    if isinstance(record, ProductRecord):
        return record._replace(title=record.title[:4])
    return record


def add_rating(record):
    """Misread a missing rating as 5."""
    return record._replace(rating=Decimal(5)) if isinstance(record, ProductRecord) else record


@contextmanager
def misreading(monkeypatch, edit):
    """Let the adapter misread records within the block."""
    with monkeypatch.context() as patch:
        patch.setattr(uzum, "SHAPES", shapes_editing(edit))
        yield


def row_versions():
    """Return id, transaction and location of each row, which change if it is written."""
    versions = {}
    with connections["ecommerce"].cursor() as cursor:
        for model in (Seller, Category, Product, Offer, PricePoint):
            cursor.execute(
                SQL("SELECT id, xmin::text, tableoid, ctid::text FROM {}").format(
                    Identifier(model._meta.db_table)
                )
            )
            versions[model.__name__] = sorted(cursor.fetchall())
    return versions
