"""The database backend with the cursor of `DEBUG`."""

from datetime import date

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from ecommerce.archive import export
from ecommerce.models import Offer
from marketplace.loading import staging
from tests.marketplace.loading.cards import card, counts, load

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

MOMENT = date(2026, 5, 1)


@pytest.fixture(autouse=True)
def _debug(settings):
    settings.DEBUG = True


class TestDebugCursor:
    def test_copies_from_a_file(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(staging.definition("stage_days", [("day", "date")]))
            staging.copy(cursor, "stage_days", ["day"], [[MOMENT]])
            cursor.execute("SELECT day FROM stage_days")

            assert cursor.fetchall() == [(MOMENT,)]

    def test_copies_to_a_file(self, tmp_path):
        path = tmp_path / "rows"
        with connections["ecommerce"].cursor() as cursor, path.open("wb") as file:
            export.copy_with_setting(cursor, "SELECT 1", "COPY (VALUES (7)) TO STDOUT", file)

        assert path.read_bytes() == b"7\n"

    def test_logs_the_beginning_of_a_long_statement(self):
        connection = connections["ecommerce"]
        with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
            cursor.execute("SELECT %s", ["ж" * 50_000])
            cursor.execute("SELECT %s", ["short"])

        long, short = (query["sql"] for query in queries.captured_queries)
        assert long.startswith("SELECT 'жжж")
        assert long.endswith("ж… (100,009 bytes)")
        assert len(long.encode()) < 2100
        assert short == "SELECT 'short'"

    def test_loads(self):
        assert counts(load(card(1), card(2))) == (2, 2, 0, 0, 0)
        assert counts(load(card(1), card(2))) == (2, 0, 0, 2, 0)
        assert Offer.objects.count() == 2
