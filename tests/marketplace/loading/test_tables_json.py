"""Tables in JSON: rows in a list or an object, and chains of categories."""

import json
from datetime import UTC, datetime

import pytest

from classifieds.models import Listing, ListingEvent
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import (
    Category,
    Product,
)
from tests.marketplace.loading.table_samples import ADS, MORE, counts

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


class TestJson:
    ADS = {
        "updated": "2026-06-01 12:00",
        "ads": [
            {"id": 1, "title": "A", "price": "9 900 zł", "details": {"Rok produkcji": "2005"}},
            {"id": 2, "title": "B", "price": "x", "details": {}},
            "advertisement",
        ],
    }

    def test_rows_are_in_a_list_next_to_the_time(self, load):
        summary = load(json.dumps(self.ADS), ADS, platform="olx", name="ads.json")

        listing = Listing.objects.get()
        assert counts(summary) == (3, 1, 0, 0, 2)
        assert (listing.price, listing.year) == (9900, 2005)
        assert listing.attributes == {"Rok produkcji": "2005"}
        assert listing.last_seen_at == datetime(2026, 6, 1, 7, tzinfo=UTC)

    def test_places_identify_the_row(self, load, tmp_path):
        load(json.dumps(self.ADS), ADS, platform="olx", name="ads.json")

        places = ListingQuarantine.objects.values_list("source", flat=True)
        assert sorted(places) == [f"{tmp_path}/ads.json: document, ads {n}" for n in (2, 3)]

    def test_rows_may_be_the_elements_of_an_array(self, load):
        summary = load('[{"id": 1, "rooms": 2}, {"id": 2}]', MORE, platform="olx")

        assert counts(summary) == (2, 2, 0, 0, 0)

    def test_a_file_of_another_day_changes_prices(self, load):
        later = {"updated": "2026-06-02 12:00", "ads": [{"id": 1, "title": "A", "price": "9 000"}]}
        load(json.dumps(self.ADS), ADS, platform="olx")

        summary = load(json.dumps(later), ADS, platform="olx")

        event = ListingEvent.objects.get(kind="price")
        assert counts(summary) == (1, 0, 1, 0, 0)
        assert (event.old_price, event.new_price) == (9900, 9000)


class TestKeys:
    COLUMNS = """
[table]
rows = "*"

[listing]
external_id = { column = "@key", pattern = 'ID(\\w+)\\.html' }
url = "@key"
title = "title"
price = "price"
"""

    def test_of_an_object_can_be_columns(self, load, tmp_path):
        ads = {
            "https://olx.kz/d/lamp-IDaaa.html": {"title": "Lamp", "price": "400 000 ₸"},
            "https://olx.kz/d/cup-IDbbb.html": {"title": "Cup", "price": ""},
            "https://olx.kz/d/pot-IDccc.html": "gone",
        }

        summary = load(json.dumps(ads), self.COLUMNS, platform="olx")

        listings = Listing.objects.order_by("external_id").values_list(
            "external_id", "title", "price"
        )
        assert list(listings) == [("aaa", "Lamp", 400000), ("bbb", "Cup", None)]
        assert counts(summary) == (3, 2, 0, 0, 1)
        rejected = ListingQuarantine.objects.get()
        place = 'document, key "https://olx.kz/d/pot-IDccc.html"'
        assert rejected.source == f"{tmp_path}/table.csv: {place}"

    def test_of_an_object_inside_the_document_can_be_columns(self, load):
        columns = self.COLUMNS.replace('"*"', '"ads.*"')
        text = json.dumps({"day": 1, "ads": {"x-IDaaa.html": {"title": "Lamp"}}})

        load(text, columns, platform="olx")

        assert Listing.objects.get().url == "x-IDaaa.html"


class TestChain:
    COLUMNS = """
[product]
external_id = "id"

[category]
chain = { column = "path", separator = "/" }
url = "link"
"""

    def test_becomes_a_category_for_each_name(self, load):
        load("id,path,link\n1,Дом / Кухня / Чайники,/c\n2,Дом,\n3,,\n", self.COLUMNS)

        categories = Category.objects.order_by("external_id")
        assert [(category.external_id, category.name, category.url) for category in categories] == [
            ("Дом", "Дом", None),
            ("Дом > Кухня", "Кухня", None),
            ("Дом > Кухня > Чайники", "Чайники", "/c"),
        ]
        leaf = Product.objects.get(external_id="1").category
        assert (leaf.name, leaf.parent.name, leaf.parent.parent.name) == ("Чайники", "Кухня", "Дом")
        assert Product.objects.get(external_id="2").category.name == "Дом"
        assert Product.objects.get(external_id="3").category is None

    def test_may_be_the_main_record(self, load):
        summary = load("path\nДом>Кухня\nДом>Сад\n", '[category]\nchain = "path"\n')

        assert counts(summary) == (2, 2, 0, 0, 0)
        assert Category.objects.count() == 3
