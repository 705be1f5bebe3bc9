from datetime import date

import pytest
from django.db import connections

from ecommerce.partitions import ensure_ahead, names_ahead

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

# No other test has rows of this time.
TODAY = date(2041, 11, 30)

MONTHS = [
    "ecommerce_price_history_2041_11",
    "ecommerce_price_history_2041_12",
    "ecommerce_price_history_2042_01",
    "ecommerce_price_history_2042_02",
]


class TestEnsureAhead:
    def test_names_the_current_month_and_three_more(self):
        assert names_ahead(TODAY) == MONTHS

    def test_creates_them_once(self):
        assert ensure_ahead("ecommerce", TODAY) == MONTHS
        assert ensure_ahead("ecommerce", TODAY) == []

    def test_partitions_are_months_of_utc(self):
        ensure_ahead("ecommerce", TODAY)

        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO ecommerce_price_history (offer_id, price, currency, recorded_at) "
                "VALUES (1, 1, 'UZS', '2041-11-01 00:00+00'), (1, 1, 'UZS', '2041-11-30 23:59+00') "
                "RETURNING tableoid::regclass::text"
            )
            assert {name for (name,) in cursor.fetchall()} == {MONTHS[0]}
