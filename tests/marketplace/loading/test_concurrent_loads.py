"""Concurrent and killed loaders: real processes on a real server."""

import json
import random
import signal
import threading
import time
from datetime import date

import psycopg2
import pytest
from django.db import connections

from bench import corpus
from ecommerce.partitions import ensure
from marketplace.postgresql import embedded
from marketplace.postgresql.embedded import SUPERUSER
from tests.content import differences
from tests.marketplace.stage import Stage, wait

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
    """Four files with the same products in different orders and few sellers and categories."""
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
    def test_four_concurrent_ones_agree(self, machine, files):
        machine("init_all", "--database", "ecommerce")

        loaders = [machine.start("ingest", "uzum", path) for path in files]
        outputs = [loader.communicate(timeout=120)[0] for loader in loaders]

        assert [loader.returncode for loader in loaders] == [0, 0, 0, 0], outputs
        rows = content(machine)
        assert len(rows) == 3000
        assert all(row[-1] == [row[6]] for row in rows)

    def test_a_killed_one_leaves_whole_batches_and_can_be_repeated(self, machine, files):
        machine("init_all", "--database", "ecommerce")
        loader = machine.start("ingest", "uzum", *files)
        wait_for_rows(machine)
        loader.send_signal(signal.SIGKILL)
        loader.communicate(timeout=30)

        result = machine("ingest", "uzum", files[0])

        assert result.returncode == 0, result.stderr
        assert len(content(machine)) == 3000


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("stage"))
    stage.machine.environment["INGEST_BATCH_SIZE"] = "40"
    yield stage
    stage.stop()


#: Columns that depend on which loader was first: the first observation of a payload, and the last
#: one of a seller or category, which an unchanged product does not always state again.
BY_ORDER = [
    "RawPayload.document_hash",
    "RawPayload.observed_at",
    "Seller.last_seen_at",
    "Category.last_seen_at",
]


def _write(folder, name, numbers, visits=(corpus.FIRST, corpus.RESCRAPED)):
    """Write products of several days, each day in a different order."""
    path = folder / name
    with path.open("wb") as file:
        for visit in visits:
            shuffled = random.Random(f"{name} {visit.name}").sample(numbers, len(numbers))
            file.writelines(line for number in shuffled for line in corpus.lines([number], visit))
    return str(path)


def _shared(folder, number):
    """Write products of few shops and categories on two days. Only prices change."""
    path = folder / f"shared-{number}.jsonl"
    with path.open("w") as file:
        for day in (1, 2):
            for n in random.Random(f"{number} {day}").sample(range(150), 150):
                data = {
                    "id": 1000 * number + n,
                    "title": f"Telefon {n}",
                    "category": {"id": n % 5, "title": f"C{n % 5}", "parent": {"id": 99}},
                    "seller": {"id": n % 7 + 1, "title": f"Do'kon {n % 7}"},
                    "skuList": [
                        {"id": 10_000 * number + n, "purchasePrice": 1000 + n // day},
                    ],
                }
                time_text = f"2026-06-0{day}T10:00:00"
                file.write(json.dumps({"payload": {"data": data}, "timestamp": time_text}) + "\n")
    return str(path)


class TestContent:
    """Concurrent loaders have the same result as loaders one after the other."""

    def compare(self, stage, database, paths):
        for path in paths:
            result = stage.machine("ingest", "uzum", path)
            assert result.returncode == 0, result.stderr
        expected = stage.content(database, without=BY_ORDER)

        other = stage.use_new_database()
        loaders = [stage.machine.start("ingest", "uzum", path) for path in paths]
        outputs = [loader.communicate(timeout=120)[0] for loader in loaders]

        assert [loader.returncode for loader in loaders] == [0] * len(paths), outputs
        assert differences(expected, stage.content(other, without=BY_ORDER)) == []
        stage.drop(other)

    def test_of_two_with_overlapping_payloads(self, stage, database, tmp_path):
        overlapping = [range(300), range(150, 450)]
        paths = [_write(tmp_path, f"{n}.jsonl", each) for n, each in enumerate(overlapping)]

        self.compare(stage, database, paths)

    def test_of_two_with_one_late(self, stage, database, tmp_path):
        first = _write(tmp_path, "first.jsonl", range(300))
        late = _write(tmp_path, "late.jsonl", range(300), [corpus.CHANGED])

        self.compare(stage, database, [first, late])

    def test_of_four_with_shared_sellers_and_categories(self, stage, database, tmp_path):
        self.compare(stage, database, [_shared(tmp_path, number) for number in range(1, 5)])

    def test_of_two_and_a_replay(self, stage, database, tmp_path):
        base = _write(tmp_path, "base.jsonl", range(450), [corpus.FIRST])
        overlapping = [range(300), range(150, 450)]
        paths = [
            _write(tmp_path, f"{n}.jsonl", each, [corpus.CHANGED, corpus.RESCRAPED])
            for n, each in enumerate(overlapping)
        ]
        for path in [base, *paths]:
            assert stage.machine("ingest", "uzum", path).returncode == 0
        expected = stage.content(database, without=BY_ORDER)

        other = stage.use_new_database()
        assert stage.machine("ingest", "uzum", base).returncode == 0
        commands = [["uzum", path] for path in paths] + [["--replay", "uzum"]]
        started = [stage.machine.start("ingest", *command) for command in commands]
        outputs = [process.communicate(timeout=120)[0] for process in started]

        assert [process.returncode for process in started] == [0] * len(started), outputs
        assert differences(expected, stage.content(other, without=BY_ORDER)) == []
        stage.drop(other)


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
class TestMonths:
    MONTH = date(2051, 1, 1)

    def test_a_session_that_waited_for_another_one_to_create_a_month_uses_it(self):
        other = connections["ecommerce"].copy()
        other.set_autocommit(False)
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT ecommerce_create_price_month(%(at)s)", {"at": self.MONTH})
                results = []
                waiting = threading.Thread(target=self.ensure, args=[results])
                waiting.start()
                wait(self.is_waiting, "no session waits for the month")
                other.commit()
                waiting.join(timeout=60)
                cursor.execute("DROP TABLE ecommerce_price_history_2051_01")
                other.commit()
        finally:
            other.close()

        assert results == [[]]

    def ensure(self, results):
        try:
            results.append(ensure("ecommerce", [self.MONTH]))
        finally:
            connections["ecommerce"].close()

    def is_waiting(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            return cursor.fetchone() == (1,)
