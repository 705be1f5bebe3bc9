"""Prices of a batch are compared with the stored ones, whenever they arrive."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections, transaction

from ecommerce.models import Offer as StoredOffer
from ecommerce.models import PricePoint
from ecommerce.records import Offer
from marketplace.loading import staging
from marketplace.loading.gates.quality_metrics import compare_prices
from marketplace.loading.ingest import load_documents
from marketplace.loading.targets import get_plan
from tests import factories
from tests.marketplace.loading.gate_metrics import NOON

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestComparePrices:
    TARGET = next(target for target in get_plan("ecommerce").targets if target.record is Offer)

    def compare(self, *rows, factor=2.0):
        """Stage offers, as (id, price, currency, hours after noon), and compare them."""
        names = ("external_id", "price", "currency", "last_seen_at")
        types = dict(staging.stage_columns(self.TARGET))
        with transaction.atomic(using="ecommerce"), connections["ecommerce"].cursor() as cursor:
            definition = [(name, types[name]) for name in names]
            cursor.execute(staging.definition(self.TARGET.stage_table, definition))
            lines = [
                (key, price, unit, NOON + timedelta(hours=at)) for key, price, unit, at in rows
            ]
            text = "".join(map(staging.encode, lines)).encode()
            staging.copy_lines(cursor, self.TARGET.stage_table, names, text)
            comparison = compare_prices(cursor, "uzum", self.TARGET, factor)
            staging.clear(cursor, [self.TARGET.stage_table])
        return tuple(comparison)

    def offer(self, number, price=1000, currency="UZS", **overrides):
        factories.offer(
            external_id=str(number),
            price=Decimal(price),
            currency=currency,
            last_seen_at=NOON,
            **overrides,
        )

    @pytest.mark.parametrize(
        ("price", "moved", "slipped"),
        [
            ("1000", 0, 0),
            ("2000", 0, 0),
            ("2001", 1, 0),
            ("499", 1, 0),
            ("9499", 1, 0),
            ("9500", 1, 1),
            ("10500", 1, 1),
            ("10501", 1, 0),
            ("100000", 1, 1),
            ("1000000", 1, 1),
            ("100", 1, 1),
            ("10", 1, 1),
            ("1.02", 1, 1),
            ("10000000", 1, 0),
        ],
    )
    def test_large_changes_and_price_scale_errors(self, price, moved, slipped):
        self.offer(1)

        assert self.compare(("1", Decimal(price), "UZS", 1)) == (1, moved, slipped, 0)

    def test_a_price_in_another_currency_is_not_compared(self):
        self.offer(1)
        self.offer(2)

        comparison = self.compare(("1", Decimal(100), "USD", 1), ("2", Decimal(1000), None, 1))

        assert comparison == (2, 0, 0, 2)

    def test_a_currency_that_becomes_known_is_not_a_change(self):
        self.offer(1, currency=None)

        assert self.compare(("1", Decimal(100000), "UZS", 1)) == (1, 1, 1, 0)

    def test_only_newer_prices_are_compared(self):
        self.offer(1)
        self.offer(2)

        comparison = self.compare(("1", Decimal(9), "UZS", 0), ("2", Decimal(9), "UZS", -1))

        assert comparison == (0, 0, 0, 0)

    def test_a_late_price_is_compared_with_the_price_of_its_time(self):
        self.offer(1, price=5)
        offer = StoredOffer.objects.get()
        for hours, price in ((-6, 1000), (-4, 10), (-1, 5)):
            at = NOON + timedelta(hours=hours)
            factories.price_point(offer=offer, price=price, recorded_at=at)

        def compare(price, at, currency="UZS"):
            return self.compare(("1", Decimal(price), currency, at))

        assert compare(1000, -5) == (1, 0, 0, 0)
        assert compare(10, -5) == (1, 1, 1, 0)
        assert compare(10, -2) == (1, 0, 0, 0)
        assert compare(1000, -2) == (1, 1, 1, 0)
        assert compare(1000, -2, "USD") == (1, 0, 0, 1)
        # There is no earlier price, so it is compared with the next one.
        assert compare(1000, -9) == (1, 0, 0, 0)
        assert compare(10, -9) == (1, 1, 1, 0)

    def test_a_price_is_not_compared_with_an_outlier(self):
        self.offer(1)
        offer = StoredOffer.objects.get()
        for hours, price in ((-6, 1000), (-4, 100)):
            at = NOON + timedelta(hours=hours)
            is_outlier = True if price == 100 else None
            factories.price_point(offer=offer, price=price, recorded_at=at, is_outlier=is_outlier)

        assert self.compare(("1", Decimal(1000), "UZS", -2)) == (1, 0, 0, 0)

    def test_new_offers_are_not_compared(self):
        self.offer(1, platform="ozon")

        assert self.compare(("1", Decimal(9), "UZS", 1), ("2", Decimal(9), "UZS", 1)) == (0,) * 4

    def test_prices_of_zero_are_not_compared(self):
        self.offer(1, price=0)
        self.offer(2)

        comparison = self.compare(("1", Decimal(9), "UZS", 1), ("2", Decimal(0), "UZS", 1))

        assert comparison == (0, 0, 0, 0)


class TestLatePrices:
    """A day of a price list with other prices is held whenever it arrives."""

    def load(self, day, factor=1):
        offers = [
            {
                "yml_catalog": {"name": "Shop"},
                "offer": {
                    "@id": str(number),
                    "name": [f"Choynak {number}"],
                    "price": [str((1000 + number) * factor)],
                    "currencyId": ["UZS"],
                },
            }
            for number in range(200)
        ]
        return load_documents("yandex", offers, observed_at=NOON + timedelta(days=day))

    @pytest.mark.parametrize("bad", [0, 4])
    def test_wrong_prices_are_held(self, bad):
        for day in (1, 2, 3, 6, 7):
            assert self.load(day).held == 0

        summary = self.load(bad, 100)

        assert summary.held == 200
        assert summary.hold_reasons == [
            "100% of 200 prices moved by a factor of 10, 100 or 1,000 (limit 5%): another unit?"
        ]
        assert not PricePoint.objects.filter(price__gte=100_000).exists()

    def test_valid_prices_pass(self):
        for day in (1, 2, 6, 3, 0):
            assert self.load(day).held == 0
