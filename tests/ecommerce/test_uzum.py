"""Uzum: product responses of the API (UZ-API)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.uzum_payloads import ADAPTER, CARD, of_type, parse_all

COLORS = {"title": "Цвет", "values": [{"title": "Белый"}, {"title": "Черный", "value": "#000"}]}

SIZES = {"title": "Размер", "values": [{"value": "L"}, {"value": "XL"}]}

SHIRT = {
    "id": 500,
    "title": "Футболка",
    "localizableTitle": {"ru": "Футболка", "uz": "Futbolka"},
    "category": {"id": 2, "title": "Футболки", "parent": {"id": 1, "title": "Одежда"}},
    "rating": 0,
    "totalAvailableAmount": 3,
    "attributes": ["Хлопок"],
    "characteristics": [COLORS, SIZES],
    "photos": [],
    "seller": {"id": 9, "title": "Do'kon", "link": "dokon", "registrationDate": 1749798226267},
    "skuList": [
        {
            "id": 501,
            "purchasePrice": 90000,
            "fullPrice": 120000,
            "availableAmount": 3,
            "characteristics": [
                {"charIndex": 0, "valueIndex": 1},
                {"charIndex": 1, "valueIndex": 1},
            ],
        },
        {"id": 502, "purchasePrice": 95000, "fullPrice": 95000, "availableAmount": 0},
        {"id": 503, "purchasePrice": None},
    ],
}


def parse_shirt(**changes):
    [parsed] = parse_all({"payload": {"data": {**SHIRT, **changes}}})
    return parsed


class TestTextPrices:
    """Prices in so'm have no decimals, so that "1.600" has one meaning."""

    def test_of_products_and_cards(self):
        sku = {**SHIRT["skuList"][0], "purchasePrice": "1.600", "fullPrice": "2.100"}
        offer = of_type(parse_shirt(skuList=[sku]), Offer)[0]
        assert (offer.price, offer.old_price) == (1600, 2100)

        card = {**CARD, "minSellPrice": "1.600", "skuList": [{"id": 1, "sellPrice": "1.600"}]}
        [parsed] = parse_all(card)
        assert [offer.price for offer in of_type(parsed, Offer)] == [1600]

    def test_in_another_currency_are_refused(self):
        sku = {**SHIRT["skuList"][0], "purchasePrice": "$15"}
        with pytest.raises(PayloadError, match="is not in UZS"):
            parse_shirt(skuList=[sku])


