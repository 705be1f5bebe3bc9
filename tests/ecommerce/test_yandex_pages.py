"""Yandex Market: product pages (YM-PAGE)."""

from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.yandex_payloads import (
    ADAPTER,
    BLOCK,
    PAGE,
    PRICED,
    RELATED,
    TILE,
    TITLED,
    count_records,
    of_type,
    parse_page,
)


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

    def test_reads_old_price_and_stock_from_the_tile(self):
        parsed = parse_page(PAGE | {"offers": [TITLED]})["77"]

        [offer] = of_type(parsed, Offer)
        [product] = of_type(parsed, Product)
        assert (offer.old_price, offer.stock_quantity) == (Decimal(7834000), 4)
        assert offer.is_available is True
        assert (product.rating, product.review_count) == (Decimal("4.80"), 2)

    def test_ignores_the_stock_of_another_item(self):
        tile = TILE | {"baobabPayload": TILE["baobabPayload"] | {"wareId": "other"}}

        [offer] = of_type(parse_page(PAGE | {"product_snippets": {"1": tile}})["77"], Offer)

        assert (offer.stock_quantity, offer.is_available) == (None, None)

    def test_assigns_the_blocks_to_the_main_product(self):
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
    def test_drops_the_advertising_from_the_title(self, name, title):
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

    def test_reads_categories_without_searches_from_the_breadcrumb(self):
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

    def test_the_block_of_a_list_describes_no_product(self):
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

    def test_entries_that_are_not_objects_are_refused_alone(self):
        page = PAGE | {"json_ld": [BLOCK, "x"], "offers": [TITLED, None, RELATED]}

        items = list(ADAPTER.split(page, Source()))

        assert [item.payload for item in items[2:]] == ["x", None]
        assert [ADAPTER.parse(item).external_id for item in items[:2]] == ["77", "88"]
        with pytest.raises(PayloadError, match="expected an object"):
            ADAPTER.parse(items[2])

    def test_refuses_a_page_without_a_product(self):
        page = {"json_ld": [{"@type": "Product"}], "offers": []}

        with pytest.raises(PayloadError, match="offers: the page has no product id"):
            parse_page(page)

    def test_data_without_a_product_are_refused_alone(self):
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
    def test_names_the_invalid_field(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_page({"json_ld": [], "offers": [TITLED | change]})
