"""Ozon: category trees (OZ-CATS)."""

import pytest

from ecommerce.records import Category
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.ozon_payloads import ADAPTER, ROOT, parse_all


class TestOzCats:
    def test_real_trees(self):
        document = payloads.read_json("ozon/ozon-category-trees-open.json.gz")

        categories = [parsed.records[0] for parsed in parse_all(document)]

        ids = {category.external_id for category in categories}
        parents = [category.parent_external_id for category in categories]
        assert len(categories) == len(ids) == 1375
        assert parents.count(None) == len(document) == 16
        assert ids.issuperset(parent for parent in parents if parent)
        assert categories[1:3] == [
            Category(
                "10501",
                "Крупная бытовая техника",
                parent_external_id="10500",
                url="https://www.ozon.ru/category/krupnaya-bytovaya-tehnika-10501/",
            ),
            Category(
                "10502",
                "Холодильники",
                parent_external_id="10501",
                url="https://www.ozon.ru/category/holodilniki-10502/",
            ),
        ]

    def test_a_single_response_is_a_tree(self):
        [single, *below] = [parsed.records[0] for parsed in parse_all({"data": ROOT})]

        assert (single.external_id, single.product_count) == ("10500", 64609)
        assert [(node.external_id, node.parent_external_id) for node in below] == [
            ("10501", "10500"),
            ("10502", "10501"),
            ("10503", "10500"),
        ]

    def test_items_have_neither_children_nor_tracking(self):
        items = list(ADAPTER.split({"10500.json": {"data": ROOT}}, Source()))

        assert [set(item.payload) for item in items] == [
            {"id", "title", "url", "countGoods"},
            {"title", "url"},
            {"title", "url"},
            {"title", "url"},
        ]

    def test_node_without_id_is_refused_alone(self):
        nameless = {"title": "?", "url": "/sale/", "categories": [{"url": "/category/a-7/"}]}
        root = {**ROOT, "columns": [{"categories": [nameless]}]}

        items = list(ADAPTER.split({"data": root}, Source()))

        with pytest.raises(PayloadError, match="does not end with a category id"):
            ADAPTER.parse(items[1])
        assert ADAPTER.parse(items[2]).records[0].parent_external_id == "10500"

    def test_depth_is_not_limited_by_recursion(self):
        node = {"url": "/category/a-0/"}
        for number in range(1, 5000):
            node = {"url": f"/category/a-{number}/", "categories": [node]}

        assert len(parse_all({"data": {**node, "columns": []}})) == 5000

    def test_entries_that_are_not_objects_are_refused_alone(self):
        child = {"title": "b", "url": "/category/b-2/"}
        root = {"title": "a", "url": "/category/a-1/", "columns": ["x", {"categories": [5, child]}]}

        items = list(ADAPTER.split({"data": root}, Source()))

        assert [item.payload for item in items][1:] == ["x", 5, child]

    def test_a_tree_of_another_platform_is_not_recognized(self):
        assert ADAPTER.recognize({"data": {"columns": [], "url": "/catalog/tv"}}) is None
