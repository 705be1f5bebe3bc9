"""Wildberries: product lists (WB-V1 and WB-V4)."""

from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.wildberries_payloads import ADAPTER, of_type, parse_all

LISTED = {
    "id": 332407348,
    "root": 191397934,
    "name": "Пальто",
    "brand": "Красный ананас",
    "supplier": "Красный ананас",
    "supplierId": 1316722,
    "subjectId": 170,
    "subjectParentId": 1,
    "reviewRating": 4.8,
    "feedbacks": 2390,
    "totalQuantity": 2,
    "sizes": [
        {"origName": "56", "name": "54 рф", "optionId": 11, "price": {"basic": 200, "product": 100}}
    ],
}

OLD = {"id": 5, "priceU": 200, "salePriceU": 100, "sizes": [{"optionId": 6, "origName": "0"}]}


def parse_listed(product=LISTED, **changes):
    [parsed] = parse_all({"products": [{**product, **changes}]})
    return parsed


def parse_sizes(*sizes, **changes):
    return of_type(parse_listed(sizes=list(sizes), **changes), Offer)


class TestWbV1:
    @pytest.fixture
    def parsed(self):
        return parse_all(payloads.read_json("wildberries/wb-catalog-v1-100.json"))

    def test_real_list(self, parsed):
        offers = [offer for entry in parsed for offer in of_type(entry, Offer)]
        products = [of_type(entry, Product)[0] for entry in parsed]

        assert len({entry.external_id for entry in parsed}) == len(offers) == 100
        assert sum(product.rating is None for product in products) == 90
        assert {offer.is_available for offer in offers} == {None}
        assert {offer.variant_title for offer in offers} == {None}

    def test_real_product_in_kopecks(self, parsed):
        assert parsed[0].records == [
            Category("subject-root:1605"),
            Category("subject:3870", parent_external_id="subject-root:1605"),
            Seller("49204"),
            Product(
                external_id="103442031",
                title="Сумка ACID PRO XS под седло olive",
                category_external_id="subject:3870",
                seller_external_id="49204",
                brand="CUBE",
                review_count=0,
                min_price=Decimal("1436.00"),
                max_price=Decimal("1436.00"),
                currency="RUB",
                url="https://www.wildberries.ru/catalog/103442031/detail.aspx",
                attributes={"root": "80214271", "colors": ["зеленый"], "photo_count": 3},
            ),
            Offer(
                external_id="162235947",
                product_external_id="103442031",
                price=Decimal("1436.00"),
                currency="RUB",
                old_price=Decimal("3590.00"),
                seller_external_id="49204",
            ),
        ]

    def test_price_without_discount(self):
        product, offer = parse_listed(OLD, salePriceU=None).records

        assert (offer.price, offer.old_price) == (Decimal("2.00"), None)
        assert product.min_price == offer.price

    def test_price_without_sizes_belongs_to_the_product(self):
        _, offer = parse_listed(OLD, sizes=[]).records

        assert (offer.external_id, offer.price) == ("nm:5", Decimal("1.00"))

    def test_currency_is_that_of_the_request(self):
        [parsed] = parse_all({"params": {"curr": "uzs"}, "data": {"products": [OLD]}})

        assert {record.currency for record in parsed.records} == {"UZS"}


