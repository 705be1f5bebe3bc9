"""Payloads of Ozon for tests."""

from ecommerce.platforms import ozon
from marketplace.loading.adapters import Adapter, Source

ADAPTER = Adapter("ozon", ozon.SHAPES)

HEAD = {"date": None, "name": None, "company": None, "url": None, "comment": ""}

STOCKED = {
    "@id": "5675",
    "price": ["124990"],
    "outlets": [{"outlet": [{"@instock": "3"}, {"@instock": "4", "@warehouse_name": "A"}]}],
}

ROOT = {
    "id": "10500",
    "title": "Бытовая техника",
    "url": "/category/bytovaya-tehnika-10500/",
    "countGoods": "64609",
    "columns": [
        {
            "categories": [
                {
                    "title": "Крупная",
                    "url": "/category/krupnaya-10501/",
                    "trackingInfo": {"click": {"key": "1mZj"}},
                    "categories": [{"title": "Печи", "url": "/category/pechi-10502/"}],
                },
            ]
        },
        {"categories": [{"title": "Мелкая", "url": "/category/melkaya-10503/"}]},
    ],
}


def parse_all(document, name="-", **options):
    return [ADAPTER.parse(item) for item in ADAPTER.split(document, Source(name, options))]


def of_type(parsed, record_type):
    return [record for record in parsed.records if isinstance(record, record_type)]
