"""Which record goes to which table of this database, and what follows from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db.backends.utils import CursorWrapper

from ecommerce import full_listings, history, models, records
from ecommerce.history import points_of
from ecommerce.partitions import ensure
from marketplace.loading.targets import Observations, Plan, Reference, Target
from marketplace.loading.values import normalize_title
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, __file__)

_SELLER = Reference("seller_id", records.Seller)
_CATEGORY = Reference("category_id", records.Category)


def create_months(alias: str, moments: set[datetime]) -> None:
    """Create the partitions of price history that some moments need and that are missing."""
    # Partitions are months of UTC. They are asked for each time: one that was there a batch ago
    # may have been archived since.
    ensure(alias, {moment.astimezone(UTC).date().replace(day=1) for moment in moments})


def after_merge(cursor: CursorWrapper, platform: str) -> int:
    """Write what follows from a merge: paths of categories, moves of offers, price points.

    Returns how many points are new.
    """
    write_paths(cursor, platform)
    cursor.execute(_sql("reassigned_offers"))
    return history.append(cursor, platform)


def after_create(
    cursor: CursorWrapper, platform: str, ids: Mapping[type[Any], list[int]], since: datetime
) -> int:
    """Do the same for products and offers that were just created."""
    write_paths(cursor, platform)
    return history.begin(cursor, ids[records.Offer], since)


def extend_sold_out(cursor: CursorWrapper, platform: str) -> int:
    """Stage the offers of products that are not available and come without any offer."""
    cursor.execute(_sql("sold_out_offers"), {"platform": platform})
    return int(cursor.rowcount)


def complete_prices(cursor: CursorWrapper, platform: str) -> None:
    """Give staged offers without a price the one that was in effect; drop those that had none."""
    cursor.execute("SELECT EXISTS (SELECT FROM stage_ecommerce_offers WHERE price IS NULL)")
    if cursor.fetchone() == (False,):
        return
    cursor.execute(_sql("prices_in_effect"))
    cursor.execute("DELETE FROM stage_ecommerce_offers WHERE price IS NULL")


def write_paths(cursor: CursorWrapper, platform: str) -> int:
    """Write the tree paths of categories; there are no price points in it."""
    values = {"platform": platform}
    cursor.execute(_sql("category_lock"), values)
    if cursor.rowcount:
        cursor.execute(_sql("category_paths"), values)
    return 0


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
            amounts={"total_available": "is_available"},
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
            amounts={"stock_quantity": "is_available"},
            derived={"scraped_at": lambda _, observed_at: observed_at},
            untracked=frozenset({"scraped_at"}),
            history=models.PricePoint,
            required="price",
            extend=extend_sold_out,
            complete=complete_prices,
            keep_prior=True,
        ),
    ),
    observations=Observations(
        records.PricePoint,
        "stage_price_points",
        columns=history.COLUMNS,
        key=("offer_external_id", "recorded_at"),
    ),
    before_batch=create_months,
    after_merge=after_merge,
    after_create=after_create,
    after_replay=write_paths,
    find_late=history.find_late,
    observe=points_of,
    rebuild=history.rebuild,
    find_missing=full_listings.find_missing,
    shapes=full_listings.SHAPES,
    coverage={
        "price": (records.Offer, "price"),
        "title": (records.Product, "title"),
        "category": (records.Product, "category_external_id"),
    },
    priced=records.Offer,
)
