import shutil

import psycopg2
import pytest

from marketplace.postgresql import embedded
from tests.commands import run


@pytest.fixture
def data_dir(settings):
    """Return the folder of a server that no other test uses."""
    settings.DATA_DIR, settings.EMBEDDED_POSTGRES = settings.DATA_DIR / "stopped", True
    yield settings.DATA_DIR
    embedded.stop(settings.DATA_DIR)
    shutil.rmtree(settings.DATA_DIR)


class TestDbStop:
    def test_stops_the_server(self, data_dir):
        embedded.start(data_dir)

        first, second = run("db_stop"), run("db_stop")

        assert first == ("Stopped the embedded PostgreSQL.\n", "", 0)
        assert second == ("The embedded PostgreSQL is not running.\n", "", 0)
        assert not embedded.is_accepting(data_dir)

    def test_warns_of_a_site_that_is_connected(self, data_dir):
        embedded.start(data_dir)
        with psycopg2.connect(
            host=embedded.socket_directory(data_dir), user=embedded.SUPERUSER, dbname="postgres"
        ):
            outcome = run("db_stop")

        assert outcome.out == "Stopped the embedded PostgreSQL.\n"
        assert "It had 1 open connection. A site or command that still runs" in outcome.err

    def test_reports_that_it_is_not_in_use(self, settings):
        settings.EMBEDDED_POSTGRES = False

        assert run("db_stop").out == (
            "The embedded PostgreSQL is not in use: each database has a server in the settings.\n"
        )
