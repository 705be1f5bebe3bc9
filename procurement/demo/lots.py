"""The lots of the demonstration: products, customers, providers and outcomes.

The organizations are invented: their names contain "Demo", and their tax numbers start with 9,
unlike real ones.
"""

from random import Random
from typing import NamedTuple

from marketplace.demo import draw

LOTS = 2000

#: Number of customers and providers per LOTS lots.
_CUSTOMER_COUNT = 260
_PROVIDER_COUNT = 420

#: Higher than real ids.
FIRST_ID = 90_000_000

#: The forms in which the platform publishes lots, and their percentages.
FORMS = {"auction": 58, "shop_deal": 10, "national_deal": 6, "shop": 16, "tender": 10}

#: Code and name of a category; below it its products: name, unit, price in thousands of so'm.
_CATEGORIES = """\
119460; Оборудование компьютерное, электронное и оптическое
> Моноблок, шт, 7800; Принтер лазерный, шт, 2900; Монитор, шт, 1700; Сервер, шт, 64000
122645; Мебель
> Парта школьная, шт, 850; Стул офисный, шт, 620; Шкаф для документов, шт, 1900
113434; Бумага и изделия из бумаги
> Бумага А4, пачка, 48; Тетрадь 96 листов, шт, 9; Папка-регистратор, шт, 26
115349; Средства лекарственные и материалы, применяемые в медицинских целях
> Перчатки медицинские, пара, 2; Бинт стерильный, шт, 5; Раствор натрия хлорида, флакон, 8
109122; Продукты пищевые
> Мука пшеничная, кг, 7; Рис, кг, 16; Масло растительное, л, 19; Говядина, кг, 98
113821; Кокс и нефтепродукты
> Бензин АИ-92, л, 12; Топливо дизельное, л, 13; Масло моторное, л, 65
117359; Изделия резиновые и пластмассовые
> Шина легковая, шт, 780; Труба полиэтиленовая, м, 34; Плёнка, м2, 6
120182; Оборудование электрическое
> Светильник светодиодный, шт, 140; Кабель медный, м, 22; Трансформатор, шт, 41000
120735; Машины и оборудование, не включенные в другие группировки
> Насос центробежный, шт, 6400; Кондиционер, шт, 5200; Холодильная камера, шт, 34000
122010; Средства автотранспортные, прицепы и полуприцепы
> Автомобиль легковой, шт, 152000; Микроавтобус, шт, 298000; Прицеп, шт, 31000
117611; Продукты минеральные неметаллические прочие
> Цемент М400, т, 780; Кирпич жжёный, шт, 1; Щебень, м3, 95
118845; Изделия металлические готовые, кроме машин и оборудования
> Профиль металлический, м, 38; Дверь металлическая, шт, 2300; Ограждение, м, 170
112246; Одежда
> Спецодежда, компл, 340; Форма школьная, компл, 290; Халат медицинский, шт, 120
114027; Вещества химические и продукты химические
> Краска водоэмульсионная, кг, 21; Удобрение азотное, т, 3900; Реагент, кг, 47
113765; Услуги печатные и услуги по копированию звуко- и видеозаписей
> Печать учебников, экз, 38; Печать бланков, экз, 1; Ламинирование, лист, 3
"""

#: Id and name of a region in the platform's list, and its Uzbek name.
REGIONS = (
    (2105, "город Ташкент", "Toshkent shahri"),
    (1413, "Самаркандская область", "Samarqand viloyati"),
    (2434, "Ферганская область", "Farg'ona viloyati"),
    (2, "Андижанская область", "Andijon viloyati"),
    (242, "Бухарская область", "Buxoro viloyati"),
    (1150, "Наманганская область", "Namangan viloyati"),
    (679, "Кашкадарьинская область", "Qashqadaryo viloyati"),
    (2858, "Хорезмская область", "Xorazm viloyati"),
    (1008, "Навоийская область", "Navoiy viloyati"),
    (3049, "Республика Каракалпакстан", "Qoraqalpog'iston Respublikasi"),
)

#: Names of customers, and whether they are financed by the state budget.
_CUSTOMERS = (
    ("Demo {}-son umumta'lim maktabi", True),
    ("Demo {}-sonli davlat maktabgacha ta'lim tashkiloti", True),
    ("Demo tuman tibbiyot birlashmasi №{}", True),
    ("Demo {}-son politexnikum", True),
    ("Demo obodonlashtirish boshqarmasi №{}", True),
    ('"DEMO SUV TAMINOTI {}" AJ', False),
    ('ГУП "DEMO ENERGO TARMOQ {}"', False),
)
#: Names of providers, and whether their tax numbers are published.
_PROVIDERS = (
    ('OOO "DEMO OSIYO TRADE {}"', True),
    ('"DEMO BUILDINGS {}" MCHJ', True),
    ("DEMO IMPEX SAVDO {} XK", True),
    ('MCHJ "DEMO TEXNO PLUS {}"', True),
    ("YTT DEMO TADBIRKOR {}", False),
)
_COUNTRIES = ("O'zbekiston", "O'zbekiston", "Xitoy", "Rossiya", "Turkiya", "Boshqa")


