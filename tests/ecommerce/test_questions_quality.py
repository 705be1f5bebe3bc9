"""The question ecommerce.load_quality."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from ecommerce.models import LoadRun, Offer, Product, QuarantinedRecord
from tests import factories
from tests.amounts import local_day, percent
from tests.ecommerce import markets
from tests.ecommerce.markets import ask_rows
from tests.factories import SEEN
from tests.questions import analysts  # noqa: F401 # a fixture
from tests.strategies import few_or_many, optional, times

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The whole period, local days; rows are from the day before until the day after.
PERIOD = {"since": "2026-11-18", "until": "2026-11-20"}
MOMENTS = times(5, start=datetime(2026, 11, 16, 19, tzinfo=UTC))

PRODUCT = {
    "title": optional("Choynak", ""),
    "brand": optional("Artel", ""),
    "images": optional(["a.jpg"], []),
    "rating": optional(0, 5),
    "category": optional("A"),
}
OFFER = {
    "seller": optional("B"),
    "currency": optional("UZS"),
    "is_available": optional(False, True),
    "stock_quantity": optional(0, 5),
    "delivery_days": optional(0, 5),
    "barcode": optional("4006381333931", ""),
}
RUN = {
    "status": st.sampled_from(["completed", "failed", "held", "discarded"]),
    "read_count": st.sampled_from([0, 7]),
    "rejected_count": st.sampled_from([0, 3]),
    "held_count": st.sampled_from([0, 4]),
    "newest_observed_at": st.none() | MOMENTS,
}
PLACE = {"platform": st.sampled_from(markets.PLATFORMS), "last_seen_at": MOMENTS}


def rows_of(fields):
    return few_or_many(st.fixed_dictionaries(PLACE | fields), count=15)


def store(products, offers, runs, quarantined):
    """Replace the rows of the example before, and yield each."""
    with transaction.atomic(using="ecommerce"):
        markets.clear(*markets.TABLES, "load_runs", "quarantine")
        category, seller = factories.category(), factories.seller()
        for fields in products:
            yield factories.product(**fields | {"category": fields["category"] and category})
        # The product of the offers is of no day of the period.
        other = factories.product(last_seen_at=SEEN - 90 * markets.DAY)
        for fields in offers:
            seller_of = {"seller": fields["seller"] and seller, "product": other}
            yield factories.offer(**fields | seller_of)
        for fields in runs:
            values = dict(fields)
            yield factories.load_run("ecommerce", started_at=values.pop("last_seen_at"), **values)
        for number, fields in enumerate(quarantined):
            yield factories.quarantined("ecommerce", b"%d" % number, **fields)


def counts_of(row):
    """Return what a row adds to the counts of its day."""
    match type(row).__name__:
        case "Product":
            return {
                "products": 1,
                "products_title": bool(row.title),
                "products_category": row.category is not None,
                "products_brand": bool(row.brand),
                "products_images": bool(row.images),
                "products_rating": row.rating is not None,
            }
        case "Offer":
            return {
                "offers": 1,
                "offers_seller": row.seller is not None,
                "offers_currency": row.currency is not None,
                "offers_availability": row.is_available is not None,
                "offers_stock": row.stock_quantity is not None,
                "offers_delivery": row.delivery_days is not None,
                "offers_barcode": bool(row.barcode),
            }
        case "LoadRun":
            return {
                "runs": 1,
                "unsuccessful_runs": row.status in ("failed", "held"),
                "read_records": row.read_count,
                "rejected": row.rejected_count,
                "held": row.held_count,
            }
    return {"quarantined": 1}


#: The columns that are counts.
COUNTS = [
    name for model in (Product, Offer, LoadRun, QuarantinedRecord) for name in counts_of(model())
]


class TestLoadQuality:
    @markets.EXAMPLES
    @given(rows_of(PRODUCT), rows_of(OFFER), rows_of(RUN), rows_of({}))
    def test_equals_counts_in_python(self, products, offers, runs, quarantined):
        days, newest = defaultdict(lambda: Counter(dict.fromkeys(COUNTS, 0))), defaultdict(list)
        for row in store(products, offers, runs, quarantined):
            moment = row.started_at if isinstance(row, LoadRun) else row.last_seen_at
            day = local_day(moment).isoformat()
            if PERIOD["since"] <= day <= PERIOD["until"]:
                days[day, row.platform].update(counts_of(row))
                newest[day, row.platform].append(getattr(row, "newest_observed_at", None))
        expected = [
            {
                "platform": platform,
                "day": date.fromisoformat(day),
                **counts,
                "rejected_percent": percent(Decimal(counts["rejected"]), counts["read_records"]),
                "newest_observed_at": max(filter(None, newest[day, platform]), default=None),
            }
            for (day, platform), counts in sorted(days.items())
        ]
        expected.sort(key=lambda row: row["day"], reverse=True)

        rows = ask_rows("load_quality", **PERIOD)

        assert markets.narrow(rows, expected) == expected

    def test_days_without_runs_or_rows_are_complete(self):
        factories.load_run("ecommerce", platform="uzum", read_count=0, started_at=SEEN)
        factories.offer(platform="ozon")

        ozon, uzum = ask_rows("load_quality", **PERIOD)[:2]

        assert (ozon["platform"], ozon["offers"], ozon["runs"]) == ("ozon", 1, 0)
        assert (uzum["offers"], uzum["products"], uzum["runs"]) == (0, 1, 1)
        assert ozon["rejected_percent"] is uzum["rejected_percent"] is None
        rows = ask_rows("load_quality", platform="ozon", **PERIOD)
        assert [row["platform"] for row in rows] == ["ozon"]

    def test_is_empty_without_rows(self):
        assert ask_rows("load_quality") == []
