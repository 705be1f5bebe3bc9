import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from lxml import etree

from ecommerce.platforms import yandex
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter, Source, get_adapter
from marketplace.loading.formats.documents import read as documents_of
from tests import payloads
from tests.mutation import mutate

ADAPTER = Adapter("yandex", yandex.SHAPES)
TASHKENT = timezone(timedelta(hours=5))

HEAD = {
    "date": "2026-07-03 18:10",
    "name": "LG Electronics Kazakhstan",
    "company": "LG Electronics",
    "url": "https://www.lg.com/kz",
    "comment": "",
}
NAMELESS = {"date": None, "name": None, "company": None, "url": None, "comment": ""}
OFFER = {
    "@id": "47944",
    "@available": "true",
    "name": ["Холодильник GC-L257CBEV\nLG  Side-by-Side"],
    "categoryId": ["3"],
    "url": ["https://www.lg.com/kz/x/"],
    "price": ["749990"],
    "oldprice": ["799990.5"],
    "currencyId": ["KZT"],
    "picture": ["https://lg.com/1.jpg", "https://lg.com/2.jpg", "https://lg.com/1.jpg"],
    "vendor": ["", "LG"],
    "vendorCode": ["GC-L257CBEV"],
    "barcode": ["8806"],
    "description": ["<p>Тихий</p>&amp; просторный"],
    "param": [
        {"@name": "Цвет", "#text": "белый"},
        {"@name": "Вес", "@unit": "кг", "#text": "43.2"},
        {"@name": "Цвет", "#text": "серый"},
        {"@name": "Пусто"},
    ],
}
SHORT = {"@id": "1", "name": ["A"], "price": ["10"], "currencyId": ["KZT"]}

TITLED = {
    "skuId": "501",
    "productId": "77",
    "price": {"value": 5300716, "currency": "UZS"},
    "offerId": "one",
    "title": "Ноутбук  HP 15",
    "picture": "https://mds.yandex.net/1/orig",
    "businessId": "197359376",
}
PRICED = {
    "skuId": 501,
    "productId": 77,
    "price": {"value": 53007160000000, "currency": "UZS", "valueFmt": "5300716"},
    "oldPrice": 78430000000000,
    "offerId": "one",
    "shopId": 216471147,
}
RELATED = TITLED | {"productId": 88, "offerId": "two", "title": "Мышь"}
BLOCK = {"@type": "Product", "name": "Ноутбук HP", "url": "https://h/product--noutbuk-hp/77?sku=1"}
TILE = {
    "productPayload": {
        "title": {"value": "Ноутбук HP 15"},
        "price": {
            "actualPrice": {"amount": {"intPart": 5300716, "currency": "UZS"}},
            "oldPrice": {"amount": {"intPart": 7834000, "currency": "UZS"}},
        },
        "rating": {"ratingValue": 4.8, "ratingCount": 2, "reviewsCount": 1},
        "wishlistButton": {"businessId": 197359376, "modelId": 77, "offerId": "one", "mskuId": 501},
    },
    "baobabPayload": {
        "wareId": "one",
        "modelId": 77,
        "stockCount": 4,
        "rating": {"purchaseCount": "2"},
    },
}
PAGE = {"json_ld": [BLOCK], "product_snippets": {"1": TILE}, "offers": [TITLED, PRICED, RELATED]}


def to_document(element):
    """Return an XML element as the reader of feeds does."""
    found = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element.iterchildren(tag=etree.Element):
        entry = to_document(child) if len(child) or child.attrib else child.text or ""
        found.setdefault(child.tag, []).append(entry)
    text = (element.text or "").strip()
    return found | {"#text": text} if text else found


