import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter, Source
from procurement.platforms import uzex
from procurement.records import Lot, LotItem, Organization, Reference
from tests import payloads
from tests.mutation import mutate

ADAPTER = Adapter("uzex", uzex.SHAPES)
TASHKENT = timezone(timedelta(hours=5))
SHOP_DEALS = "https://xarid-api-shop.uzex.uz/Common/GetCompletedDeals"
AUCTION_PRODUCTS = "https://xarid-api-auction.uzex.uz/Common/GetCompletedDealProducts/379514"

DEAL = {
    "lot_id": 379556,
    "lot_start_date": "2025-11-27T17:46:56",
    "lot_end_date": "2025-12-04T11:25:30",
    "pcp_count": 3.0,
    "category_name": "Изделия готовые прочие",
    "start_cost": 3216000.0,
    "deal_cost": 3023040.0,
    "customer_inn": "203195074",
    "customer_name": '"Shurtan Gaz Kimyo Majmuasi" МЧЖ',
    "customer_region": None,
    "deal_date": "2025-12-04T12:19:29",
    "deal_id": 311463,
    "lot_display_no": "25121007379556",
    "provider_name": "YTT BOLTABOYEVA",
    "provider_inn": None,
    "currency_name": None,
    "is_budget": 0,
    "type_name": "Корпоратив",
    "kazna_status_id": 0,
    "kazna_status": "Договор Зарегистрирован",
    "kazna_payment_status": "Не оплачен",
    "rn": 8,
    "total_count": 199778,
}
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
ITEM = {
    "order_num": 4,
    "product_name": None,
    "quantity": 10.0,
    "price": 15120.0,
    "country_name": "O'zbekiston",
    "description": "\nРазбавитель для дорожной краски",
    "cost": 151200.0,
    "currency_name": "Сом",
    "js_properties": [{"property_name": "Единица измерения", "user_value": "л", "pnum": 0}],
    "rn": 9,
    "amount": 10.0,
}
SHOP_ITEM = {
    "rn": 1,
    "product_name": "Услуга по подписке",
    "amount": 4.0,
    "measure_name": "dona",
    "features": "на год",
    "price": 351000.0,
    "country_name": None,
}
TENDER = {
    "site": "uzex-etender",
    "title": "75 йиллик тадбир учун хизматлар",
    "url": "https://etender.uzex.uz/lot/513634",
    "deadline": "2026-10-05",
    "first_seen": 1791202800,
    "last_seen": 1791202873,
    "score": 1,
    "hits": ["тадбир"],
    "status": "seen",
    "detail": {
        "buyer": "Республиканский центр судебной экспертизы",
        "amount": 146500000.0,
        "currency": "UZS",
        "region": "Toshkent shahri",
    },
}


def parse_all(document, name="-", **options):
    documents = document if isinstance(document, list) else [document]
    source = Source(name, options)
    return [ADAPTER.parse(item) for entry in documents for item in ADAPTER.split(entry, source)]


def parse_one(document, name="-", **options):
    [parsed] = parse_all(document, name, **options)
    return parsed


def load(name):
    return parse_all(payloads.read_json(f"procurement/{name}"), name)


def capture(rows, url="", request=None):
    return {"url": url, "request_payload": request, "response_data": rows}


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

    def test_gives_parties_before_the_lot(self):
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

    def test_keeps_the_row_without_its_place_in_the_list(self):
        first = parse_one(DEAL).records[-1]
        next_day = parse_one(DEAL | {"rn": 120, "total_count": 200000}).records[-1]

        assert first == next_day
        assert first.raw_data.keys() == DEAL.keys() - {"rn", "total_count"}

    def test_takes_zero_cost_and_zero_bidders_of_a_deal_as_unknown(self):
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

    def test_takes_a_tax_number_published_as_a_number(self):
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

    def test_reads_amounts_by_their_currency(self):
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

    def test_tells_the_shop_from_the_auction(self):
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
    def test_names_the_field_at_fault(self, change, message):
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

    def test_takes_the_total_not_the_unit_price(self):
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
    def test_takes_the_status_from_the_list(self, url, name, status):
        assert parse_one(capture([SHOP], url), name).records[0].status == status

    def test_its_list_and_its_items_tell_of_the_same_product(self):
        [of_list] = [each for each in parse_one(SHOP).records if isinstance(each, LotItem)]
        of_items = parse_one(SHOP_ITEM, lot="4549142").records[-1]

        assert of_list.external_id == of_items.external_id


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

    def test_numbers_by_row_where_there_is_no_order(self):
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
    def test_names_the_field_at_fault(self, change, message):
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
    def test_tells_the_list(self, document, name, kind):
        assert parse_one(document, name).records == [Reference(f"{kind}:1", kind, "1", "x")]

    def test_refuses_a_list_of_an_unknown_kind(self):
        with pytest.raises(PayloadError, match="name the file"):
            parse_one({"id": 1, "name": "x"})


