"""The market of the demonstration: which shop sells which good, with which title and prices.

All values are functions of the platform and a number, so there is no state.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, islice
from random import Random
from typing import NamedTuple

from ecommerce.demo.catalog import Good, Name, Variant, goods
from marketplace.demo import DAYS, RATES, Feed, draw, time_of
from marketplace.loading.adapters import Payload

#: Higher than real ids: the link of an invented product must not lead to a real one.
FIRST_ID = 9_000_000_000

#: Prices are rounded to multiples of this, but to at least three significant digits.
_STEPS = {"UZS": 1000, "RUB": 1, "KZT": 10}

_SHOP_WORDS = (
    ("Tech", "Smart", "Ipak", "Orient", "Registon", "Humo", "Navro'z", "Asia", "Mega", "Nur"),
    ("Market", "Savdo", "Store", "Plaza", "Trade", "Shop", "Bozor", "House", "Line", "Center"),
)


class State(NamedTuple):
    """The prices of a product from a day on, as factors of the base price."""

    day: int
    price: float
    old_price: float | None
    in_stock: bool


class Card(NamedTuple):
    """A product of a platform: one good in one shop.

    :param copy: number of earlier shops of the platform with the same good
    """

    platform: str
    number: int
    good: Good
    copy: int
    walk: tuple[State, ...]

    def state(self, day: int) -> State:
        """Return the state on a day."""
        return next(state for state in reversed(self.walk) if state.day <= day)

    @property
    def product_id(self) -> int:
        """The platform's id of the product."""
        return FIRST_ID + 1000 + self.number * 7

    def offer_id(self, number: int) -> int:
        """Return the platform's id of the product's variant."""
        return FIRST_ID * 10 + self.number * 20 + number


class Shop(NamedTuple):
    """A seller of a platform."""

    number: int
    name: str
    rating: float
    review_count: int
    is_official: bool


#: Returns the platform's documents for the cards that are seen on a day.
Writer = Callable[[list[Card], int], Iterator[Payload]]


def feeds(platform: str, cards: list[Card], write: Writer) -> Iterator[Feed]:
    """Yield a feed per day: all cards on the first and last day, otherwise the changed ones."""
    changed = defaultdict(list)
    for card in cards:
        for state in card.walk[1:]:
            changed[state.day].append(card)
    for day in range(DAYS + 1):
        shown = cards if day in (0, DAYS) else changed[day]
        if shown:
            name = f"demo-{platform}-{time_of(day):%Y-%m-%d}"
            yield Feed(platform, name, time_of(day), write(shown, day))


def cards(platform: str, amount: int, can_run_out: bool = True) -> list[Card]:
    """Return `amount` products of a platform.

    :param can_run_out: whether the platform shows products that are out of stock
    """
    return [
        Card(platform, number, good, copy, walk((platform, number), can_run_out))
        for number, (good, copy) in enumerate(islice(_copies(platform), amount))
    ]


def _copies(platform: str) -> Iterator[tuple[Good, int]]:
    """Yield goods with the numbers of the shops that sell them, without end."""
    sold = assortment(platform)
    for good in sold:
        yield from ((good, copy) for copy in range(good.popularity))
    for further in count():
        yield from ((good, good.popularity + further) for good in sold)


def assortment(platform: str, kinds: frozenset[str] | None = None) -> list[Good]:
    """Return the goods that are sold on a platform or in one shop.

    :param kinds: keys of the kinds to include; all if None
    """
    random = draw("assortment", platform)
    sold = [
        good
        for good in goods()
        if (kinds is None or good.kind.key in kinds)
        and (good.popularity > 1 or random.random() < 0.8)
    ]
    random.shuffle(sold)
    # Popular goods come first, so that the smallest platform has them, too.
    return sorted(sold, key=lambda good: -good.popularity)


def walk(key: tuple[str, int], can_run_out: bool) -> tuple[State, ...]:
    """Return the states of a product over the days of the demonstration."""
    random = draw("walk", *key)
    steps = _steps(random)
    promotion = _period(random, 0.4, 5, 20)
    share = random.uniform(0.72, 0.92)
    gap = _period(random, 0.2, 3, 25) if can_run_out else range(0)
    days = {0, *(day for day, _ in steps)}
    days |= {day for period in (promotion, gap) if period for day in (period.start, period.stop)}
    level, states = random.uniform(0.93, 1.09), []
    for day in sorted(day for day in days if 0 <= day < DAYS):
        for step_day, factor in steps:
            level *= factor if step_day == day else 1
        is_promoted = day in promotion
        price = level * share if is_promoted else level
        states.append(State(day, price, level if is_promoted else None, day not in gap))
    return tuple(states)


