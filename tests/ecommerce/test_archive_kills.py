"""`db_archive` killed at random times, with real processes and a real server.

The environment variable ARCHIVE_KILLS is the number of kills in `make soak`.
"""

import random
import time

import psycopg2
import pytest

from marketplace.postgresql import embedded
from marketplace.postgresql.embedded import SUPERUSER
from tests.machine import CONFIGURATION
from tests.repetitions import short_and_long

SEED = """
SELECT ecommerce_create_price_month('2021-05-01');
INSERT INTO ecommerce_price_history (offer_id, price, currency, recorded_at)
SELECT n %% 500, n, 'UZS', '2021-05-01 00:00+00'::timestamptz + n * interval '1 second'
FROM generate_series(1, %(rows)s) AS n;
"""
CONTENT = (
    "SELECT count(*), md5(string_agg(h::text, ' ' ORDER BY id)) FROM ecommerce_price_history h"
)

DONE = "SELECT FROM ecommerce_archived_months WHERE archived_at IS NOT NULL"
OFFER = """
INSERT INTO ecommerce_products (platform, external_id, first_seen_at, last_seen_at, updated_at)
VALUES ('uzum', '1', now(), now(), now());
INSERT INTO ecommerce_offers (
    id, platform, external_id, product_id, price, scraped_at,
    first_seen_at, last_seen_at, updated_at
)
SELECT 1, 'uzum', '1', id, 1, now(), now(), now(), now() FROM ecommerce_products;
"""


@pytest.fixture
def ask(initialized_machine):
    """Execute a statement, and return its rows if it has any."""

    def ask(statement, **values):
        host = str(embedded.socket_directory(initialized_machine.data_dir))
        embedded.start(initialized_machine.data_dir, CONFIGURATION)
        connection = psycopg2.connect(host=host, user=SUPERUSER, dbname="ecommerce_db")
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    return ask


def kill_at_random(machine, dice):
    """Start db_archive, and kill it at a random time after it started to write."""
    lock = machine.data_dir / "archive" / "price_history" / ".lock"
    lock.unlink(missing_ok=True)
    process = machine.start("db_archive", "--force")
    deadline = time.monotonic() + 60
    while not lock.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(dice.uniform(0, 1.5))
    process.kill()
    process.communicate(timeout=60)


@pytest.mark.parametrize("kills", short_and_long(1, 6, "ARCHIVE_KILLS"))
def test_archiving_killed_at_random_times_is_resumed(initialized_machine, ask, kills):
    machine = initialized_machine
    ask(OFFER)
    ask(SEED, rows=40_000)
    before = ask(CONTENT)

    for seed in range(kills):
        kill_at_random(machine, random.Random(seed))
        if ask(DONE):
            assert machine("db_unarchive", "2021-05").returncode == 0
        output = machine("price_history", "uzum", "1").stdout
        assert output.endswith("\n80 points\n")
    archived = machine("db_archive", "--force")
    verified = machine("db_archive", "--verify")

    assert archived.returncode == 0, archived.stderr
    assert verified.stdout.startswith("ECOMMERCE: verified 2021-05: 40,000 rows, ")
    assert ask(CONTENT) == [(0, None)]
    leftovers = machine.data_dir / "archive" / "price_history"
    files = leftovers.glob("platform=*/month=*/*")
    assert {path.parent.parent.name for path in files} == {"platform=uzum", "platform=unknown"}
    assert not (leftovers / ".partial").exists()
    unarchived = machine("db_unarchive", "2021-05")
    assert unarchived.returncode == 0, unarchived.stderr
    assert ask(CONTENT) == before
