"""The adverts of the demonstration: cars, flats, phones, furniture, jobs, giveaways.

An advert does not depend on the shape in which the platform publishes it. Prices in the tables are
in dollars for cars and flats, as on the market, and otherwise in thousands of so'm.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from marketplace.demo import END, RATES

#: Category; brand; model; body; price of the newest year; years of production.
_CARS = """\
983; Chevrolet; Cobalt; sedan; 12800; 2013-2026
983; Chevrolet; Gentra; sedan; 13400; 2013-2024
983; Chevrolet; Lacetti; sedan; 10900; 2009-2022
983; Chevrolet; Spark; hatchback; 9800; 2010-2022
983; Chevrolet; Nexia 3; sedan; 10700; 2016-2024
983; Chevrolet; Onix; sedan; 16200; 2022-2026
983; Chevrolet; Tracker; crossover; 19800; 2020-2026
983; Chevrolet; Malibu; sedan; 26500; 2012-2023
983; Chevrolet; Captiva; crossover; 17900; 2007-2022
983; Chevrolet; Damas; minivan; 8300; 2006-2026
991; Daewoo; Nexia; sedan; 5600; 1996-2016
991; Daewoo; Matiz; hatchback; 4700; 1998-2018
991; Daewoo; Tico; hatchback; 2300; 1993-2001
1023; Hyundai; Sonata; sedan; 27800; 2008-2025
1023; Hyundai; Elantra; sedan; 22400; 2010-2025
1023; Hyundai; Tucson; crossover; 31500; 2010-2026
1037; Kia; K5; sedan; 29300; 2014-2026
1037; Kia; Sportage; crossover; 30900; 2010-2026
1037; Kia; Carens; minivan; 21700; 2007-2025
1555; BYD; Song Plus; crossover; 27900; 2021-2026
1555; BYD; Chazor; sedan; 20900; 2022-2026
1107; Toyota; Camry; sedan; 38500; 2007-2026
1107; Toyota; Prado; crossover; 68000; 2005-2025
973; BMW; X5; crossover; 84000; 2004-2025
1055; Mercedes; E 200; sedan; 72000; 2000-2025
1109; Volkswagen; ID.4; crossover; 29500; 2021-2025
1115; ВАЗ; 2106; sedan; 1900; 1984-2005
1115; ВАЗ; 2107; sedan; 2300; 1985-2011
1115; ВАЗ; 2101; sedan; 1300; 1975-1988
1123; Москвич; 412; sedan; 1250; 1976-1997
1123; Москвич; 2141; hatchback; 1350; 1987-2000
1119; ЗАЗ; Таврия; hatchback; 1450; 1990-2006
1117; ГАЗ; 24 Волга; sedan; 1800; 1974-1992
"""

#: Relative frequency of brands that are not 1: cars that are built in the country are common.
_COMMON_CARS = {"Chevrolet": 6, "Daewoo": 5, "ВАЗ": 3, "ЗАЗ": 2, "Москвич": 2}

#: Category; type; price in thousands; Russian; Uzbek.
_GOODS = """\
85; goods; 7200; iPhone 13 128GB; iPhone 13 128GB ideal
85; goods; 8800; iPhone 14 Pro 256GB; iPhone 14 Pro 256GB sotiladi
85; goods; 11500; iPhone 15 Pro; iPhone 15 Pro holati a'lo
85; goods; 14900; iPhone 16 Pro 256GB; iPhone 16 Pro 256GB
85; goods; 3400; Samsung Galaxy A55; Samsung Galaxy A55 sotaman
85; goods; 7600; Samsung Galaxy S24; Samsung Galaxy S24 yangi
85; goods; 1900; Redmi Note 13; Redmi Note 13 sotiladi
85; goods; 900; Nokia кнопочный; Knopkali telefon
80; goods; 5400; Ноутбук HP 15, 16 ГБ; HP 15 noutbuk 16 GB
80; goods; 9900; MacBook Air M2; MacBook Air M2 sotiladi
80; goods; 8700; Игровой ноутбук ASUS TUF; O'yin noutbuki ASUS TUF
101; goods; 4700; PlayStation 5; PlayStation 5 ikki joystik bilan
511; goods; 3900; Диван угловой; Burchak divan
515; goods; 5200; Спальный гарнитур; Yotoqxona garnituri
523; goods; 7800; Кухонная мебель под заказ; Oshxona mebeli buyurtmaga
522; goods; 1700; Шкаф в прихожую; Dahliz uchun shkaf
525; goods; 1300; Стол офисный и кресло; Ofis stoli va kreslo
68; goods; 1400; Коляска детская 3 в 1; Bolalar aravachasi 3 tasi 1 da
543; goods; 180; Детские игрушки набор; Bolalar o'yinchoqlari to'plami
384; goods; 900; Пылесос Samsung; Samsung changyutgich
"""

#: Category; salary in thousands; Russian; Uzbek.
_JOBS = """\
150; 6000; Требуется строитель-отделочник; Quruvchi usta kerak
144; 4500; Продавец-консультант; Sotuvchi-maslahatchi kerak
140; 7000; Водитель категории C; C toifali haydovchi kerak
133; 5000; Повар в кафе; Kafega oshpaz kerak
147; 12000; Программист Python; Python dasturchi kerak
141; 4000; Учитель английского языка; Ingliz tili o'qituvchisi kerak
134; 5500; Медсестра в клинику; Klinikaga hamshira kerak
143; 5200; Швея на производство; Tikuvchi kerak
152; 3800; Охранник; Qo'riqchi kerak
"""

_GIFTS = (
    ("Отдам котят в добрые руки", "Mushukchalar yaxshi qo'llarga beriladi"),
    ("Отдам детскую одежду", "Bolalar kiyimi tekinga"),
    ("Отдам старый диван, самовывоз", "Eski divan tekinga, o'zingiz olib ketasiz"),
    ("Отдам книги", "Kitoblar tekinga beriladi"),
)

_BODIES = {
    "sedan": "Седан",
    "hatchback": "Хэтчбек",
    "crossover": "Внедорожник",
    "minivan": "Минивэн",
}
_CONDITIONS = (
    ("perfect", "Отличное"),
    ("good", "Хорошее"),
    ("mediocre", "Среднее"),
    ("needs_repair", "Требует ремонта"),
)
_COLORS = ("Белый", "Черный", "Серый", "Синий", "Серебристый")
_FUELS = (("Бензин", "542"), ("Газ/Бензин", "545"), ("Дизель", "543"))
_YES_NO = {True: ("Да", "yes"), False: ("Нет", "no")}
_NEW, _USED = ("Новый", "new"), ("Б/у", "used")


class Param(NamedTuple):
    """A property of an advert, as in the platform's input form."""

    key: str
    name: str
    type: str
    label: str
    code: str


