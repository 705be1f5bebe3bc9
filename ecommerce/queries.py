"""Questions that analysts ask of this database."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connections, router

from ecommerce.models import PricePoint

_STATISTICS = """
    SELECT
        currency, point_count, glitch_count, min_price, max_price, avg_price,
        lowest_at, first_at, last_at
    FROM ecommerce_price_statistics
    WHERE offer_id = %(offer_id)s
"""


class PriceStatistics(NamedTuple):
    """The prices of an offer in its present currency, glitches left out; None without any.

    :param avg_price: each price weighs as long as it held, the last one until it was seen last
    :param lowest_at: when the lowest price was first shown
    :param first_at: time of the first point
    :param last_at: time of the last point
    """

    currency: str | None
    point_count: int
    glitch_count: int
    min_price: Decimal | None
    max_price: Decimal | None
    avg_price: Decimal | None
    lowest_at: datetime | None
    first_at: datetime | None
    last_at: datetime | None


def price_statistics(offer_id: int) -> PriceStatistics | None:
    """Return the statistics of an offer's prices; None if there is no such offer."""
    with connections[router.db_for_read(PricePoint)].cursor() as cursor:
        cursor.execute(_STATISTICS, {"offer_id": offer_id})
        row = cursor.fetchone()
    return PriceStatistics(*row) if row else None
