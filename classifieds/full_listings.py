"""Ads that are not published any more: missing from a full listing, or past their own date."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from classifieds.models import Listing
from classifieds.records import Listing as ListingRecord
from marketplace.loading.adapters import Item, Parsed, Payload, Shape
from marketplace.loading.targets import Scope
from marketplace.postgresql.sql_files import read_sql

#: What an absent ad still says: its last price, as a price that is not told is one that is gone.
_TOLD = (
    "external_id",
    "price",
    "currency",
    "currency_text",
    "is_negotiable",
    "is_price_on_request",
)


def find_missing(alias: str, platform: str, scope: Scope) -> Iterator[Item]:
    """Yield an item for each active ad that is not in the full listing."""
    path = "seller" if scope.kind == "shop" else "category"
    gone = Listing.objects.using(alias).filter(
        platform=platform,
        status=Listing.Status.ACTIVE,
        last_seen_at__lt=scope.since,
        **{f"{path}__external_id__in": scope.external_ids},
    )
    for row in gone.order_by("pk").values(*_TOLD).iterator():
        price = row["price"]
        told = row | {"price": price if price is None else str(price)}
        yield Item("MISSING", told, observed_at=scope.at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    """Return what the absence of an ad says."""
    price = payload["price"]
    told = payload | {"price": price if price is None else Decimal(price)}
    gone = ListingRecord(**told, status=Listing.Status.REMOVED.value)
    return Parsed(gone.external_id, [gone])


SHAPES = (Shape("MISSING", lambda document: False, lambda document, source: iter(()), _parse),)


def expire(alias: str, platform: str, moment: datetime | None = None) -> int:
    """End the active ads whose own date has passed, with an event; return how many.

    An ad that is observed again later is again what it says. Safe to run twice and at once.

    :param moment: up to when, as what is loaded may be old; now if None
    """
    values: dict[str, Any] = {"platform": platform, "moment": moment or timezone.now()}
    ended = 0
    while True:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(read_sql(__file__, "expired_listings"), values)
            count = int(cursor.fetchone()[0])
        ended += count
        if not count:
            return ended
