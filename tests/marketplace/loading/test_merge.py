"""Merge of new observations into stored rows: what changes, and what stays."""

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest
import zstandard

from classifieds.models import Listing
from ecommerce.models import Category, Offer, PricePoint, Product, RawPayload, Seller
from marketplace.loading.ingest import load_documents
from marketplace.loading.values import TASHKENT
from tests.marketplace.loading.cards import NOON, card, counts, load, product

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


class TestMerge:
    def test_a_value_that_a_payload_does_not_state_is_kept(self):
        load(card(1, rating=4.5))

        load(card(1), at=NOON + timedelta(hours=1))

        assert Product.objects.get().rating == Decimal("4.50")

    def test_an_older_payload_never_overwrites_a_newer_one(self):
        load(card(1, price=900, title="Yangi"))

        load(card(1, price=1000, title="Eski", rating=4), at=NOON - timedelta(hours=1))

        product, offer = Product.objects.get(), Offer.objects.get()
        assert (product.title, product.rating, offer.price) == ("Yangi", 4, 900)
        assert product.first_seen_at == NOON - timedelta(hours=1)
        assert product.last_seen_at == NOON

    def test_an_old_price_that_is_not_stated_is_removed(self):
        load(card(1, price=800, full_price=1000))

        load(card(1, price=800), at=NOON + timedelta(hours=1))

        assert Offer.objects.get().old_price is None
        assert Offer.objects.get().discount_percent is None

    def test_the_database_computes_the_discount(self):
        load(card(1, price=800, full_price=1000))

        assert Offer.objects.get().discount_percent == 20

    def test_unchanged_content_updates_only_the_last_seen_time(self):
        load(card(1))
        before = Product.objects.values().get()

        load(card(1), at=NOON + timedelta(hours=1))

        after = Product.objects.values().get()
        assert after.pop("last_seen_at") - before.pop("last_seen_at") == timedelta(hours=1)
        assert after == before

    def test_titles_are_normalized(self):
        load(card(1, title="iPhone 15 Pro!"))

        assert Product.objects.get().title_normalized == "iphone 15 pro"

    def test_a_row_that_was_only_referred_to_is_filled_later(self):
        ad = {
            "id": 5,
            "title": "Spark",
            "category": {"id": 108},
            "params": [],
            "created_time": None,
        }
        tree = {"list": {"108": {"id": 108, "name": "Легковые", "parentId": 3, "level": 2}}}

        load({"data": [ad]}, platform="olx")
        load(tree, platform="olx", at=NOON + timedelta(hours=1))

        assert Listing.objects.get().category.name == "Легковые"


class TestCategories:
    def test_paths_follow_the_tree(self):
        root = {"id": 1, "name": "Uy", "url": "/uy", "shard": "", "childs": []}
        child = {"id": 2, "name": "Vanna", "url": "/vanna", "shard": "", "parent": 1}

        load(root | {"childs": [child]}, platform="wildberries")
        load(root | {"name": "Dom", "childs": []}, platform="wildberries", at=NOON + timedelta(1))

        category = Category.objects.get(external_id="2")
        assert (category.path_names, category.path_ids, category.level) == (
            "Dom > Vanna",
            ["1", "2"],
            2,
        )

    def test_an_older_tree_does_not_move_a_category(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries", at=NOON)
        load(tree(3), platform="wildberries", at=NOON - timedelta(days=1))

        assert Category.objects.get(external_id="2").path_names == "N1 > Vanna"

    def test_the_first_of_two_trees_with_the_same_time_counts(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries")
        load(tree(3), platform="wildberries")
        again = [load(tree(parent), platform="wildberries") for parent in (1, 3)]

        assert [summary.updated for summary in again] == [0, 0]
        assert Category.objects.get(external_id="2").path_names == "N1 > Vanna"

    def test_an_unknown_parent_does_not_replace_a_known_one(self):
        child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "childs": []}
        root = {"id": 1, "name": "Uy", "url": "/u", "shard": ""}
        load(root | {"childs": [child | {"parent": 1}]}, platform="wildberries")

        load(child | {"parent": 9}, platform="wildberries", at=NOON + timedelta(days=1))

        assert Category.objects.get(external_id="2").path_names == "Uy > Vanna"

    def test_a_category_that_moved_is_updated(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries", at=NOON)
        summary = load(tree(3), platform="wildberries", at=NOON + timedelta(days=1))

        assert (summary.created, summary.updated) == (1, 1)
        assert Category.objects.get(external_id="2").path_names == "N3 > Vanna"


class TestUnnamedCategories:
    def test_a_path_contains_only_names(self):
        unnamed = {"id": 1, "subjectId": 170, "subjectParentId": 9, "priceU": 500, "sizes": []}
        named = unnamed | {"id": 2, "subjectId": 171, "entity": "пальто"}

        load_documents("wildberries", [{"products": [unnamed, named]}], observed_at=NOON)

        paths = dict(Category.objects.values_list("external_id", "path_names"))
        assert paths == {"subject-root:9": None, "subject:170": None, "subject:171": "пальто"}


class TestAvailability:
    """An availability that is not stated stays unknown. Learning it is not a change."""

    def observe(self, hour, available):
        """Load the offer with an amount, or for None as a card, which states no amount."""
        moment = NOON + timedelta(hours=hour)
        if available is None:
            return load(card(1, price=1000), at=moment)
        data = product(1000)
        data["skuList"][0]["availableAmount"] = 3 if available else 0
        return load({"payload": {"data": data}}, at=moment)

    def points(self):
        points = PricePoint.objects.order_by("recorded_at")
        return [(p.recorded_at.astimezone(TASHKENT).hour, p.is_available) for p in points]

    def test_an_older_observation_fills_values_that_a_newer_one_omits(self):
        self.observe(2, None)

        self.observe(0, True)
        self.observe(1, False)

        assert Offer.objects.get().is_available is False
        assert self.points() == [(12, True), (13, False)]


class TestSharedRows:
    def test_a_changed_seller_does_not_change_its_products(self):
        def page(rating):
            data = product(1000) | {"seller": {"id": 9, "title": "Do'kon", "rating": rating}}
            return {"payload": {"data": data}}

        load(page(4.0))
        summary = load(page(4.5), at=NOON + timedelta(hours=1))

        assert counts(summary) == (1, 0, 0, 1, 0)
        assert Seller.objects.get().rating == Decimal("4.50")


class TestRawPayloads:
    def test_each_version_is_stored_once(self):
        load(card(1, price=1000))
        load(card(1, price=1000), at=NOON + timedelta(hours=1))
        load(card(1, price=900), at=NOON + timedelta(hours=2))

        bodies = [
            orjson.loads(zstandard.decompress(bytes(raw.body)))
            for raw in RawPayload.objects.order_by("observed_at")
        ]
        assert [body["payload"]["minSellPrice"] for body in bodies] == [1000, 900]
