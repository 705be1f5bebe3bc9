"""Payloads of UZEX for tests."""

from datetime import timedelta, timezone

from marketplace.loading.adapters import Adapter, Source
from procurement.platforms import uzex
from tests import payloads

ADAPTER = Adapter("uzex", uzex.SHAPES)

TASHKENT = timezone(timedelta(hours=5))

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
