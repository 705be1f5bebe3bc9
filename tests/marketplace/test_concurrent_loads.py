"""Loaders at work at once, and killed: real processes on a real server."""

import json
import random
import signal
import time

import psycopg2
import pytest

from marketplace import embedded
from marketplace.embedded import SUPERUSER

CONTENT = """
    SELECT p.external_id, p.title, s.external_id, s.name, c.path_names, o.external_id, o.price,
        array_agg(h.price ORDER BY h.recorded_at)
    FROM ecommerce_products p
    JOIN ecommerce_sellers s ON s.id = p.seller_id
    JOIN ecommerce_categories c ON c.id = p.category_id
    JOIN ecommerce_offers o ON o.product_id = p.id
    JOIN ecommerce_price_history h ON h.offer_id = o.id
    GROUP BY p.id, s.id, c.id, o.id ORDER BY p.external_id, o.external_id
"""


@pytest.fixture
def files(tmp_path):
    """Four files with the same products in different orders, and few sellers and categories."""
    products = [
        {
            "id": n,
            "title": f"Telefon {n}",
            "category": {"id": n % 5, "title": f"C{n % 5}", "parent": {"id": 99, "title": "All"}},
            "seller": {"id": n % 7 + 1, "title": f"Do'kon {n % 7}"},
            "skuList": [{"id": n * 10, "purchasePrice": 1000 + n, "availableAmount": 1}],
        }
        for n in range(1, 3001)
    ]
    paths = []
    for number in range(4):
        random.Random(number).shuffle(products)
        path = tmp_path / f"{number}.jsonl"
        lines = ({"payload": {"data": p}, "timestamp": "2026-06-01T10:00:00"} for p in products)
        path.write_text("\n".join(map(json.dumps, lines)))
        paths.append(str(path))
    return paths


def content(machine):
    connection = psycopg2.connect(
        host=str(embedded.socket_directory(machine.data_dir)), user=SUPERUSER, dbname="ecommerce_db"
    )
    with connection.cursor() as cursor:
        cursor.execute(CONTENT)
        rows = cursor.fetchall()
    connection.close()
    return rows


def wait_for_rows(machine):
    """Wait until the loader has committed its first batch."""
    deadline = time.monotonic() + 60
    while not content(machine):
        assert time.monotonic() < deadline, "nothing was loaded"


class TestLoaders:
    def test_four_at_once_agree(self, machine, files):
        machine("init_all", "--database", "ecommerce")

        loaders = [machine.start("ingest", "uzum", path) for path in files]
        outputs = [loader.communicate(timeout=120)[0] for loader in loaders]

        assert [loader.returncode for loader in loaders] == [0, 0, 0, 0], outputs
        rows = content(machine)
        assert len(rows) == 3000
        assert all(row[-1] == [row[6]] for row in rows)

    def test_a_killed_one_leaves_whole_batches_and_can_be_run_again(self, machine, files):
        machine("init_all", "--database", "ecommerce")
        loader = machine.start("ingest", "uzum", *files)
        wait_for_rows(machine)
        loader.send_signal(signal.SIGKILL)
        loader.communicate(timeout=30)

        done = machine("ingest", "uzum", files[0])

        assert done.returncode == 0, done.stderr
        assert len(content(machine)) == 3000
