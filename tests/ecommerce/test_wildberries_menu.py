"""Wildberries: the category menu (WB-MENU)."""

from ecommerce.records import Category
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.wildberries_payloads import ADAPTER, MENU, parse_all


class TestWbMenu:
    def test_real_menu(self):
        documents = payloads.read_json("wildberries/wb-main-menu-2025.json.gz")

        categories = [
            category
            for document in documents
            for parsed in parse_all(document)
            for category in parsed.records
        ]

        ids = {category.external_id for category in categories}
        parents = [category.parent_external_id for category in categories]
        assert len(documents) == parents.count(None) == 34
        assert len(categories) == len(ids) == 2820
        assert ids.issuperset(parent for parent in parents if parent)
        assert categories[0] == Category(
            "131289",
            "Экспресс",
            url="https://www.wildberries.ru/catalog/ekspress-dostavka",
        )

    def test_parents_come_first_and_items_have_no_children(self):
        items = list(ADAPTER.split(MENU, Source()))

        assert [(item.payload["id"], item.context["parent_id"]) for item in items] == [
            (1, None),
            (2, 1),
            (3, 2),
            (4, 1),
        ]
        assert not any("childs" in item.payload for item in items)

    def test_address_may_belong_to_another_site(self):
        categories = [parsed.records[0] for parsed in parse_all(MENU)]

        assert categories[0].url == "https://www.wildberries.ru/catalog/zhenshchinam"
        assert categories[3] == Category(
            "4", "Обувь", parent_external_id="1", url="https://digital.wildberries.ru/b"
        )

    def test_entries_that_are_not_objects_are_refused_alone(self):
        node = {"id": 2, "name": "Одежда", "url": "/a"}

        items = list(ADAPTER.split(MENU | {"childs": ["x", node]}, Source()))

        assert [item.payload for item in items] == [
            {"id": 1, "name": "Женщинам", "url": "/catalog/zhenshchinam"},
            "x",
            node,
        ]

    def test_depth_is_not_limited_by_recursion(self):
        node = {"id": 0, "name": "leaf", "url": "/"}
        for number in range(1, 5000):
            node = {"id": number, "name": "x", "url": "/", "childs": [node]}

        assert len(parse_all(node)) == 5000
