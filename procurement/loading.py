"""The loading plan of the procurement database: the table of each record, and derived data."""

from functools import partial

from django.db.backends.utils import CursorWrapper

from marketplace.loading.targets import Plan, Reference, Target
from marketplace.postgresql.sql_files import read_sql
from procurement import models, records, settling

_sql = partial(read_sql, __file__)


def after_merge(cursor: CursorWrapper, platform: str) -> int:
    """Write the audit events of changed lots; return 0, the number of new price points."""
    cursor.execute(_sql("lot_events"), {"platform": platform})
    return 0


PLAN = Plan(
    targets=(
        Target(records.Reference, models.Reference),
        Target(records.Organization, models.Organization, shared=True),
        Target(
            records.Lot,
            models.Lot,
            references={
                "customer_external_id": Reference("customer_id", records.Organization),
                "provider_external_id": Reference("provider_id", records.Organization),
            },
            keep_prior=True,
        ),
        Target(
            records.LotItem,
            models.LotItem,
            references={"lot_external_id": Reference("lot_id", records.Lot)},
        ),
    ),
    complete_items=settling.settle,
    after_merge=after_merge,
    warn=settling.warn,
    coverage={
        "title": (records.Lot, "title"),
        "start_cost": (records.Lot, "start_cost"),
        "category": (records.Lot, "category_name"),
        "customer": (records.Lot, "customer_external_id"),
        "price": (records.LotItem, "price"),
    },
)
