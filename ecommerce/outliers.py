"""Prices that loading marked as outliers, and what a person says of them.

A outlier is a price that lasted one observation and came back, and that was wrong beside its
neighbors: `ecommerce_is_outlier` in the database says how wrong. It stays in the history, and is
left out of `ecommerce_price_statistics`.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ecommerce.models import PricePoint
from marketplace.exceptions import MarketplaceError


class Outlier(NamedTuple):
    """A marked price.

    :param pk: of its point in the history
    :param offer: the offer's external_id
    :param price_before: the price of the observation before it; None if its currency was another
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
    """Return the marked prices of a platform, the newest first."""
    points = PricePoint.objects.using(alias).filter(is_outlier=True, offer__platform=platform)
    found = points.select_related("offer__product").only(
        "price",
        "price_change",
        "currency",
        "recorded_at",
        "offer__platform",
        "offer__external_id",
        "offer__product__title",
    )
    return [_outlier(point) for point in found.order_by("-recorded_at", "-pk")[:limit]]


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
    """Say of a marked price that it is right: it counts again, and is not marked again.

    :raises MarketplaceError: if there is no such price, or it is not marked
    """
    _settle(alias, pk, is_outlier=False)


def restore(alias: str, pk: int) -> None:
    """Take back a release: the price is marked again.

    :raises MarketplaceError: if there is no such price, or it was not released
    """
    _settle(alias, pk, is_outlier=True)


def _settle(alias: str, pk: int, *, is_outlier: bool) -> None:
    points = PricePoint.objects.using(alias).filter(pk=pk)
    # One statement: loading may be judging the same point.
    if not points.filter(is_outlier=not is_outlier).update(is_outlier=is_outlier):
        state = "marked as a outlier" if not is_outlier else "a released outlier"
        raise MarketplaceError(
            f"Price point {pk} is not {state}. See the price history in the admin."
            if points.exists()
            else f"There is no price point {pk} in {alias}."
        )
