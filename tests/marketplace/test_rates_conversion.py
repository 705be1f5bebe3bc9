"""Exchange rates: conversion of amounts in the databases."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connections

from marketplace.rates import load_rates, parse_rate
from marketplace.registry import ALIASES
from tests import factories
from tests.marketplace.rate_samples import DOLLAR, ENTRY, JULY, JUNE, ROUBLE

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


def select(alias, expression, *values):
    """Return the value of an expression, in which {} is the alias."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {expression.format(alias)}", values)
        return cursor.fetchone()[0]


def convert(alias, amount, currency, target, day):
    return select(alias, "{}_convert(%s, %s, %s, %s)", amount, currency, target, day)


def rate_day(alias, currency, target, day):
    return select(alias, "{}_rate_day(%s, %s, %s)", currency, target, day)


@pytest.mark.parametrize("alias", ALIASES)
class TestConvert:
    @pytest.fixture(autouse=True)
    def _rates(self, alias):
        load_rates(
            alias,
            [
                DOLLAR,
                DOLLAR._replace(day=JULY, rate=Decimal("12700")),
                ROUBLE,
                parse_rate(ENTRY | {"Ccy": "IDR", "Nominal": "10", "Rate": "7.62"}),
            ],
        )

    @pytest.mark.parametrize(
        ("currency", "target", "day", "converted"),
        [
            ("USD", "UZS", JUNE, "1265000.00"),
            ("USD", "UZS", date(2026, 6, 30), "1265000.00"),
            ("USD", "UZS", JULY, "1270000.00"),
            ("USD", "UZS", date(2030, 1, 1), "1270000.00"),
            ("UZS", "USD", JUNE, "0.01"),
            ("IDR", "UZS", JUNE, "76.20"),
            ("RUB", "USD", JUNE, "1.25"),
            ("USD", "RUB", JULY, "8027.81"),
            ("USD", "USD", JUNE, "100"),
            ("UZS", "UZS", JUNE, "100"),
        ],
    )
    def test_uses_the_rate_of_the_day_or_the_last_one_before(
        self, alias, currency, target, day, converted
    ):
        assert convert(alias, 100, currency, target, day) == Decimal(converted)

    @pytest.mark.parametrize(
        ("amount", "currency", "target", "day"),
        [
            (100, "USD", "UZS", date(2026, 5, 31)),
            (100, "UZS", "USD", date(2026, 5, 31)),
            (100, "RUB", "USD", date(2026, 5, 31)),
            (100, "EUR", "UZS", JUNE),
            (100, "USD", "EUR", JUNE),
            (100, "EUR", "USD", JUNE),
            (100, "usd", "UZS", JUNE),
            (None, "USD", "UZS", JUNE),
            (100, None, "UZS", JUNE),
            (100, "USD", None, JUNE),
            (100, None, None, JUNE),
            (100, "USD", "UZS", None),
            (100, "USD", "USD", None),
            (100, "UZS", "UZS", None),
            (None, "UZS", "UZS", JUNE),
        ],
    )
    def test_is_null_rather_than_wrong(self, alias, amount, currency, target, day):
        assert convert(alias, amount, currency, target, day) is None

    def test_needs_no_rate_for_the_same_currency(self, alias):
        amount = Decimal("12.3456")

        assert convert(alias, amount, "EUR", "EUR", date(2001, 1, 1)) == amount

    def test_rounds_to_two_places(self, alias):
        converted = convert(alias, 1, "IDR", "UZS", JUNE)

        assert str(converted) == "0.76"

    def test_keeps_large_amounts_exact(self, alias):
        amount = Decimal("9999999999999999.99")

        assert convert(alias, amount, "USD", "UZS", JULY) == amount * 12700

    @pytest.mark.parametrize(
        ("currency", "target", "day", "used"),
        [
            ("USD", "UZS", JUNE, JUNE),
            ("USD", "UZS", date(2026, 6, 30), JUNE),
            ("UZS", "USD", date(2026, 7, 15), JULY),
            ("RUB", "USD", date(2026, 7, 15), JUNE),
            ("USD", "RUB", date(2026, 7, 15), JUNE),
            # No rate is known, or none is needed.
            ("USD", "UZS", date(2026, 5, 31), None),
            ("EUR", "USD", JULY, None),
            ("USD", "EUR", JULY, None),
            ("USD", "USD", JULY, None),
            ("UZS", "UZS", JULY, None),
            (None, "USD", JULY, None),
            ("USD", None, JULY, None),
            ("USD", "UZS", None, None),
        ],
    )
    def test_returns_the_day_of_the_older_rate(self, alias, currency, target, day, used):
        assert rate_day(alias, currency, target, day) == used

    def test_ignores_rates_of_som(self, alias):
        factories.rate(alias, currency="UZS", rate_date=JUNE, rate=Decimal(2))

        assert convert(alias, 100, "UZS", "USD", JUNE) == Decimal("0.01")
        assert rate_day(alias, "UZS", "USD", JULY) == JULY

    @pytest.mark.parametrize(
        ("currency", "day", "rate"),
        [("USD", JULY, 12700), ("UZS", JULY, 1), ("EUR", JULY, None), ("UZS", None, None)],
    )
    def test_returns_the_rate(self, alias, currency, day, rate):
        assert select(alias, "{}_rate(%s, %s)", currency, day) == rate

    def test_does_not_depend_on_the_search_path(self, alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SET LOCAL search_path = ''")

        converted = select(alias, "public.{}_convert(100, 'USD', 'UZS', %s)", JUNE)

        assert converted == 1265000

    def test_accepts_named_arguments(self, alias):
        call = "{}_convert(amount => 1, currency => 'USD', target => 'UZS', day => %s)"

        assert select(alias, call, JULY) == 12700


OFFERS_IN_SOM = """
SELECT p.title, o.platform, o.price, o.currency,
       ecommerce_convert(o.price, o.currency, 'UZS', (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date) AS price_uzs,
       ecommerce_rate_day(o.currency, 'UZS', (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date) AS rate_day
FROM ecommerce_offers o JOIN ecommerce_products p ON o.product_id = p.id
WHERE p.title_normalized = 'iphone 15 pro' ORDER BY price_uzs;
"""  # noqa: E501


class TestQuestion:
    def test_compares_offers_in_som(self):
        load_rates("ecommerce", [ROUBLE, ROUBLE._replace(day=JULY, rate=Decimal(160))])
        phone = factories.product(title="iPhone 15 Pro", title_normalized="iphone 15 pro")
        # After midnight in Tashkent, before midnight in UTC.
        night = datetime(2026, 6, 30, 20, tzinfo=UTC)
        for platform, price, currency in (
            ("ozon", 100, "EUR"),
            ("wildberries", 90_000, "RUB"),
            ("uzum", 14_000_000, "UZS"),
        ):
            factories.offer(
                product=phone,
                platform=platform,
                price=price,
                currency=currency,
                scraped_at=night,
            )

        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(OFFERS_IN_SOM)
            rows = [(row[1], row[4], row[5]) for row in cursor.fetchall()]

        assert rows == [
            ("uzum", 14_000_000, None),
            ("wildberries", 14_400_000, JULY),
            ("ozon", None, None),
        ]

    def test_the_planner_inlines_conversions(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(f"EXPLAIN (VERBOSE) {OFFERS_IN_SOM}")
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "ecommerce_rate(" in plan
        assert "ecommerce_convert(" not in plan
