"""Products that a full listing of a shop or category lacks: they are not for sale any more."""

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

_TOLD = ("id", "price", "old_price", "currency", "currency_text")


def find_missing(alias: str, platform: str, scope: Scope) -> Iterator[Item]:
    """Yield an item for each product with offers for sale that the full listing lacks."""
    offers = Offer.objects.using(alias).filter(platform=platform, last_seen_at__lt=scope.since)
    gone = offers.filter(_within(scope)).exclude(is_available=False).order_by("product_id", "pk")
    siblings = Offer.objects.using(alias).filter(product=OuterRef("product"))
    left = siblings.exclude(is_available=False).exclude(
        Q(last_seen_at__lt=scope.since) & _within(scope)
    )
    gone = gone.annotate(is_sold=Exists(left))
    names = ("product_id", "product__external_id", "is_sold", "external_id", *_TOLD[1:])
    for (_, external_id, is_sold), rows in groupby(
        gone.values_list(*names).iterator(), key=itemgetter(slice(3))
    ):
        told = [dict(zip(_TOLD, map(_plain, offer[3:]), strict=True)) for offer in rows]
        yield Item(
            "MISSING",
            {"id": external_id, "offers": told, "is_sold": is_sold},
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
    """Return what the absence of offers says: their last price, and that they are not for sale."""
    offers = [
        OfferRecord(
            external_id=told["id"],
            product_external_id=payload["id"],
            price=Decimal(told["price"]),
            old_price=told["old_price"] and Decimal(told["old_price"]),
            currency=told["currency"],
            currency_text=told["currency_text"],
            is_available=False,
        )
        for told in payload["offers"]
    ]
    # Others may still sell it; then nothing is said of the product.
    is_available = None if payload.get("is_sold", True) else False
    return Parsed(payload["id"], [ProductRecord(payload["id"], is_available=is_available), *offers])


SHAPES = (Shape("MISSING", lambda document: False, lambda document, source: iter(()), _parse),)
