"""All ways into the tables have one outcome: what is created or touched is what merging makes.

Visits at random, some of them late, with repeated, shuffled and damaged documents. WAYS in the
environment is the number of seeds.
"""

import os
import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from django.db import connections

from classifieds.demo import feeds as classifieds_feeds
from ecommerce.demo import feeds as ecommerce_feeds
from ecommerce.models import Category, Offer
from marketplace.loading import batch, deduplication
from marketplace.loading.ingest import load_documents
from tests.content import content, differences, empty
from tests.mutation import mutate

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)

SEEDS = range(int(os.environ.get("WAYS", "1")))

START = datetime(2026, 3, 1, 9, tzinfo=UTC)

#: What is not compared. Documents of one page damaged differently contradict each other about
#: what they share; and a category that only refers to those above it is touched with them.
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
    return list(islice(feed.documents, 60))


def visits(documents, generator):
    """Return times with the documents that were read then."""
    own = generator.sample(documents, min(15, len(documents)))
    days = [0, 1, 2, 3]
    if generator.random() < 0.3:
        days[1], days[2] = days[2], days[1]
    found = []
    for day in days:
        seen = [each for each in own if generator.random() > 0.2]
        seen = [mutate(each, generator) if generator.random() < 0.25 else each for each in seen]
        seen.append(generator.choice(seen or own))
        if generator.random() < 0.5:
            generator.shuffle(seen)
        found.append((START + timedelta(days=day), seen))
        own += generator.sample(documents, min(3, len(documents)))
    return found


def compare(alias, platform, plan, monkeypatch):
    """Load visits in all ways, then by merging alone; assert that the outcome is the same."""

    def load():
        told = [load_documents(platform, own, name="visit", observed_at=at) for at, own in plan]
        with connections[alias].cursor() as cursor:
            found = content(cursor, alias, without=_WITHOUT[alias])
            empty(cursor, alias)
        return found, [(each.created, each.updated, each.unchanged, each.rejected) for each in told]

    found, counts = load()
    monkeypatch.setattr(deduplication, "known_contents", lambda *given: {})
    monkeypatch.setattr(batch, "is_all_new", lambda *given: False)
    expected, merged_counts = load()

    assert sum(created for created, *_ in counts) > 0
    assert counts == merged_counts
    assert differences(expected, found) == []


def card(number, skus):
    """A product whose offers cost what it says."""
    offers = [{"id": sku, "purchasePrice": 1000 + number, "availableAmount": 1} for sku in skus]
    return {"data": {"id": number, "title": f"Choynak {number}", "skuList": offers}}


def claims(generator):
    """Return visits in which products claim each other's offers, and take back their own words."""
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


class TestWays:
    @pytest.mark.parametrize("seed", SEEDS)
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

    @pytest.mark.parametrize("seed", range(8 * len(SEEDS)))
    def test_agree_on_whose_an_offer_is(self, seed, monkeypatch, settings):
        generator = random.Random(f"claims {seed}")
        settings.INGEST_BATCH_SIZE = generator.choice([1, 2, 3, 100])
        settings.INGEST_GATES = {"default": {"is_enabled": False}}

        compare("ecommerce", "uzum", claims(generator), monkeypatch)

    @pytest.mark.parametrize("seed", range(4 * len(SEEDS)))
    def test_agree_on_what_one_file_tells_of_many_moments(self, seed, settings):
        """However many documents a batch takes, and though products claim each other's offers."""
        generator = random.Random(f"moments {seed}")
        settings.INGEST_GATES = {"default": {"is_enabled": False}}
        told = [document for _, documents in claims(generator) for document in documents]
        moments = [START + timedelta(hours=hour) for hour in range(len(told))]
        file = [
            each | {"timestamp": at.isoformat()} for each, at in zip(told, moments, strict=True)
        ]
        found = []

        for size in (1, 3, 100):
            settings.INGEST_BATCH_SIZE = size
            load_documents("uzum", file, name="moments")
            with connections["ecommerce"].cursor() as cursor:
                # A product that need not be parsed again when it comes again may all the same be.
                found.append(content(cursor, "ecommerce", without=["Product.content_hash"]))
                empty(cursor, "ecommerce")

        assert differences(found[0], found[1]) == []
        assert differences(found[0], found[2]) == []

    @pytest.mark.parametrize("size", [1, 100])
    def test_an_offer_that_two_products_tell_of_follows_the_newest(self, size, settings):
        """Neither product is recognized as unchanged while the other one has the offer."""
        settings.INGEST_BATCH_SIZE = size
        one, two = card(1, [10, 11]), card(2, [10, 12])
        owners = []

        for day, told in enumerate([[one, two], [one], [two], [one]]):
            at = START + timedelta(days=day)
            load_documents("uzum", told, name="cards", observed_at=at)
            offer = Offer.objects.get(external_id="10")
            owners.append((offer.product.external_id, offer.price, offer.last_seen_at == at))

        assert owners[1:] == [("1", 1001, True), ("2", 1002, True), ("1", 1001, True)]

    def test_a_batch_notes_the_earliest_reference(self):
        """One file, two times: the older offer only refers to the category that a newer tells."""
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
