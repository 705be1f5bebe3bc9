"""The corpus of the benchmark: invented product responses of Uzum Market in the UZ-API shape.

A response is a function of the product number and the visit, so it is the same on each machine.
It has the parts of a real one: the envelope with `seo`, which repeats photos and SKUs, the
timestamp of the API, the category with its ancestors, the seller, and SKUs that refer to the
characteristics. It is a third as large as a real one: photos have two sizes instead of nine, and
fields that are empty in all SKUs are omitted. The data is as hard to compress as real ones: texts
are described in `bench.words`, and keys of photos, ids, barcodes, prices, amounts and dates are
random.

800 products have 30 sellers and 5 categories, some of which are much more frequent than others.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import orjson

from bench import words
from bench.words import RUSSIAN, UZBEK
from marketplace.loading.adapters import Payload

#: The first observation of the first product, and the time between the observations of products.
START = datetime(2026, 6, 1, tzinfo=UTC)
STEP = timedelta(seconds=0.1)

#: The number of consecutive products that share sellers and categories.
BLOCK = 20_000
SELLERS = BLOCK * 30 // 800
CATEGORIES = BLOCK * 5 // 800

#: Spreads ids over a range without an order. It is coprime to both ranges.
_FACTOR = 7_654_321
_PRODUCT_IDS = 9_000_000
_OFFER_IDS = 90_000_000

#: Number of SKUs → products of 100 that have so many; 2.85 on average.
_SKU_WEIGHTS = {1: 42, 2: 17, 3: 12, 4: 10, 5: 7, 6: 5, 8: 3, 10: 3, 12: 1}
_SKU_COUNTS = list(_SKU_WEIGHTS)
_SKU_CHANCES = list(accumulate(_SKU_WEIGHTS.values()))

_AXES = (
    ("Цвет", "Rang", ("Черный", "Белый", "Серый", "Синий", "Красный", "Бежевый")),
    ("Размер", "O‘lcham", ("XS", "S", "M", "L", "XL", "XXL", "3XL")),
    ("Память", "Xotira", ("64 ГБ", "128 ГБ", "256 ГБ", "512 ГБ")),
    ("Объём", "Hajm", ("50 мл", "100 мл", "200 мл", "500 мл", "1 л")),
)
_PHOTO_FILES = {"800": "original.jpg", "540": "t_product_540_high.jpg"}
_KEY = "0123456789abcdefghijklmnopqrstuv"


class Visit(NamedTuple):
    """A visit of the scraper, and the changes of the products until then.

    :param share: the share of the offers whose price differs from that of the first visit
    :param days: days since the first visit
    :param is_whole: whether all products are observed again; if not, products without a changed
        price have the responses of the first visit, byte for byte
    :param extra: the share of the products that have one more SKU than in other visits
    """

    name: str
    share: float = 0.0
    days: int = 0
    is_whole: bool = False
    extra: float = 0.0


FIRST = Visit("first")
#: A reload with 10% of the prices changed.
CHANGED = Visit("changed", share=0.1, days=1)
#: All products observed again after CHANGED, without changes.
RESCRAPED = Visit("rescraped", share=0.1, days=2, is_whole=True)
#: The first day at full scale, where 800,000 products have 2.7 million offers, and the next day.
FULL_FIRST = Visit("full_first", extra=0.53)
FULL_NEXT = Visit("full_next", share=0.05, days=1, is_whole=True, extra=0.53)


def lines(numbers: range, visit: Visit = FIRST) -> Iterator[bytes]:
    """Yield the responses of products as JSON lines."""
    for number in numbers:
        yield orjson.dumps(document(number, visit), option=orjson.OPT_APPEND_NEWLINE)


def document(number: int, visit: Visit = FIRST) -> Payload:
    """Return the response for a product."""
    random = Random(f"product {number}")
    prices = _changes(number, visit)
    is_later = visit.is_whole or any(factor != 1 for factor in prices)
    data = _product(random, number, prices)
    seo = {
        "uzTitle": data["localizableTitle"]["uz"],
        "ruTitle": data["localizableTitle"]["ru"],
        "characteristics": data["characteristics"],
        "sellerTitle": data["seller"]["title"],
        **{name: data[name] for name in ("rating", "reviewsAmount", "skuList", "photos")},
    }
    clock = START + number * STEP + timedelta(days=visit.days if is_later else 0)
    # The API publishes UTC without a zone, with nanoseconds.
    timestamp = f"{clock:%Y-%m-%dT%H:%M:%S.%f}{number % 1000:03}"
    return {"payload": {"data": data, "seo": seo}, "timestamp": timestamp}


def _changes(number: int, visit: Visit) -> list[float]:
    """Return the factor of each SKU by which its price differs from that of the first visit."""
    random = Random(f"prices {number}")
    [count] = random.choices(_SKU_COUNTS, cum_weights=_SKU_CHANCES)
    count += random.random() < visit.extra
    chances = [(random.random(), random.choice((0.8, 0.9, 0.95, 1.05))) for _ in range(count)]
    return [factor if chance < visit.share else 1 for chance, factor in chances]


def _product(random: Random, number: int, prices: list[float]) -> Payload:
    is_russian = random.random() < 0.6
    title = {"uz": _title(random, UZBEK), "ru": _title(random, RUSSIAN)}
    characteristics, pointers = _characteristics(random, len(prices), is_russian)
    skus = [
        _sku(random, number * 16 + place, factor, pointers[place])
        for place, factor in enumerate(prices)
    ]
    orders = int(random.paretovariate(0.7)) % 20_000
    return {
        "id": 1_000_000 + number * _FACTOR % _PRODUCT_IDS,
        "title": title["ru" if is_russian else "uz"],
        "localizableTitle": title,
        "category": _category(random, number // BLOCK),
        "rating": round(random.uniform(3.5, 5), 1) if orders > 1 else 0,
        "reviewsAmount": orders // 4,
        "ordersAmount": orders,
        "rOrdersAmount": orders // 10 * 10,
        "totalAvailableAmount": sum(sku["availableAmount"] for sku in skus),
        "charityCommission": 0,
        "description": _description(random, RUSSIAN if is_russian else UZBEK),
        **{name: [] for name in ("comments", "attributes", "tags", "synonyms")},
        "photos": [_photo(random) for _ in range(1 + int(random.random() * 3.6))],
        "video": None,
        "hasCircularPhotos": False,
        "circularPhotosList": [],
        "characteristics": characteristics,
        "productOptionDtos": [],
        "skuList": skus,
        "seller": _seller(random, number // BLOCK),
        "topFeedback": None,
        "isEco": random.random() < 0.01,
        "isPerishable": random.random() < 0.05,
        "hasVerticalPhoto": random.random() < 0.5,
        **dict.fromkeys(("showKitty", "bonusProduct"), False),
        "badges": [],
        "volumeDiscount": None,
        "disclaimer": None,
        "fastDeliveryInfo": skus[0]["fastDeliveryInfo"],
        "returnsInfo": {"link": "https://uzum.uz/uz/faq#onlayn-tolovni-qaytarish"},
        "originality": {"isOriginal": random.random() < 0.2},
        "warranty": "12 oy" if random.random() < 0.2 else None,
        **dict.fromkeys(("colorPhotoPreview", "adultCategory", "favourite"), False),
    }


def _title(random: Random, language: words.Language) -> str:
    count = 4 + int(random.random() * 7)
    named = f" {words.code(random)}" if random.random() < 0.4 else ""
    return words.phrase(random, language, count) + named


def _description(random: Random, language: words.Language) -> str:
    # Most descriptions are short, and some are very long.
    length = min(int(random.lognormvariate(5.8, 1.0)), 40_000)
    paragraphs = max(1, length // 300)
    text = "".join(
        f"<p>{words.text(random, language, length // paragraphs)}</p>" for _ in range(paragraphs)
    )
    if random.random() < 0.3:
        text += f'<p><img src="https://images.uzum.uz/{_key(random)}/original.jpg" /></p>'
    return text


def _key(random: Random) -> str:
    return "".join(random.choices(_KEY, k=20))


def _photo(random: Random) -> Payload:
    key = _key(random)
    sizes = {
        size: {
            "high": f"https://images.uzum.uz/{key}/{name}",
            "low": f"https://images.uzum.uz/{key}/{name.replace('high', 'low')}",
        }
        for size, name in _PHOTO_FILES.items()
    }
    return {"photo": sizes, "photoKey": key, "color": None, "hasVerticalPhoto": False}


def _characteristics(
    random: Random, count: int, is_russian: bool
) -> tuple[list[Payload], list[list[Payload]]]:
    """Return the characteristics of a product, and the positions of each SKU's values."""
    if count == 1:
        return [], [[]]
    chosen = random.sample(_AXES, 2)
    first = len(chosen[0][2])
    values = [
        [{"title": value, "value": value} for value in chosen[0][2][:count]],
        [{"title": value, "value": value} for value in chosen[1][2][: (count - 1) // first + 1]],
    ]
    characteristics = [
        {"title": axis[0 if is_russian else 1], "values": entries}
        for axis, entries in zip(chosen, values, strict=True)
    ]
    pointers = [
        [
            {"charIndex": 0, "valueIndex": place % first},
            {"charIndex": 1, "valueIndex": place // first},
        ]
        for place in range(count)
    ]
    return characteristics, pointers


def _sku(random: Random, number: int, factor: float, pointers: list[Payload]) -> Payload:
    full = int(random.lognormvariate(11.8, 1.1)) // 100 * 100 + 1000
    price = int(full * random.choice((1, 1, 0.93, 0.85, 0.7)) * factor)
    is_ours = random.random() < 0.5
    days = 1 + int(random.random() * 6)
    due = START + timedelta(days=days, seconds=random.random() * 86_400)
    return {
        "id": 10_000_000 + number * _FACTOR % _OFFER_IDS,
        "characteristics": pointers,
        "availableAmount": int(random.random() ** 3 * 200),
        "fullPrice": full,
        "purchasePrice": price,
        "barcode": 1_000_000_000_000 + int(random.random() * 10**12),
        "installment": None,
        "productOptionDtos": [_installment(price)] if random.random() < 0.15 else [],
        "vat": {"type": "VAT0", "vatAmount": 0, "price": price, "vatRate": 0},
        "stock": {
            "type": "FBO" if is_ours else "FBS",
            "deliveryDays": days,
            "deliveryTitle": f"{due.day}-iyun orasida yetkazamiz",
            "deliveryDate": int(due.timestamp() * 1000),
        },
        "discount": None,
        "fastDeliveryInfo": _fast_delivery(days) if is_ours and days == 1 else None,
        "oversized": False,
    }


def _installment(price: int) -> Payload:
    return {
        "optionId": 1,
        "text": "Рассрочка Uzum Nasiya",
        "type": "UZUM_INSTALLMENT",
        "paymentInfo": f"Oyiga {price // 12:,} so‘mdan muddatli tolov".replace(",", " "),
        "paymentPerMonth": price // 12,
        "period": 12,
        "active": True,
    }


def _fast_delivery(days: int) -> Payload:
    badge = {"text": "Uzum Market ombori", "color": "#7000FF"}
    return {"title": f"Yetkazib berish {days} kundan boshlab", "badge": badge}


def _category(random: Random, block: int) -> Payload:
    """Return one of the categories of a block, with its ancestors."""
    # The second half of the numbers are leaves. There are four levels of increasing size.
    place: int | None = CATEGORIES // 2 + int(random.random() ** 2 * (CATEGORIES // 2 + 1))
    chain = []
    while place is not None:
        chain.append(place)
        place = _parent(place)
    category: Payload | None = None
    for node in reversed(chain):
        number = block * CATEGORIES + node
        generator = Random(f"category {number}")
        category = {
            "id": 10_000 + number,
            "title": words.phrase(generator, UZBEK, 2 + node % 2),
            "productAmount": int(generator.paretovariate(0.5)) % 50_000,
            "parent": category,
        }
    return category or {}


def _parent(place: int) -> int | None:
    """Return the position of a category's parent; None for a root."""
    roots, groups = CATEGORIES // 20, CATEGORIES // 5
    if place < roots:
        return None
    if place < groups:
        return place % roots
    if place < CATEGORIES // 2:
        return roots + place % (groups - roots)
    return groups + place % (CATEGORIES // 2 - groups)


def _seller(random: Random, block: int) -> dict[str, Any]:
    """Return one of the sellers of a block. A few sellers have most of the products."""
    number = block * SELLERS + int(random.random() ** 2 * SELLERS)
    generator = Random(f"seller {number}")
    name = words.phrase(generator, UZBEK, 1 + number % 2)
    return {
        "id": 20_000 + number,
        "title": name,
        "link": f"{name.lower().replace(' ', '-')}-{number}",
        "banner": None,
        "avatar": None,
        "description": words.text(generator, UZBEK, 40),
        "hasCharityProducts": False,
        "registrationDate": 1_600_000_000_000 + int(generator.random() * 1.6e11),
        "rating": round(generator.uniform(3.8, 5), 1),
        "reviews": int(generator.paretovariate(0.5)) % 100_000,
        "orders": int(generator.paretovariate(0.4)) % 500_000,
        "official": generator.random() < 0.05,
        **{name: [] for name in ("contacts", "categories", "filters", "appliedFilters")},
        "currentCategory": None,
        "priceFilter": None,
        "totalProducts": 0,
        "sellerAccountId": 12_000_000 + number,
        "info": None,
    }
