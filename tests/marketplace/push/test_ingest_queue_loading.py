"""The command ingest_queue: loading queued runs, and the selection of runs."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connections

from marketplace.loading import ingest
from marketplace.postgresql import locks
from marketplace.push import worker
from tests import factories
from tests.commands import run
from tests.marketplace.push.queued_runs import NO_RUNS, NOW, get_run, product, queue

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def titles():
    return set(apps.get_model("ecommerce", "Product").objects.values_list("external_id", flat=True))


class TestLoading:
    def test_loads_queued_runs(self):
        first = queue(product(1), product(2))
        second = queue(product(2, price=900), product(3))

        outcome = run("ingest_queue")

        assert outcome.out == (
            f"uzum-{first}: read 2, created 2, updated 0, unchanged 0, rejected 0, held 0, "
            "price points 2\n"
            f"uzum-{second}: read 2, created 1, updated 0, unchanged 1, rejected 0, held 0, "
            "price points 1\n"
        )
        assert (outcome.err, outcome.code) == ("", 0)
        assert titles() == {"1", "2", "3"}
        assert get_run(first).status == get_run(second).status == "completed"
        assert not apps.get_model("ecommerce", "LoadChunk").objects.exists()

    def test_records_without_time_were_observed_at_the_push(self):
        document = product(1)
        del document["timestamp"]
        queue(document)

        run("ingest_queue")

        [row] = apps.get_model("ecommerce", "Product").objects.all()
        assert row.last_seen_at == NOW

    def test_without_queued_runs(self):
        assert run("ingest_queue") == NO_RUNS

    def test_quarantined_record_has_its_line_number(self):
        pk = queue(product(1), None, {"payload": {"data": {"id": None}}}, product(2))

        outcome = run("ingest_queue")

        assert outcome.err.endswith(
            f"uzum-{pk}: See: python manage.py ingest_review list --platform uzum\n"
        )
        [record] = apps.get_model("ecommerce", "QuarantinedRecord").objects.all()
        assert record.source.endswith("line 3")
        assert record.run_id == pk
        assert (get_run(pk).created_count, get_run(pk).rejected_count) == (2, 1)

    def test_run_without_valid_records_is_not_repeated(self):
        pk = queue({"strange": 1}, {"strange": 2})

        outcome = run("ingest_queue")
        repeated = run("ingest_queue")

        assert f"uzum-{pk}: No record could be loaded (2 read)" in outcome.err
        assert outcome.err.endswith("1 run failed or held. See the reasons above.\n")
        assert (outcome.code, repeated) == (1, NO_RUNS)
        assert get_run(pk).status == "failed"

    def test_runs_of_a_platform_are_loaded_in_order(self, resume):
        pks = [queue(product(1), platform=name) for name in ("uzum", "ozon", "uzum", "olx")]

        run("ingest_queue")

        loaded = [pk for alias, pk in resume.calls if alias == "ecommerce"]
        assert [pk for pk in loaded if pk in (pks[0], pks[2])] == [pks[0], pks[2]]
        assert sorted(loaded) == sorted(pks[:3])
        assert ("classifieds", pks[3]) in resume.calls

    def test_option_database_selects_the_database(self, resume):
        queue(product(1))
        pk = queue({"id": 1}, platform="olx")

        run("ingest_queue", "--database", "classifieds")

        assert resume.calls == [("classifieds", pk)]

    def test_unreachable_server_does_not_delay_other_databases(self, resume, set_port):
        pk = queue({"id": 1}, platform="olx")
        set_port("ecommerce", 1)

        outcome = run("ingest_queue")

        assert resume.calls == [("classifieds", pk)]
        assert outcome.err.startswith("ECOMMERCE: connection to server at")
        assert outcome.err.endswith("CommandError: 1 of 3 databases failed: ecommerce\n")
        assert outcome.code == 1


class TestHeldRuns:
    def day(self, number, price=1000):
        """Return the cards of a day. From day to day every tenth price changes."""
        cards = []
        for n in range(300):
            card_price = price and price + 13 * ((n + number) // 10)
            card = {"productId": n + 1, "title": f"Choynak {n}", "minSellPrice": card_price}
            skus = [{"id": n * 10 + 1, "sellPrice": card_price}]
            cards.append(card | {"skuList": skus, "ordersQuantity": number})
        return cards

    def test_worker_does_not_load_held_runs(self, settings):
        settings.INGEST_BATCH_SIZE = 100
        for number in range(4):
            queue(*self.day(number), observed_at=NOW + timedelta(days=number))
        run("ingest_queue")
        pk = queue(*self.day(4, price=None), observed_at=NOW + timedelta(days=4))

        first = run("ingest_queue")
        second = run("ingest_queue")
        held = get_run(pk)
        released = ingest.resume("ecommerce", pk)

        assert f"uzum-{pk}: read 0" in first.out
        assert "held 300" in first.out
        assert f"uzum-{pk}: " in first.err
        assert (held.status, held.held_count) == ("held", 300)
        assert second == NO_RUNS
        assert (released.read, get_run(pk).status) == (300, "completed")
        assert not get_run(pk).chunks.exists()


class TestSelection:
    def load(self):
        return run("ingest_queue", "--database", "ecommerce")

    def test_ignores_runs_that_were_not_pushed(self, resume):
        for status in ("queued", "running", "failed", "held"):
            factories.load_run("ecommerce", platform="uzum", status=status)

        self.load()

        assert resume.calls == []

    @pytest.mark.parametrize("status", ["held", "discarded", "completed"])
    def test_ignores_runs_with_other_statuses(self, resume, status):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status=status)

        self.load()

        assert resume.calls == []

    @pytest.mark.parametrize("status", ["running", "failed"])
    def test_resumes_the_run_of_a_killed_worker(self, resume, status):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status=status)

        self.load()

        assert resume.calls == [("ecommerce", pk)]

    def test_skips_a_platform_that_another_worker_has_locked(self, resume):
        queue(product(1))
        ozon = queue(product(1), platform="ozon")

        with worker._platform_lock("ecommerce", "uzum") as is_locked:
            self.load()

        assert is_locked
        assert resume.calls == [("ecommerce", ozon)]

    def test_skips_a_run_that_another_process_loads(self, resume):
        pk = queue(product(1))
        apps.get_model("ecommerce", "LoadRun").objects.filter(pk=pk).update(status="running")
        other = connections["ecommerce"].copy()

        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.RUN, pk])
            self.load()
        other.close()

        assert resume.calls == []
        assert get_run(pk).status == "running"