class Advert(NamedTuple):
    """The content of an ad.

    :param price: in so'm; None if it is on request, or nothing is sold
    :param in_dollars: whether the price is published in dollars
    :param salary: lowest and highest salary in so'm
    """

    category: int
    type: str
    title: str
    description: str
    params: tuple[Param, ...] = ()
    price: int | None = None
    in_dollars: bool = False
    is_free: bool = False
    is_exchange: bool = False
    salary: tuple[int, int] | None = None


def _table(text: str) -> list[list[str]]:
    return [line.split("; ") for line in text.splitlines()]


CARS = [row for row in _table(_CARS) for _ in range(_COMMON_CARS.get(row[1], 1))]
GOODS = _table(_GOODS)
JOBS = _table(_JOBS)


def invent_advert(random: Random) -> Advert:
    """Return a random advert that depends on `random` only."""
    kinds: dict[Callable[[Random], Advert], int] = {
        _car: 38,
        _rent: 14,
        _sale: 10,
        _thing: 26,
        _job: 8,
        _gift: 4,
    }
    return random.choices(list(kinds), list(kinds.values()))[0](random)


def _car(random: Random) -> Advert:
    category, brand, model, body, newest, years = random.choice(CARS)
    first, last = map(int, years.split("-"))
    # Newer cars are more frequent.
    year = round(random.triangular(first, last, last))
    # Very old cars have stopped accumulating mileage.
    driven = min(END.year - year, 20) * random.randint(8, 18)
    mileage = driven * 1000 + random.randint(0, 900) * 10
    code, condition = random.choices(_CONDITIONS, (4, 6, 3, 1))[0]
    price = int(newest) * 0.95 ** (last - year) * random.uniform(0.86, 1.12)
    params = (
        Param("model", "Модель", "select", model, model.lower().replace(" ", "-")),
        Param("car_body", "Тип кузова", "select", _BODIES[body], body),
        Param("motor_year", "Год выпуска", "input", f"{year} ", str(year)),
        Param("motor_mileage", "Пробег", "input", f"{_spaced(mileage)} км", str(mileage)),
        _gearbox(random),
        Param("color", "Цвет", "select", random.choice(_COLORS), str(random.randint(1, 9))),
        Param("fuel_type", "Вид топлива", "select", *random.choice(_FUELS)),
        Param("condition", "Состояние машины", "select", condition, code),
        Param("owners", "Количество хозяев", "select", *[str(random.randint(1, 4))] * 2),
    )
    title = random.choice((f"{brand} {model} {year}", f"{model} sotiladi", f"{brand} {model}"))
    description = random.choice(
        (
            f"{brand} {model}, {year} год, пробег {_spaced(mileage)} км. Торг уместен.",
            f"{brand} {model} {year} yil, {_spaced(mileage)} km yurgan. Holati yaxshi.",
        )
    )
    return _priced(
        Advert(category=int(category), type="automotive", title=title, description=description),
        random,
        price,
        params,
    )


