"""Ads that are no longer published: missing from a full listing, or past their expiry date."""

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

#: Fields that are repeated for a missing ad: without them, its price would be deleted.
_KEPT_FIELDS = (
    "external_id",
    "price",
    "currency",
    "currency_text",
    "is_negotiable",
    "is_price_on_request",
)


def find_missing(alias: str, platform: str, scope: Scope) -> Iterator[Item]:
    """Yield an item for each active ad that is missing from the full listing."""
    path = "seller" if scope.kind == "shop" else "category"
    missing = Listing.objects.using(alias).filter(
        platform=platform,
        status=Listing.Status.ACTIVE,
        last_seen_at__lt=scope.since,
        **{f"{path}__external_id__in": scope.external_ids},
    )
    for row in missing.order_by("pk").values(*_KEPT_FIELDS).iterator():
        price = row["price"]
        payload = row | {"price": price if price is None else str(price)}
        yield Item("MISSING", payload, observed_at=scope.at)


def _parse(payload: Payload, context: Payload) -> Parsed:
    """Return the record of a missing ad: its last price, and that it was removed."""
    price = payload["price"]
    values = payload | {"price": price if price is None else Decimal(price)}
    listing = ListingRecord(**values, status=Listing.Status.REMOVED.value)
    return Parsed(listing.external_id, [listing])


SHAPES = (Shape("MISSING", lambda document: False, lambda document, source: iter(()), _parse),)


def expire(alias: str, platform: str, now: datetime | None = None) -> int:
    """Set active ads whose expiry date has passed to expired, with an event; return their number.

    An ad that is observed again later gets the observed status. Safe to run repeatedly and
    concurrently.

    :param now: the time up to which ads expire, earlier than the current time (the default) if the
        loaded data is old
    """
    values: dict[str, Any] = {"platform": platform, "now": now or timezone.now()}
    total = 0
    while True:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(read_sql(__file__, "expired_listings"), values)
            count = int(cursor.fetchone()[0])
        total += count
        if not count:
            return total
