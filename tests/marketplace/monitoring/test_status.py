import time
from datetime import UTC, datetime

import pytest
from django.db import connections

from marketplace.databases.creation import create_database
from marketplace.monitoring import status
from marketplace.monitoring.status import Freshness, LastRun, get_status, get_statuses
from marketplace.registry import ALIASES, get_database
from tests import factories

pytestmark = pytest.mark.usefixtures("_only_olx")

STARTED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FINISHED = datetime(2026, 11, 20, 9, 5, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)


@pytest.mark.django_db(databases=["classifieds"])
class TestGetStatus:
    def test_empty_database(self):
        status = get_status("classifieds")

        assert status.is_connected
        assert (status.revision, status.pending, status.error) == ("head", (), "")
        assert status.platforms == ("olx",)
        assert status.size_bytes > 1_000_000
        assert status.rows["listings"] == 0
        assert status.runs == ()
        assert status.freshness == (Freshness("olx", None, None, None),)
        assert status.quarantined == 0

    def test_newest_run_of_a_platform(self):
        factories.load_run("classifieds", read_count=1)
        newest = factories.load_run(
            "classifieds", status="failed", finished_at=None, rejected_count=1, error="Truncated."
        )

        runs = get_status("classifieds").runs

        counts = (3, 2, 0, 1, 1, 0)
        assert runs == (LastRun(newest.pk, "olx", "failed", STARTED, None, *counts, "Truncated."),)

    def test_load_without_new_data(self):
        factories.load_run("classifieds", price_point_count=1)
        factories.load_run("classifieds", created_count=0, finished_at=LATER)

        freshness = get_status("classifieds").freshness

        assert freshness == (Freshness("olx", LATER, FINISHED, FINISHED),)

    def test_newest_observation_of_all_runs(self):
        for moment in (STARTED, LATER, FINISHED):
            factories.load_run("classifieds", newest_observed_at=moment)
        factories.load_run("classifieds", status="failed")

        [freshness] = get_status("classifieds").freshness

        assert freshness.observed_at == LATER

    def test_failed_run_with_new_data(self):
        factories.load_run("classifieds", status="failed")

        freshness = get_status("classifieds").freshness

        assert freshness == (Freshness("olx", None, FINISHED, None),)

    def test_rows_of_large_tables_are_estimated(self, monkeypatch):
        for _ in range(5):
            factories.load_run("classifieds")
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("ANALYZE classifieds_load_runs")
            cursor.execute("DELETE FROM classifieds_load_runs")

        counted = get_status("classifieds").rows["load_runs"]
        monkeypatch.setattr(status, "COUNTED_SIZE", 0)
        estimated = get_status("classifieds").rows["load_runs"]

        assert (counted, estimated) == (0, 5)

    def test_missing_table(self):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute(
                "DROP TABLE classifieds_quarantine, classifieds_load_sources, "
                "classifieds_load_runs, classifieds_load_chunks"
            )

        status = get_status("classifieds")

        assert status.is_connected
        assert (status.runs, status.freshness, status.quarantined) == ((), (), None)
        assert "listings" in status.rows


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestGetStatuses:
    def test_all_databases(self):
        statuses = get_statuses()

        assert [status.alias for status in statuses] == list(ALIASES)
        assert all(status.is_connected for status in statuses)

    def test_rows_of_partitions_are_added(self, monkeypatch):
        with connections["ecommerce"].cursor() as cursor:
            for month in ("2031-01-05", "2031-02-05"):
                cursor.execute("SELECT ecommerce_create_price_month(%(m)s)", {"m": month})
                cursor.execute(
                    "INSERT INTO ecommerce_price_history (offer_id, price, currency, recorded_at) "
                    "SELECT id, 1, 'UZS', %(m)s FROM generate_series(1, 50) AS id",
                    {"m": month},
                )
            cursor.execute("ANALYZE ecommerce_price_history")

        counted = get_status("ecommerce").rows["price_history"]
        monkeypatch.setattr(status, "COUNTED_SIZE", 0)
        estimated = get_status("ecommerce").rows["price_history"]

        assert (counted, estimated) == (100, 100)

    def test_unreachable_server(self, set_port):
        set_port("ecommerce", 1)

        ecommerce, classifieds, procurement = get_statuses()

        assert not ecommerce.is_connected
        assert "Connection refused. Start the server" in ecommerce.error
        assert ecommerce.platforms == get_database("ecommerce").platforms
        assert classifieds.is_connected and procurement.is_connected

    @pytest.mark.parametrize("connect_timeout", [1, 30])
    def test_hanging_server(self, set_port, mute_port, connect_timeout):
        set_port("procurement", mute_port)
        options = connections["procurement"].settings_dict["OPTIONS"]
        before, options["connect_timeout"] = options["connect_timeout"], connect_timeout
        start = time.monotonic()

        ecommerce, classifieds, procurement = get_statuses()
        options["connect_timeout"] = before

        assert time.monotonic() - start < 5
        assert ecommerce.is_connected and classifieds.is_connected
        assert "time" in procurement.error or "did not answer" in procurement.error

    def test_locked_table(self):
        other = connections["classifieds"].copy()
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE classifieds_listings")
        start = time.monotonic()

        (classifieds,) = get_statuses(["classifieds"])
        other.rollback()
        other.close()

        assert time.monotonic() - start < 5
        assert classifieds.is_connected
        assert classifieds.rows == {}

    def test_missing_database(self, scratch):
        name = scratch("classifieds")

        (classifieds,) = get_statuses(["classifieds"])

        assert not classifieds.is_connected
        assert f'database "{name}" does not exist. Create it' in classifieds.error

    def test_new_database_with_pending_migrations(self, scratch):
        scratch("classifieds")
        create_database("classifieds")

        (classifieds,) = get_statuses(["classifieds"])

        assert classifieds.is_connected
        assert classifieds.revision == "none"
        assert classifieds.pending[0] == "0001_extensions"
        assert (classifieds.rows, classifieds.quarantined) == ({}, None)
