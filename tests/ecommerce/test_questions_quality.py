"""The question ecommerce.load_quality."""

from collections import Counter
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

import pytest
from django.utils import timezone

from tests import factories
from tests.factories import SEEN
from tests.questions import analysts, answer  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The whole period, local days.
PERIOD = {"since": "2026-11-18", "until": "2026-11-20"}


def add_rows(random):
    """Store random runs and rows; return (platform, day) → the expected counts."""
    counts = {}
    sellers, categories = [factories.seller(), None], [factories.category(), None]
    for number in range(80):
        platform = random.choice(["uzum", "ozon"])
        at = SEEN - timedelta(hours=random.randint(0, 80))
        some = {"platform": platform, "last_seen_at": at}
        product = factories.product(
            **some,
            title=random.choice(["Choynak", "", None]),
            brand=random.choice(["Artel", "", None]),
            images=random.choice([["a.jpg"], [], None]),
            rating=random.choice([0, 5, None]),
            category=random.choice(categories),
        )
        offer = factories.offer(
            **some,
            product=product,
            seller=random.choice(sellers),
            currency=random.choice(["UZS", None]),
            is_available=random.choice([False, True, None]),
            stock_quantity=random.choice([0, 5, None]),
            delivery_days=random.choice([0, 5, None]),
            barcode=random.choice(["4006381333931", "", None]),
        )
        run = factories.load_run(
            "ecommerce",
            platform=platform,
            started_at=at,
            status=random.choice(["completed", "failed", "held", "discarded"]),
            read_count=random.choice([0, 7]),
            rejected_count=random.choice([0, 3]),
            held_count=random.choice([0, 4]),
            newest_observed_at=random.choice([at, None]),
        )
        is_quarantined = random.random() < 0.3
        if is_quarantined:
            factories.quarantined("ecommerce", b"%d" % number, **some)
        count = counts.setdefault((platform, timezone.localdate(at)), Counter())
        count.update(expected_counts(run, product, offer), quarantined=is_quarantined)
    return {
        key: count for key, count in counts.items() if "2026-11-18" <= str(key[1]) <= "2026-11-20"
    }


def expected_counts(run, product, offer):
    """Return what a run, a product and an offer add to the counts of their day."""
    return {
        "runs": 1,
        "unsuccessful_runs": run.status in ("failed", "held"),
        "read_records": run.read_count,
        "rejected": run.rejected_count,
        "held": run.held_count,
        "products": 1,
        "products_title": bool(product.title),
        "products_category": product.category is not None,
        "products_brand": bool(product.brand),
        "products_images": bool(product.images),
        "products_rating": product.rating is not None,
        "offers": 1,
        "offers_seller": offer.seller is not None,
        "offers_currency": offer.currency is not None,
        "offers_availability": offer.is_available is not None,
        "offers_stock": offer.stock_quantity is not None,
        "offers_delivery": offer.delivery_days is not None,
        "offers_barcode": bool(offer.barcode),
    }


class TestLoadQuality:
    def test_equals_counts_in_python(self):
        expected = add_rows(Random(1))

        rows = answer("ecommerce.load_quality", **PERIOD)

        assert {(row["platform"], row["day"]) for row in rows} == set(expected)
        for row in rows:
            counts = expected[row["platform"], row["day"]]
            assert {name: row[name] for name in counts} == counts
            percent = None
            if counts["read_records"]:
                percent = Decimal(100 * counts["rejected"]) / counts["read_records"]
                percent = percent.quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert row["rejected_percent"] == percent
        keys = [(row["day"], row["platform"]) for row in rows]
        assert keys == sorted(keys, key=lambda key: (-key[0].toordinal(), key[1]))

    def test_days_without_runs_or_rows_are_complete(self):
        factories.load_run("ecommerce", platform="uzum", read_count=0, started_at=SEEN)
        factories.offer(platform="ozon")

        ozon, uzum = answer("ecommerce.load_quality", **PERIOD)[:2]

        assert (ozon["platform"], ozon["offers"], ozon["runs"]) == ("ozon", 1, 0)
        assert (uzum["offers"], uzum["products"], uzum["runs"]) == (0, 1, 1)
        assert ozon["rejected_percent"] is uzum["rejected_percent"] is None
        rows = answer("ecommerce.load_quality", platform="ozon", **PERIOD)
        assert [row["platform"] for row in rows] == ["ozon"]

    def test_is_empty_without_rows(self):
        assert answer("ecommerce.load_quality") == []
