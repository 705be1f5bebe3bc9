"""Uzum: product cards of GraphQL (UZ-GQL-MAIN, UZ-GQL-CARD, UZ-GQL-SEARCH)."""

from decimal import Decimal

import pytest

from ecommerce.records import Offer
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from tests import payloads
from tests.ecommerce.uzum_payloads import ADAPTER, CARD, RESULT, of_type, parse_all


class TestUzGqlMain:
    def test_real_page(self):
        parsed = parse_all(payloads.read_json("uzum/uzum-mainpage-graphql-2023-11.json"))

        assert len(parsed) == 132
        assert len({entry.external_id for entry in parsed}) == 127
        assert sum(len(of_type(entry, Offer)) for entry in parsed) == 132

    def test_real_card(self):
        parsed = parse_all(payloads.read_json("uzum/uzum-mainpage-graphql-2023-11.json"))

        product, offer = next(entry for entry in parsed if entry.external_id == "698012").records

        assert product.title.startswith("Kungaboqar yog'i Oila tanlovi")
        assert (product.rating, product.review_count) == (Decimal("4.90"), 328)
        assert (product.order_count, product.is_adult) == (19000, False)
        assert (product.min_price, product.max_price) == (Decimal("13000.00"), None)
        assert product.is_available is None
        assert product.tags == ["Eksklyuziv", "11.11"]
        assert product.images == [
            "https://images.uzum.uz/cl8eeulennt861ipdh6g/t_product_540_high.jpg"
        ]
        assert offer == Offer(
            "product:698012", "698012", Decimal("13000.00"), "UZS", Decimal("15000.00")
        )

    def test_finds_cards_at_any_depth_in_their_order(self):
        blocks = [
            {"content": [{"id": 1, "link": "banner"}, {"content": [{"productId": 7}]}]},
            {"products": [{"productId": 8}, {"productId": 7, "minSellPrice": 5}]},
        ]
        page = {"data": {"main": {"content": blocks}}}

        items = list(ADAPTER.split(page, Source()))

        assert [item.payload["productId"] for item in items] == [7, 8, 7]
        assert ADAPTER.recognize(page).name == "UZ-GQL-MAIN"
        assert {item.shape for item in items} == {"UZ-GQL-MAIN"}

    def test_depth_is_not_limited_by_recursion(self):
        content = {"productId": 7, "minSellPrice": 5}
        for _ in range(5000):
            content = [content]

        [item] = ADAPTER.split({"data": {"main": {"content": content}}}, Source())

        assert item.payload == {"productId": 7, "minSellPrice": 5}

    def test_a_page_without_cards_is_recognized_by_its_type(self):
        assert parse_all({"data": {"main": {"content": [], "__typename": "MainPage"}}}) == []

    def test_entries_that_are_not_objects_are_refused_alone(self):
        block = {"products": [CARD, "x", None]}

        items = list(ADAPTER.split({"data": {"main": {"content": [block]}}}, Source()))

        [card] = [item for item in items if isinstance(item.payload, dict)]
        assert ADAPTER.parse(card).external_id == "921201"
        for item in items:
            if item is not card:
                with pytest.raises(PayloadError, match="expected an object"):
                    ADAPTER.parse(item)

    def test_offer_without_sku_has_an_id_unlike_those_of_skus(self):
        card = {"productId": 18271, "minSellPrice": 100}

        parsed = [
            *parse_all(card),
            *parse_all({**CARD, "skuList": [{"id": 18271, "sellPrice": 5}]}),
        ]

        assert [of_type(entry, Offer)[0].external_id for entry in parsed] == [
            "product:18271",
            "18271",
        ]


class TestUzGqlCard:
    def test_real_cards(self):
        documents = payloads.read_json("uzum/uzum-cards-graphql-2025-08.json")

        parsed = [entry for document in documents for entry in parse_all(document)]

        assert len(parsed) == 10
        assert sum(len(of_type(entry, Offer)) for entry in parsed) == 38
        assert parsed[0].records[1:] == [
            Offer("158115", "106839", Decimal("40990.00"), "UZS", Decimal("62000.00"))
        ]

    def test_old_price_belongs_to_the_cheapest_sku(self):
        [parsed] = parse_all(CARD)

        product, dearer, cheapest = parsed.records
        assert (dearer.price, dearer.old_price) == (Decimal("12220.00"), None)
        assert (cheapest.price, cheapest.old_price) == (Decimal("6660.00"), Decimal("9000.00"))
        assert (product.min_price, product.max_price) == (cheapest.price, dearer.price)

    def test_availability_and_time_are_unknown(self):
        [parsed] = parse_all(CARD)

        assert {record.is_available for record in parsed.records} == {None}
        assert parsed.observed_at is None

    def test_badges_are_tags(self):
        [unknown] = parse_all(CARD)
        [none] = parse_all({**CARD, "badges": []})
        [some] = parse_all({**CARD, "badges": [{"text": "Super narx"}, {"text": None}]})

        tags = [entry.records[0].tags for entry in (unknown, none, some)]
        assert tags == [None, [], ["Super narx"]]


class TestUzGqlSearch:
    @pytest.mark.parametrize(
        "document", [RESULT, {"data": {"makeSearch": {"items": [RESULT], "total": 1}}}]
    )
    def test_reads_the_variant(self, document):
        [parsed] = parse_all(document)

        product, offer = parsed.records
        assert (product.external_id, product.title) == ("8", "Proyektor")
        # The price of one variant is not the lowest of the product.
        assert (product.min_price, product.max_price) == (None, None)
        assert offer == Offer(
            "81",
            "8",
            Decimal("28222000.00"),
            "UZS",
            Decimal("42000000.00"),
            variant_title="Qora",
            variant_attributes={"Rang": "Qora"},
        )

    def test_two_variants_of_a_product_are_two_offers(self):
        other = {"catalogCard": RESULT["catalogCard"] | {"id": 82, "minSellPrice": 5}}

        parsed = parse_all({"data": {"makeSearch": {"items": [RESULT, other]}}})

        offers = [of_type(entry, Offer)[0] for entry in parsed]
        assert [(offer.external_id, offer.price) for offer in offers] == [
            ("81", Decimal("28222000.00")),
            ("82", Decimal("5.00")),
        ]

    def test_an_empty_search_is_recognized(self):
        assert parse_all({"data": {"makeSearch": {"items": []}}}) == []

    def test_entries_that_are_not_objects_are_refused_alone(self):
        document = {"data": {"makeSearch": {"items": ["x", {"catalogCard": None}, RESULT]}}}

        text, empty, sound = ADAPTER.split(document, Source())

        assert ADAPTER.parse(sound).external_id == "8"
        for item in (text, empty):
            with pytest.raises(PayloadError, match="expected an object"):
                ADAPTER.parse(item)
