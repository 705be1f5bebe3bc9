"""Rows that wait for review, for tests of `ingest_review` and the admin."""

from datetime import UTC, datetime
from decimal import Decimal

import orjson

from ecommerce.models import LoadChunk, LoadRun, PricePoint, QuarantinedRecord
from marketplace.loading import chunks
from tests import factories

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CAUSE = "price is missing in 97% of 1,000 records of UZ-GQL-CARD (usually 2%, limit 22%)"


def card(number, price=1000, **overrides):
    sku = {"id": (number or 0) * 10, "sellPrice": price}
    product = {"productId": number, "title": f"Choynak {number}", "minSellPrice": price}
    return product | {"skuList": [sku]} | overrides


def held_run(*cards, platform="uzum", **overrides):
    """Create a run of which a gate holds some cards."""
    values = {"status": "held", "error": CAUSE, "held_count": len(cards), "finished_at": NOON}
    held = factories.load_run("ecommerce", platform=platform, **values | overrides)
    lines = [
        {
            "shape": "UZ-GQL-CARD",
            "payload": payload,
            "context": {},
            "is_counted": True,
            "observed_at": NOON.isoformat(),
            "place": f"line {number}",
            "source": "cards.jsonl",
        }
        for number, payload in enumerate(cards, 1)
    ]
    for start in range(0, len(lines), 2):
        body = chunks.pack([orjson.dumps(line) for line in lines[start : start + 2]])
        LoadChunk.objects.create(run=held, is_held=True, sequence=start // 2 + 1, body=body)
    return held


def outlier(hour=1, is_outlier=True, **overrides):
    """Create a price of an offer that is a tenth of the price before it."""
    return factories.price_point(
        offer=factories.offer(external_id=f"o{hour}"),
        price=Decimal(100),
        price_change=Decimal(-900),
        recorded_at=NOON.replace(hour=hour),
        is_outlier=is_outlier,
        **overrides,
    )


def quarantined_card(number=1, price=1000, **overrides):
    """Create a quarantined card that can be loaded now, as if the adapter had been corrected."""
    values = {"platform": "uzum", "shape": "UZ-GQL-CARD", "observed_at": NOON} | overrides
    return factories.quarantined("ecommerce", orjson.dumps(card(number, price)), **values)


#: Kind → function that creates a row that waits.
KINDS = {"run": lambda: held_run(card(1)), "record": quarantined_card, "outlier": outlier}


def is_waiting(kind):
    """Return whether any row of a kind waits."""
    return {
        "run": LoadRun.objects.held(),
        "record": QuarantinedRecord.objects.all(),
        "outlier": PricePoint.objects.filter(is_outlier=True),
    }[kind].exists()
