"""Days of Uzum cards for the tests of the gates: valid ones and invalid ones."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.apps import apps
from django.db import transaction

from marketplace.loading.ingest import load_documents

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
SIZE = 300
#: Columns that show when and by which run a row was written.
_WRITTEN = {"id", "updated_at", "run_id", "run", "created_at"}


def card(number, price, **overrides):
    """Return a card with two offers."""
    skus = [{"id": number * 10 + n, "sellPrice": price and price + n} for n in range(2)]
    product = {"productId": number, "title": f"Choynak {number}", "minSellPrice": price}
    return product | {"skuList": skus} | overrides


def day(number, *, size=SIZE, factor=1, **overrides):
    """Return the cards of one day: every tenth price differs from the day before."""
    values = {"ordersQuantity": number} | overrides
    return [
        card(n, (1000 + 7 * n + 13 * ((n + number) // 10)) * factor, **values)
        for n in range(1, size + 1)
    ]


def load(cards, at, platform="uzum"):
    return load_documents(platform, cards, observed_at=START + timedelta(days=at))


def load_history(days=4):
    """Load some ordinary days."""
    for number in range(days):
        assert load(day(number), number).hold_reasons == []


def content(alias="ecommerce"):
    """Return the content of the live tables, by natural keys."""
    return {
        name: sorted(_plain(row) for row in _rows(alias, name))
        for name in ("Seller", "Category", "Product", "Offer", "PricePoint")
    }


def _rows(alias, name):
    model = apps.get_model(alias, name)
    names = [field.attname for field in model._meta.concrete_fields]
    compared = [name for name in names if name not in _WRITTEN and not name.endswith("_id")]
    keys = [f"{field.name}__external_id" for field in model._meta.fields if field.is_relation]
    own = ["external_id"] if "external_id" in names else []
    return model.objects.values_list(*own, *keys, *dict.fromkeys(compared))


def _plain(row):
    return tuple(str(bytes(v) if isinstance(v, memoryview) else v) for v in row)


@contextmanager
def rolled_back():
    """Roll back the changes of the block."""
    with transaction.atomic(using="ecommerce"):
        yield
        transaction.set_rollback(True, using="ecommerce")


def missing_prices():
    """Return a day whose prices are missing after the first hundred cards."""
    return day(4)[:100] + [card(n, None) for n in range(101, SIZE + 1)]


def rescaled_prices():
    """Return a day whose prices have another unit."""
    return day(4, factor=100)


def missing_titles():
    """Return a day whose titles are missing."""
    return day(4, title=None)


def repeated_ids():
    """Return a day whose cards all have the same few ids."""
    return [card(1 + n % 5, 1000 + n) for n in range(SIZE)]


def other_platform():
    """Return ads of another platform."""
    ad = {
        "created_time": "2026-03-05T10:00:00+05:00",
        "params": [],
        "url": "https://www.olx.uz/d/1",
    }
    return [ad | {"id": n, "title": f"Divan {n}"} for n in range(SIZE)]
