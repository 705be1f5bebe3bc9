"""Small Uzum payloads for the tests of loading, and functions that load and count them."""

from datetime import datetime

from marketplace.loading.ingest import load_documents
from marketplace.loading.values import TASHKENT

NOON = datetime(2026, 6, 1, 12, tzinfo=TASHKENT)


def card(number=1, price=1000, full_price=None, **overrides):
    """Return a card of a product list: one product with one SKU."""
    return {
        "productId": number,
        "title": f"Telefon {number}",
        "minSellPrice": price,
        "minFullPrice": full_price or price,
        "skuList": [{"id": number * 10, "sellPrice": price}],
    } | overrides


def product(price):
    """Return a product page with one SKU."""
    return {
        "id": 1,
        "title": "Telefon",
        "skuList": [{"id": 10, "purchasePrice": price, "fullPrice": price, "availableAmount": 3}],
    }


def load(*cards, at=NOON, platform="uzum"):
    """Load cards as observed at a time."""
    return load_documents(platform, cards, observed_at=at)


def counts(summary):
    """Return the numbers of records read, created, updated, unchanged and rejected."""
    return (summary.read, summary.created, summary.updated, summary.unchanged, summary.rejected)
