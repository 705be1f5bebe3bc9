"""Ozon: real files read exactly, and each trap of its payloads alone."""

import csv
import io
import random
from datetime import datetime
from decimal import Decimal

import pytest
from lxml import etree

from ecommerce.platforms import ozon
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Adapter, Source
from tests import payloads
from tests.mutation import mutate

ADAPTER = Adapter("ozon", ozon.SHAPES)

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
HEAD = {"date": None, "name": None, "company": None, "url": None, "comment": ""}
STOCKED = {
    "@id": "5675",
    "price": ["124990"],
    "outlets": [{"outlet": [{"@instock": "3"}, {"@instock": "4", "@warehouse_name": "A"}]}],
}
ROOT = {
    "id": "10500",
    "title": "Бытовая техника",
    "url": "/category/bytovaya-tehnika-10500/",
    "countGoods": "64609",
    "columns": [
        {
            "categories": [
                {
                    "title": "Крупная",
                    "url": "/category/krupnaya-10501/",
                    "trackingInfo": {"click": {"key": "1mZj"}},
                    "categories": [{"title": "Печи", "url": "/category/pechi-10502/"}],
                },
            ]
        },
        {"categories": [{"title": "Мелкая", "url": "/category/melkaya-10503/"}]},
    ],
}


def parse_all(document, name="-", **options):
    return [ADAPTER.parse(item) for item in ADAPTER.split(document, Source(name, options))]


def parse_tile(**changes):
    [parsed] = parse_all({**TILE, **changes})
    return parsed


def parse_feed(head=None, name="-", options=(("shop", "lg"),), **changes):
    document = {"yml_catalog": {**HEAD, **(head or {})}, "offer": {**STOCKED, **changes}}
    [parsed] = parse_all(document, name, **dict(options))
    return parsed


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]


def to_document(element):
    """Return an element in the form in which the reader gives it."""
    document = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        document.setdefault(child.tag, []).append(to_document(child))
    return document or (element.text or "").strip()


def test_a_price_of_a_feed_that_holds_elements_is_refused():
    with pytest.raises(PayloadError, match="price: has no text but the element <value>"):
        parse_feed(price=[{"value": ["100"]}])


class TestOzCsv:
    @pytest.mark.parametrize(("decimal", "price"), [(",", 1600), (".", Decimal("1.60"))])
    def test_an_ambiguous_price_is_read_by_the_stated_decimal_mark(self, decimal, price):
        tile = {**TILE, "final_price": "1.600", "old_price": None}
        with pytest.raises(PayloadError, match=r"can mean 1600 or 1\.6"):
            parse_all(tile)

        [parsed] = parse_all(tile, decimal=decimal)

        assert parsed.records[-1].price == price

    @pytest.mark.parametrize(
        ("name", "rows", "products", "sold_out"),
        [
            ("ozon-search-data.csv.gz", 10280, 7862, 1),
            ("ozon-search-data-1.csv.gz", 10330, 7729, 4),
            ("ozon-search-data-2.csv.gz", 10297, 8734, 30),
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

    def test_label_in_place_of_the_brand_tells_that_it_is_original(self):
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
    def test_buttons_are_no_delivery_time(self, button, available):
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
            ({"product_url": "https://www.wildberries.ru/product/a-1/"}, "not an address of Ozon"),
        ],
    )
    def test_refuses_the_tile_of_another_market(self, changes, message):
        with pytest.raises(PayloadError, match=message):
            parse_tile(**changes)

    def test_accepts_a_tile_that_names_no_market(self):
        assert parse_tile(market="").external_id == parse_tile(market="ozon").external_id

    def test_a_table_of_any_shop_is_no_tile(self):
        assert ADAPTER.recognize({"product_url": "/product/a-1/", "product_name": "x"}) is None


