"""OLX: the category tree (OLX-CATS)."""

from classifieds.platforms.olx_categories import CATEGORIES
from classifieds.records import Category
from tests import payloads
from tests.classifieds.olx_payloads import OLX, split

TREE = "olx/olx-uz-category-tree-2022.json"


class TestCategories:
    def test_reads_the_real_tree(self):
        parsed = [OLX.parse(item) for item in split(payloads.read_json(TREE))]

        records = {item.external_id: item.records for item in parsed}

        assert len(records) == 369
        assert records["1"] == [
            Category(
                "1", name="Недвижимость", path="nedvizhimost", parent_external_id=None, level=1
            )
        ]
        assert records["983"] == [
            Category("108"),
            Category(
                "983",
                name="Chevrolet",
                path="transport/legkovye-avtomobili/chevrolet",
                parent_external_id="108",
                level=3,
            ),
        ]

    def test_the_data_file_is_the_published_tree(self):
        tree = payloads.read_json(TREE)["list"]

        names = {int(key): " ".join(node["name"].split()) for key, node in tree.items()}
        depths = {int(key): node["level"] for key, node in tree.items()}

        assert {key: node.name for key, node in CATEGORIES.items()} == names
        assert {key: node.path.count("/") + 1 for key, node in CATEGORIES.items()} == depths
        for key, node in tree.items():
            slugs = CATEGORIES[int(key)].path.split("/")
            assert slugs[2:] == node["path"].split("/")[2:]

    def test_paths_are_unique(self):
        paths = [node.path for node in CATEGORIES.values()]

        assert len(paths) == len(set(paths)) == 369
        assert {"transport/cars", "real-estate/apartments", "electronics/phones", "jobs"} <= {
            *paths
        }
