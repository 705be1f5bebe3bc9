"""UZEX: items of lots, and reference lists (UZEX-ITEM, UZEX-REF)."""

from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from procurement.records import Lot, LotItem, Reference
from tests.procurement.uzex_payloads import (
    AUCTION_PRODUCTS,
    ITEM,
    SHOP_ITEM,
    capture,
    load,
    parse_one,
)


class TestUzexItem:
    def test_reads_the_real_lot_of_an_auction(self):
        parsed = load("uzex-auction-products-379514.json")

        items = [entry.records[-1] for entry in parsed]
        assert sorted(item.order_num for item in items) == list(range(1, 9))
        assert [entry.records[0] for entry in parsed] == [Lot("auction:379514")] * 8
        assert {item.measure_name for item in items} == {"компл.", "л", "м", "шт"}
        assert items[3].properties[2] == {"name": "Наличие дисплея", "value": "Да"}

    def test_reads_the_real_lot_of_the_shop(self):
        [parsed] = load("uzex-shop-products-4550655.json")

        assert parsed.external_id == "shop:4550655:1"
        assert parsed.records[1].price == Decimal("351000.00")

    def test_reads_every_column(self):
        lot, item = parse_one(ITEM, lot="379514").records

        assert lot == Lot("auction:379514")
        assert item == LotItem(
            "auction:379514:4",
            "auction:379514",
            4,
            description="Разбавитель для дорожной краски",
            quantity=Decimal("10.0000"),
            measure_name="л",
            price=Decimal("15120.00"),
            cost=Decimal("151200.00"),
            currency="UZS",
            currency_text="Сом",
            country_name="O'zbekiston",
            properties=[{"name": "Единица измерения", "value": "л"}],
        )

    def test_reads_an_item_of_the_shop(self):
        _, item = parse_one(SHOP_ITEM, lot="4550655").records

        assert item == LotItem(
            "shop:4550655:1",
            "shop:4550655",
            1,
            product_name="Услуга по подписке",
            description="на год",
            quantity=Decimal("4.0000"),
            measure_name="dona",
            price=Decimal("351000.00"),
            currency="UZS",
        )

    @pytest.mark.parametrize(
        ("document", "name", "options", "expected"),
        [
            (ITEM | {"lot_id": 7}, "uzex-auction-products-379514.json", {}, "auction:7:4"),
            (capture([ITEM], AUCTION_PRODUCTS), "page.json", {}, "auction:379514:4"),
            (capture([ITEM], "", {"lot_id": "55555"}), "p-1.json", {}, "auction:55555:4"),
            (ITEM, "a-379514.json", {"lot": "12"}, "auction:12:4"),
            (ITEM, "uzex-shop-products-4550655.json.gz", {}, "shop:4550655:4"),
            (ITEM, "379514_20251204.json", {}, "auction:379514:4"),
            (ITEM, "1764831757_379514.json", {}, "auction:379514:4"),
            (ITEM, "x-379514.json", {"lot_type": "national_shop"}, "shop:379514:4"),
            (SHOP_ITEM, "items-4550655.json", {}, "shop:4550655:1"),
        ],
    )
    def test_finds_the_lot(self, document, name, options, expected):
        assert parse_one(document, name, **options).external_id == expected

    @pytest.mark.parametrize("name", ["-", "items.json", "items-20251204.json", "page-12.json"])
    def test_refuses_an_item_without_a_lot(self, name):
        with pytest.raises(PayloadError, match=r"name the file …-<lot>\.json or pass --lot"):
            parse_one(ITEM, name)

    def test_number_is_that_of_the_row_if_there_is_no_order(self):
        item = parse_one(ITEM | {"order_num": None}, lot="1").records[1]

        assert (item.external_id, item.order_num) == ("auction:1:9", 9)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"order_num": None, "rn": None}, "order_num: is missing"),
            ({"quantity": -2}, "quantity: -2 is not a quantity"),
            ({"price": "1e17"}, 'price: "1e17" is too large'),
            ({"currency_name": "тугрик"}, 'currency_name: "тугрик" is not a known currency'),
            ({"js_properties": ["л"]}, r"js_properties: \['л'\] is not a list of objects"),
        ],
    )
    def test_names_the_invalid_field(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_one(ITEM | change, lot="1")


class TestUzexReference:
    def test_reads_the_real_lists(self):
        categories = load("uzex-categories.json")
        regions = load("uzex-regions-intercepted.json")

        assert len(categories) == 88
        assert categories[0].records == [
            Reference(
                "category:106825",
                "category",
                "106825",
                "Продукция и услуги сельского хозяйства и охоты",
            )
        ]
        assert len(regions) == 14
        assert regions[-1].records == [Reference("region:2105", "region", "2105", "город Ташкент")]

    @pytest.mark.parametrize(
        ("document", "name", "kind"),
        [
            ({"id": 1, "name": "x"}, "Regions.json", "region"),
            (capture([{"id": 1, "name": "x"}], "https://h/Lib/GetCategories"), "-", "category"),
        ],
    )
    def test_recognizes_the_list(self, document, name, kind):
        assert parse_one(document, name).records == [Reference(f"{kind}:1", kind, "1", "x")]

    def test_refuses_a_list_of_an_unknown_kind(self):
        with pytest.raises(PayloadError, match="name the file"):
            parse_one({"id": 1, "name": "x"})
