"""Concurrent loaders: real processes on a real server."""

import json
import random
import threading
from datetime import date, timedelta

import pytest
from django.db import connections

from bench import corpus
from ecommerce.models import Offer
from ecommerce.partitions import ensure
from marketplace.loading import merge_statements
from tests.content import differences
from tests.marketplace.loading.cards import NOON, card, load
from tests.marketplace.stage import Stage, wait


@pytest.fixture(scope="module")
def stage(create_machine, tmp_path_factory):
    stage = Stage(create_machine(tmp_path_factory.mktemp("stage") / "data"), batch_size=20)
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


def _shared(folder, number, first=0):
    """Write products of few shops and categories on two days. Only prices change."""
    path = folder / f"shared-{number}.jsonl"
    with path.open("w") as file:
        for day in (1, 2):
            for n in random.Random(f"{number} {day}").sample(range(first, first + 150), 150):
                data = {
                    "id": n,
                    "title": f"Telefon {n}",
                    "category": {"id": n % 5, "title": f"C{n % 5}", "parent": {"id": 99}},
                    "seller": {"id": n % 7 + 1, "title": f"Do'kon {n % 7}"},
                    "skuList": [{"id": 10 * n, "purchasePrice": 1000 + n // day}],
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
        overlapping = [range(120), range(60, 180)]
        paths = [_write(tmp_path, f"{n}.jsonl", each) for n, each in enumerate(overlapping)]

        self.compare(stage, database, paths)

    @pytest.mark.slow
    def test_of_two_with_one_late(self, stage, database, tmp_path):
        first = _write(tmp_path, "first.jsonl", range(120))
        late = _write(tmp_path, "late.jsonl", range(120), [corpus.CHANGED])

        self.compare(stage, database, [first, late])

    @pytest.mark.slow
    def test_of_four_with_shared_sellers_and_categories(self, stage, database, tmp_path):
        paths = [_shared(tmp_path, number, first=1000 * number) for number in range(1, 5)]

        self.compare(stage, database, paths)

    @pytest.mark.slow
    def test_of_four_with_the_same_products(self, stage, database, tmp_path):
        self.compare(stage, database, [_shared(tmp_path, number) for number in range(4)])

    @pytest.mark.slow
    def test_of_two_and_a_replay(self, stage, database, tmp_path):
        base = _write(tmp_path, "base.jsonl", range(180), [corpus.FIRST])
        overlapping = [range(120), range(60, 180)]
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


#: Stores an offer of the second card with the product of the first one.
_STORE = """
INSERT INTO ecommerce_offers
    (platform, external_id, product_id, price, first_seen_at, last_seen_at, updated_at, scraped_at)
SELECT platform, '20', product_id, 1, first_seen_at, last_seen_at, updated_at, scraped_at
FROM ecommerce_offers
ON CONFLICT DO NOTHING
"""


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
def test_an_offer_that_another_loader_stores_at_the_same_time_is_merged(monkeypatch):
    load(card(1))
    insert_new, other = merge_statements.insert_new, connections["ecommerce"].copy()

    def store_before(target):
        with other.cursor() as cursor:
            cursor.execute(_STORE)
        return insert_new(target)

    monkeypatch.setattr(merge_statements, "insert_new", store_before)
    try:
        run = load(card(2, price=900), at=NOON + timedelta(hours=1))
    finally:
        other.close()

    assert (run.retries, run.rejected) == (1, 0)
    offer = Offer.objects.get(external_id="20")
    assert (offer.product.external_id, offer.price) == ("2", 900)


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
