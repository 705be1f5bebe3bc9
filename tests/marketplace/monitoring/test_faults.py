"""A stopped, hanging, full or read-only server does not affect the other databases."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import pooler
from tests.classifieds.olx_payloads import make_ad, make_page
from tests.marketplace.monitoring.fleet import Fleet, full, hanging, read_only, stopped
from tests.marketplace.stage import wait
from tests.procurement.uzex_payloads import DEAL

OTHERS = ("default", "classifieds", "procurement")

PAGES = {"classifieds": "/classifieds/listing/", "procurement": "/procurement/lot/"}

PRODUCT = {"payload": {"data": {"id": 1, "title": "Choynak", "skuList": []}}}

LOADS = [("olx", make_page(make_ad())), ("uzex", [DEAL]), ("uzum", PRODUCT)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()


def wait_until_ready(fleet):
    """Wait until all databases are ready again."""
    wait(lambda: fleet.readiness()[0] == 200, "it did not recover")


@pytest.mark.parametrize(
    ("fault", "code", "page"),
    [
        (stopped, "unreachable", 503),
        pytest.param(hanging, "silent", 503, marks=pytest.mark.slow),
        pytest.param(full, "out of connections", 503, marks=pytest.mark.slow),
        pytest.param(read_only, "read-only", 200, marks=pytest.mark.slow),
    ],
)
class TestFaults:
    def test_only_one_database_is_affected_and_it_recovers(self, fleet, fault, code, page):
        wait_until_ready(fleet)

        with fault(fleet, "ecommerce"):
            wait(lambda: fleet.readiness()[0] == 503, "the fault was not seen")
            status, body = fleet.readiness()
            own_page = fleet.get("/ecommerce/product/")
            pages = {alias: fleet.get(address)[0] for alias, address in PAGES.items()}
            front = fleet.get("/databases/")
            with ThreadPoolExecutor() as pool:
                *loads, own_load = pool.map(lambda arguments: fleet.load(*arguments), LOADS)
            statuses = fleet.machine("db_status", "--format", "json")
            metrics = fleet.get("/metrics")
        wait_until_ready(fleet)
        wait(lambda: fleet.get("/ecommerce/product/")[0] == 200, "its pages did not recover")
        load_afterwards = fleet.load("uzum", PRODUCT)

        [reason] = body["databases"]["ecommerce"]["reasons"]
        assert (status, body["status"], reason["code"]) == (503, "not ready", code)
        assert {body["databases"][alias]["status"] for alias in OTHERS} == {"ready"}
        assert own_page[0] == page
        assert pages == {"classifieds": 200, "procurement": 200}
        assert front[0] == 200
        assert [(load.returncode, load.stderr) for load in loads] == [(0, ""), (0, "")]
        assert own_load.returncode != 0
        connected = {each["alias"]: each["is_connected"] for each in json.loads(statuses.stdout)}
        assert connected["classifieds"] and connected["procurement"]
        assert connected["ecommerce"] == (fault is read_only)
        assert metrics[0] == 200
        assert 'marketplace_database_ready{database="ecommerce"} 0.0' in metrics[1]
        assert 'marketplace_database_ready{database="classifieds"} 1.0' in metrics[1]
        assert load_afterwards.returncode == 0, load_afterwards.stderr


@pytest.mark.slow
class TestPolling:
    def test_hanging_server_gets_few_connections(self, fleet):
        wait_until_ready(fleet)
        answers = []

        def poll():
            answers.append(fleet.readiness()[0])

        with hanging(fleet, "ecommerce"):
            wait(lambda: fleet.readiness()[0] == 503, "the fault was not seen")
            threads = [threading.Thread(target=poll) for _ in range(60)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            tasks = fleet.threads()

        assert answers == [503] * 60
        # The threads of gunicorn, the main threads of its workers, and one probe per database.
        assert tasks < 16


@pytest.fixture(scope="module")
def pooled_fleet(tmp_path_factory):
    if not pooler.program():
        pytest.skip(pooler.ABSENT)
    fleet = Fleet(tmp_path_factory.mktemp("pooled"))
    try:
        fleet.start(is_pooled=True)
        yield fleet
    finally:
        fleet.stop()


class TestPagesThatFail:
    def test_pages_of_other_databases_have_free_threads(self, fleet):
        wait_until_ready(fleet)

        with hanging(fleet, "ecommerce"):
            fleet.get("/ecommerce/product/")
            with ThreadPoolExecutor(40) as pool:
                failing = [pool.submit(fleet.get, "/ecommerce/product/") for _ in range(80)]
                # Without protection, these requests would block the site's threads for a minute.
                others = [fleet.get(address, seconds=10)[0] for address in PAGES.values()]
            statuses = {page.result()[0] for page in failing}
        wait(lambda: fleet.get("/ecommerce/product/")[0] == 200, "it did not recover")

        assert others == [200, 200]
        assert statuses == {503}


@pytest.mark.slow
class TestBehindPgBouncer:
    def test_metrics_of_pools(self, pooled_fleet):
        wait_until_ready(pooled_fleet)

        _, body = pooled_fleet.get("/metrics")

        assert 'marketplace_pool_servers{pool="ecommerce_db",state="idle"}' in body

    @pytest.mark.parametrize(
        ("fault", "codes"),
        [(stopped, {"unreachable", "silent"}), (hanging, {"silent", "unreachable"})],
    )
    def test_only_one_database_is_affected_and_it_recovers(self, pooled_fleet, fault, codes):
        wait_until_ready(pooled_fleet)
        # The pool then has a connection that fails or hangs.
        assert pooled_fleet.get("/ecommerce/product/")[0] == 200

        with fault(pooled_fleet, "ecommerce"):
            wait(lambda: pooled_fleet.readiness()[0] == 503, "the fault was not seen")
            body = pooled_fleet.readiness()[1]
            own_page = pooled_fleet.get("/ecommerce/product/", seconds=70)[0]
            pages = [pooled_fleet.get(address)[0] for address in PAGES.values()]
        wait_until_ready(pooled_fleet)
        wait(lambda: pooled_fleet.get("/ecommerce/product/")[0] == 200, "it did not recover")

        databases = body["databases"]
        assert {reason["code"] for reason in databases["ecommerce"]["reasons"]} <= codes
        assert {databases[alias]["status"] for alias in OTHERS} == {"ready"}
        assert (own_page, pages) == (503, [200, 200])
