"""Concurrent loaders of the same rows: the second one builds on the result of the first."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connections

from ecommerce.models import Category, Offer, Product
from marketplace.loading import payloads
from marketplace.loading.ingest import load_documents
from marketplace.loading.replay import replay
from marketplace.loading.runs import Run
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def card(number=1, price=1000, shared=None):
    sku = {"id": number * 10, "purchasePrice": price, "availableAmount": 1}
    own = {"id": number, "title": f"Card {number}", "skuList": [sku]}
    return {"data": own | (shared or {})}


def load(day, documents, platform="uzum"):
    at = START + timedelta(days=day)
    return load_documents(platform, documents, name="overlap", observed_at=at)


class Loader(threading.Thread):
    """A loader in a thread of its own.

    :param gate: an event that the loader waits for before it commits its first transaction
    """

    def __init__(self, work, gate=None):
        super().__init__()
        self.work = work
        self.gate = gate
        self.has_written = threading.Event()
        self.summary = None
        self.start()

    def run(self):
        try:
            self.summary = self.work()
        finally:
            connections["ecommerce"].close()

    def end(self):
        self.join(timeout=60)
        assert not self.is_alive(), "a loader has not ended"
        assert self.summary is not None, "a loader failed"
        return self.summary


def is_waiting():
    """Return whether a session waits for a lock."""
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.fixture
def overlap(monkeypatch):
    """A function that runs two loaders, the second one waiting for rows of the first."""
    count = Run.count

    def stop(run, *arguments):
        loader = threading.current_thread()
        if isinstance(loader, Loader) and loader.gate:
            loader.has_written.set()
            assert loader.gate.wait(60)
        return count(run, *arguments)

    def run_both(one, other):
        gate = threading.Event()
        first = Loader(one, gate)
        try:
            assert first.has_written.wait(60)
            second = Loader(other)
            wait(is_waiting, "no session waits for a lock")
        finally:
            gate.set()
        return first.end(), second.end()

    monkeypatch.setattr(Run, "count", stop)
    return run_both


class TestLastSeen:
    def test_after_another_update_includes_dependents(self, overlap):
        load(0, [card()])

        overlap(partial(load, 1, [card()]), partial(load, 2, [card()]))

        product, offer = Product.objects.get(), Offer.objects.get()
        assert product.last_seen_at == START + timedelta(days=2)
        assert (offer.last_seen_at, offer.scraped_at) == (product.last_seen_at,) * 2

    def test_after_a_merge_becomes_a_merge(self, overlap):
        load(0, [card()])

        overlap(partial(load, 1, [card(price=900)]), partial(load, 2, [card()]))

        offer = Offer.objects.get()
        assert (offer.price, offer.scraped_at) == (1000, START + timedelta(days=2))
        assert offer.price_points.count() == 3


class TestReplay:
    def test_and_concurrent_loader_both_finish(self, monkeypatch):
        shop = {"seller": {"id": 7, "title": "Do'kon"}}
        load(0, [card(shared=shop)])
        loaders, read = [], payloads.read

        def read_after_a_load_began(*arguments):
            if not loaders:
                loaders.append(Loader(partial(load, 1, [card(price=900, shared=shop)])))
                wait(is_waiting, "no session waits for a lock")
                with connections["ecommerce"].cursor() as cursor:
                    # The session that detects the deadlock first is the one that fails.
                    cursor.execute("SET LOCAL deadlock_timeout = '10ms'")
            return read(*arguments)

        monkeypatch.setattr(payloads, "read", read_after_a_load_began)
        replayed = replay("uzum")
        loaded = loaders[0].end()

        assert (replayed.retries, loaded.retries) == (1, 0)
        assert (replayed.unchanged, loaded.updated) == (1, 1)
        assert Offer.objects.get().price == 900


def node(number, name, children=()):
    return {"id": number, "name": name, "url": f"/{number}", "childs": list(children)}


class TestPaths:
    """The path of a category does not depend on the order of two changes."""

    @pytest.mark.parametrize("is_renamed_first", [True, False])
    def test_of_a_category_below_one_that_is_renamed(self, is_renamed_first, overlap):
        load(0, [node(1, "Home", [node(2, "Kitchen")])], "wildberries")
        works = [
            partial(load, 1, [node(1, "House")], "wildberries"),
            partial(load, 1, [node(2, "Kitchen", [node(3, "Teapots")])], "wildberries"),
        ]

        overlap(*(works if is_renamed_first else reversed(works)))

        paths = Category.objects.order_by("level").values_list("path_names", flat=True)
        assert list(paths) == ["House", "House > Kitchen", "House > Kitchen > Teapots"]
