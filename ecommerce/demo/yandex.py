"""Yandex Market in the demonstration: price lists of three shops (YML) and product pages (YM-PAGE).

Each visit returns the price lists first, then the pages.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import NamedTuple

from ecommerce.demo import market
from ecommerce.demo.catalog import Good, Variant, kinds
from ecommerce.demo.market import FIRST_ID, Card
from marketplace.demo import DAYS, Feed, draw, time_of
from marketplace.loading.adapters import Payload

PLATFORM = "yandex"
PAGES = 300
BUSINESSES = 40

#: Units of old prices per so'm.
_UNITS = 10**7


class PriceList(NamedTuple):
    """A shop that publishes a price list, in which each variant is a separate offer.

    :param key: unique key; the offers of each shop are numbered separately
    """

    key: str
    name: str
    currency: str
    offers: int
    kinds: frozenset[str]


def _kinds_under(*roots: str) -> frozenset[str]:
    return frozenset(key for key, kind in kinds().items() if kind.path[0].ru in roots)


_ELECTRONICS = _kinds_under("Электроника", "Компьютеры")
_HOME = _kinds_under("Бытовая техника", "Дом", "Детские товары")

PRICE_LISTS = (
    PriceList("tulpar", "Tulpar Electronics", "KZT", 560, _ELECTRONICS),
    PriceList("dala", "Dala Home", "KZT", 240, _HOME),
    PriceList("seoul", "Seoul Garden", "RUR", 200, _kinds_under("Красота")),
)


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the platform's feeds."""
    # A shop sells each good once, so a larger scale has more shops.
    branches = [_branch(shop, number) for number in range(scale) for shop in PRICE_LISTS]
    shops = {f"{PLATFORM}-{shop.key}": shop for shop in branches}
    cards = [card for part, shop in shops.items() for card in _price_list_cards(part, shop)]
    cards += market.cards(PLATFORM, PAGES * scale)

    def write(seen: list[Card], day: int) -> Iterator[Payload]:
        for part, group in groupby(seen, key=lambda card: card.platform):
            if part in shops:
                yield from _price_list(shops[part], group, day)
            else:
                yield from (_page(card, day) for card in group)

    return market.feeds(PLATFORM, cards, write)


# Price lists


def _branch(shop: PriceList, number: int) -> PriceList:
    if number == 0:
        return shop
    return shop._replace(key=f"{shop.key}{number + 1}", name=f"{shop.name} {number + 1}")


def _price_list_cards(part: str, shop: PriceList) -> Iterator[Card]:
    """Yield a card for each variant, as a good with that variant only."""
    variants = (
        (good._replace(variants=(variant,)), place)
        for good in market.assortment(part, shop.kinds)
        for place, variant in enumerate(good.variants)
    )
    for number, (good, place) in enumerate(islice(variants, shop.offers)):
        yield Card(part, number, good, place, market.walk((part, number), True))


def _price_list(shop: PriceList, cards: Iterator[Card], day: int) -> Iterator[Payload]:
    head = {
        "date": f"{time_of(day):%Y-%m-%d %H:%M}",
        "name": shop.name,
        "company": shop.name,
        "url": f"https://{shop.key}.example",
        "comment": "",
    }
    if day in (0, DAYS):
        for category in _categories(shop):
            yield {"yml_catalog": head, "category": category}
    for card in cards:
        yield {"yml_catalog": head, "offer": _offer(shop, card, day)}


def _categories(shop: PriceList) -> Iterator[Payload]:
    """Yield the categories of all levels, each once and after its parent."""
    known: dict[str, str] = {}
    for kind in kinds().values():
        if kind.key not in shop.kinds:
            continue
        parent: dict[str, str] = {}
        for depth, name in enumerate(kind.path):
            number = str(kind.number) if depth == 2 else str(1000 + len(known))
            if name.ru not in known or depth == 2:
                known[name.ru] = number
                yield {"@id": number, **parent, "#text": name.ru}
            parent = {"@parentId": known[name.ru]}


def _offer(shop: PriceList, card: Card, day: int) -> Payload:
    good, state = card.good, card.state(day)
    [variant] = good.variants
    left = market.stock(card, 0, day)
    offer = {
        "@id": str(100_000 + card.number),
        "@available": "true" if left else "false",
        "url": [f"https://{shop.key}.example/p/{card.number}"],
        "price": [_published(shop, good, variant, state.price)],
        "currencyId": [shop.currency],
        "categoryId": [str(good.kind.number)],
        "picture": [f"https://{shop.key}.example/img/{card.number}.jpg"],
        "vendor": [good.brand],
        "vendorCode": [f"{shop.key[:2].upper()}{card.number:06}"],
        "name": [_offer_name(card, variant)],
        "description": [market.description(card).ru],
        "barcode": [str(market.barcode(good, variant))],
        "quantity": [str(left)],
        "param": [
            {"@name": axis.ru, "#text": value}
            for axis, value in zip(good.axes, variant.values, strict=True)
        ],
    }
    if state.old_price is not None:
        offer["oldprice"] = [_published(shop, good, variant, state.old_price)]
    return offer


def _published(shop: PriceList, good: Good, variant: Variant, part: float) -> str:
    amount = market.price(good, variant, part, "KZT" if shop.currency == "KZT" else "RUB")
    # Some shop systems publish decimals.
    return f"{amount}.0" if shop.currency == "RUR" else str(amount)


