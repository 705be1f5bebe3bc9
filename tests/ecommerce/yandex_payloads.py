"""Payloads of Yandex Market for tests."""

from collections import Counter

from ecommerce.platforms import yandex
from marketplace.loading.adapters import Adapter, Source

ADAPTER = Adapter("yandex", yandex.SHAPES)

HEAD = {
    "date": "2026-07-03 18:10",
    "name": "LG Electronics Kazakhstan",
    "company": "LG Electronics",
    "url": "https://www.lg.com/kz",
    "comment": "",
}

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


def parse_all(documents, name="-", **options):
    source = Source(name, options)
    return [ADAPTER.parse(item) for entry in documents for item in ADAPTER.split(entry, source)]


def parse_offer(offer, head=HEAD, name="-", **options):
    [parsed] = parse_all([{"yml_catalog": head, "offer": offer}], name, **options)
    return parsed


def parse_page(page):
    return {parsed.external_id: parsed for parsed in parse_all([page])}


def count_records(parsed):
    return Counter(type(record).__name__ for entry in parsed for record in entry.records)


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]