class TestOzFeed:
    def test_real_feed(self):
        parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
        root = etree.fromstring(payloads.read("ozon/ozon-seller-feed-lg.xml"), parser)
        head = {**HEAD, "comment": root.getprevious().text}

        parsed = [
            entry
            for offer in root.iter("offer")
            for entry in parse_all(
                {"yml_catalog": head, "offer": to_document(offer)}, "ozon-seller-feed-lg.xml"
            )
        ]

        assert len(parsed) == len({entry.external_id for entry in parsed}) == 838
        assert parsed[0].observed_at == datetime(2026, 8, 22, 23, 32, 45, tzinfo=values.TASHKENT)
        assert parsed[0].records == [
            Seller("ozon-seller-feed-lg", "ozon-seller-feed-lg"),
            Product(
                external_id="ozon-seller-feed-lg:5675",
                seller_external_id="ozon-seller-feed-lg",
                is_available=False,
                total_available=0,
                min_price=Decimal("124990.00"),
                max_price=Decimal("124990.00"),
                currency=None,
            ),
            Offer(
                external_id="ozon-seller-feed-lg:5675",
                product_external_id="ozon-seller-feed-lg:5675",
                price=Decimal("124990.00"),
                currency=None,
                seller_external_id="ozon-seller-feed-lg",
                is_available=False,
                stock_quantity=0,
            ),
        ]

    @pytest.mark.parametrize(
        ("name", "shop"),
        [
            ("lg.xml", "lg"),
            ("lg-kz_2026-08-22.xml.gz", "lg-kz"),
            ("2026-08-22T23-32-45_lg.yml.zst", "lg"),
            ("seller-12345678.xml", "seller-12345678"),
        ],
    )
    def test_shop_is_in_the_name_of_the_file(self, name, shop):
        assert parse_feed(name=name, options=()).external_id == f"{shop}:5675"

    @pytest.mark.parametrize("name", ["-", "2026-08-22.xml.gz"])
    def test_refuses_a_feed_that_does_not_say_whose_it_is(self, name):
        with pytest.raises(PayloadError, match="pass --shop"):
            parse_feed(name=name, options=())

    def test_head_names_the_shop_unless_the_user_does(self):
        company = {"company": "LG Electronics"}

        named = parse_feed(head=company, name="x.xml", options=())
        told = parse_feed(head=company, name="x.xml")

        assert of_type(named, Seller) == [Seller("LG Electronics", "LG Electronics")]
        assert of_type(told, Seller) == [Seller("lg", "LG Electronics")]

    def test_stock_is_over_all_warehouses(self):
        [offer] = of_type(parse_feed(), Offer)

        assert (offer.stock_quantity, offer.is_available) == (7, True)

    @pytest.mark.parametrize("outlets", [[], [""], [{"outlet": [""]}], [{"outlet": [{"@x": "1"}]}]])
    def test_stock_is_unknown_without_outlets(self, outlets):
        [offer] = of_type(parse_feed(outlets=outlets), Offer)

        assert (offer.stock_quantity, offer.is_available) == (None, None)

    @pytest.mark.parametrize(
        ("published", "told", "expected"),
        [
            ({}, {}, None),
            ({}, {"currency": "KZT"}, "KZT"),
            ({"currencies": [{"@id": "RUR"}]}, {"currency": "KZT"}, "RUB"),
        ],
    )
    def test_currency(self, published, told, expected):
        parsed = parse_feed(head=published, options={"shop": "lg", **told}.items())

        assert of_type(parsed, Offer)[0].currency == expected

    def test_currency_of_the_offer_comes_first(self):
        [offer] = of_type(parse_feed(currencyId=["KZT"]), Offer)

        assert offer.currency == "KZT"

    def test_old_price(self):
        [offer] = of_type(parse_feed(oldprice=[{"#text": "150000", "@x": "1"}]), Offer)

        assert offer.old_price == Decimal("150000.00")

    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            ({"date": "2026-08-22 10:00"}, datetime(2026, 8, 22, 10, tzinfo=values.TASHKENT)),
            ({"comment": "a shop"}, None),
        ],
    )
    def test_time(self, head, expected):
        assert parse_feed(head=head).observed_at == expected

    @pytest.mark.parametrize("extra", [{"name": ["Монитор"]}, {"outlets": None, "price": None}])
    def test_offers_of_other_feeds_are_not_recognized(self, extra):
        offer = {name: value for name, value in {**STOCKED, **extra}.items() if value}

        assert ADAPTER.recognize({"yml_catalog": HEAD, "offer": offer}) is None

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"@id": ""}, "offer id"),
            ({"price": ["-1"]}, "price"),
            ({"outlets": [{"outlet": [{"@instock": "many"}]}]}, "instock"),
            ({"outlets": 5}, "outlets"),
        ],
    )
    def test_refusal_names_the_field(self, changes, field):
        with pytest.raises(PayloadError) as caught:
            parse_feed(**changes)

        assert caught.value.field == field


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

    def test_one_response_is_a_tree_too(self):
        [single, *below] = [parsed.records[0] for parsed in parse_all({"data": ROOT})]

        assert (single.external_id, single.product_count) == ("10500", 64609)
        assert [(node.external_id, node.parent_external_id) for node in below] == [
            ("10501", "10500"),
            ("10502", "10501"),
            ("10503", "10500"),
        ]

    def test_items_hold_neither_children_nor_tracking(self):
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

    def test_refuses_alone_what_is_not_an_object(self):
        child = {"title": "b", "url": "/category/b-2/"}
        root = {"title": "a", "url": "/category/a-1/", "columns": ["x", {"categories": [5, child]}]}

        items = list(ADAPTER.split({"data": root}, Source()))

        assert [item.payload for item in items][1:] == ["x", 5, child]

    def test_a_tree_of_another_shop_is_not_recognized(self):
        assert ADAPTER.recognize({"data": {"columns": [], "url": "/catalog/tv"}}) is None


class TestAnyDocument:
    @pytest.mark.parametrize(
        "document",
        [{}, {"data": []}, {"data": {"columns": []}}, {"a": {"data": 1}}, {"product_url": "x"}],
    )
    def test_others_are_not_recognized(self, document):
        assert ADAPTER.recognize(document) is None

    def test_mutations_are_parsed_or_refused(self):
        generator = random.Random(7)
        feed = {"yml_catalog": {**HEAD, "currencies": [{"@id": "RUB"}]}, "offer": STOCKED}
        documents = [TILE, TILE, feed, {"data": ROOT}, {"a.json": {"data": ROOT}}]
        parsed = refused = 0

        for _ in range(10000):
            document = mutate(generator.choice(documents), generator)
            shape = ADAPTER.recognize(document)
            try:
                for item in shape.split(document, Source("lg.xml")) if shape else ():
                    entry = ADAPTER.parse(item)
                    assert all(offer.price > 0 for offer in of_type(entry, Offer))
                    parsed += 1
            except PayloadError:
                refused += 1

        assert parsed > 1000
        assert refused > 1000