class Product(NamedTuple):
    """A product; its price is in so'm."""

    name: str
    unit: str
    price: int


class Category(NamedTuple):
    """A category of the platform with its products."""

    code: int
    name: str
    products: tuple[Product, ...]


class Organization(NamedTuple):
    """A customer or a provider; `region` is an index of REGIONS."""

    name: str
    inn: str | None
    region: int
    is_budget: bool


class Item(NamedTuple):
    """An item of a lot."""

    product: Product
    quantity: int
    price: int
    country: str


class Timeline(NamedTuple):
    """The days of the demonstration on which a lot is opened, closed, decided and paid."""

    opened: float
    closed: float
    decided: float
    paid: float


class Lot(NamedTuple):
    """A lot and its outcome.

    :param start_cost: None if the platform does not publish it
    :param deal_cost: None if the lot ends without a deal
    """

    number: int
    form: str
    category: Category
    items: tuple[Item, ...]
    customer: Organization
    provider: Organization
    timeline: Timeline
    bidders: int
    start_cost: int | None
    deal_cost: int | None

    @property
    def lot_id(self) -> int:
        """The id of the lot on the platform."""
        return FIRST_ID + self.number

    def has_deal(self, day: int) -> bool:
        """Return whether the lot has a deal on a day."""
        return self.deal_cost is not None and self.timeline.decided <= day


def _read_categories() -> tuple[Category, ...]:
    lines = iter(_CATEGORIES.splitlines())
    categories = []
    for head, products in zip(lines, lines, strict=True):
        code, name = head.split("; ")
        columns = (product.split(", ") for product in products.removeprefix("> ").split("; "))
        bought = (Product(title, unit, int(price) * 1000) for title, unit, price in columns)
        categories.append(Category(int(code), name, tuple(bought)))
    return tuple(categories)


CATEGORIES = _read_categories()


def invent_timeline(number: int, days: int) -> Timeline:
    """Return the timeline of a lot. It depends on the number only."""
    random = draw("course", number)
    opened = random.uniform(-8, days - 1)
    closed = opened + random.uniform(4, 11)
    return Timeline(opened, closed, closed + 0.04, closed + random.uniform(5, 40))


def invent_lot(number: int, timeline: Timeline) -> Lot:
    """Return a lot. It depends on its number and timeline only."""
    random = draw("lot", number)
    form = random.choices(list(FORMS), list(FORMS.values()))[0]
    category = random.choice(CATEGORIES)
    items = _invent_items(random, form, category)
    cost = sum(item.price * item.quantity for item in items)
    is_failed = random.random() < 0.12 or form in ("shop", "tender")
    saved = random.triangular(0, 0.4, 0.06)
    block = number // LOTS
    return Lot(
        number,
        form,
        category,
        items,
        _customer(random.randrange(_CUSTOMER_COUNT) + block * _CUSTOMER_COUNT),
        _provider(random.randrange(_PROVIDER_COUNT) + block * _PROVIDER_COUNT),
        timeline,
        random.randint(1, 24),
        None if form.endswith("deal") and random.random() < 0.05 else cost,
        None if is_failed else round(cost * (1 - saved) / 100) * 100,
    )


def _invent_items(random: Random, form: str, category: Category) -> tuple[Item, ...]:
    """Return the items of a lot: several for an auction, otherwise one."""
    lines = random.randint(4, 11) if form == "auction" else 1
    return tuple(_invent_item(random, random.choice(category.products)) for _ in range(lines))


def _invent_item(random: Random, product: Product) -> Item:
    # Cheap products are bought in large quantities.
    limit = 2000 if product.price < 100_000 else 60 if product.price < 5_000_000 else 4
    price = round(product.price * random.uniform(0.8, 1.25) / 100) * 100
    return Item(product, random.randint(1, limit), price, random.choice(_COUNTRIES))


def _customer(number: int) -> Organization:
    name, is_budget = _CUSTOMERS[number % len(_CUSTOMERS)]
    region = number * 7 % 13 % len(REGIONS)
    full_name = f"{name.format(number)}, {REGIONS[region][2]}"
    return Organization(full_name, str(900_000_000 + number), region, is_budget)


def _provider(number: int) -> Organization:
    name, has_inn = _PROVIDERS[number % len(_PROVIDERS)]
    inn = str(950_000_000 + number) if has_inn else None
    return Organization(name.format(number), inn, number % len(REGIONS), is_budget=False)
