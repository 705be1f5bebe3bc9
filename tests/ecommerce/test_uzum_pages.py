"""Uzum: product pages (UZ-JSONLD)."""

from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, Product, Seller
from tests.ecommerce.uzum_payloads import ADAPTER, SHOE, of_type, parse_all

CRUMBS = {"@type": "BreadcrumbList", "itemListElement": [{"name": "Poyabzal"}, {"name": "Krossi"}]}


class TestUzJsonLd:
    def test_reads_the_product_of_a_page(self):
        page = {"@graph": [{"@type": "WebPage", "name": "x"}, SHOE, CRUMBS]}

        [parsed] = parse_all(page)

        root, category, seller, product, offer = parsed.records
        assert (root.name, category.name) == ("Poyabzal", "Krossi")
        assert category.parent_external_id == root.external_id
        assert seller == Seller("name:namuna shop", "Namuna Shop")
        assert (product.external_id, product.title) == ("500", "Krossovka")
        assert (product.rating, product.review_count) == (Decimal("4.70"), 159)
        assert (product.category_external_id, product.is_available) == (category.external_id, True)
        assert offer == Offer(
            "701",
            "500",
            Decimal("157000.00"),
            "UZS",
            seller_external_id=seller.external_id,
            is_available=True,
            variant_title="41",
            variant_attributes={"Oʻlcham": "41"},
        )

    def test_reads_the_sku_of_the_block(self):
        block = SHOE | {"@id": "https://uzum.uz/ru/product/krossovka-500", "sku": "702"}

        [parsed] = parse_all(block)

        assert (parsed.external_id, of_type(parsed, Offer)[0].external_id) == ("500", "702")

    def test_a_sold_out_sku_does_not_make_the_product_unavailable(self):
        offers = SHOE["offers"] | {"availability": "https://schema.org/OutOfStock"}

        [parsed] = parse_all(SHOE | {"offers": offers})

        assert of_type(parsed, Product)[0].is_available is None
        assert of_type(parsed, Offer)[0].is_available is False

    def test_a_summary_of_several_offers_is_not_an_offer(self):
        offers = {"@type": "AggregateOffer", "lowPrice": 5, "highPrice": 9, "price": 5}

        [parsed] = parse_all(SHOE | {"offers": offers})

        assert of_type(parsed, Offer) == []

    def test_the_breadcrumb_of_several_products_is_not_used(self):
        other = SHOE | {"@id": "https://uzum.uz/uz/product/tufli-501?skuId=703"}

        parsed = parse_all({"@graph": [SHOE, other, CRUMBS]})

        assert [entry.external_id for entry in parsed] == ["500", "501"]
        assert all(of_type(entry, Category) == [] for entry in parsed)

    @pytest.mark.parametrize(
        "address",
        [
            "https://shop.example/product/krossovka-500?skuId=701",
            "https://uzum.uz.example/product/a-500",
            "https://uzum.uz/uz/category/obuv-500",
        ],
    )
    def test_pages_of_other_platforms_are_not_recognized(self, address):
        assert ADAPTER.recognize({"@graph": [SHOE | {"@id": address}]}) is None
