"""Wildberries: product cards with their price history (WB-CARD)."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ecommerce.records import Category, Offer, PricePoint, Product, Seller
from marketplace.exceptions import PayloadError
from tests import payloads
from tests.ecommerce.wildberries_payloads import CARD, HISTORY, of_type, parse_all


def parse_card(history=HISTORY, **changes):
    card = {**CARD, **changes}
    [parsed] = parse_all({"product_response": card, "price_history_response": history})
    return parsed


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

    def test_current_price_is_the_latest_in_any_order(self):
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

    def test_week_without_price_is_skipped(self):
        parsed = parse_card([*HISTORY, {"dt": 1727568000, "price": {"RUB": 0}}])

        assert len(of_type(parsed, PricePoint)) == 4
        assert parsed.observed_at == datetime(2024, 9, 22, tzinfo=UTC)

    def test_options_may_be_in_groups_only(self):
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
