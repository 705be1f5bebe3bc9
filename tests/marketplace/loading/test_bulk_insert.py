"""Batches that are all new, created by COPY: with the same outcome as if they had been merged."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from django.db import connections

from ecommerce.demo import feeds
from ecommerce.models import Offer, PricePoint, Product, QuarantinedRecord
from marketplace.loading import batch, bulk_insert
from marketplace.loading.ingest import load_documents
from tests.content import content, differences, empty

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def card(number, price=None):
    sku = {"id": number * 10, "purchasePrice": price or 1000 + number, "availableAmount": 1}
    shop = {"id": 7, "title": "Malika Savdo"}
    return {"data": {"id": number, "title": f"Choynak {number}", "seller": shop, "skuList": [sku]}}


def load(cards, days=0):
    return load_documents("uzum", cards, name="cards", observed_at=START + timedelta(days=days))


def told():
    with connections["ecommerce"].cursor() as cursor:
        return content(cursor)


@pytest.fixture
def created(monkeypatch):
    """The numbers of rows that each batch created by COPY."""
    numbers = []
    create = bulk_insert.Creator.create

    def note(creator, target, rows):
        create(creator, target, rows)
        numbers.append(len(rows.keys))

    monkeypatch.setattr(bulk_insert.Creator, "create", note)
    return numbers


class TestCreation:
    @pytest.mark.parametrize("platform", ["uzum", "yandex", "wildberries", "ozon"])
    def test_is_like_merging(self, platform, created, monkeypatch, settings):
        settings.INGEST_BATCH_SIZE = 40
        own = [feed for feed in feeds(1) if feed.platform == platform][:2]
        visits = [(feed.observed_at, list(islice(feed.documents, 120))) for feed in own]

        def load_visits():
            for at, documents in visits:
                load_documents(platform, documents, name="visit", observed_at=at)
            return told()

        found = load_visits()
        is_copied = sum(created)
        with connections["ecommerce"].cursor() as cursor:
            empty(cursor)
        monkeypatch.setattr(batch, "is_all_new", lambda *given: False)
        expected = load_visits()

        assert is_copied > 40
        assert sum(created) == is_copied
        assert len(expected["Offer"]) > 40
        assert differences(expected, found) == []

    def test_counts_and_remembers_like_merging(self, created):
        cards = [card(number) for number in range(1, 6)]

        first = load(cards)
        again = load([*cards, card(9)], days=1)
        price = load([card(1, price=900)], days=2)

        assert (first.created, first.price_points) == (5, 5)
        assert (again.created, again.unchanged, again.price_points) == (1, 5, 1)
        assert (price.updated, price.price_points) == (1, 1)
        # Products and offers, of five things and of one.
        assert created == [5, 5, 1, 1]
        change = PricePoint.objects.order_by("recorded_at").last()
        assert (change.price_change, change.recorded_at) == (-101, START + timedelta(days=2))

    def test_counts_what_changed_of_what_is_shared(self, created):
        size = {"optionId": 50, "price": {"product": 1000}}
        product = {"id": 5, "name": "Choynak", "sizes": [size]}

        def load_menu(name, products, day):
            menu = {"id": 1, "name": name, "url": "/catalog/1", "childs": []}
            at = START + timedelta(days=day)
            documents = [menu, {"data": {"products": products}}]
            return load_documents("wildberries", documents, name="menu", observed_at=at)

        load_menu("Kitchen", [], 0)
        done = load_menu("For the kitchen", [product], 1)

        assert (done.created, done.updated, done.unchanged) == (1, 1, 0)
        assert created == [1, 1]

    def test_makes_what_has_no_offers_no_seller_and_no_category(self, created):
        bare = {"data": {"id": 1, "title": "Choynak", "skuList": []}}

        first = load([bare])
        again = load([bare, card(2)], days=1)

        assert (first.created, first.price_points) == (1, 0)
        assert (again.created, again.unchanged, again.price_points) == (1, 1, 1)
        assert created == [1, 0, 1, 1]
        assert Product.objects.get(external_id="1").category is None

    @pytest.mark.parametrize(
        ("known", "cards"),
        [
            ([card(3)], [card(1), card(3, price=900)]),
            # The offer is known, as another product's.
            ([card(3)], [{"data": card(4)["data"] | {"skuList": card(3)["data"]["skuList"]}}]),
        ],
        ids=["product", "offer"],
    )
    def test_is_for_what_is_all_new(self, known, cards, created):
        load(known)
        created.clear()

        summary = load(cards, days=1)

        assert created == []
        assert (summary.rejected, summary.read) == (0, len(cards))

    def test_yields_to_another_loader(self, created, monkeypatch):
        ask = batch.is_all_new

        def come_between(*given):
            is_new = ask(*given)
            monkeypatch.setattr(batch, "is_all_new", ask)
            other = connections["ecommerce"].copy()
            with other.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO ecommerce_products (platform, external_id, title, first_seen_at, "
                    "last_seen_at, updated_at) "
                    "VALUES ('uzum', '2', 'Qozon', %(at)s, %(at)s, now())",
                    {"at": START - timedelta(days=1)},
                )
            other.close()
            return is_new

        monkeypatch.setattr(batch, "is_all_new", come_between)

        summary = load([card(1), card(2), card(3)])

        assert created == []
        assert (summary.created, summary.rejected, summary.retries) == (3, 0, 0)
        assert Product.objects.get(external_id="2").title == "Choynak 2"
        assert PricePoint.objects.count() == Offer.objects.count() == 3

    def test_costs_a_refused_record_and_no_other(self, created):
        cards = [card(number) for number in range(1, 9)]
        # More words than an index of texts takes.
        cards[4]["data"]["title"] = " ".join(f"w{number:07}" for number in range(150_000))

        summary = load(cards)

        assert (summary.created, summary.rejected) == (7, 1)
        assert QuarantinedRecord.objects.get().reason.startswith("refused by the database: string")
        assert Product.objects.count() == Offer.objects.count() == 7

    def test_of_what_is_told_at_two_times_makes_the_first(self, created):
        first = card(1) | {"timestamp": "2026-02-01T00:00:00"}
        second = card(2) | {"timestamp": "2026-03-01T09:00:00"}
        second["data"]["skuList"].append(first["data"]["skuList"][0])

        load_documents("uzum", [first, second], name="cards")

        # A product and its offer; then another one that tells of the same offer is merged.
        assert created == [1, 1]
        assert Offer.objects.get(external_id="10").last_seen_at == START
