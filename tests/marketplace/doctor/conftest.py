"""A server with production settings, whose databases are checked.

The settings of the usual test server (see tests/settings.py) would cause findings.
"""

import shutil
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from marketplace.databases.initialization import initialize
from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.partitions import ensure_partitions
from marketplace.postgresql import embedded
from marketplace.registry import ALIASES

#: Autovacuum is enabled, but does not run during the tests.
_CONFIGURATION = """
autovacuum_naptime = '10d'
shared_buffers = 4MB
wal_level = logical
max_prepared_transactions = 5
archive_mode = on
archive_command = 'true'
"""

#: A time at which the current statistics are a month old.
LATER = timezone.now() + timedelta(days=31)


#: The data folder of the server. It is not in pytest's temporary folder, because another run of
#: pytest changes the permissions of that.
DATA_DIR = Path(settings.DATA_DIR)


@pytest.fixture(scope="package")
def socket(django_db_blocker):
    """Connect all aliases to databases of a separate server; return the folder of its socket."""
    data_dir = DATA_DIR / "doctor"
    # Remove the server of a killed run.
    embedded.stop(data_dir)
    shutil.rmtree(data_dir, ignore_errors=True)
    embedded.start(data_dir, _CONFIGURATION)
    folder = str(embedded.socket_directory(data_dir))
    previous = {alias: dict(connections[alias].settings_dict) for alias in ALL_ALIASES}
    try:
        with django_db_blocker.unblock():
            for alias in ALL_ALIASES:
                connections[alias].close()
                connections[alias].settings_dict.update(_address(folder, alias))
                initialize(alias, timezone.now().date())
                ensure_partitions(alias, LATER.date())
                connections[alias].close()
        yield folder
    finally:
        for alias, address in previous.items():
            connections[alias].settings_dict.update(address)
        embedded.stop(data_dir)
        shutil.rmtree(data_dir)


@pytest.fixture(autouse=True)
def _examined(socket, tmp_path, django_db_blocker):
    """Allow database access, with an empty size history."""
    overrides = override_settings(DATA_DIR=tmp_path, DISK_CAPACITY={"": 2**40})
    with overrides, django_db_blocker.unblock():
        yield
        connections.close_all()


@pytest.fixture
def session(socket):
    """Open sessions without Django, like other programs."""

    @contextmanager
    def session(alias, role="postgres", name=None):
        name = name or connections[alias].settings_dict["NAME"]
        with closing(psycopg2.connect(host=socket, port=5432, user=role, dbname=name)) as opened:
            opened.autocommit = True
            yield opened

    return session


@pytest.fixture
def execute(session):
    """Execute statements in a database; the schema `seeded` is dropped after the test."""

    def execute(alias, *statements):
        with session(alias) as opened, opened.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            # Make the statistics visible at once.
            cursor.execute("SELECT pg_stat_force_next_flush()")

    for alias in ALIASES:
        execute(alias, "CREATE SCHEMA seeded")
    yield execute
    for alias in ALIASES:
        execute(alias, "DROP SCHEMA seeded CASCADE", "SELECT pg_stat_reset()")


def _address(folder, alias):
    # Do not use a pooler.
    direct = {"DISABLE_SERVER_SIDE_CURSORS": False}
    return {"HOST": folder, "PORT": "5432", "USER": "postgres", "NAME": f"doctor_{alias}"} | direct