def _gearbox(random: Random) -> Param:
    label, code = random.choice((("Механическая", "545"), ("Автоматическая", "546")))
    return Param("transmission_type", "Коробка передач", "select", label, code)


def _rent(random: Random) -> Advert:
    rooms, area, params = _flat(random)
    titles = (
        f"Сдаётся {rooms}-комнатная квартира",
        f"{rooms} xonali kvartira ijaraga beriladi",
        f"Аренда {rooms} комн. квартиры, {area} м²",
    )
    advert = Advert(
        1147,
        "real_estate",
        random.choice(titles),
        f"Квартира {area} м², {rooms} комн., с мебелью и техникой. Оплата помесячно.",
    )
    return _priced(advert, random, (110 + 95 * rooms) * random.uniform(0.8, 1.9), params)


def _sale(random: Random) -> Advert:
    rooms, area, params = _flat(random)
    titles = (
        f"Продаётся {rooms}-комнатная квартира, {area} м²",
        f"{rooms} xonali kvartira sotiladi, {area} m²",
    )
    text = f"Kvartira {area} m², {rooms} xona. Hujjatlari joyida, kelishiladi."
    advert = Advert(13, "real_estate", random.choice(titles), text)
    return _priced(advert, random, area * random.uniform(520, 1250), params)


def _flat(random: Random) -> tuple[int, int, tuple[Param, ...]]:
    """Return the number of rooms, the area and the properties of a flat."""
    rooms = random.choices((1, 2, 3, 4, 5), (22, 34, 28, 12, 4))[0]
    area = 16 + rooms * random.randint(15, 26)
    floors = random.choice((4, 5, 9, 9, 12, 16))
    floor = random.randint(1, floors)
    is_furnished = random.random() < 0.7
    params = (
        Param("number_of_rooms", "Количество комнат", "input", f"{rooms} ", str(rooms)),
        Param("total_area", "Общая площадь", "input", f"{area} м²", str(area)),
        Param("floor", "Этаж", "input", f"{floor} ", str(floor)),
        Param("total_floors", "Этажность дома", "input", f"{floors} ", str(floors)),
        Param("furnished", "Меблирована", "select", *_YES_NO[is_furnished]),
    )
    return rooms, area, params


def _priced(advert: Advert, random: Random, dollars: float, params: tuple[Param, ...]) -> Advert:
    """Return the advert with its price, rounded in its published currency."""
    step = 50 if dollars < 5000 else 100
    if random.random() < 0.75:
        price, in_dollars = max(1, round(dollars / step)) * step * RATES["USD"], True
    else:
        price, in_dollars = round(dollars * RATES["USD"] / 500_000) * 500_000, False
    return advert._replace(params=params, price=price or 500_000, in_dollars=in_dollars)


def _thing(random: Random) -> Advert:
    category, kind, price, ru, uz = random.choice(GOODS)
    is_new = random.random() < 0.25
    state = Param("state", "Состояние", "select", *(_NEW if is_new else _USED))
    advert = Advert(
        int(category),
        kind,
        random.choice((ru, uz)),
        f"{ru}. {'Новое, не использовалось' if is_new else 'Б/у, в рабочем состоянии'}.",
        (state,),
    )
    chance = random.random()
    if chance < 0.04:
        return advert._replace(is_exchange=True)
    if chance < 0.10:
        return advert  # The price is on request.
    amount = int(price) * 1000 * random.uniform(0.6, 1.1) * (1.1 if is_new else 1)
    return advert._replace(price=max(1, round(amount / 10_000)) * 10_000)


def _job(random: Random) -> Advert:
    category, salary, ru, uz = random.choice(JOBS)
    lowest = round(int(salary) * random.uniform(0.7, 1.3) / 500) * 500_000
    job = Param("job_type", "Тип работы", "select", "Постоянная работа", "perm")
    text = f"{ru}. График 5/2, оформление по трудовому договору."
    bounds = (lowest, lowest + random.randint(1, 6) * 500_000)
    return Advert(int(category), "job", random.choice((ru, uz)), text, (job,), salary=bounds)


def _gift(random: Random) -> Advert:
    ru, uz = random.choice(_GIFTS)
    return Advert(1151, "goods", random.choice((ru, uz)), f"{ru}. {uz}.", is_free=True)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
