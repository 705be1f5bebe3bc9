"""Loaders that meet at the same rows: who comes second builds on what the first one left."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connections

from ecommerce.models import Offer, Product
from marketplace.loading.ingest import load_documents
from marketplace.loading.runs import Run
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def card(number=1, price=1000):
    sku = {"id": number * 10, "purchasePrice": price, "availableAmount": 1}
    return {"data": {"id": number, "title": f"Card {number}", "skuList": [sku]}}


def load(day, documents, platform="uzum"):
    at = START + timedelta(days=day)
    return load_documents(platform, documents, name="overlap", observed_at=at)


class Loader(threading.Thread):
    """A loader beside the test's own.

    :param gate: what it waits for in its first transaction before it commits
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
        assert not self.is_alive(), "a loader does not end"
        assert self.summary is not None, "a loader failed"
        return self.summary


def is_waiting():
    """Return whether a session waits for a row, or for a transaction that has it."""
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


@pytest.fixture
def overlap(monkeypatch):
    """Have one loader write, another wait for what the first has written, and both end."""
    advance = Run.advance

    def stop(run, *given):
        loader = threading.current_thread()
        if isinstance(loader, Loader) and loader.gate:
            loader.has_written.set()
            assert loader.gate.wait(60)
        return advance(run, *given)

    def begin(one, other):
        gate = threading.Event()
        first = Loader(one, gate)
        try:
            assert first.has_written.wait(60)
            second = Loader(other)
            wait(is_waiting, "nobody waits for a row")
        finally:
            gate.set()
        return first.end(), second.end()

    monkeypatch.setattr(Run, "advance", stop)
    return begin


class TestTouches:
    def test_after_touches_move_what_depends_on_them(self, overlap):
        load(0, [card()])

        overlap(partial(load, 1, [card()]), partial(load, 2, [card()]))

        product, offer = Product.objects.get(), Offer.objects.get()
        assert product.last_seen_at == START + timedelta(days=2)
        assert (offer.last_seen_at, offer.scraped_at) == (product.last_seen_at,) * 2

    def test_after_a_merge_are_merged(self, overlap):
        load(0, [card()])

        overlap(partial(load, 1, [card(price=900)]), partial(load, 2, [card()]))

        offer = Offer.objects.get()
        assert (offer.price, offer.scraped_at) == (1000, START + timedelta(days=2))
        assert offer.price_points.count() == 3
