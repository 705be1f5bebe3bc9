"""Prices that loading marked as outliers, and the manual decisions about them.

An outlier is a price that was observed once, between two prices that agree, and that differs from
them as the database function `ecommerce_is_outlier` defines. It stays in the history and is
excluded from `ecommerce_price_statistics`.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ecommerce.models import PricePoint
from marketplace.exceptions import MarketplaceError


class Outlier(NamedTuple):
    """A price that is marked as an outlier.

    :param pk: key of its point in the history
    :param offer: external_id of the offer
    :param price_before: price of the point before it; None if that has another currency
    """

    pk: int
    platform: str
    offer: str
    title: str | None
    recorded_at: datetime
    price: Decimal
    price_before: Decimal | None
    currency: str | None


def waiting(alias: str, platform: str, limit: int) -> list[Outlier]:
    """Return the newest outliers of a platform, the newest first."""
    points = PricePoint.objects.using(alias).filter(is_outlier=True, offer__platform=platform)
    rows = points.select_related("offer__product").only(
        "price",
        "price_change",
        "currency",
        "recorded_at",
        "offer__platform",
        "offer__external_id",
        "offer__product__title",
    )
    return [_outlier(point) for point in rows.order_by("-recorded_at", "-pk")[:limit]]


def _outlier(point: PricePoint) -> Outlier:
    change = point.price_change
    return Outlier(
        pk=point.pk,
        platform=point.offer.platform,
        offer=point.offer.external_id,
        title=point.offer.product.title,
        recorded_at=point.recorded_at,
        price=point.price,
        price_before=None if change is None else point.price - change,
        currency=point.currency,
    )


def release(alias: str, pk: int) -> None:
    """Accept an outlier: its price is included in the statistics, and is not marked again.

    :raises MarketplaceError: if the point does not exist, or is not marked
    """
    _set_decision(alias, pk, is_outlier=False)


def restore(alias: str, pk: int) -> None:
    """Undo a release: mark the price as an outlier again.

    :raises MarketplaceError: if the point does not exist, or was not released
    """
    _set_decision(alias, pk, is_outlier=True)


def _set_decision(alias: str, pk: int, *, is_outlier: bool) -> None:
    points = PricePoint.objects.using(alias).filter(pk=pk)
    # One statement, because loading may mark the same point concurrently.
    if not points.filter(is_outlier=not is_outlier).update(is_outlier=is_outlier):
        state = "marked as an outlier" if not is_outlier else "a released outlier"
        raise MarketplaceError(
            f"Price point {pk} is not {state}. See the price history in the admin."
            if points.exists()
            else f"The price point {pk} does not exist in {alias}."
        )
