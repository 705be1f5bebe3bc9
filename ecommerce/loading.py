"""Which record goes to which table of this database, and what follows from it."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db.backends.utils import CursorWrapper

from ecommerce import models, records
from ecommerce.partitions import ensure
from marketplace.loading.targets import Observations, Plan, Reference, Target
from marketplace.loading.values import normalize_title
from marketplace.sqlfiles import read_sql

_sql = partial(read_sql, __file__)

_SELLER = Reference("seller_id", records.Seller)
_CATEGORY = Reference("category_id", records.Category)


def expand(record: Any, observed_at: datetime) -> list[Any]:
    """Return the price point that an offer is, besides its current state."""
    if not isinstance(record, records.Offer):
        return []
    return [
        records.PricePoint(
            offer_external_id=record.external_id,
            recorded_at=observed_at,
            price=record.price,
            currency=record.currency,
            old_price=record.old_price,
            is_available=record.is_available,
            available_amount=record.stock_quantity,
        )
    ]


def create_months(alias: str, points: list[records.PricePoint]) -> None:
    """Create the partitions of price history that the points need and that are missing."""
    # Partitions are months of UTC. They are asked for each time: one that was there a batch ago
    # may have been archived since.
    months = {point.recorded_at.astimezone(UTC).date().replace(day=1) for point in points}
    ensure(alias, months)


def after_merge(cursor: CursorWrapper, platform: str) -> int:
    """Write the tree paths of categories and the price points; return how many points are new."""
    cursor.execute(_sql("category_paths"), {"platform": platform})
    cursor.execute(_sql("price_series"), {"platform": platform})
    cursor.execute(_sql("price_chain"))
    cursor.execute(_sql("price_points"))
    return int(cursor.fetchone()[0])


PLAN = Plan(
    targets=(
        Target(records.Seller, models.Seller, shared=True),
        Target(
            records.Category,
            models.Category,
            references={"parent_external_id": Reference("parent_id", records.Category)},
            shared=True,
        ),
        Target(
            records.Product,
            models.Product,
            references={"category_external_id": _CATEGORY, "seller_external_id": _SELLER},
            derived={"title_normalized": lambda product, _: normalize_title(product.title)},
        ),
        Target(
            records.Offer,
            models.Offer,
            references={
                "product_external_id": Reference("product_id", records.Product),
                "seller_external_id": _SELLER,
            },
            # A price is one observation: without an old price now, there is no discount now.
            replaced=frozenset({"price", "old_price", "currency", "currency_text", "scraped_at"}),
            current=frozenset({"is_available", "stock_quantity"}),
            derived={"scraped_at": lambda _, observed_at: observed_at},
            silent=frozenset({"scraped_at"}),
            keep_prior=True,
        ),
    ),
    observations=Observations(
        records.PricePoint,
        "stage_price_points",
        columns={
            "offer_external_id": "text",
            "recorded_at": "timestamptz",
            "price": "numeric(18,2)",
            "currency": "text",
            "old_price": "numeric(18,2)",
            "is_available": "boolean",
            "available_amount": "integer",
        },
        key=("offer_external_id", "recorded_at"),
    ),
    expand=expand,
    before_batch=create_months,
    after_merge=after_merge,
    temporary=("price_news", "price_rebuilds", "price_series", "price_chain"),
)
