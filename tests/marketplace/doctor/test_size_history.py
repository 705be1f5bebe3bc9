"""The size history."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import load_command_class
from django.db import connections
from django.utils import timezone

from marketplace.doctor import size_history
from marketplace.exceptions import MarketplaceError
from tests.commands import run

DAY = 86400


def count():
    with closing(sqlite3.connect(settings.DATA_DIR / "snapshots.sqlite3")) as history:
        return history.execute("SELECT count(*) FROM snapshots").fetchone()[0]


class TestSlope:
    def test_change_per_day(self):
        assert size_history.slope([(0, 100), (DAY / 2, 150)]) == 100

    @pytest.mark.parametrize("points", [[], [(0, 1)], [(0, 1), (5 * 3600, 9)]])
    def test_too_short_history(self, points):
        assert size_history.slope(points) is None

    def test_one_large_load_has_little_influence(self):
        points = [(day * DAY, day * 10) for day in range(20)]
        points += [(day * DAY, day * 10 + 100_000) for day in range(20, 24)]

        assert size_history.slope(points) == pytest.approx(10, rel=0.5)

    def test_shrinking_is_negative(self):
        assert size_history.slope([(day * DAY, 1000 - day * 10) for day in range(9)]) == -10


class TestRecordSizes:
    def test_old_records_are_deleted(self):
        now = timezone.now()
        size_history.record_sizes("ecommerce", now - timedelta(days=91))
        size_history.record_sizes("ecommerce", now - timedelta(days=89))

        size_history.record_sizes("ecommerce", now)

        assert count() == 2

    def test_concurrent_records(self):
        now = timezone.now()

        def record_sizes(number):
            try:
                return size_history.record_sizes("ecommerce", now - timedelta(hours=number))
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            records = list(pool.map(record_sizes, range(8)))

        assert len(records) == count() == 8

    def test_growth_of_tables(self, execute):
        now = timezone.now()
        for days in (2, 1, 0):
            execute(
                "ecommerce",
                "CREATE TABLE IF NOT EXISTS seeded.wide (text text)",
                "INSERT INTO seeded.wide SELECT repeat('x', 900) FROM generate_series(1, 2000)",
            )
            size_history.record_sizes("ecommerce", now - timedelta(days=days))

        grown = size_history.object_growth("ecommerce", now)

        assert 1_500_000 < grown["seeded.wide"] < 2_500_000
        assert grown["public.ecommerce_products"] == 0

    def test_damaged_history(self):
        (settings.DATA_DIR / "snapshots.sqlite3").write_text("this is no database at all" * 100)

        with pytest.raises(MarketplaceError, match="rename it"):
            size_history.record_sizes("ecommerce", timezone.now())

    def test_reading_creates_no_file(self):
        assert size_history.growth("ecommerce", timezone.now()) is None
        assert not (settings.DATA_DIR / "snapshots.sqlite3").exists()


class TestDisk:
    def test_disk_of_another_machine_is_unknown(self, settings):
        settings.DISK_CAPACITY = {}

        assert size_history.disk_of("ecommerce", 10) == (None, None)

    def test_capacity_of_one_database_takes_precedence(self, settings):
        settings.DISK_CAPACITY = {"": 100, "ecommerce": 50}

        assert size_history.disk_of("ecommerce", 10) == (40, 50)
        assert size_history.disk_of("procurement", 10) == (90, 100)

    def test_disk_of_the_embedded_server(self, monkeypatch):
        monkeypatch.setitem(connections["ecommerce"].settings_dict, "HOST", "")

        disk = size_history.disk_of("ecommerce", None)

        assert 0 < disk.free < disk.total


class TestCommand:
    def test_records_each_database(self):
        outcome = run("db_record_sizes", "--database", "ecommerce", "--database", "procurement")

        assert outcome.code == 0
        lines = outcome.out.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["ECOMMERCE", "PROCUREMENT"]
        assert " tables, " in lines[0]
        assert count() == 2

    def test_other_databases_are_recorded_if_one_fails(self, monkeypatch):
        monkeypatch.setitem(connections["ecommerce"].settings_dict, "NAME", "absent")

        outcome = run("db_record_sizes")

        assert outcome.code == 1
        assert "ECOMMERCE: connection to server" in outcome.err
        assert count() == 3

    def test_db_snapshot_is_a_deprecated_alias(self):
        outcome = run("db_snapshot", "--database", "ecommerce")

        assert outcome.code == 0
        assert outcome.out.startswith("ECOMMERCE: recorded ")
        assert count() == 1
        command = load_command_class("marketplace", "db_snapshot")
        assert command.help.startswith("Deprecated alias of db_record_sizes")
