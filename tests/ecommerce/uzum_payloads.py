"""Payloads of Uzum for tests."""

from ecommerce.platforms import uzum
from marketplace.loading.adapters import Adapter, Source

ADAPTER = Adapter("uzum", uzum.SHAPES)

CARD = {
    "productId": 921201,
    "id": 921201,
    "title": "Salfetka",
    "minFullPrice": 9000,
    "minSellPrice": 6660,
    "rating": 4.5,
    "skuList": [{"id": 1, "sellPrice": 12220}, {"id": 2, "sellPrice": 6660}],
}


def parse_all(document):
    return [ADAPTER.parse(item) for item in ADAPTER.split(document, Source())]


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]


RESULT = {
    "catalogCard": {
        "__typename": "SkuGroupCard",
        "id": 81,
        "productId": 8,
        "minFullPrice": 42000000,
        "minSellPrice": 28222000,
        "title": "Proyektor",
        "characteristicValues": [
            {"id": 1, "title": "Qora", "characteristic": {"id": 2, "title": "Rang"}}
        ],
    },
    "__typename": "Item",
}

SHOE = {
    "@id": "https://uzum.uz/uz/product/krossovka-90-500?skuId=701",
    "@type": "Product",
    "name": "Krossovka",
    "additionalProperty": [{"name": "Oʻlcham", "value": "41"}],
    "aggregateRating": {"ratingValue": "4.7", "reviewCount": "159"},
    "image": ["https://h/1.jpg"],
    "offers": {
        "@type": "Offer",
        "availability": "https://schema.org/InStock",
        "priceCurrency": "UZS",
        "price": "157000",
        "seller": {"name": "Namuna Shop"},
    },
}