def read_feed(name):
    """Return the documents of a real feed: its categories, then its offers."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    root = etree.fromstring(payloads.read(f"yandex/{name}"), parser)
    shop = root.find("shop")
    head = {tag: shop.findtext(tag) for tag in ("name", "company", "url")}
    head["date"] = root.get("date")
    head["comment"] = "\n".join(comment.text for comment in root.iter(etree.Comment))
    for kind in ("category", "offer"):
        for element in root.iter(kind):
            yield {"yml_catalog": head, kind: to_document(element)}


def parse_all(documents, name="-", **options):
    source = Source(name, options)
    return [ADAPTER.parse(item) for entry in documents for item in ADAPTER.split(entry, source)]


def parse_offer(offer, head=HEAD, name="-", **options):
    [parsed] = parse_all([{"yml_catalog": head, "offer": offer}], name, **options)
    return parsed


def parse_page(page):
    return {parsed.external_id: parsed for parsed in parse_all([page])}


def test_texts_of_pages_are_read_by_their_currency():
    price = {"value": "1.600", "currency": "UZS"}
    page = {
        **PAGE,
        "product_snippets": {},
        "offers": [{**PRICED, "price": price, "oldPrice": "2.100"}],
    }
    offer = parse_page(page)["77"].records[-1]
    assert (offer.price, offer.old_price) == (1600, 2100)


def count_records(parsed):
    return Counter(type(record).__name__ for entry in parsed for record in entry.records)


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]


def fuzz(documents, rounds):
    """Return how many items were parsed and refused; anything else than a refusal escapes."""
    generator = random.Random(11)
    outcomes = {"parsed": 0, "refused": 0}
    for _ in range(rounds):
        document = mutate(generator.choice(documents), generator)
        shape = ADAPTER.recognize(document)
        try:
            for item in shape.split(document, Source("feed.xml")) if shape else ():
                outcomes["parsed"] += bool(ADAPTER.parse(item).external_id)
        except PayloadError:
            outcomes["refused"] += 1
    return outcomes


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

    def test_keeps_the_published_currency_where_it_differs(self):
        offer = parse_offer(SHORT | {"currencyId": ["RUR"]}).records[-1]

        assert (offer.currency, offer.currency_text) == ("RUB", "RUR")

    def test_takes_the_currency_of_the_feed(self):
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

    def test_has_no_category_where_it_is_empty(self):
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
    def test_tells_availability_and_stock(self, published, expected):
        _, product, offer = parse_offer(SHORT | published).records

        assert (offer.is_available, offer.stock_quantity) == expected
        assert (product.is_available, product.total_available) == expected

    def test_warns_of_an_availability_that_is_not_known(self):
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
    def test_names_the_field_at_fault(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_offer(SHORT | change)


class TestYmlCurrency:
    """The currency of offers that do not name theirs."""

    OFFER = {key: value for key, value in SHORT.items() if key != "currencyId"}

    def test_is_the_only_one_of_the_feed(self):
        head = HEAD | {"currencies": [{"@id": "RUR", "@rate": "1"}]}

        parsed = parse_offer(self.OFFER, head, currency="KZT")

        offer = parsed.records[-1]
        assert (offer.price, offer.currency, offer.currency_text) == (10, "RUB", "RUR")

    @pytest.mark.parametrize("currencies", [[], [{"@id": "USD"}, {"@id": "KZT"}]])
    def test_is_that_of_the_command_where_the_feed_has_none_or_several(self, currencies):
        head = HEAD | {"currencies": currencies}

        assert parse_offer(self.OFFER, head, currency="RUB").records[-1].currency == "RUB"
        with pytest.raises(PayloadError, match="is missing"):
            parse_offer(self.OFFER, head)

    def test_is_that_of_the_offer_if_it_names_one(self):
        head = HEAD | {"currencies": [{"@id": "RUB"}]}

        assert parse_offer(SHORT, head, currency="USD").records[-1].currency == "KZT"


class TestYmlPrice:
    @pytest.mark.parametrize("tag", ["price", "oldprice", "old_price"])
    def test_that_holds_elements_instead_of_text_is_refused(self, tag):
        offer = SHORT | {tag: [{"value": ["100"]}]}

        with pytest.raises(PayloadError, match=rf"{tag}: has no text but the element <value>"):
            parse_offer(offer)

    @pytest.mark.parametrize("element", [{"@from": "true", "#text": "15"}, "15"])
    def test_may_have_attributes(self, element):
        assert parse_offer(SHORT | {"price": [element]}).records[-1].price == 15

    @pytest.mark.parametrize(
        ("price", "currency", "expected"),
        [
            ("1 990,50", "RUR", "1990.50"),
            ("1,600.00", "RUR", "1600.00"),
            ("700 руб.", "RUR", "700.00"),
            ("12.345", "USD", None),
            ("1.600", "UZS", "1600.00"),
            ("1,5 млн", "UZS", "1500000.00"),
        ],
    )
    def test_is_read_by_its_currency(self, price, currency, expected):
        offer = SHORT | {"price": [price], "currencyId": [currency]}
        if expected is None:
            with pytest.raises(PayloadError, match=r"can mean 12345 or 12\.345: state the decimal"):
                parse_offer(offer)
        else:
            assert parse_offer(offer).records[-1].price == Decimal(expected)

    def test_is_read_by_the_decimal_mark_that_the_user_states(self):
        offer = SHORT | {"price": ["1,600"], "currencyId": ["RUR"]}
        head = HEAD | {"decimal": ""}

        assert parse_offer(offer, head, decimal=".").records[-1].price == 1600
        assert parse_offer(offer, head, decimal=",").records[-1].price == Decimal("1.60")

    @pytest.mark.parametrize(
        ("price", "currency", "evident"),
        [("1.600", "UZS", "."), ("1.600", "UZS", ""), ("1.600 руб", "RUR", "")],
    )
    def test_a_stated_decimal_mark_counts_more_than_the_evidence(self, price, currency, evident):
        offer = SHORT | {"price": [price], "currencyId": [currency]}
        head = HEAD | {"decimal": evident}

        assert parse_offer(offer, head, decimal=".").records[-1].price == Decimal("1.60")
        assert parse_offer(offer, head, decimal=",").records[-1].price == 1600

    @pytest.mark.parametrize(
        ("others", "expected"), [(["12,500.00"], "1600"), (["12500,50"], "1.60"), (["700"], None)]
    )
    def test_is_read_by_the_other_prices_of_the_feed(self, tmp_path, others, expected):
        offers = "".join(
            f'<offer id="{number}"><name>A</name><price>{price}</price>'
            "<currencyId>RUR</currencyId></offer>"
            for number, price in enumerate(["1,600", *others])
        )
        path = tmp_path / "feed.xml"
        path.write_text(f"<yml_catalog><shop><name>S</name>{offers}</shop></yml_catalog>")
        documents = [entry.document for entry in documents_of(str(path), 10**6)]
        [item] = get_adapter("yandex").split(documents[0], Source("feed.xml"))

        if expected is None:
            with pytest.raises(PayloadError, match="can mean 1600"):
                get_adapter("yandex").parse(item)
        else:
            # Its context says how, so that the stored payload gives the same price again.
            assert get_adapter("yandex").parse(item).records[-1].price == Decimal(expected)


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

    def test_is_one_for_all_years_of_a_feed(self):
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
            ("yml-alstyle-2025-09-11.xml.gz", 85, 1981, 1981),
            ("yml-alstyle-2025-09-12.xml.gz", 85, 1984, 1984),
            ("yml-alstyle-2026-05-19.yml.gz", 0, 2003, 2003),
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

    def test_reads_roubles(self):
        *_, last = parse_all(read_feed("yml-beautyty-2020-01-28.xml.gz"))

        _, product, offer = last.records
        assert product.title == "MIZON Эссенция увлажняющая WATER VOLUME EX FIRST ESSENCE 150мл"
        assert (offer.price, offer.old_price) == (Decimal("1156.00"), Decimal("1618.00"))
        assert (offer.currency, offer.currency_text) == ("RUB", "RUR")
        assert offer.barcode == "8809390122994"

    def test_reads_windows_1251_and_stock(self):
        documents = read_feed("yml-alstyle-2025-09-11.xml.gz")

        offers = [offer for parsed in parse_all(documents) for offer in of_type(parsed, Offer)]

        assert Counter(offer.is_available for offer in offers) == {True: 1366, False: 615}
        # 316 are published as ">50" or ">305".
        assert sum(offer.stock_quantity is None for offer in offers) == 316


class TestYandexPage:
    def test_splits_the_real_page_by_product(self):
        page = payloads.read_json("yandex/market-yandex-uz-hp-laptop-1113644663.json")

        parsed = parse_page(page)

        counts = count_records(parsed.values())
        assert (len(parsed), counts["Product"], counts["Offer"]) == (11, 11, 13)
        assert counts["Category"] == 3
        assert all(entry.observed_at is None for entry in parsed.values())

    def test_reads_the_product_of_the_real_page(self):
        page = payloads.read_json("yandex/market-yandex-uz-hp-laptop-1113644663.json")

        main = parse_page(page)["1113644663"]

        [product] = of_type(main, Product)
        title = 'Ноутбук HP 15-fd0355nia / 15,6" FHD / Intel Core i5-1334U / DDR4 8ГБ / SSD 512ГБ'
        assert product.title == title
        assert (product.brand, product.sku, product.is_available) == ("HP", "4655128557", True)
        assert (product.rating, product.review_count, product.order_count) == (Decimal(5), 2, 2)
        assert product.category_external_id == "nav:noutbuki"
        assert [category.external_id for category in of_type(main, Category)] == [
            "nav:elektronika",
            "nav:noutbuki-planshety-i-elektronnyye-knigi",
            "nav:noutbuki",
        ]
        assert [seller.external_id for seller in of_type(main, Seller)] == [
            "197359376",
            "201341100",
        ]

    def test_reads_the_offers_of_the_real_page(self):
        page = payloads.read_json("yandex/market-yandex-uz-hp-laptop-1113644663.json")

        offers = of_type(parse_page(page)["1113644663"], Offer)

        prices = {offer.external_id: (offer.price, offer.old_price) for offer in offers}
        assert prices == {
            "F073OmEaG2NZbO3lzLXLQQ": (Decimal(5300716), Decimal(7834000)),
            "oaT9oR1SQ9IkjSi-wgRrdw": (Decimal(5619608), Decimal(8299900)),
            "3h885wR1CmCjcjRtLZ98qw": (Decimal(5300716), Decimal(7843000)),
        }
        assert [offer.stock_quantity for offer in offers] == [4, None, None]

    def test_reads_the_real_page_of_a_product_with_many_offers(self):
        page = payloads.read_json("yandex/market-yandex-uz-iphone15-1912483624.json")

        [parsed] = parse_page(page).values()

        [product] = of_type(parsed, Product)
        assert (product.external_id, product.title) == ("1912483624", "Iphone 15")
        assert (product.min_price, product.max_price) == (Decimal(9507536), Decimal(9945550))
        assert (product.sku, product.is_available, len(product.images)) == (None, None, 8)
        assert len(of_type(parsed, Offer)) == 8

    def test_merges_the_two_records_of_an_offer(self):
        offers = of_type(parse_page(PAGE | {"product_snippets": {}})["77"], Offer)

        assert offers == [
            Offer(
                "one",
                "77",
                Decimal("5300716.00"),
                "UZS",
                old_price=Decimal("7843000.00"),
                seller_external_id="197359376",
                variant_title="Ноутбук HP 15",
                variant_attributes={"sku": "501"},
            )
        ]

    def test_reads_amounts_of_the_state_in_their_unit(self):
        dear = PRICED | {"oldPrice": 12_000_000_000 * 10**7}

        [offer] = of_type(parse_page({"json_ld": [], "offers": [dear]})["77"], Offer)

        assert (offer.price, offer.old_price) == (Decimal(5300716), Decimal(12_000_000_000))
        assert offer.seller_external_id == "shop:216471147"

    def test_takes_old_price_and_stock_from_the_tile(self):
        parsed = parse_page(PAGE | {"offers": [TITLED]})["77"]

        [offer] = of_type(parsed, Offer)
        [product] = of_type(parsed, Product)
        assert (offer.old_price, offer.stock_quantity) == (Decimal(7834000), 4)
        assert offer.is_available is True
        assert (product.rating, product.review_count) == (Decimal("4.80"), 2)

    def test_leaves_the_stock_of_another_ware(self):
        tile = TILE | {"baobabPayload": TILE["baobabPayload"] | {"wareId": "other"}}

        [offer] = of_type(parse_page(PAGE | {"product_snippets": {"1": tile}})["77"], Offer)

        assert (offer.stock_quantity, offer.is_available) == (None, None)

    def test_gives_the_blocks_to_the_product_of_the_page_only(self):
        parsed = parse_page(PAGE)

        titles = {key: of_type(entry, Product)[0].title for key, entry in parsed.items()}
        assert titles == {"77": "Ноутбук HP", "88": "Мышь"}

    @pytest.mark.parametrize(
        ("url", "snippets", "expected"),
        [
            ("https://h/product--x/88?sku=1", {"1": TILE}, "88"),
            ("https://h/card/x/4391018866", {"1": TILE}, "77"),
            ("https://h/card/x/4391018866", {}, "88"),
        ],
    )
    def test_finds_the_product_of_the_page(self, url, snippets, expected):
        related = [RELATED, RELATED | {"offerId": "three"}, TITLED]
        page = {"json_ld": [BLOCK | {"url": url}], "product_snippets": snippets, "offers": related}

        parsed = parse_page(page)

        [main] = [key for key, entry in parsed.items() if of_type(entry, Product)[0].url]
        assert main == expected

    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("Iphone 15 — купить по низкой цене на Market Yandex Go", "Iphone 15"),
            ("Чай — купитьс", "Чай — купитьс"),
        ],
    )
    def test_drops_the_sales_talk(self, name, title):
        parsed = parse_page(PAGE | {"json_ld": [BLOCK | {"name": name}]})["77"]

        assert of_type(parsed, Product)[0].title == title

    @pytest.mark.parametrize(
        ("availability", "expected"),
        [
            ("https://schema.org/InStock", True),
            ("https://schema.org/OutOfStock", False),
            ("https://schema.org/PreOrder", None),
            (None, None),
        ],
    )
    def test_reads_the_availability(self, availability, expected):
        block = BLOCK | {"offers": {"@type": "Offer", "availability": availability}}

        parsed = parse_page(PAGE | {"json_ld": [block]})["77"]

        assert of_type(parsed, Product)[0].is_available is expected

    def test_reads_categories_but_no_searches_from_the_breadcrumb(self):
        crumbs = [
            {"item": {"@id": "/category/a?langPath=ru", "name": "А"}},
            {"item": {"@id": "/category/b?langPath=ru", "name": "Б"}},
            {"item": {"@id": "/catalog--hp/26895412/list?hid=91013", "name": "Б HP"}},
        ]
        blocks = [{"@type": "BreadcrumbList", "itemListElement": crumbs}, BLOCK]

        parsed = parse_page(PAGE | {"json_ld": blocks})["77"]

        site = "https://market.yandex.uz/category"
        assert of_type(parsed, Category) == [
            Category("nav:a", name="А", url=f"{site}/a"),
            Category("nav:b", name="Б", parent_external_id="nav:a", url=f"{site}/b"),
        ]
        assert of_type(parsed, Product)[0].category_external_id == "nav:b"

    def test_returns_a_product_without_offers(self):
        parsed = parse_page({"json_ld": [BLOCK], "product_snippets": {}})["77"]

        assert count_records([parsed]) == {"Product": 1}
        assert parsed.records[0].min_price is None

    def test_a_list_says_nothing_of_one_product(self):
        summary = {"@type": "AggregateOffer", "lowPrice": 1, "highPrice": 9, "offerCount": 2}
        rating = {"@type": "AggregateRating", "ratingValue": 4.3, "reviewCount": 1287}
        block = {"url": "https://h/card/x/111", "image": ["https://a/1"], "offers": summary}
        block |= {"@type": "Product", "name": "Электроника", "aggregateRating": rating}
        crumbs = {"@type": "BreadcrumbList", "itemListElement": []}
        page = {"json_ld": [crumbs, block], "product_snippets": {}, "offers": [TITLED, RELATED]}

        parsed = parse_page(page)

        products = [of_type(entry, Product)[0] for entry in parsed.values()]
        assert [product.title for product in products] == ["Ноутбук HP 15", "Мышь"]
        assert {(p.rating, p.review_count, p.url) for p in products} == {(None, None, None)}
        assert all("https://a/1" not in (product.images or []) for product in products)

    def test_each_of_several_blocks_describes_its_own_product(self):
        other = BLOCK | {"name": "Мышь беспроводная", "url": "https://h/product--m/88"}
        unnamed = BLOCK | {"name": "Каталог", "url": "https://h/catalog"}

        parsed = parse_page(PAGE | {"json_ld": [BLOCK, other, unnamed]})

        titles = {key: of_type(entry, Product)[0].title for key, entry in parsed.items()}
        assert titles == {"77": "Ноутбук HP", "88": "Мышь беспроводная"}

    def test_refuses_alone_what_is_not_an_object(self):
        page = PAGE | {"json_ld": [BLOCK, "x"], "offers": [TITLED, None, RELATED]}

        items = list(ADAPTER.split(page, Source()))

        assert [item.payload for item in items[2:]] == ["x", None]
        assert [ADAPTER.parse(item).external_id for item in items[:2]] == ["77", "88"]
        with pytest.raises(PayloadError, match="expected an object"):
            ADAPTER.parse(items[2])

    def test_refuses_a_page_that_does_not_say_its_product(self):
        page = {"json_ld": [{"@type": "Product"}], "offers": []}

        with pytest.raises(PayloadError, match="offers: the page does not name its product"):
            parse_page(page)

    def test_refuses_what_names_no_product_alone(self):
        page = PAGE | {"offers": [TITLED, RELATED | {"productId": None}]}

        sound, broken = ADAPTER.split(page, Source())

        assert ADAPTER.parse(sound).external_id == "77"
        with pytest.raises(PayloadError, match="productId: is missing"):
            ADAPTER.parse(broken)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"offerId": None}, "offerId: is missing"),
            ({"price": {"value": -1, "currency": "UZS"}}, "price.value: -1 is negative"),
            ({"price": {"value": 5}}, "price.currency: is missing"),
            ({"price": 5}, "price: 5 is not an object"),
        ],
    )
    def test_names_the_field_at_fault(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_page({"json_ld": [], "offers": [TITLED | change]})


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
    def test_knows_each_shape(self, document, shape):
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
    def test_refuses_the_rest(self, document):
        assert ADAPTER.recognize(document) is None

    def test_only_payload_errors_escape(self):
        category = {"@id": "5", "@parentId": "2", "#text": "TV"}
        feed = [{"yml_catalog": HEAD, "offer": OFFER}, {"yml_catalog": HEAD, "category": category}]

        outcomes = {"feed": fuzz(feed, 3000), "page": fuzz([PAGE], 6000)}

        assert min(outcomes["feed"].values()) > 500
        assert min(outcomes["page"].values()) > 500
