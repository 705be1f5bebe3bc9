"""UZEX: completed deals and lots of the shop (UZEX-DEAL, UZEX-SHOP)."""

from datetime import datetime
from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from procurement.records import Lot, LotItem, Organization
from tests.procurement.uzex_payloads import (
    ADAPTER,
    DEAL,
    ITEM,
    SHOP_ITEM,
    TASHKENT,
    TENDER,
    capture,
    load,
    parse_all,
    parse_one,
)

SHOP_DEALS = "https://xarid-api-shop.uzex.uz/Common/GetCompletedDeals"

SHOP = {
    "id": 4549142,
    "start_date": "2025-11-27T17:57:34",
    "end_date": "2025-12-01T17:57:34",
    "pcp_count": 1,
    "product_name": "Перфофайл",
    "category_name": "Изделия резиновые и пластмассовые",
    "cost": 37500.0,
    "price": 12500.0,
    "amount": 3.0,
    "rn": 3,
    "total_count": 14244,
}


class TestUzexDeal:
    def test_reads_the_real_page(self):
        parsed = load("uzex-auction-completed-deals-page.json")

        lots = [record for entry in parsed for record in entry.records if isinstance(record, Lot)]
        assert [entry.external_id for entry in parsed] == [
            "auction:379556",
            "auction:379469",
            "auction:379481",
            "auction:379488",
            "auction:379550",
            "auction:379547",
            "auction:379468",
        ]
        assert {lot.status for lot in lots} == {"completed"}
        assert [lot.is_budget for lot in lots] == [False, False, True, True, True, True, True]
        assert sum(lot.start_cost - lot.deal_cost for lot in lots) == Decimal("11139400")
        assert lots[0].participants_count == 3
        assert "шаҳар 1-сонли" in parsed[6].records[0].name

    def test_yields_parties_before_the_lot(self):
        parsed = parse_one(DEAL)

        customer, provider, lot = parsed.records
        assert customer == Organization(
            "inn:203195074",
            '"Shurtan Gaz Kimyo Majmuasi" МЧЖ',
            "203195074",
            is_customer=True,
        )
        assert provider == Organization("name:ytt boltaboyeva", "YTT BOLTABOYEVA", is_provider=True)
        assert lot.customer_external_id == customer.external_id
        assert lot.provider_external_id == provider.external_id
        assert parsed.observed_at is None

    def test_reads_every_column(self):
        lot = parse_one(DEAL).records[-1]

        assert lot._replace(
            raw_data=None, customer_external_id=None, provider_external_id=None
        ) == Lot(
            "auction:379556",
            display_no="25121007379556",
            lot_type="auction",
            status="completed",
            is_budget=False,
            category_name="Изделия готовые прочие",
            start_cost=Decimal("3216000.00"),
            deal_cost=Decimal("3023040.00"),
            currency="UZS",
            participants_count=3,
            starts_at=datetime(2025, 11, 27, 17, 46, 56, tzinfo=TASHKENT),
            ends_at=datetime(2025, 12, 4, 11, 25, 30, tzinfo=TASHKENT),
            deal_date=datetime(2025, 12, 4, 12, 19, 29, tzinfo=TASHKENT),
            deal_id="311463",
            kazna_status="Договор Зарегистрирован",
            kazna_status_id=0,
            payment_status="Не оплачен",
        )

    def test_stores_the_row_without_its_position_in_the_list(self):
        first = parse_one(DEAL).records[-1]
        next_day = parse_one(DEAL | {"rn": 120, "total_count": 200000}).records[-1]

        assert first == next_day
        assert first.raw_data.keys() == DEAL.keys() - {"rn", "total_count"}

    def test_zero_cost_and_zero_bidders_of_a_deal_are_unknown(self):
        lot = parse_one(DEAL | {"start_cost": 0, "deal_cost": 0.0, "pcp_count": 0}).records[-1]

        assert (lot.start_cost, lot.deal_cost, lot.participants_count) == (None, None, None)
        assert lot.status == "completed"

    def test_keeps_zero_bidders_and_no_status_without_a_deal(self):
        without = {"deal_id": 0, "deal_cost": None, "deal_date": None, "pcp_count": 0}

        lot = parse_one(DEAL | without).records[-1]

        assert (lot.status, lot.deal_id, lot.participants_count) == (None, None, 0)

    @pytest.mark.parametrize("inn", [None, "", " ", "0", "000000000", "12345", "абв"])
    def test_identifies_by_name_without_a_tax_number(self, inn):
        customer = parse_one(DEAL | {"customer_inn": inn}).records[0]

        assert customer.external_id == "name:shurtan gaz kimyo majmuasi мчж"
        assert customer.inn is None

    def test_accepts_a_tax_number_published_as_a_number(self):
        customer = parse_one(DEAL | {"customer_inn": 203195074.0}).records[0]

        assert (customer.external_id, customer.inn) == ("inn:203195074", "203195074")

    def test_has_no_party_without_number_and_name(self):
        [_, lot] = parse_one(DEAL | {"customer_inn": None, "customer_name": " "}).records

        assert lot.customer_external_id is None

    def test_keeps_identifiers_of_long_names_short_and_distinct(self):
        long = "Муассаса " * 60

        ids = [
            parse_one(DEAL | {"customer_inn": None, "customer_name": name}).records[0].external_id
            for name in (f"{long} 1", f"{long} 2")
        ]

        assert ids[0] != ids[1]
        assert max(map(len, ids)) <= 200

    def test_reads_amounts_in_the_style_of_their_currency(self):
        [lot] = [
            record
            for record in parse_one(capture([{**DEAL, "deal_cost": "1.600"}])).records
            if isinstance(record, Lot)
        ]
        assert (lot.deal_cost, lot.currency) == (1600, "UZS")
        with pytest.raises(PayloadError, match="is not in UZS"):
            parse_one(capture([{**DEAL, "deal_cost": "$15"}]))

    def test_derives_the_budget_from_the_type_name(self):
        budget = parse_one(DEAL | {"is_budget": None, "type_name": "Бюджет"}).records[-1]
        unknown = parse_one(DEAL | {"is_budget": None, "type_name": None}).records[-1]

        assert (budget.is_budget, unknown.is_budget) == (True, None)

    def test_distinguishes_the_shop_from_the_auction(self):
        national = capture([DEAL], SHOP_DEALS, {"display_on_shop": 0, "display_on_national": 1})
        as_text = capture([DEAL], SHOP_DEALS, '{"display_on_national": 1}')

        lots = [
            parse_one(capture([DEAL], SHOP_DEALS)).records[-1],
            parse_one(national).records[-1],
            parse_one(as_text).records[-1],
            parse_one(DEAL | {"product_name": "Бумага"}).records[-1],
            parse_one(DEAL, "deals.json", lot_type="tender").records[-1],
        ]

        assert [(lot.external_id, lot.lot_type) for lot in lots] == [
            ("shop:379556", "shop"),
            ("shop:379556", "national_shop"),
            ("shop:379556", "national_shop"),
            ("shop:379556", "shop"),
            ("tender:379556", "tender"),
        ]

    def test_refuses_an_unknown_lot_type(self):
        with pytest.raises(PayloadError, match='lot_type: "bazaar" is not one of auction, shop'):
            parse_one(DEAL, lot_type="bazaar")

    def test_refuses_a_row_alone(self):
        items = list(ADAPTER.split(capture([DEAL, "broken", DEAL | {"lot_id": None}]), Source()))

        assert ADAPTER.parse(items[0]).external_id == "auction:379556"
        with pytest.raises(PayloadError, match="expected an object, got text"):
            ADAPTER.parse(items[1])
        with pytest.raises(PayloadError, match="lot_id: is missing"):
            ADAPTER.parse(items[2])

    @pytest.mark.parametrize("row", [DEAL, SHOP, ITEM, SHOP_ITEM])
    def test_recognizes_a_capture_whose_first_row_is_damaged(self, row):
        damaged, sound = ADAPTER.split(capture([None, row]), Source("lot-12345.json"))

        assert ADAPTER.parse(sound).external_id
        with pytest.raises(PayloadError, match="expected an object, got null"):
            ADAPTER.parse(damaged)

    def test_accepts_an_empty_page(self):
        assert parse_all(capture([], SHOP_DEALS)) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"start_cost": -1}, "start_cost: -1 is negative"),
            ({"deal_cost": "много"}, 'deal_cost: "много" is not a number'),
            ({"deal_date": "yesterday"}, 'deal_date: "yesterday" is not a time'),
            ({"pcp_count": 2.5}, "pcp_count: 2.5 is not a whole number"),
            ({"customer_name": ["x"]}, r"customer_name: \['x'\] is not text"),
        ],
    )
    def test_names_the_invalid_field(self, change, message):
        with pytest.raises(PayloadError, match=message):
            parse_one(DEAL | change)