class TestUzexTender:
    def test_reads_the_real_file(self):
        parsed = load("uzex-etender-lots-open.json")

        assert len(parsed) == 22
        assert parsed[0].external_id == "tender:515242"
        assert parsed[0].observed_at == datetime(2026, 10, 5, 12, 21, 13, 563141, tzinfo=UTC)
        with_amount = [entry for entry in parsed if entry.records[-1].start_cost]
        assert len(with_amount) == 8
        assert all(isinstance(entry.records[0], Organization) for entry in with_amount)

    def test_reads_every_field(self):
        parsed = parse_one({"items": {"uzex-etender:513634": TENDER}})

        customer, lot = parsed.records
        assert customer == Organization(
            "name:республиканский центр судебной экспертизы",
            "Республиканский центр судебной экспертизы",
            region="Toshkent shahri",
            is_customer=True,
        )
        assert lot._replace(raw_data=None) == Lot(
            "tender:513634",
            title="75 йиллик тадбир учун хизматлар",
            url="https://etender.uzex.uz/lot/513634",
            lot_type="tender",
            region="Toshkent shahri",
            start_cost=Decimal("146500000.00"),
            currency="UZS",
            customer_external_id=customer.external_id,
            ends_at=datetime(2026, 10, 5, 23, 59, 59, tzinfo=TASHKENT),
        )
        assert parsed.observed_at == datetime.fromtimestamp(1791202873, UTC)

    def test_leaves_out_what_the_monitor_thinks(self):
        [item] = ADAPTER.split({"items": {"uzex-etender:1": TENDER}}, Source())

        assert item.payload.keys() == {"site", "title", "url", "deadline", "detail"}

    def test_takes_a_deadline_with_a_time_as_it_is(self):
        entry = TENDER | {"deadline": "2026-10-05T10:00"}

        lot = parse_one({"items": {"uzex-etender:1": entry}}).records[-1]

        assert lot.ends_at == datetime(2026, 10, 5, 10, tzinfo=TASHKENT)

    def test_skips_other_sites_and_refuses_broken_entries_alone(self):
        entries = {"other:1": TENDER, "uzex-etender:2": None, "uzex-etender:3": TENDER}

        broken, sound = ADAPTER.split({"items": entries}, Source())

        with pytest.raises(PayloadError, match="expected an object, got null"):
            ADAPTER.parse(broken)
        assert ADAPTER.parse(sound).external_id == "tender:3"


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
    def test_knows_each_shape(self, document, shape):
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
    def test_refuses_the_rest(self, document):
        assert ADAPTER.recognize(document) is None

    def test_only_payload_errors_escape(self):
        generator = random.Random(7)
        documents = [
            DEAL,
            SHOP,
            ITEM,
            SHOP_ITEM,
            {"id": 1, "name": "x"},
            {"items": {"uzex-etender:1": TENDER}},
            capture([DEAL, SHOP], SHOP_DEALS, {"lot_id": 1}),
            capture([ITEM], AUCTION_PRODUCTS),
        ]
        outcomes = {"parsed": 0, "refused": 0}

        for _ in range(6000):
            document = mutate(generator.choice(documents), generator)
            shape = ADAPTER.recognize(document)
            try:
                for item in shape.split(document, Source("lot-12345.json")) if shape else ():
                    outcomes["parsed"] += bool(ADAPTER.parse(item).external_id)
            except PayloadError:
                outcomes["refused"] += 1

        assert min(outcomes.values()) > 1000