class TestUzApi:
    @pytest.fixture
    def parsed(self):
        [parsed] = parse_all(payloads.read_json("uzum/uzum-product-1772350.json"))
        return parsed

    def test_reads_categories_from_the_root(self, parsed):
        assert of_type(parsed, Category) == [
            Category("10020", "Elektronika", product_count=24428),
            Category(
                "10129",
                "Televizorlar va videotexnikalar",
                parent_external_id="10020",
                product_count=293,
            ),
            Category(
                "11384",
                "Televizor uchun stend va kronshteynlar",
                parent_external_id="10129",
                product_count=49,
            ),
            Category(
                "11587",
                "Televizor uchun kronshteynlar",
                parent_external_id="11384",
                product_count=82,
            ),
        ]

    def test_reads_seller(self, parsed):
        assert of_type(parsed, Seller) == [
            Seller(
                external_id="74885",
                name="Aeris.uz",
                slug="aeris",
                link="https://uzum.uz/shop/aeris",
                description="22",
                rating=Decimal("4.80"),
                review_count=36,
                order_count=133,
                is_official=False,
                registered_at=datetime(2025, 6, 13, 7, 3, 46, 267000, tzinfo=UTC),
            )
        ]

    def test_reads_product(self, parsed):
        [product] = of_type(parsed, Product)

        assert parsed.external_id == product.external_id == "1772350"
        assert product.title == product.title_uz
        assert product.title_uz.startswith('Televizor uchun 32" dan 55" gacha')
        assert product.title_ru.startswith('Кронштейны для телевизора от 32" до 55"')
        assert product.description.startswith("32 dyuymdan 55 dyuymgacha bo‘lgan")
        assert "<" not in product.description
        assert (product.category_external_id, product.seller_external_id) == ("11587", "74885")
        assert (product.rating, product.review_count) == (Decimal("4.40"), 7)
        assert (product.order_count, product.total_available) == (32, 27)
        assert product.is_available is True
        assert product.min_price == product.max_price == Decimal("440000.00")
        assert product.currency == "UZS"
        assert product.url == "https://uzum.uz/product/1772350"
        assert product.images[0] == "https://images.uzum.uz/d19qla27s4fup34akmng/original.jpg"
        assert len(product.images) == len(set(product.images)) == 7
        assert (product.is_eco, product.is_adult, product.is_perishable) == (False, False, False)
        assert product.has_warranty is False
        assert product.video_url is None

    def test_reads_offer(self, parsed):
        assert of_type(parsed, Offer) == [
            Offer(
                external_id="6120890",
                product_external_id="1772350",
                price=Decimal("440000.00"),
                currency="UZS",
                seller_external_id="74885",
                is_available=True,
                stock_quantity=27,
                barcode="1000061208901",
                delivery_days=1,
            )
        ]

    def test_timestamp_is_utc(self, parsed):
        document = payloads.read_json("uzum/uzum-product-1772350.json")
        stock = document["payload"]["data"]["skuList"][0]["stock"]

        promised = datetime.fromtimestamp(stock["deliveryDate"] / 1000, UTC)

        assert parsed.observed_at == datetime(2025, 12, 5, 5, 45, 20, 620668, tzinfo=UTC)
        assert abs((promised - parsed.observed_at).total_seconds() - 86400) < 60

    def test_stored_payload_has_no_seo_and_no_review(self):
        document = payloads.read_json("uzum/uzum-product-1772350.json")

        [item] = ADAPTER.split(document, Source())

        data = document["payload"]["data"]
        assert item.payload == {key: data[key] for key in data if key != "topFeedback"}
        assert item.context == {}

    def test_timestamp_with_zone_is_kept(self):
        document = {"data": SHIRT, "timestamp": "2025-12-05T10:45:20+05:00"}

        [parsed] = parse_all(document)

        assert parsed.observed_at == datetime(2025, 12, 5, 5, 45, 20, tzinfo=UTC)

    def test_accepts_response_without_outer_payload(self):
        [inner] = parse_all({"data": SHIRT})

        assert inner == parse_shirt()

    def test_variant_is_found_by_position(self):
        first, second = of_type(parse_shirt(), Offer)

        assert first.variant_title == "Черный / XL"
        assert first.variant_attributes == {"Цвет": "Черный", "Размер": "XL"}
        assert second.variant_title is second.variant_attributes is None

    @pytest.mark.parametrize("index", [2, -1, None, "x", 10**12])
    def test_refuses_a_position_without_a_value(self, index):
        sku = {**SHIRT["skuList"][0], "characteristics": [{"charIndex": index, "valueIndex": 0}]}

        with pytest.raises(PayloadError) as caught:
            parse_shirt(skuList=[sku])

        assert caught.value.field == "skuList[].characteristics[].charIndex"

    def test_old_price_is_kept_only_if_higher(self):
        offers = of_type(parse_shirt(), Offer)

        assert [offer.old_price for offer in offers] == [Decimal("120000.00"), None]

    def test_sku_without_price_has_no_offer(self):
        parsed = parse_shirt()

        [product] = of_type(parsed, Product)
        assert [offer.external_id for offer in of_type(parsed, Offer)] == ["501", "502"]
        assert (product.min_price, product.max_price) == (Decimal("90000.00"), Decimal("95000.00"))

    def test_sold_out_sku_is_not_available(self):
        first, second = of_type(parse_shirt(), Offer)
        [unknown] = of_type(parse_shirt(skuList=[{"id": 1, "purchasePrice": 5}]), Offer)

        assert (first.is_available, first.stock_quantity) == (True, 3)
        assert (second.is_available, second.stock_quantity) == (False, 0)
        assert (unknown.is_available, unknown.stock_quantity) == (None, None)

    def test_rating_of_zero_is_unknown(self):
        [product] = of_type(parse_shirt(), Product)

        assert product.rating is None

    def test_characteristics_and_attributes(self):
        [product] = of_type(parse_shirt(), Product)

        assert product.attributes == {"attributes": ["Хлопок"]}
        assert product.characteristics == [
            {"title": "Цвет", "values": ["Белый", "Черный"]},
            {"title": "Размер", "values": ["L", "XL"]},
        ]

    def test_titles_may_be_localized_anywhere(self):
        names = {"ru": "Обувь", "uz": "Poyabzal"}

        parsed = parse_shirt(title=names, localizableTitle=None, category={"id": 3, "title": names})

        [product] = of_type(parsed, Product)
        assert (product.title, product.title_ru, product.title_uz) == (
            "Poyabzal",
            "Обувь",
            "Poyabzal",
        )
        assert of_type(parsed, Category) == [Category("3", "Poyabzal", "Обувь", "Poyabzal")]

    def test_localized_title_may_be_text(self):
        [product] = of_type(parse_shirt(title=None, localizableTitle="Futbolka"), Product)

        assert (product.title, product.title_ru, product.title_uz) == ("Futbolka", None, None)

    def test_largest_photo_does_not_have_the_largest_number(self):
        photo = {"24034": {"high": "crop.jpg"}, "540": {"high": "540.jpg"}, "80": {"high": "s.jpg"}}

        [product] = of_type(parse_shirt(photos=[{"photo": photo}]), Product)

        assert product.images == ["540.jpg"]

    @pytest.mark.parametrize(
        ("published", "expected"),
        [({}, None), ({"warranty": None}, False), ({"warranty": {"months": 12}}, True)],
    )
    def test_warranty_is_unknown_unless_published(self, published, expected):
        [product] = of_type(parse_shirt(**published), Product)

        assert product.has_warranty is expected

    def test_product_without_seller_and_category(self):
        parsed = parse_shirt(seller=None, category=None)

        assert [type(record) for record in parsed.records] == [Product, Offer, Offer]
        assert of_type(parsed, Offer)[0].seller_external_id is None

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": None}, "id"),
            ({"skuList": {}}, "skuList"),
            ({"skuList": [{"id": 1, "purchasePrice": -5}]}, "skuList[].purchasePrice"),
            ({"skuList": [{"id": 1, "purchasePrice": 10**16}]}, "skuList[].purchasePrice"),
            ({"skuList": [{"purchasePrice": 5}]}, "skuList[].id"),
            ({"rating": 44}, "rating"),
            ({"seller": "Aeris"}, "seller"),
            ({"category": {"id": 1, "parent": 5}}, "category.parent"),
        ],
    )
    def test_refusal_names_the_field(self, changes, field):
        with pytest.raises(PayloadError) as caught:
            parse_shirt(**changes)

        assert caught.value.field == field

    def test_refuses_a_value_nested_too_deep_to_print(self):
        title = "x"
        for _ in range(5000):
            title = [title]

        with pytest.raises(PayloadError) as caught:
            parse_shirt(title=title)

        assert caught.value.field == "title"


class TestAnyDocument:
    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"data": None},
            {"payload": 5, "data": []},
            {"data": {"main": []}},
            {"productId": 1},
            {"data": {"id": 1, "skuList": [{"id": 1, "price": 5}]}},
            {"productId": 1, "skuList": [{"id": 1, "price": 5}]},
            {"data": {"main": {"content": [{"productId": 1}]}}},
            {"@graph": [{"@type": "Product", "name": "x"}]},
        ],
    )
    def test_other_documents_are_not_recognized(self, document):
        assert ADAPTER.recognize(document) is None
