"""Last-seen updates of unchanged items: the result is the same as that of a merge."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from django.db import connections

from bench import corpus
from classifieds.demo import feeds as classifieds_feeds
from ecommerce.demo import feeds as ecommerce_feeds
from ecommerce.models import Category, Offer, Product, Seller
from marketplace.loading import deduplication
from marketplace.loading.ingest import load_documents
from tests.content import content, differences, empty
from tests.mutation import shorten

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def documents(alias, platform):
    """Return the documents of one visit."""
    feeds = {"ecommerce": ecommerce_feeds, "classifieds": classifieds_feeds}[alias]
    feed = next(feed for feed in feeds(1) if feed.platform == platform)
    return [shorten(document) for document in islice(feed.documents, 60)]


def card(number, seller, category, parent):
    """Return a product whose category has a parent."""
    return {
        "data": {
            "id": number,
            "title": f"Choynak {number}",
            "seller": {"id": seller, "title": "Malika Savdo"},
            "category": {
                "id": category,
                "title": "Choynaklar",
                "parent": {"id": parent, "title": "Idishlar"},
            },
            "skuList": [{"id": number * 10, "purchasePrice": 1000, "availableAmount": 1}],
        }
    }


def load(cards, days):
    return load_documents("uzum", cards, name="cards", observed_at=START + timedelta(days=days))


def seen(model):
    """Return external_id → day of the last observation."""
    return {row.external_id: (row.last_seen_at - START).days for row in model.objects.all()}


class TestLastSeen:
    @pytest.mark.parametrize(
        ("alias", "platform"),
        [
            ("ecommerce", "uzum"),
            ("ecommerce", "yandex"),
            ("ecommerce", "wildberries"),
            ("ecommerce", "ozon"),
            ("classifieds", "olx"),
        ],
    )
    def test_has_the_result_of_a_merge(self, alias, platform, monkeypatch, settings):
        settings.INGEST_BATCH_SIZE = 20
        own = documents(alias, platform)

        def load_visits():
            for day in (1, 2, 3):
                # The order and number differ, so the newest item that refers to a row differs, too.
                visit = own[day:] + own[:day] if day < 3 else own[: len(own) // 2]
                at = START + timedelta(days=day)
                load_documents(platform, visit, name="visit", observed_at=at)
            with connections[alias].cursor() as cursor:
                return content(cursor, alias)

        actual = load_visits()
        with connections[alias].cursor() as cursor:
            empty(cursor, alias)
        monkeypatch.setattr(deduplication, "find_existing_versions", lambda *arguments: {})
        expected = load_visits()

        assert differences(expected, actual) == []

    def test_has_the_result_of_a_merge_for_payloads_with_times(self, monkeypatch, settings):
        settings.INGEST_BATCH_SIZE = 16

        def load_visits():
            for visit in (corpus.FIRST, corpus.RESCRAPED):
                items = [corpus.document(number, visit) for number in range(100)]
                load_documents("uzum", items, name="visit", observed_at=START)
            with connections["ecommerce"].cursor() as cursor:
                return content(cursor)

        actual = load_visits()
        with connections["ecommerce"].cursor() as cursor:
            empty(cursor)
        monkeypatch.setattr(deduplication, "find_existing_versions", lambda *arguments: {})
        expected = load_visits()

        assert differences(expected, actual) == []

    def test_updates_the_parents_that_were_stated(self):
        load([card(1, 7, 20, 10), card(2, 8, 21, 10)], days=0)
        load([card(1, 7, 20, 10)], days=1)

        again = load([card(2, 8, 21, 10)], days=3)

        assert again.unchanged == 1
        assert seen(Seller) == {"7": 1, "8": 3}
        assert seen(Category) == {"20": 1, "21": 3, "10": 3}

    def test_does_not_update_parents_that_were_not_stated(self):
        without = card(1, 7, 20, 10)
        del without["data"]["seller"]
        load([card(1, 7, 20, 10)], days=0)
        load([without], days=1)

        again = load([without], days=2)

        assert again.unchanged == 1
        assert seen(Seller) == {"7": 0}
        assert seen(Category) == {"20": 2, "10": 2}

    @pytest.mark.parametrize("is_one_load", [False, True])
    def test_returns_an_offer_that_another_product_had(self, is_one_load):
        first, second = card(1, 7, 20, 10), card(2, 7, 20, 10)
        second["data"]["skuList"].append(first["data"]["skuList"][0])
        load([first], days=0)

        if is_one_load:
            times = [START + timedelta(days=day) for day in (1, 2)]
            visits = [(second, times[0]), (first, times[1])]
            dated = [document | {"timestamp": at.isoformat()} for document, at in visits]
            load_documents("uzum", dated, name="cards")
        else:
            load([second], days=1)
            owner = Offer.objects.get(external_id="10").product.external_id
            load([first], days=2)
            assert owner == "2"

        offer = Offer.objects.get(external_id="10")
        assert (offer.product.external_id, (offer.last_seen_at - START).days) == ("1", 2)
        assert Product.objects.count() == 2