class TestWbV4:
    @pytest.fixture
    def parsed(self):
        document = payloads.read_json("wildberries/wb-search-and-detail-v4-samples.json")
        return parse_all(document)

    def test_real_captures(self, parsed):
        assert [entry.external_id for entry in parsed] == ["969178673", "1289478431", "332407348"]

    def test_real_detail_has_one_size_with_a_price(self, parsed):
        [product] = of_type(parsed[1], Product)

        assert [offer for offer in of_type(parsed[1], Offer) if offer.price] == [
            Offer(
                external_id="1903068410",
                product_external_id="1289478431",
                price=Decimal("3324.00"),
                currency="RUB",
                old_price=Decimal("10000.00"),
                seller_external_id="381364",
                is_available=True,
                stock_quantity=1,
                variant_title="M",
                variant_attributes={"size": "M", "local_size": "44-46"},
            )
        ]
        assert (product.rating, product.review_count) == (Decimal("4.40"), 173)
        assert (product.is_available, product.total_available) == (True, 1)

    def test_real_parents(self, parsed):
        assert parsed[2].records[:3] == [
            Category("subject-root:1"),
            Category("subject:170", "пальто", parent_external_id="subject-root:1"),
            Seller("1316722", "Красный ананас", rating=Decimal("4.80")),
        ]

    def test_review_count_is_that_of_the_product(self):
        [with_own] = of_type(parse_listed(nmFeedbacks=0), Product)
        [without] = of_type(parse_listed(), Product)

        assert (with_own.review_count, without.review_count) == (0, 2390)

    def test_unrated_product(self):
        [product] = of_type(parse_listed(reviewRating=0, nmReviewRating=0, rating=0), Product)

        assert product.rating is None

    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            ({"stocks": [{"qty": 2}, {"qty": 5}]}, (7, True)),
            ({"stocks": []}, (0, False)),
            ({"stocks": [{"wh": 507}]}, (None, None)),
        ],
    )
    def test_stock_of_a_size_is_the_sum_of_its_warehouses(self, published, expected):
        [offer] = parse_sizes({"optionId": 1, "price": {"product": 5}, **published})

        assert (offer.stock_quantity, offer.is_available) == expected

    def test_total_is_the_stock_of_an_only_size(self):
        size = {"optionId": 1, "price": {"product": 5}}

        [only] = parse_sizes(size)
        first, second = parse_sizes(size, {**size, "optionId": 2})

        assert (only.stock_quantity, only.is_available) == (2, True)
        assert (first.stock_quantity, first.is_available) == (None, None)
        assert (second.stock_quantity, second.is_available) == (None, None)

    def test_price_is_without_delivery(self):
        prices = {"basic": 69000, "product": 48100, "total": 51400, "logistics": 3300}

        [offer] = parse_sizes({"optionId": 1, "price": prices})

        assert (offer.price, offer.old_price) == (Decimal("481.00"), Decimal("690.00"))

    def test_size_without_price_is_an_offer_only_if_it_is_out_of_stock(self):
        size = {"optionId": 1, "origName": "L"}

        [offer] = parse_sizes(size | {"stocks": []})
        assert (offer.price, offer.is_available, offer.stock_quantity) == (None, False, 0)
        assert parse_sizes({"origName": "L", "stocks": []}) == []
        assert parse_sizes(size | {"stocks": [{"qty": 1}]}) == []

    @pytest.mark.parametrize(
        ("names", "title"),
        [
            ({"origName": "L", "name": "46"}, "L"),
            ({"origName": "", "name": "46"}, "46"),
            ({"origName": "0", "name": ""}, None),
        ],
    )
    def test_size_names(self, names, title):
        [offer] = parse_sizes({"optionId": 1, "price": {"product": 5}, **names})

        assert offer.variant_title == title

    def test_currency_is_read_from_the_address(self):
        url = "https://card.wb.ru/cards/v4/detail?appType=1&curr=kzt&nm=1"

        [parsed] = parse_all({"url": url, "response": {"products": [LISTED]}})

        assert of_type(parsed, Offer)[0].currency == "KZT"

    def test_currency_of_the_command_is_used_if_the_response_has_none(self):
        [stated] = parse_all({"products": [LISTED]}, currency="UZS")
        [silent] = parse_all({"products": [LISTED]})

        currencies = [of_type(entry, Offer)[0].currency for entry in (stated, silent)]
        assert currencies == ["UZS", "RUB"]

    @pytest.mark.parametrize(
        "document",
        [
            {"products": [LISTED, OLD]},
            {"data": {"products": [LISTED, OLD]}, "state": 0},
            {"response": {"data": {"products": [LISTED, OLD]}}},
            {"a": {"response": {"products": [LISTED]}}, "b": {"response": {"products": [OLD]}}},
        ],
    )
    def test_finds_products_in_all_kinds_of_lists(self, document):
        items = list(ADAPTER.split(document, Source()))

        assert [(item.shape, item.payload["id"]) for item in items] == [
            ("WB-V4", 332407348),
            ("WB-V1", 5),
        ]

    def test_empty_page_is_recognized(self):
        assert parse_all({"state": 0, "version": 2, "data": {"products": []}}) == []
        assert parse_all({"metadata": {}, "total": 0, "products": []}) == []

    def test_refuses_the_list_of_another_platform(self):
        phone = {"id": 1, "name": "Telefon", "price": 100, "brand": "Namuna", "rating": 5}
        pages = [{"products": [phone] * 4}, {"data": {"products": [phone]}}, {"products": []}]
        pages.append({"id": 1, "name": "Telefonlar", "url": "/catalog/telefonlar"})
        pages.append({"products": [phone | {"totalQuantity": 4, "root": "q"}]})

        for page in pages:
            with pytest.raises(PayloadError, match="not a known shape of wildberries"):
                ADAPTER.split(page, Source())

    def test_entries_that_are_not_objects_are_refused_alone(self):
        items = list(ADAPTER.split({"products": [LISTED, "x", None, OLD]}, Source()))

        first, text, nothing, last = items
        assert [ADAPTER.parse(item).external_id for item in (first, last)] == ["332407348", "5"]
        with pytest.raises(PayloadError, match="expected an object, got text"):
            ADAPTER.parse(text)
        with pytest.raises(PayloadError, match="expected an object, got null"):
            ADAPTER.parse(nothing)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": None}, "id"),
            ({"sizes": 5}, "sizes"),
            ({"sizes": [{"price": {"product": 5}}]}, "optionId"),
            ({"sizes": [{"optionId": 1, "price": {"product": -5}}]}, "price"),
            ({"sizes": [{"optionId": 1, "price": 5}]}, "sizes[].price"),
            ({"reviewRating": 48}, "reviewRating"),
            ({"totalQuantity": -1}, "totalQuantity"),
        ],
    )
    def test_refusal_names_the_field(self, changes, field):
        with pytest.raises(PayloadError) as caught:
            parse_listed(**changes)

        assert caught.value.field == field


class TestAnyDocument:
    @pytest.mark.parametrize(
        "document",
        [{}, {"data": {"products": {}}}, {"nm_id": 1}, {"id": 1, "name": "x", "url": "y", "a": 1}],
    )
    def test_other_documents_are_not_recognized(self, document):
        assert ADAPTER.recognize(document) is None
