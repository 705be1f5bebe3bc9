import asyncio
import time

import pytest

from marketplace.databases.health import check_all_databases_health

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class TestCheckAllDatabasesHealth:
    def test_is_true_for_all(self):
        health = asyncio.run(check_all_databases_health())

        assert health == {"ecommerce": True, "classifieds": True, "procurement": True}

    def test_does_not_wait_for_a_hanging_server(self, set_port, mute_port):
        set_port("classifieds", mute_port)
        start = time.monotonic()

        health = asyncio.run(check_all_databases_health())

        assert health == {"ecommerce": True, "classifieds": False, "procurement": True}
        assert time.monotonic() - start < 5
