"""The loading plan of the e-commerce database: the table of each record, and derived data."""

from datetime import UTC, datetime
from functools import partial

from django.db.backends.utils import CursorWrapper

from ecommerce import full_listings, history, models, records
from ecommerce.history import observations_of
from ecommerce.partitions import ensure
from marketplace.loading.targets import Observations, Plan, Reference, Target
from marketplace.loading.values import normalize_title
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, __file__)

_SELLER = Reference("seller_id", records.Seller)
_CATEGORY = Reference("category_id", records.Category)


def create_months(alias: str, times: set[datetime]) -> None:
    """Create the missing partitions of the price history for some times."""
    # Partitions are months of UTC. Each batch checks again: a month may have been archived since
    # the last batch.
    ensure(alias, {time.astimezone(UTC).date().replace(day=1) for time in times})


def after_merge(cursor: CursorWrapper, platform: str) -> int:
    """Write the data that follow from a merge: category paths, reassigned offers, price points.

    :return: the number of new points
    """
    write_paths(cursor, platform)
    cursor.execute(_sql("reassigned_offers"))
    return history.append_points(cursor, platform)


def extend_sold_out(cursor: CursorWrapper, platform: str) -> int:
    """Stage all offers of products that are unavailable and come without offers.

    :return: the number of staged offers
    """
    cursor.execute(_sql("sold_out_offers"), {"platform": platform})
    return int(cursor.rowcount)


def complete_prices(cursor: CursorWrapper, platform: str) -> None:
    """Give staged offers without a price the price in effect; delete those that have none."""
    cursor.execute(_sql("prices_in_effect"))


def write_paths(cursor: CursorWrapper, platform: str) -> int:
    """Write the tree paths of changed categories; return 0, the number of new price points."""
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
            # A price is observed as a whole: without an old price, there is no discount.
            replaced=frozenset({"price", "old_price", "currency", "currency_text", "scraped_at"}),
            volatile_columns=frozenset({"is_available", "stock_quantity"}),
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
    after_replay=write_paths,
    find_late=history.find_late,
    observe=observations_of,
    rebuild=history.rebuild,
    find_missing=full_listings.find_missing,
    shapes=full_listings.SHAPES,
    coverage={
        "price": (records.Offer, "price"),
        "title": (records.Product, "title"),
        "category": (records.Product, "category_external_id"),
    },
    priced_record=records.Offer,
)