class TestUzexShop:
    def test_reads_the_real_page(self):
        parsed = load("uzex-shop-lots-page.json")

        assert [entry.external_id for entry in parsed] == [
            "shop:4550655",
            "shop:4550078",
            "shop:4549142",
            "shop:4549083",
            "shop:4548965",
        ]
        assert parsed[0].records[0].start_cost == Decimal("1404000.00")

    def test_start_cost_is_the_total_not_the_unit_price(self):
        lot, item = parse_one(SHOP).records

        assert item == LotItem(
            "shop:4549142:1",
            "shop:4549142",
            1,
            product_name="Перфофайл",
            quantity=Decimal("3.0000"),
            price=Decimal("12500.00"),
            cost=Decimal("37500.00"),
            currency="UZS",
        )
        assert lot._replace(raw_data=None) == Lot(
            "shop:4549142",
            title="Перфофайл",
            lot_type="shop",
            category_name="Изделия резиновые и пластмассовые",
            start_cost=Decimal("37500.00"),
            currency="UZS",
            participants_count=1,
            starts_at=datetime(2025, 11, 27, 17, 57, 34, tzinfo=TASHKENT),
            ends_at=datetime(2025, 12, 1, 17, 57, 34, tzinfo=TASHKENT),
        )
        assert lot.raw_data.keys() == SHOP.keys() - {"rn", "total_count"}

    @pytest.mark.parametrize(
        ("url", "name", "status"),
        [
            ("https://xarid-api-shop.uzex.uz/Common/GetNotCompletedDeals", "-", "failed"),
            ("", "intercepted_1764831340_GetNotCompletedDeals.json", "failed"),
            (SHOP_DEALS, "-", "completed"),
            ("https://xarid-api-shop.uzex.uz/Common/GetLots", "-", None),
        ],
    )
    def test_status_is_that_of_the_list(self, url, name, status):
        assert parse_one(capture([SHOP], url), name).records[0].status == status

    def test_list_and_items_have_the_same_product(self):
        [of_list] = [record for record in parse_one(SHOP).records if isinstance(record, LotItem)]
        of_items = parse_one(SHOP_ITEM, lot="4549142").records[-1]

        assert of_list.external_id == of_items.external_id


class TestUzexRecognition:
    @pytest.mark.parametrize(
        ("document", "shape"),
        [
            (DEAL, "UZEX-DEAL"),
            (SHOP, "UZEX-SHOP"),
            (ITEM, "UZEX-ITEM"),
            (SHOP_ITEM, "UZEX-ITEM"),
            ({"id": 1, "name": "x"}, "UZEX-REF"),
            ({"items": {"uzex-etender:1": TENDER}}, "UZEX-ETENDER"),
            (capture([SHOP]), "UZEX-SHOP"),
        ],
    )
    def test_recognizes_each_shape(self, document, shape):
        assert ADAPTER.recognize(document).name == shape

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"id": 1},
            {"items": []},
            {"response_data": {}},
            {"response_data": [1]},
            {"price": 1},
            {"response_data": []},
            {"id": 1, "product_name": "x", "cost": 5},
            {"lot_id": 1, "deal_id": 2},
            {"order_num": 1, "price": 5, "product_name": "x"},
        ],
    )
    def test_refuses_other_documents(self, document):
        assert ADAPTER.recognize(document) is None