def _steps(random: Random) -> list[tuple[int, float]]:
    """Return the days of permanent price changes, with their factors."""
    times = random.choices((0, 1, 2, 3), (20, 40, 28, 12))[0]
    small = (random.choice((-1, 1)) * random.uniform(0.02, 0.06) for _ in range(times))
    steps = [(random.randint(1, DAYS - 1), 1 + change) for change in small]
    if random.random() < 0.06:
        steps.append((random.randint(1, DAYS - 1), random.uniform(0.5, 0.7)))
    return steps


def _period(random: Random, probability: float, shortest: int, longest: int) -> range:
    """Return a period of days, which may be empty or extend beyond the demonstration."""
    start, length = random.randint(-10, DAYS - 5), random.randint(shortest, longest)
    return range(start, start + length) if random.random() < probability else range(0)


def price(good: Good, variant: Variant, part: float, currency: str) -> int:
    """Return a price in a currency, rounded as shops round prices."""
    amount = good.price * variant.factor * part / RATES[currency]
    step = min(_STEPS[currency], int(10 ** max(0, len(str(int(amount))) - 3)))
    return round(amount / step) * step


def stock(card: Card, number: int, day: int) -> int:
    """Return the number of units of a variant in stock."""
    return 1 + (card.number * 13 + number * 29 + day * 3) % 40 if card.state(day).in_stock else 0


def order_count(card: Card, day: int) -> int:
    """Return the number of orders of the product up to a day."""
    popularity = card.number * 31 % 97
    return popularity * 12 + popularity * day // 40


def rating(card: Card) -> float:
    """Return the product's rating; 0 if it has none."""
    return 0 if card.number % 11 == 5 else round(3.8 + card.number * 17 % 13 / 10, 1)


def shop_number(card: Card, number: int, products: int, shops: int) -> int:
    """Return the number of the shop that sells the product, or that has offer `number` on its page.

    Copies of a good have different shops. Each block of `products` products has its own `shops`
    shops, so a larger scale does not change the shops of existing products.
    """
    first = draw("shop", card.platform, card.good.name.ru).randrange(shops)
    return (first + (card.copy + number) * 7) % shops + card.number // products * shops


@lru_cache(maxsize=4096)
def shop(platform: str, number: int) -> Shop:
    """Return one of the platform's shops."""
    random = draw("shop", platform, number)
    first, second = _SHOP_WORDS
    name = f"{first[number % 10]} {second[number // 10 % 10]}"
    return Shop(
        number,
        name if number < 100 else f"{name} {number}",
        round(random.uniform(3.9, 5.0), 1),
        random.randint(3, 9000),
        random.random() < 0.1,
    )


def title(card: Card) -> Name:
    """Return the product's title: the name of the good, or a variation of it as sellers write."""
    good, form = card.good, draw("title", card.platform, card.number).randrange(10)
    if form < 6 or (good.popularity > 1 and card.copy < 2):
        return good.name
    brand = "" if good.brand in good.name.ru else f"{good.brand} "
    noun_ru, noun_uz = good.kind.noun
    return (
        Name(f"{noun_ru} {brand}{good.name.ru}", f"{brand}{good.name.uz} {noun_uz}"),
        Name(f"{brand}{good.name.ru}, оригинал", f"{brand}{good.name.uz}, original"),
        Name(f"{brand}{good.name.ru} новинка 2026", f"{brand}{good.name.uz} yangi 2026"),
        Name(f"{good.name.ru} / {noun_ru.lower()}", f"{good.name.uz} / {noun_uz}"),
    )[form - 6]


def description(card: Card) -> Name:
    """Return the seller's description of the product."""
    good = card.good
    noun_ru, noun_uz = good.kind.noun
    category = good.kind.path[2]
    return Name(
        f"{noun_ru} {good.name.ru} бренда {good.brand}. Новый товар в заводской упаковке, "
        f"доставка по Узбекистану, гарантия продавца. Раздел «{category.ru}»: сравните "
        "характеристики и выберите подходящий вариант.",
        f"{good.name.uz} — {good.brand} brendining {noun_uz} mahsuloti. Yangi, zavod qadog'ida, "
        f"O'zbekiston bo'ylab yetkazib berish, sotuvchi kafolati. «{category.uz}» bo'limi: "
        "xususiyatlarini solishtiring va o'zingizga mosini tanlang.",
    )


def barcode(good: Good, variant: Variant) -> int:
    """Return the EAN-13 of a variant, the same on all platforms. Prefix 2 is never assigned."""
    return _barcode(good.name.ru, variant.values)


@lru_cache(maxsize=8192)
def _barcode(name: str, values: tuple[str, ...]) -> int:
    # The prefix of Uzbekistan.
    digits = str(478 * 10**9 + draw("barcode", name, *values).randrange(10**9))
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return int(digits) * 10 + -weighted % 10
