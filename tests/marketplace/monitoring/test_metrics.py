"""The metrics for Prometheus."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from marketplace.monitoring import metrics
from marketplace.monitoring.metrics import render
from marketplace.monitoring.pgbouncer import _sum
from marketplace.registry import PLATFORMS
from tests import factories

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def read():
    """Return (name, *labels) → value of all samples."""
    families = text_string_to_metric_families(render().decode())
    return {
        (sample.name.removeprefix("marketplace_"), *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def database(alias):
    return ("database", alias)


def platform(name):
    return ("platform", name)


class TestRender:
    def test_reachable_databases(self, set_port):
        set_port("procurement", 1)

        samples = read()

        assert samples["database_up", database("procurement")] == 0
        assert samples["database_ready", database("procurement")] == 0
        assert samples["database_up", database("ecommerce")] == 1
        assert ("database_size_bytes", database("procurement")) not in samples

    def test_runs_and_records(self):
        factories.load_run("classifieds", read_count=9, created_count=2, price_point_count=4)
        factories.load_run("classifieds", status="failed", created_count=3, rejected_count=5)

        samples = read()

        olx = platform("olx")
        assert samples["load_runs", ("outcome", "completed"), olx] == 1
        assert samples["load_runs", ("outcome", "failed"), olx] == 1
        assert samples["load_runs", ("outcome", "held"), olx] == 0
        assert samples["load_records", olx, ("result", "created")] == 5
        assert samples["load_records", olx, ("result", "rejected")] == 5
        assert samples["price_points_total", olx] == 4

    def test_series_exist_before_the_first_run(self):
        samples = read()

        assert {
            samples["quarantined_records", platform(registered.name)] for registered in PLATFORMS
        } == {0}

    def test_quarantined_records(self):
        factories.quarantined("classifieds")

        assert read()["quarantined_records", platform("olx")] == 1

    def test_freshness(self):
        now = timezone.now()
        factories.load_run(
            "classifieds",
            finished_at=now - timedelta(hours=2),
            newest_observed_at=now - timedelta(hours=9),
        )

        samples = read()

        assert 32400 <= samples["observation_age_seconds", platform("olx")] < 32500
        assert ("observation_age_seconds", platform("uzex")) not in samples
        assert 7200 <= samples["freshness_seconds", platform("olx")] < 7300
        assert ("freshness_seconds", platform("uzex")) not in samples

    def test_size_of_a_table_includes_its_partitions(self):
        factories.price_point(offer=factories.offer())

        samples = read()

        assert samples["database_size_bytes", database("ecommerce")] > 0
        tables = {key[2][1] for key in samples if key[0] == "table_size_bytes"}
        assert "ecommerce_price_history" in tables
        assert not any("20" in table for table in tables)

    def test_connections(self):
        samples = read()

        most = samples["server_connections_max", database("ecommerce")]
        assert 0 < samples["server_connections", database("ecommerce")] < most

    def test_age_of_the_backup(self, monkeypatch):
        made_at = timezone.now() - timedelta(hours=3)
        monkeypatch.setattr(
            metrics, "last_backup_at", lambda alias: made_at if alias == "ecommerce" else None
        )

        samples = read()

        assert 10800 <= samples["backup_age_seconds", database("ecommerce")] < 10900
        assert ("backup_age_seconds", database("classifieds")) not in samples

    def test_unregistered_platform_has_no_series(self):
        factories.load_run("classifieds", platform="stranger")
        factories.quarantined("classifieds", platform="stranger")

        assert "stranger" not in render().decode()


class TestPools:
    def test_sum_over_the_users_of_a_database(self):
        row = {"database": "ecommerce_db", "cl_active": 2, "cl_waiting": 1, "sv_active": 1}
        row |= {"sv_idle": 3, "sv_used": 0, "maxwait": 1, "maxwait_us": 500_000}

        [pool] = _sum([row, row | {"maxwait": 0}, row | {"database": "pgbouncer"}])

        assert pool.clients == {"active": 4, "waiting": 2}
        assert pool.servers == {"active": 2, "idle": 6, "used": 0}
        assert pool.wait_seconds == 1.5
