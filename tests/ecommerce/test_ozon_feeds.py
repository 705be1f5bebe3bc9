"""Ozon: price and stock feeds of sellers (OZ-FEED)."""

from datetime import datetime
from decimal import Decimal

import pytest

from ecommerce.records import Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.formats import documents
from tests import payloads
from tests.ecommerce.ozon_payloads import ADAPTER, HEAD, STOCKED, of_type, parse_all


def parse_feed(head=None, name="-", options=(("shop", "lg"),), **changes):
    document = {"yml_catalog": {**HEAD, **(head or {})}, "offer": {**STOCKED, **changes}}
    [parsed] = parse_all(document, name, **dict(options))
    return parsed


def test_a_price_with_elements_instead_of_text_is_refused():
    with pytest.raises(PayloadError, match="price: contains the element <value> instead of text"):
        parse_feed(price=[{"value": ["100"]}])


class TestOzFeed:
    def test_real_feed(self):
        path = payloads.path("ozon/ozon-seller-feed-lg.xml")

        parsed = [
            item
            for entry in documents.read(str(path))
            for item in parse_all(entry.document, path.name)
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
    def test_shop_is_read_from_the_name_of_the_file(self, name, shop):
        assert parse_feed(name=name, options=()).external_id == f"{shop}:5675"

    @pytest.mark.parametrize("name", ["-", "2026-08-22.xml.gz"])
    def test_refuses_a_feed_without_a_shop(self, name):
        with pytest.raises(PayloadError, match="pass --shop"):
            parse_feed(name=name, options=())

    def test_shop_is_that_of_the_user_or_the_head(self):
        company = {"company": "LG Electronics"}

        named = parse_feed(head=company, name="x.xml", options=())
        parsed = parse_feed(head=company, name="x.xml")

        assert of_type(named, Seller) == [Seller("LG Electronics", "LG Electronics")]
        assert of_type(parsed, Seller) == [Seller("lg", "LG Electronics")]

    def test_stock_is_the_sum_of_all_warehouses(self):
        [offer] = of_type(parse_feed(), Offer)

        assert (offer.stock_quantity, offer.is_available) == (7, True)

    @pytest.mark.parametrize("outlets", [[], [""], [{"outlet": [""]}], [{"outlet": [{"@x": "1"}]}]])
    def test_stock_is_unknown_without_outlets(self, outlets):
        [offer] = of_type(parse_feed(outlets=outlets), Offer)

        assert (offer.stock_quantity, offer.is_available) == (None, None)

    @pytest.mark.parametrize(
        ("published", "stated", "expected"),
        [
            ({}, {}, None),
            ({}, {"currency": "KZT"}, "KZT"),
            ({"currencies": [{"@id": "RUR"}]}, {"currency": "KZT"}, "RUB"),
        ],
    )
    def test_currency(self, published, stated, expected):
        parsed = parse_feed(head=published, options={"shop": "lg", **stated}.items())

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
