"""The loading plan of the classifieds database: the table of each record, and derived data."""

from functools import partial

from django.db.backends.utils import CursorWrapper

from classifieds import full_listings, models, records
from classifieds.places import canonical_district
from marketplace.loading.targets import Plan, Reference, Target
from marketplace.postgresql.sql_files import read_sql

_sql = partial(read_sql, __file__)


def after_merge(cursor: CursorWrapper, platform: str) -> int:
    """Write the events of changed listings; return 0, the number of new price points."""
    cursor.execute(_sql("listing_events"), {"platform": platform})
    return 0


PLAN = Plan(
    targets=(
        Target(
            records.Category,
            models.Category,
            references={"parent_external_id": Reference("parent_id", records.Category)},
            shared=True,
        ),
        Target(records.Seller, models.Seller, shared=True),
        Target(
            records.Listing,
            models.Listing,
            references={
                "category_external_id": Reference("category_id", records.Category),
                "seller_external_id": Reference("seller_id", records.Seller),
            },
            # A price is observed as a whole: "on request" means that no price is published.
            replaced=frozenset(
                {"price", "currency", "currency_text", "is_negotiable", "is_price_on_request"}
            ),
            # Derived here for payloads and tables alike.
            derived={
                "district_canonical": lambda listing, _: canonical_district(
                    listing.district, listing.city
                )
            },
            keep_prior=True,
            kept_on_replay=frozenset({"status"}),
        ),
    ),
    after_merge=after_merge,
    find_missing=full_listings.find_missing,
    shapes=full_listings.SHAPES,
    after_run=full_listings.expire,
    coverage={
        # Ads on request do not count as priced: an ad whose price was not parsed looks the same.
        "price": (records.Listing, "price"),
        "title": (records.Listing, "title"),
        "category": (records.Listing, "category_path"),
        "city": (records.Listing, "city"),
        "coordinates": (records.Listing, "latitude"),
    },
    priced_record=records.Listing,
)
