"""Ozon: tiles of its search (OZ-CSV)."""

import csv
import io
from decimal import Decimal

import pytest

from ecommerce.records import Offer, Product
from marketplace.exceptions import PayloadError
from tests import payloads
from tests.ecommerce.ozon_payloads import ADAPTER, of_type, parse_all

TILE = {
    "product_url": "/product/koltso-karatov-1045776694/?at=K8tZ&keywords=x-99/",
    "product_name": "Кольцо женское",
    "brand": "KARATOV",
    "is_original": "True",
    "final_price": "4 125",
    "old_price": "8058",
    "discount": "−48%",
    "rating": "4.9",
    "reviews_count": "1583.0",
    "delivery_time": "Завтра",
    "market": "OZON",
}


def parse_tile(**changes):
    [parsed] = parse_all({**TILE, **changes})
    return parsed


class TestOzCsv:
    @pytest.mark.parametrize(("decimal", "price"), [(",", 1600), (".", Decimal("1.60"))])
    def test_an_ambiguous_price_is_read_with_the_stated_decimal_mark(self, decimal, price):
        tile = {**TILE, "final_price": "1.600", "old_price": None}
        with pytest.raises(PayloadError, match=r"can mean 1600 or 1\.6"):
            parse_all(tile)

        [parsed] = parse_all(tile, decimal=decimal)

        assert parsed.records[-1].price == price

    @pytest.mark.parametrize(
        ("name", "rows", "products", "sold_out"),
        [
            ("ozon-search-data.csv.gz", 10280, 7862, 1),
            pytest.param("ozon-search-data-1.csv.gz", 10330, 7729, 4, marks=pytest.mark.slow),
            pytest.param("ozon-search-data-2.csv.gz", 10297, 8734, 30, marks=pytest.mark.slow),
        ],
    )
    def test_real_rows(self, name, rows, products, sold_out):
        text = payloads.read(f"ozon/{name}").decode()

        parsed = [entry for row in csv.DictReader(io.StringIO(text)) for entry in parse_all(row)]

        brands = {of_type(entry, Product)[0].brand for entry in parsed}
        offers = [offer for entry in parsed for offer in of_type(entry, Offer)]
        without_price = [offer for offer in offers if offer.price is None]
        assert len(parsed) == rows
        assert len({entry.external_id for entry in parsed}) == products
        assert (len(offers), len(without_price)) == (rows, sold_out)
        assert {offer.is_available for offer in without_price} == {False}
        assert not {brand for brand in brands if brand and "₽" in brand}
        assert not brands & {"Оригинал", "Стало дешевле"}

    def test_every_field(self):
        assert parse_tile().records == [
            Product(
                external_id="1045776694",
                title="Кольцо женское",
                brand="KARATOV",
                rating=Decimal("4.90"),
                review_count=1583,
                is_available=True,
                min_price=Decimal("4125.00"),
                max_price=Decimal("4125.00"),
                currency="RUB",
                url="https://www.ozon.ru/product/koltso-karatov-1045776694/",
                attributes={"is_original": True, "delivery_time": "Завтра"},
            ),
            Offer(
                external_id="1045776694",
                product_external_id="1045776694",
                price=Decimal("4125.00"),
                currency="RUB",
                old_price=Decimal("8058.00"),
                is_available=True,
                delivery_days=1,
            ),
        ]

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.ozon.ru/product/koltso-7-1045776694/?at=1",
            "/product/koltso-7-1045776694",
            "/product/1045776694/",
        ],
    )
    def test_id_is_at_the_end_of_the_path(self, url):
        assert parse_tile(product_url=url).external_id == "1045776694"

    @pytest.mark.parametrize("url", ["", "/product/koltso/", "/category/koltsa-1045/", None, []])
    def test_refuses_an_address_without_id(self, url):
        with pytest.raises(PayloadError) as caught:
            parse_tile(product_url=url)

        assert caught.value.field == "product_url"

    @pytest.mark.parametrize("brand", ["", "Оригинал", "Стало дешевле", "14\u2009₽\u202f/\u202fшт"])
    def test_labels_are_not_brands(self, brand):
        [product] = of_type(parse_tile(brand=brand), Product)

        assert product.brand is None

    def test_label_instead_of_the_brand_means_original(self):
        [product] = of_type(parse_tile(brand="Оригинал", is_original="False"), Product)

        assert product.attributes["is_original"] is True

    @pytest.mark.parametrize(
        ("delivery", "days"),
        [
            ("Сегодня", 0),
            ("За час", 0),
            ("За 30 минут", 0),
            ("От 3 часов", 0),
            ("Завтра", 1),
            ("+3\u2009₽ завтра", 1),
            ("Послезавтра", 2),
            ("7 марта", None),
            ("+220\u2009₽", None),
        ],
    )
    def test_delivery(self, delivery, days):
        product, offer = parse_tile(delivery_time=delivery).records

        assert offer.delivery_days == days
        assert offer.is_available is True
        assert product.attributes["delivery_time"] == delivery

    @pytest.mark.parametrize(
        ("button", "available"),
        [("Похожие", False), ("В корзину", True), ("Перейти", None), ("", None)],
    )
    def test_buttons_are_not_delivery_times(self, button, available):
        product, offer = parse_tile(delivery_time=button).records

        assert product.is_available is offer.is_available is available
        assert product.attributes == {"is_original": True}

    def test_sold_out_tile_has_no_price(self):
        parsed = parse_tile(final_price="", old_price="4125", delivery_time="Похожие")

        product, offer = parsed.records
        assert (product.is_available, product.min_price) == (False, None)
        assert (offer.is_available, offer.price, offer.old_price) == (False, None, None)

    def test_tile_that_is_not_sold_out_and_has_no_price_has_no_offer(self):
        assert of_type(parse_tile(final_price="", old_price=""), Offer) == []

    @pytest.mark.parametrize("old_price", ["", "4125", "4000"])
    def test_old_price_is_kept_only_if_higher(self, old_price):
        [offer] = of_type(parse_tile(old_price=old_price), Offer)

        assert offer.old_price is None

    def test_new_product_has_no_rating(self):
        [product] = of_type(parse_tile(rating="", reviews_count=""), Product)

        assert (product.rating, product.review_count) == (None, None)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"final_price": "-5"}, "final_price"),
            ({"final_price": "дорого"}, "final_price"),
            ({"rating": "49"}, "rating"),
            ({"reviews_count": "1.5"}, "reviews_count"),
        ],
    )
    def test_refusal_names_the_field(self, changes, field):
        with pytest.raises(PayloadError) as caught:
            parse_tile(**changes)

        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"market": "WB"}, "market: the tile belongs to WB, not to Ozon"),
            ({"product_url": "https://www.wildberries.ru/product/a-1/"}, "not a URL of Ozon"),
        ],
    )
    def test_refuses_the_tile_of_another_platform(self, changes, message):
        with pytest.raises(PayloadError, match=message):
            parse_tile(**changes)

    def test_accepts_a_tile_without_a_market(self):
        assert parse_tile(market="").external_id == parse_tile(market="ozon").external_id

    def test_a_table_of_another_shop_is_not_a_tile(self):
        assert ADAPTER.recognize({"product_url": "/product/a-1/", "product_name": "x"}) is None


class TestAnyDocument:
    @pytest.mark.parametrize(
        "document",
        [{}, {"data": []}, {"data": {"columns": []}}, {"a": {"data": 1}}, {"product_url": "x"}],
    )
    def test_other_documents_are_not_recognized(self, document):
        assert ADAPTER.recognize(document) is None
