"""Offers that are out of stock and have no price: they keep their last price."""

import pytest
from django.db import connections

from ecommerce.models import Offer, PricePoint, Product
from marketplace.loading.ingest import load_documents
from marketplace.loading.replay import replay
from tests.content import empty
from tests.ecommerce.out_of_stock import (
    DAY,
    START,
    feed,
    feed_with_availability,
    load,
    page,
    points,
    stock_feed,
    tile,
    uzum,
    uzum_without_skus,
    wildberries,
    wildberries_without_sizes,
    wildberries_without_stocks,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

DOCUMENTS = [
    ("wildberries", wildberries),
    ("wildberries", wildberries_without_sizes),
    ("wildberries", wildberries_without_stocks),
    ("uzum", uzum),
    ("uzum", uzum_without_skus),
    ("yandex", feed),
    ("yandex", feed_with_availability),
    ("yandex", page),
    ("ozon", tile),
    ("ozon", stock_feed),
]
each_document = pytest.mark.parametrize(
    ("platform", "document"), DOCUMENTS, ids=lambda way: getattr(way, "__name__", None)
)


@each_document
class TestEachDocument:
    def test_the_offer_becomes_unavailable_and_keeps_its_price(self, platform, document):
        load(platform, document(100, 5), 0)
        summary = load(platform, document(0, 0), 1)

        offer = Offer.objects.get()
        assert (offer.price, offer.is_available, offer.stock_quantity) == (100, False, 0)
        assert points()[1:] == [(1, 100, False)]
        assert (summary.updated, summary.price_points) == (1, 1)

    def test_it_comes_back(self, platform, document):
        load(platform, document(100, 5), 0)
        load(platform, document(0, 0), 1)
        load(platform, document(0, 0), 2)
        load(platform, document(120, 3), 3)

        assert [(day, price) for day, price, _ in points()] == [(0, 100), (1, 100), (3, 120)]
        assert Offer.objects.get().price == 120

    def test_order_of_arrival_does_not_matter(self, platform, document):
        days = [(0, 0), (100, 5), (0, 0), (110, 5), (110, 5), (0, 0)]
        for day in (5, 1, 2, 0, 4, 3):
            load(platform, document(*days[day]), day)

        history = [(day, price) for day, price, _ in points()]
        assert history == [(1, 100), (2, 100), (3, 110), (5, 110)]
        offer = Offer.objects.get()
        assert (offer.price, offer.is_available, offer.stock_quantity) == (110, False, 0)
        assert offer.scraped_at == START + 5 * DAY

    def test_offer_without_any_price_is_not_stored(self, platform, document):
        load(platform, document(0, 0), 0)

        assert not Offer.objects.exists()
        assert Product.objects.get().is_available in (False, None)

    def test_replay_gives_the_same_state(self, platform, document):
        load(platform, document(100, 5), 0)
        load(platform, document(0, 0), 1)
        before = points()
        # As an earlier version left it.
        PricePoint.objects.filter(recorded_at__gt=START).delete()
        Offer.objects.update(is_available=True, stock_quantity=5, scraped_at=START)

        assert replay(platform).rejected == 0

        offer = Offer.objects.get()
        assert (points(), offer.is_available, offer.stock_quantity) == (before, False, 0)


class TestSeveralOffers:
    def test_only_the_one_without_stock_is_unavailable(self):
        skus = [
            {"id": 70, "purchasePrice": 100, "availableAmount": 1},
            {"id": 71, "purchasePrice": 200, "availableAmount": 1},
        ]
        data = {"id": 7, "title": "Choynak", "skuList": skus}
        load("uzum", {"payload": {"data": data}}, 0)
        data["skuList"] = [skus[0], {"id": 71, "purchasePrice": None, "availableAmount": 0}]
        load("uzum", {"payload": {"data": data}}, 1)

        availability = dict(Offer.objects.values_list("external_id", "is_available"))
        assert availability == {"70": True, "71": False}
        assert Product.objects.get().max_price == 100

    def test_offer_missing_from_the_document_is_unchanged(self):
        skus = [{"id": n, "purchasePrice": 100, "availableAmount": 1} for n in (70, 71)]
        load("uzum", {"payload": {"data": {"id": 7, "title": "a", "skuList": skus}}}, 0)
        load("uzum", {"payload": {"data": {"id": 7, "title": "a", "skuList": skus[:1]}}}, 1)

        assert Offer.objects.filter(is_available=True).count() == 2

    def test_availability_of_the_product_is_ignored_if_an_offer_is_observed(self):
        """In any order: one file has two records of the product, one of them sold out."""

        def card(price, *numbers):
            skus = [{"id": n, "purchasePrice": price, "availableAmount": 1} for n in numbers]
            return {"payload": {"data": {"id": 7, "title": "a", "skuList": skus}}}

        days = {
            0: [card(100, 70, 71)],
            2: [card(110, 70, 71)],
            4: [card(120, 70), card(0)],
            6: [card(130, 70, 71)],
        }
        histories = []
        for order in ((0, 2, 4, 6), (0, 4, 2, 6), (0, 4, 6, 2), (4, 0, 6, 2)):
            for day in order:
                load_documents("uzum", days[day], observed_at=START + day * DAY)
            rows = PricePoint.objects.order_by("offer__external_id", "recorded_at").values_list(
                "offer__external_id", "recorded_at", "price", "is_available"
            )
            histories.append([(key, (at - START).days, int(p), a) for key, at, p, a in rows])
            with connections["ecommerce"].cursor() as cursor:
                empty(cursor, "ecommerce")

        assert histories == [
            [
                ("70", 0, 100, True),
                ("70", 2, 110, True),
                ("70", 4, 120, True),
                ("70", 6, 130, True),
                ("71", 0, 100, True),
                ("71", 2, 110, True),
                ("71", 6, 130, True),
            ]
        ] * len(histories)
