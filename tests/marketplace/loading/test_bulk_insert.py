"""Bulk insert of new items: the result is the same as that of a merge."""

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


def stored_content():
    with connections["ecommerce"].cursor() as cursor:
        return content(cursor)


@pytest.fixture
def inserted(monkeypatch):
    """A list of the numbers of rows that were inserted in bulk."""
    numbers = []
    insert = bulk_insert.BulkInserter.insert

    def note(inserter, target, rows):
        insert(inserter, target, rows)
        numbers.append(len(rows.keys))

    monkeypatch.setattr(bulk_insert.BulkInserter, "insert", note)
    return numbers


class TestBulkInsert:
    @pytest.mark.parametrize("platform", ["uzum", "yandex", "wildberries", "ozon"])
    def test_has_the_result_of_a_merge(self, platform, inserted, monkeypatch, settings):
        settings.INGEST_BATCH_SIZE = 40
        own = [feed for feed in feeds(1) if feed.platform == platform][:2]
        visits = [(feed.observed_at, list(islice(feed.documents, 120))) for feed in own]

        def load_visits():
            for at, documents in visits:
                load_documents(platform, documents, name="visit", observed_at=at)
            return stored_content()

        content_of_inserts = load_visits()
        inserted_count = sum(inserted)
        with connections["ecommerce"].cursor() as cursor:
            empty(cursor)
        monkeypatch.setattr(batch, "is_all_new", lambda *arguments: False)
        expected = load_visits()

        assert inserted_count > 40
        assert sum(inserted) == inserted_count
        assert len(expected["Offer"]) > 40
        assert differences(expected, content_of_inserts) == []

    def test_counts_and_recognizes_like_a_merge(self, inserted):
        cards = [card(number) for number in range(1, 6)]

        first = load(cards)
        again = load([*cards, card(9)], days=1)
        price = load([card(1, price=900)], days=2)

        assert (first.created, first.price_points) == (5, 5)
        assert (again.created, again.unchanged, again.price_points) == (1, 5, 1)
        assert (price.updated, price.price_points) == (1, 1)
        # Products and offers of the first load, then of the new product.
        assert inserted == [5, 5, 1, 1]
        change = PricePoint.objects.order_by("recorded_at").last()
        assert (change.price_change, change.recorded_at) == (-101, START + timedelta(days=2))

    def test_counts_changed_shared_rows(self, inserted):
        size = {"optionId": 50, "price": {"product": 1000}}
        product = {"id": 5, "name": "Choynak", "sizes": [size]}

        def load_menu(name, products, day):
            menu = {"id": 1, "name": name, "url": "/catalog/1", "childs": []}
            at = START + timedelta(days=day)
            documents = [menu, {"data": {"products": products}}]
            return load_documents("wildberries", documents, name="menu", observed_at=at)

        load_menu("Kitchen", [], 0)
        summary = load_menu("For the kitchen", [product], 1)

        assert (summary.created, summary.updated, summary.unchanged) == (1, 1, 0)
        assert inserted == [1, 1]

    def test_of_a_product_without_offers_seller_and_category(self, inserted):
        bare = {"data": {"id": 1, "title": "Choynak", "skuList": []}}

        first = load([bare])
        again = load([bare, card(2)], days=1)

        assert (first.created, first.price_points) == (1, 0)
        assert (again.created, again.unchanged, again.price_points) == (1, 1, 1)
        assert inserted == [1, 0, 1, 1]
        assert Product.objects.get(external_id="1").category is None

    @pytest.mark.parametrize(
        ("known", "cards"),
        [
            ([card(3)], [card(1), card(3, price=900)]),
            # The offer belongs to another product.
            ([card(3)], [{"data": card(4)["data"] | {"skuList": card(3)["data"]["skuList"]}}]),
        ],
        ids=["product", "offer"],
    )
    def test_is_used_only_if_all_items_are_new(self, known, cards, inserted):
        load(known)
        inserted.clear()

        summary = load(cards, days=1)

        assert inserted == []
        assert (summary.rejected, summary.read) == (0, len(cards))

    def test_is_replaced_by_a_merge_after_a_concurrent_insert(self, inserted, monkeypatch):
        is_all_new = batch.is_all_new

        def insert_concurrently(*arguments):
            is_new = is_all_new(*arguments)
            monkeypatch.setattr(batch, "is_all_new", is_all_new)
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

        monkeypatch.setattr(batch, "is_all_new", insert_concurrently)

        summary = load([card(1), card(2), card(3)])

        assert inserted == []
        assert (summary.created, summary.rejected, summary.retries) == (3, 0, 0)
        assert Product.objects.get(external_id="2").title == "Choynak 2"
        assert PricePoint.objects.count() == Offer.objects.count() == 3

    def test_isolates_a_refused_record(self, inserted):
        cards = [card(number) for number in range(1, 9)]
        # More words than a tsvector accepts.
        cards[4]["data"]["title"] = " ".join(f"w{number:07}" for number in range(150_000))

        summary = load(cards)

        assert (summary.created, summary.rejected) == (7, 1)
        assert QuarantinedRecord.objects.get().reason.startswith("refused by the database: string")
        assert Product.objects.count() == Offer.objects.count() == 7

    def test_of_an_offer_with_two_times_inserts_the_first(self, inserted):
        first = card(1) | {"timestamp": "2026-02-01T00:00:00"}
        second = card(2) | {"timestamp": "2026-03-01T09:00:00"}
        second["data"]["skuList"].append(first["data"]["skuList"][0])

        load_documents("uzum", [first, second], name="cards")

        # The first product and its offer. The second product claims the offer, so it is merged.
        assert inserted == [1, 1]
        assert Offer.objects.get(external_id="10").last_seen_at == START
