"""Payloads of Wildberries for tests."""

from ecommerce.platforms import wildberries
from marketplace.loading.adapters import Adapter, Source

ADAPTER = Adapter("wildberries", wildberries.SHAPES)

CARD = {
    "nm_id": 251750385,
    "imt_id": 227510481,
    "imt_name": "Термобелье",
    "subj_name": "Термокомплекты",
    "subj_root_name": "Белье",
    "data": {"subject_id": 166, "subject_root_id": 4, "chrt_ids": [21, 22]},
    "selling": {"brand_name": "Nordics", "supplier_id": 4084656},
    "sizes_table": {
        "details_props": ["RU", ""],
        "values": [
            {"tech_size": "L", "chrt_id": 21, "details": ["48", "x"]},
            {"tech_size": "0", "chrt_id": 22},
        ],
    },
}

HISTORY = [
    {"dt": 1726963200, "price": {"RUB": 246360}},
    {"dt": 1726358400, "price": {"RUB": 321075}},
]

MENU = {
    "id": 1,
    "name": "Женщинам",
    "url": "/catalog/zhenshchinam",
    "childs": [
        {"id": 2, "name": "Одежда", "url": "/a", "childs": [{"id": 3, "name": "x", "url": "y"}]},
        {"id": 4, "name": "Обувь", "url": "https://digital.wildberries.ru/b", "childs": None},
    ],
}


def parse_all(document, **options):
    items = ADAPTER.split(document, Source(options=options))
    return [ADAPTER.parse(item) for item in items]


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]
