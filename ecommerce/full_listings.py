"""Products that are missing from a full listing of a shop or category: they are not for sale."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Exists, OuterRef, Q

from ecommerce.models import Offer
from ecommerce.records import Offer as OfferRecord
from ecommerce.records import Product as ProductRecord
from marketplace.loading.adapters import Item, Parsed, Payload, Shape
from marketplace.loading.targets import Scope

_FIELDS = ("id", "price", "old_price", "currency", "currency_text")


def find_missing(alias: str, platform: str, scope: Scope) -> Iterator[Item]:
    """Yield an item for each product whose offers for sale are missing from the full listing."""
    offers = Offer.objects.using(alias).filter(platform=platform, last_seen_at__lt=scope.since)
    missing = offers.filter(_within(scope)).exclude(is_available=False).order_by("product_id", "pk")
    siblings = Offer.objects.using(alias).filter(product=OuterRef("product"))
    remaining = siblings.exclude(is_available=False).exclude(
        Q(last_seen_at__lt=scope.since) & _within(scope)
    )
    missing = missing.annotate(is_sold=Exists(remaining))
    names = ("product_id", "product__external_id", "is_sold", "external_id", *_FIELDS[1:])
    for (_, external_id, is_sold), rows in groupby(
        missing.values_list(*names).iterator(), key=itemgetter(slice(3))
    ):
        missing_offers = [dict(zip(_FIELDS, map(_plain, offer[3:]), strict=True)) for offer in rows]
        yield Item(
            "MISSING",
            {"id": external_id, "offers": missing_offers, "is_sold": is_sold},
            observed_at=scope.at,
        )


def _within(scope: Scope) -> Q:
    if scope.kind == "shop":
        return Q(seller__external_id__in=scope.external_ids) | Q(
            seller=None, product__seller__external_id__in=scope.external_ids
        )
    return Q(product__category__external_id__in=scope.external_ids)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _parse(payload: Payload, context: Payload) -> Parsed:
    """Return the records of missing offers: their last price, and that they are not for sale."""
    offers = [
        OfferRecord(
            external_id=offer["id"],
            product_external_id=payload["id"],
            price=Decimal(offer["price"]),
            old_price=offer["old_price"] and Decimal(offer["old_price"]),
            currency=offer["currency"],
            currency_text=offer["currency_text"],
            is_available=False,
        )
        for offer in payload["offers"]
    ]
    # If other sellers still offer the product, its own availability stays unknown.
    is_available = None if payload.get("is_sold", True) else False
    return Parsed(payload["id"], [ProductRecord(payload["id"], is_available=is_available), *offers])


SHAPES = (Shape("MISSING", lambda document: False, lambda document, source: iter(()), _parse),)