def _offer_name(card: Card, variant: Variant) -> str:
    # The first variant has the name of the good, the others append their values.
    return " ".join([card.good.name.ru, *(variant.values if card.copy else ())])


# Product pages


def _page(card: Card, day: int) -> Payload:
    offers = _page_offers(card, day)
    return {
        "json_ld": [_breadcrumb(card), _product_block(card, day, offers)],
        "product_snippets": {
            str(FIRST_ID + number): _tile(card, offer) for number, offer in enumerate(offers)
        },
        "offers": [record for offer in offers for record in _records(card, offer)],
    }


class PageOffer(NamedTuple):
    """The offer of one business for one variant on a page."""

    offer_id: str
    sku: int
    title: str
    price: int
    old_price: int | None
    stock: int
    business: int


def _page_offers(card: Card, day: int) -> list[PageOffer]:
    """Return three to six offers by different businesses."""
    random = draw("page", card.number)
    levels = [random.uniform(0.97, 1.06) for _ in range(random.randint(3, 6))]
    return [_page_offer(card, day, number, level) for number, level in enumerate(levels)]


def _page_offer(card: Card, day: int, number: int, level: float) -> PageOffer:
    good, state = card.good, card.state(day)
    variant, old = good.variants[number % len(good.variants)], state.old_price
    return PageOffer(
        offer_id=f"demo-{card.number}-{number}",
        sku=card.offer_id(number % len(good.variants)),
        title=" ".join([good.kind.noun.ru, good.name.ru, *variant.values]),
        price=market.price(good, variant, state.price * level, "UZS"),
        old_price=None if old is None else market.price(good, variant, old * level, "UZS"),
        stock=market.stock(card, number, day),
        business=FIRST_ID + market.shop_number(card, number, PAGES, BUSINESSES),
    )


def _breadcrumb(card: Card) -> Payload:
    path, number = card.good.kind.path, card.good.kind.number
    crumbs = [
        {
            "@type": "ListItem",
            "position": str(depth),
            "item": {"@id": f"/category/{_slug(card, depth)}?langPath=ru", "name": name.ru},
        }
        for depth, name in enumerate(path, 1)
    ]
    last = {"@id": f"/catalog--demo/{number}/list", "name": f"{path[2].ru} {card.good.brand}"}
    crumbs.append({"@type": "ListItem", "position": "4", "item": last})
    return {"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": crumbs}


def _slug(card: Card, depth: int) -> str:
    name = card.good.kind.path[depth - 1].uz.lower()
    return "demo-" + "".join(letter if letter.isalpha() else "-" for letter in name)


def _product_block(card: Card, day: int, offers: list[PageOffer]) -> Payload:
    reviews = market.order_count(card, day) // 5
    block: Payload = {
        "@context": "https://schema.org",
        "@type": "Product",
        "brand": card.good.brand,
        "image": f"https://avatars.mds.yandex.net/get-mpic/demo/{card.product_id}/orig",
        "description": market.description(card).ru,
        "name": f"{market.title(card).ru} — купить по низкой цене на Market Yandex Go",
        "offers": {
            "@type": "Offer",
            "availability": f"https://schema.org/{'InStock' if offers[0].stock else 'OutOfStock'}",
            "price": str(min(offer.price for offer in offers)),
            "priceCurrency": "UZS",
        },
        "url": f"https://market.yandex.uz/product--demo/{card.product_id}?sku={offers[0].sku}",
    }
    if market.rating(card) and reviews:
        stars = {"ratingValue": str(market.rating(card)), "reviewCount": str(reviews)}
        block["aggregateRating"] = {"@type": "AggregateRating", **stars}
    return block


def _tile(card: Card, offer: PageOffer) -> Payload:
    prices = {"actualPrice": {"amount": {"intPart": offer.price, "currency": "UZS"}}}
    if offer.old_price:
        prices["oldPrice"] = {"amount": {"intPart": offer.old_price, "currency": "UZS"}}
    return {
        "type": "MODEL_CARD_LAYOUT",
        "productPayload": {
            "title": {"value": offer.title},
            "price": prices,
            "wishlistButton": {
                "businessId": offer.business,
                "mskuId": offer.sku,
                "modelId": card.product_id,
                "offerId": offer.offer_id,
            },
        },
        "baobabPayload": {
            "type": "offer",
            "wareId": offer.offer_id,
            "modelId": card.product_id,
            "price": offer.price,
            "stockCount": offer.stock,
        },
    }


def _records(card: Card, offer: PageOffer) -> Iterator[Payload]:
    """Yield the two records of an offer on a page: one for display, one for scripts."""
    yield {
        "skuId": str(offer.sku),
        "productId": card.product_id,
        "price": {"value": offer.price, "currency": "UZS"},
        "offerId": offer.offer_id,
        "title": offer.title,
        "businessId": str(offer.business),
    }
    if offer.old_price:
        yield {
            "skuId": offer.sku,
            "productId": card.product_id,
            "price": {
                "value": offer.price * _UNITS,
                "currency": "UZS",
                "valueFmt": str(offer.price),
            },
            "oldPrice": offer.old_price * _UNITS,
            "offerId": offer.offer_id,
            "shopId": offer.business + 1000,
        }
