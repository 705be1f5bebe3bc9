"""Wildberries: real responses read exactly, and each trap of its payloads alone."""

import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ecommerce.platforms import wildberries
from ecommerce.records import Category, Offer, PricePoint, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter, Source
from tests import payloads
from tests.mutation import mutate

ADAPTER = Adapter("wildberries", wildberries.SHAPES)

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

CARD = {
    "nm_id": 251750385,
    "imt_id": 227510481,
    "imt_name": "Термобелье",
    "subj_name": "Термокомплекты",
    "subj_root_name": "Белье",
    "data": {"subject_id": 166, "subject_root_id": 4, "chrt_ids": [21, 22]},
    "selling": {"brand_name": "Nordics", "supplier_id": 4084656},
    "sizes_table": {
        "details_props": ["RU", ""],
        "values": [
            {"tech_size": "L", "chrt_id": 21, "details": ["48", "x"]},
            {"tech_size": "0", "chrt_id": 22},
        ],
    },
}
HISTORY = [
    {"dt": 1726963200, "price": {"RUB": 246360}},
    {"dt": 1726358400, "price": {"RUB": 321075}},
]
MENU = {
    "id": 1,
    "name": "Женщинам",
    "url": "/catalog/zhenshchinam",
    "childs": [
        {"id": 2, "name": "Одежда", "url": "/a", "childs": [{"id": 3, "name": "x", "url": "y"}]},
        {"id": 4, "name": "Обувь", "url": "https://digital.wildberries.ru/b", "childs": None},
    ],
}


def parse_all(document, **options):
    items = ADAPTER.split(document, Source(options=options))
    return [ADAPTER.parse(item) for item in items]


def parse_listed(product=LISTED, **changes):
    [parsed] = parse_all({"products": [{**product, **changes}]})
    return parsed


def parse_sizes(*sizes, **changes):
    return of_type(parse_listed(sizes=list(sizes), **changes), Offer)


def parse_card(history=HISTORY, **changes):
    card = {**CARD, **changes}
    [parsed] = parse_all({"product_response": card, "price_history_response": history})
    return parsed


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]


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

    def test_price_belongs_to_the_product_itself_without_sizes(self):
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

    def test_product_alone_of_reviews_of_its_root(self):
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
    def test_stock_of_a_size_is_over_its_warehouses(self, published, expected):
        [offer] = parse_sizes({"optionId": 1, "price": {"product": 5}, **published})

        assert (offer.stock_quantity, offer.is_available) == expected

    def test_total_tells_of_a_size_only_if_it_is_the_only_one(self):
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

    def test_currency_is_in_the_address(self):
        url = "https://card.wb.ru/cards/v4/detail?appType=1&curr=kzt&nm=1"

        [parsed] = parse_all({"url": url, "response": {"products": [LISTED]}})

        assert of_type(parsed, Offer)[0].currency == "KZT"

    def test_currency_may_be_told_where_the_response_is_silent(self):
        [told] = parse_all({"products": [LISTED]}, currency="UZS")
        [silent] = parse_all({"products": [LISTED]})

        currencies = [of_type(entry, Offer)[0].currency for entry in (told, silent)]
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
    def test_finds_products_wherever_lists_hold_them(self, document):
        items = list(ADAPTER.split(document, Source()))

        assert [(item.shape, item.payload["id"]) for item in items] == [
            ("WB-V4", 332407348),
            ("WB-V1", 5),
        ]

    def test_empty_page_is_recognized(self):
        assert parse_all({"state": 0, "version": 2, "data": {"products": []}}) == []
        assert parse_all({"metadata": {}, "total": 0, "products": []}) == []

    def test_refuses_the_list_of_another_shop(self):
        phone = {"id": 1, "name": "Telefon", "price": 100, "brand": "Namuna", "rating": 5}
        pages = [{"products": [phone] * 4}, {"data": {"products": [phone]}}, {"products": []}]
        pages.append({"id": 1, "name": "Telefonlar", "url": "/catalog/telefonlar"})
        pages.append({"products": [phone | {"totalQuantity": 4, "root": "q"}]})

        for page in pages:
            with pytest.raises(PayloadError, match="not a known shape of wildberries"):
                ADAPTER.split(page, Source())

    def test_refuses_alone_what_is_not_an_object(self):
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


