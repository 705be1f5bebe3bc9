"""Yandex Market: price lists of shops (YML)."""

from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from marketplace.loading.formats import documents
from tests import payloads
from tests.ecommerce.yandex_payloads import (
    ADAPTER,
    HEAD,
    OFFER,
    PAGE,
    SHORT,
    count_records,
    of_type,
    parse_all,
    parse_offer,
)

TASHKENT = timezone(timedelta(hours=5))

NAMELESS = {"date": None, "name": None, "company": None, "url": None, "comment": ""}


def read_feed(name):
    """Yield the documents of a real feed: its categories, then its offers."""
    for entry in documents.read(str(payloads.path(f"yandex/{name}"))):
        yield entry.document


class TestYmlOffer:
    def test_reads_every_field(self):
        parsed = parse_offer(OFFER)

        seller, product, offer = parsed.records
        shop = "lg-electronics-kazakhstan"
        assert parsed.external_id == f"{shop}:47944"
        assert parsed.observed_at == datetime(2026, 7, 3, 18, 10, tzinfo=TASHKENT)
        assert seller == Seller(
            shop, name="LG Electronics Kazakhstan", slug=shop, link="https://www.lg.com/kz"
        )
        assert product == Product(
            f"{shop}:47944",
            title="Холодильник GC-L257CBEV LG Side-by-Side",
            description="Тихий\n& просторный",
            category_external_id=f"{shop}:3",
            seller_external_id=shop,
            brand="LG",
            sku="GC-L257CBEV",
            barcode="8806",
            is_available=True,
            min_price=Decimal("749990.00"),
            max_price=Decimal("749990.00"),
            currency="KZT",
            url="https://www.lg.com/kz/x/",
            images=["https://lg.com/1.jpg", "https://lg.com/2.jpg"],
            characteristics=[
                {"title": "Цвет", "values": ["белый", "серый"]},
                {"title": "Вес", "values": ["43.2 кг"]},
            ],
        )
        assert offer == Offer(
            f"{shop}:47944",
            f"{shop}:47944",
            Decimal("749990.00"),
            "KZT",
            old_price=Decimal("799990.50"),
            seller_external_id=shop,
            is_available=True,
            barcode="8806",
        )

    @pytest.mark.parametrize("price", [[], [""], ["0"], None])
    def test_returns_no_offer_without_a_price(self, price):
        parsed = parse_offer(SHORT | {"price": price, "prices": [{"price": ["5"]}]})

        assert count_records([parsed]) == {"Seller": 1, "Product": 1}
        assert parsed.records[1].min_price is None

    def test_ignores_an_old_price_that_is_not_higher(self):
        offers = [
            parse_offer(SHORT | {"oldprice": ["10"]}).records[-1],
            parse_offer(SHORT | {"old_price": ["11"]}).records[-1],
        ]

        assert [offer.old_price for offer in offers] == [None, Decimal("11.00")]

    def test_keeps_the_published_currency_if_it_differs(self):
        offer = parse_offer(SHORT | {"currencyId": ["RUR"]}).records[-1]

        assert (offer.currency, offer.currency_text) == ("RUB", "RUR")

    def test_uses_the_currency_of_the_feed(self):
        offer = parse_offer(
            SHORT | {"currencyId": [""]}, HEAD | {"currencies": [{"@id": "KZT"}]}
        ).records[-1]

        assert (offer.currency, offer.currency_text) == ("KZT", None)

    def test_refuses_a_price_without_a_currency(self):
        with pytest.raises(PayloadError, match="currencyId: is missing"):
            parse_offer(SHORT | {"currencyId": []})

    def test_builds_the_name_of_a_vendor_model_offer(self):
        offer = {"@id": "1", "typePrefix": ["Принтер"], "vendor": ["HP"], "model": ["M15"]}

        product = parse_offer(offer).records[1]

        assert (product.title, product.model) == ("Принтер HP M15", "M15")

    def test_has_no_category_if_it_is_empty(self):
        assert parse_offer(SHORT | {"categoryId": [""]}).records[1].category_external_id is None

    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            ({"@available": "false", "quantity": ["5"]}, (False, 5)),
            ({"available": ["true"], "quantity": ["0"]}, (False, 0)),
            ({"@available": "true", "count": ["0"]}, (False, 0)),
            ({"count": ["7"]}, (True, 7)),
            ({"outlets": [{"outlet": [{"@instock": "0"}]}]}, (False, 0)),
            ({"outlets": [{"outlet": [{"@instock": "3"}, {"@instock": "4"}]}]}, (True, 7)),
            ({"outlets": ["", {"outlet": ["", {"@instock": "много"}]}]}, (True, None)),
            ({"disabled": ["true"], "quantity": ["7"]}, (False, 7)),
            ({"disabled": ["false"]}, (True, None)),
            ({"@available": "unknown"}, (None, None)),
            ({"@available": "unknown", "quantity": ["7"]}, (True, 7)),
            ({"available": ["под заказ"]}, (None, None)),
            ({"@available": "maybe"}, (None, None)),
            ({"@available": "Нет в наличии"}, (False, None)),
            ({"quantity": ["7"]}, (True, 7)),
            ({"quantity": ["0"], "stock_quantity": ["9"]}, (False, 0)),
            ({"stock_quantity": ["3.0"]}, (True, 3)),
            ({"quantity": [">50"], "quantity_in_stock": ["50", "50"]}, (True, None)),
            ({"quantity_in_stock": ["много"]}, (True, None)),
            ({"@available": "", "quantity": [""]}, (True, None)),
            ({"@available": "false", "quantity": ["много"]}, (False, None)),
            ({}, (True, None)),
        ],
    )
    def test_reads_availability_and_stock(self, published, expected):
        _, product, offer = parse_offer(SHORT | published).records

        assert (offer.is_available, offer.stock_quantity) == expected
        assert (product.is_available, product.total_available) == expected

    def test_warns_of_an_unknown_availability(self):
        [warning] = parse_offer(SHORT | {"@available": "maybe"}).warnings

        assert warning == 'The availability "maybe" is not known; it is stored as unknown.'
        assert parse_offer(SHORT | {"@available": "unknown"}).warnings == ()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"@id": None}, "offer.@id: is missing"),
            ({"price": ["-5"]}, 'price: "-5" is negative'),
            ({"price": "10"}, "price: is not a list of elements"),
            ({"price": ["10 руб."]}, 'price: "10 руб." is not in KZT'),
            ({"param": ["Вес"]}, 'param: "Вес" is not an object'),
        ],
    )
    def test_names_the_invalid_field(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_offer(SHORT | change)


class TestYmlShop:
    OLD_COMMENT = "FEED_META\nsupplier            = alstyle      | Метка поставщика\nsource = x\n"
    NEW_COMMENT = "FEED_META\nПоставщик            | AlStyle\nURL поставщика    | https://al\n"

    @pytest.mark.parametrize(
        ("head", "name", "options", "shop"),
        [
            ({"name": "LG KZ"}, "-", {"shop": "My Shop"}, "my-shop"),
            ({"name": "LG KZ", "comment": OLD_COMMENT, "company": "LG"}, "-", {}, "lg-kz"),
            ({"comment": OLD_COMMENT, "company": "Al"}, "-", {}, "alstyle"),
            ({"comment": NEW_COMMENT}, "-", {}, "alstyle"),
            ({"company": "Acme, Inc.", "url": "https://www.lg.com/kz"}, "-", {}, "acme-inc"),
            ({"url": "https://www.lg.com/kz"}, "x.xml", {}, "lg-com"),
            ({"name": "🇰🇷"}, "yml-akcent-2025-09-13.xml.gz", {}, "yml-akcent"),
            ({}, "20250913_feed_2025-09-13_0810.YML.zst", {}, "feed"),
            ({"url": "https://[broken"}, "kosmetics.xml", {}, "kosmetics"),
        ],
    )
    def test_finds_the_key(self, head, name, options, shop):
        parsed = parse_offer(SHORT, NAMELESS | head, name, **options)

        assert parsed.external_id == f"{shop}:1"
        assert parsed.records[0].external_id == shop
        assert parsed.observed_at is None

    @pytest.mark.parametrize("name", ["-", "2026-07-03.xml.gz"])
    def test_refuses_a_feed_without_one(self, name):
        with pytest.raises(PayloadError, match="pass --shop NAME"):
            parse_offer(SHORT, NAMELESS, name)

    def test_key_is_the_same_for_all_years_of_a_feed(self):
        name = "yml-alstyle-2025-09-11.xml.gz"
        years = [next(read_feed(name)), next(read_feed("yml-alstyle-2026-05-19.yml.gz"))]

        keys = {item.context["shop"] for entry in years for item in ADAPTER.split(entry, Source())}

        assert keys == {"alstyle"}


class TestYmlCategory:
    @pytest.mark.parametrize(
        ("element", "parent"),
        [
            ({"@id": "5", "@parentId": "2", "#text": " TV "}, "lg-electronics-kazakhstan:2"),
            ({"@id": "5", "@parentId": "0", "#text": "TV"}, None),
            ({"@id": "5", "@parentId": "5", "#text": "TV"}, None),
            ({"@id": "5", "#text": "TV"}, None),
        ],
    )
    def test_reads_the_parent(self, element, parent):
        [parsed] = parse_all([{"yml_catalog": HEAD, "category": element}])

        assert parsed.records == [
            Category("lg-electronics-kazakhstan:5", name="TV", parent_external_id=parent)
        ]


class TestYmlFeeds:
    @pytest.mark.parametrize(
        ("name", "categories", "products", "offers"),
        [
            ("yml-akcent-2025-09-08.yml.gz", 30, 193, 193),
            ("yml-akcent-2025-09-13.xml.gz", 0, 2157, 2152),
            ("yml-alstyle-2025-09-12.xml.gz", 85, 1984, 1984),
            ("yml-beautyty-2020-01-28.xml.gz", 106, 775, 775),
            ("lg-kz-snapshots/2026-07-03.xml.gz", 9, 619, 619),
        ],
    )
    def test_reads_all_of_a_real_feed(self, name, categories, products, offers):
        counts = count_records(parse_all(read_feed(name), name))

        assert (counts["Category"], counts["Product"], counts["Offer"]) == (
            categories,
            products,
            offers,
        )

    def test_reads_rubles(self):
        *_, last = parse_all(read_feed("yml-beautyty-2020-01-28.xml.gz"))

        _, product, offer = last.records
        assert product.title == "MIZON Эссенция увлажняющая WATER VOLUME EX FIRST ESSENCE 150мл"
        assert (offer.price, offer.old_price) == (Decimal("1156.00"), Decimal("1618.00"))
        assert (offer.currency, offer.currency_text) == ("RUB", "RUR")
        assert offer.barcode == "8809390122994"

    def test_reads_windows_1251_and_stock(self):
        feed = read_feed("yml-alstyle-2025-09-11.xml.gz")

        offers = [offer for parsed in parse_all(feed) for offer in of_type(parsed, Offer)]

        assert Counter(offer.is_available for offer in offers) == {True: 1366, False: 615}
        # 316 are published as ">50" or ">305".
        assert sum(offer.stock_quantity is None for offer in offers) == 316


class TestYandexRecognition:
    @pytest.mark.parametrize(
        ("document", "shape"),
        [
            ({"yml_catalog": HEAD, "offer": OFFER}, "YML"),
            ({"yml_catalog": HEAD, "offer": OFFER | {"outlets": []}}, "YML"),
            ({"yml_catalog": HEAD, "category": {"@id": "1"}}, "YML"),
            (PAGE, "YM-PAGE"),
        ],
    )
    def test_recognizes_each_shape(self, document, shape):
        assert ADAPTER.recognize(document).name == shape

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"yml_catalog": None, "offer": OFFER},
            {"yml_catalog": HEAD, "offer": []},
            {"yml_catalog": HEAD, "offer": {"@id": "1", "price": ["1"], "outlets": []}},
            {"offers": []},
        ],
    )
    def test_refuses_other_documents(self, document):
        assert ADAPTER.recognize(document) is None
