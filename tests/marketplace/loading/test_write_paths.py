"""Both write paths have the same result: a last-seen update equals a merge.

The visits are random, some of them late, with repeated, shuffled and damaged documents.
"""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from django.db import connections

from classifieds.demo import feeds as classifieds_feeds
from ecommerce.demo import feeds as ecommerce_feeds
from ecommerce.models import Category, Offer
from marketplace.loading import deduplication
from marketplace.loading.ingest import load_documents
from tests.content import content, differences, empty
from tests.mutation import mutate, shorten
from tests.repetitions import repeated

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)

#: Columns that are not compared. Differently damaged documents of one page contradict each other
#: about shared rows, and a category that only refers to its parents updates their times.
_WITHOUT = {
    "ecommerce": ["QuarantinedRecord.seen_count"],
    "classifieds": [
        "QuarantinedRecord.seen_count",
        *(f"Category.{name}" for name in ("last_seen_at", "name", "path", "parent")),
    ],
}


def documents(alias, platform):
    feeds = {"ecommerce": ecommerce_feeds, "classifieds": classifieds_feeds}[alias]
    feed = next(feed for feed in feeds(1) if feed.platform == platform)
    return [shorten(document) for document in islice(feed.documents, 60)]


def visits(documents, generator):
    """Return pairs of a time and the documents of a visit."""
    own = generator.sample(documents, min(15, len(documents)))
    days = [0, 1, 2, 3]
    if generator.random() < 0.3:
        days[1], days[2] = days[2], days[1]
    plan = []
    for day in days:
        seen = [item for item in own if generator.random() > 0.2]
        seen = [mutate(item, generator) if generator.random() < 0.25 else item for item in seen]
        seen.append(generator.choice(seen or own))
        if generator.random() < 0.5:
            generator.shuffle(seen)
        plan.append((START + timedelta(days=day), seen))
        own += generator.sample(documents, min(3, len(documents)))
    return plan


def compare(alias, platform, plan, monkeypatch):
    """Load visits by both write paths, then only by merges; assert that the results are equal."""

    def load():
        summaries = [
            load_documents(platform, own, name="visit", observed_at=at) for at, own in plan
        ]
        with connections[alias].cursor() as cursor:
            stored = content(cursor, alias, without=_WITHOUT[alias])
            empty(cursor, alias)
        counts = [(s.created, s.updated, s.unchanged, s.rejected) for s in summaries]
        return stored, counts

    actual, counts = load()
    monkeypatch.setattr(deduplication, "find_existing_versions", lambda *arguments: {})
    expected, merged_counts = load()

    assert sum(created for created, *_ in counts) > 0
    assert counts == merged_counts
    assert differences(expected, actual) == []


def card(number, skus):
    """Return a product with offers."""
    offers = [{"id": sku, "purchasePrice": 1000 + number, "availableAmount": 1} for sku in skus]
    return {"data": {"id": number, "title": f"Choynak {number}", "skuList": offers}}


def claims(generator):
    """Return visits in which products claim the offers of other products, and lose them again."""
    cards = [
        card(number, sorted(generator.sample(range(10, 18), generator.randint(1, 3))))
        for number in (1, 2, 3, 4)
        for _ in range(2)
    ]
    days = list(range(6))
    if generator.random() < 0.4:
        generator.shuffle(days)
    return [
        (START + timedelta(days=day), generator.choices(cards, k=generator.randint(1, 5)))
        for day in days
    ]


class TestWritePaths:
    @pytest.mark.parametrize("seed", repeated(1, 4))
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
    def test_agree(self, alias, platform, seed, monkeypatch, settings):
        generator = random.Random(f"{platform} {seed}")
        settings.INGEST_BATCH_SIZE = generator.choice([3, 7, 20, 1000])
        settings.INGEST_GATES = {"default": {"is_enabled": False}}
        compare(alias, platform, visits(documents(alias, platform), generator), monkeypatch)

    @pytest.mark.parametrize("seed", repeated(4, 24))
    def test_agree_on_the_product_of_an_offer(self, seed, monkeypatch, settings):
        generator = random.Random(f"claims {seed}")
        settings.INGEST_BATCH_SIZE = generator.choice([1, 2, 3, 100])
        settings.INGEST_GATES = {"default": {"is_enabled": False}}

        compare("ecommerce", "uzum", claims(generator), monkeypatch)

    @pytest.mark.parametrize("seed", repeated(2, 12))
    def test_agree_on_one_file_with_many_times(self, seed, settings):
        """The result does not depend on the batch size, even if products claim the same offers."""
        generator = random.Random(f"moments {seed}")
        settings.INGEST_GATES = {"default": {"is_enabled": False}}
        loaded = [document for _, documents in claims(generator) for document in documents]
        moments = [START + timedelta(hours=hour) for hour in range(len(loaded))]
        file = [
            each | {"timestamp": at.isoformat()} for each, at in zip(loaded, moments, strict=True)
        ]
        contents = []

        for size in (1, 3, 100):
            settings.INGEST_BATCH_SIZE = size
            load_documents("uzum", file, name="moments")
            with connections["ecommerce"].cursor() as cursor:
                # Whether a repeated product must be parsed again depends on the batch size.
                contents.append(content(cursor, "ecommerce", without=["Product.content_hash"]))
                empty(cursor, "ecommerce")

        assert differences(contents[0], contents[1]) == []
        assert differences(contents[0], contents[2]) == []

    @pytest.mark.parametrize("size", [1, 100])
    def test_an_offer_of_two_products_belongs_to_the_newest(self, size, settings):
        """Neither product is recognized as unchanged while the other one has the offer."""
        settings.INGEST_BATCH_SIZE = size
        one, two = card(1, [10, 11]), card(2, [10, 12])
        owners = []

        for day, cards in enumerate([[one, two], [one], [two], [one]]):
            at = START + timedelta(days=day)
            load_documents("uzum", cards, name="cards", observed_at=at)
            offer = Offer.objects.get(external_id="10")
            owners.append((offer.product.external_id, offer.price, offer.last_seen_at == at))

        assert owners[1:] == [("1", 1001, True), ("2", 1002, True), ("1", 1001, True)]

    def test_a_batch_notes_the_earliest_reference(self):
        """One file has two times: the older offer refers to a category that has the newer time."""
        shop = {"name": "Tulpar", "url": "https://tulpar.example"}
        offer = {"@id": "5", "categoryId": ["1"], "name": ["Redmi A5"]}
        documents = [
            {
                "yml_catalog": shop | {"date": "2026-07-23 20:00"},
                "category": {"@id": "1", "#text": "Смартфоны"},
            },
            {
                "yml_catalog": shop | {"date": "2026-03-01 14:00"},
                "offer": offer | {"price": ["10"], "currencyId": ["KZT"]},
            },
        ]

        load_documents("yandex", documents, name="feed")

        category = Category.objects.get()
        assert category.name == "Смартфоны"
        assert category.first_seen_at == START
        assert category.last_seen_at == datetime(2026, 7, 23, 15, tzinfo=UTC)