class TestWbCard:
    @pytest.fixture
    def parsed(self):
        return parse_all(payloads.read_json("wildberries/wb-card-pricehistory-raw.json"))

    def test_real_bundle(self, parsed):
        listed, card = parsed

        assert Counter(type(record) for record in listed.records) == {
            Category: 2,
            Seller: 1,
            Product: 1,
            Offer: 2,
        }
        assert Counter(type(record) for record in card.records) == {
            Category: 2,
            Seller: 1,
            Product: 1,
            Offer: 9,
            PricePoint: 18,
        }

    def test_real_listed_product(self, parsed):
        [product] = of_type(parsed[0], Product)
        first, second = of_type(parsed[0], Offer)

        assert (parsed[0].external_id, product.review_count) == ("243107748", 2885)
        assert (product.total_available, product.is_available) == (550, True)
        assert (first.external_id, first.variant_title) == ("381576802", "37-38")
        assert (first.price, first.old_price) == (Decimal("481.00"), Decimal("690.00"))
        assert (first.stock_quantity, second.is_available) == (None, None)

    def test_real_card(self, parsed):
        [product] = of_type(parsed[1], Product)

        assert parsed[1].records[:3] == [
            Category("subject-root:4", "Белье"),
            Category("subject:166", "Термокомплекты", parent_external_id="subject-root:4"),
            Seller("4084656"),
        ]
        assert product.external_id == "251750385"
        assert product.title == "Термобелье комплект зимний спортивный"
        assert (product.brand, product.sku) == ("Nordics", "NordicsR")
        assert product.description.startswith("Комплект мужского термобелья")
        assert product.min_price == product.max_price == Decimal("2463.60")
        assert len(product.characteristics) == 9
        assert product.characteristics[6] == {"title": "Страна производства", "values": ["Китай"]}
        assert product.attributes == {"root": "227510481", "colors": ["черный"], "photo_count": 14}

    def test_real_history(self, parsed):
        points = of_type(parsed[1], PricePoint)

        assert points[:2] == [
            PricePoint("402795933", datetime(2024, 9, 15, tzinfo=UTC), Decimal("3210.75"), "RUB"),
            PricePoint("402795933", datetime(2024, 9, 22, tzinfo=UTC), Decimal("2463.60"), "RUB"),
        ]
        assert len({point.offer_external_id for point in points}) == 9
        assert parsed[1].observed_at == datetime(2024, 9, 22, tzinfo=UTC)

    def test_current_price_is_the_latest_whatever_the_order(self):
        parsed = parse_card()

        assert {offer.price for offer in of_type(parsed, Offer)} == {Decimal("2463.60")}
        assert parsed.observed_at == datetime(2024, 9, 22, tzinfo=UTC)

    def test_sizes_share_the_history(self):
        points = of_type(parse_card(), PricePoint)

        assert [(point.offer_external_id, point.price) for point in points] == [
            ("21", Decimal("3210.75")),
            ("21", Decimal("2463.60")),
            ("22", Decimal("3210.75")),
            ("22", Decimal("2463.60")),
        ]

    def test_size_names(self):
        large, only = of_type(parse_card(), Offer)

        assert large.variant_title == "L"
        assert large.variant_attributes == {"size": "L", "RU": "48"}
        assert only.variant_title is only.variant_attributes is None

    def test_ids_of_sizes_without_a_table(self):
        offers = of_type(parse_card(sizes_table=None), Offer)

        assert [offer.external_id for offer in offers] == ["21", "22"]

    def test_card_without_sizes(self):
        parsed = parse_card(sizes_table={"values": []}, data=None)

        [offer] = of_type(parsed, Offer)
        assert (offer.external_id, offer.price) == ("nm:251750385", Decimal("2463.60"))
        assert of_type(parsed, Category) == []

    @pytest.mark.parametrize("document", [CARD, {"product_response": CARD}])
    def test_without_history_there_is_no_price(self, document):
        [parsed] = parse_all(document)

        assert (of_type(parsed, Offer), parsed.observed_at) == ([], None)
        assert of_type(parsed, Product)[0].brand == "Nordics"

    def test_week_without_price_says_nothing(self):
        parsed = parse_card([*HISTORY, {"dt": 1727568000, "price": {"RUB": 0}}])

        assert len(of_type(parsed, PricePoint)) == 4
        assert parsed.observed_at == datetime(2024, 9, 22, tzinfo=UTC)

    def test_options_may_be_grouped_only(self):
        option = {"name": "Цвет", "value": "черный"}

        grouped = parse_card(grouped_options=[{"group_name": "Основная", "options": [option]}])
        both = parse_card(grouped_options=[{"options": [option]}], options=[option])

        expected = [{"title": "Цвет", "values": ["черный"]}]
        assert of_type(grouped, Product)[0].characteristics == expected
        assert of_type(both, Product)[0].characteristics == expected

    @pytest.mark.parametrize(
        ("history", "field"),
        [
            ({"dt": 1}, "price_history_response"),
            ([{"price": {"RUB": 5}}], "price_history_response[].dt"),
            ([{"dt": 1726358400, "price": {"RUB": -5}}], "price_history_response[].price.RUB"),
            ([{"dt": 1726358400, "price": 5}], "price_history_response[].price"),
        ],
    )
    def test_refusal_names_the_field(self, history, field):
        with pytest.raises(PayloadError) as caught:
            parse_card(history)

        assert caught.value.field == field


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

    def test_parents_come_first_and_items_hold_no_children(self):
        items = list(ADAPTER.split(MENU, Source()))

        assert [(item.payload["id"], item.context["parent_id"]) for item in items] == [
            (1, None),
            (2, 1),
            (3, 2),
            (4, 1),
        ]
        assert not any("childs" in item.payload for item in items)

    def test_address_may_be_of_another_site(self):
        categories = [parsed.records[0] for parsed in parse_all(MENU)]

        assert categories[0].url == "https://www.wildberries.ru/catalog/zhenshchinam"
        assert categories[3] == Category(
            "4", "Обувь", parent_external_id="1", url="https://digital.wildberries.ru/b"
        )

    def test_refuses_alone_what_is_not_an_object(self):
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


class TestAnyDocument:
    @pytest.mark.parametrize(
        "document",
        [{}, {"data": {"products": {}}}, {"nm_id": 1}, {"id": 1, "name": "x", "url": "y", "a": 1}],
    )
    def test_others_are_not_recognized(self, document):
        assert ADAPTER.recognize(document) is None

    def test_mutations_are_parsed_or_refused(self):
        generator = random.Random(7)
        documents = [
            {"data": {"products": [OLD, LISTED]}},
            {"search": {"url": "?curr=rub", "response": {"products": [LISTED]}}},
            {"product_response": CARD, "price_history_response": HISTORY},
            {
                "product_id_list_response": {"data": {"products": [LISTED]}},
                "product_response": CARD,
                "price_history_response": HISTORY,
            },
            MENU,
        ]
        parsed = refused = 0

        for _ in range(10000):
            document = mutate(generator.choice(documents), generator)
            shape = ADAPTER.recognize(document)
            try:
                for item in shape.split(document, Source()) if shape else ():
                    entry = ADAPTER.parse(item)
                    assert all(offer.price > 0 for offer in of_type(entry, Offer))
                    parsed += 1
            except PayloadError:
                refused += 1

        assert parsed > 1000
        assert refused > 1000
