"""The catalog of the demonstration: kinds of goods, brands, models and their variants.

All platforms share the catalog, so one good is sold on several of them. A price is the price of the
cheapest variant in thousands of so'm.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

#: Axis → its name in Russian and Uzbek, and its values with their price factors.
_AXES = {
    "memory": ("Память|Xotira", "128 ГБ=1,256 ГБ=1.12,512 ГБ=1.34"),
    "ram": ("Память|Xotira", "8/256 ГБ=1,8/512 ГБ=1.12,16/512 ГБ=1.3,16/1024 ГБ=1.5"),
    "diagonal": ("Диагональ|Diagonal", '43"=1,50"=1.25,55"=1.6,65"=2.3'),
    "size": ("Размер|O'lcham", "S=1,M=1,L=1,XL=1,XXL=1.05"),
    "shoe": ("Размер|O'lcham", "37=1,38=1,39=1,40=1,41=1,42=1,43=1"),
    "volume": ("Объём|Hajm", "50 мл=1,100 мл=1.6,200 мл=2.7"),
    "weight": ("Вес|Vazn", "250 г=1,500 г=1.85,1 кг=3.5"),
    "pack": ("Количество|Soni", "1 шт=1,2 шт=1.9,4 шт=3.6"),
    "color": ("Цвет|Rang", "Черный=1,Белый=1,Серый=1"),
    "one": ("", "=1"),
}

#: Key; noun; axis of variants; category. A line with > has the two parent categories of the lines
#: below it. Russian | Uzbek.
_KINDS = """\
> Электроника|Elektronika; Смартфоны и гаджеты|Smartfon va gadjetlar
smartphones; Смартфон|smartfon; memory; Смартфоны|Smartfonlar
tablets; Планшет|planshet; memory; Планшеты|Planshetlar
watches; Умные часы|aqlli soat; color; Умные часы и браслеты|Aqlli soatlar
> Электроника|Elektronika; Аудиотехника|Audiotexnika
headphones; Наушники|quloqchin; color; Наушники|Quloqchinlar
speakers; Портативная колонка|kolonka; color; Колонки|Kolonkalar
> Электроника|Elektronika; Телевизоры и видеотехника|Televizor va videotexnika
televisions; Телевизор|televizor; diagonal; Телевизоры|Televizorlar
> Электроника|Elektronika; Игры и приставки|O'yinlar va pristavkalar
consoles; Игровая приставка|o'yin pristavkasi; one; Игровые приставки|O'yin pristavkalari
> Компьютеры|Kompyuterlar; Ноутбуки и мониторы|Noutbuk va monitorlar
laptops; Ноутбук|noutbuk; ram; Ноутбуки|Noutbuklar
monitors; Монитор|monitor; one; Мониторы|Monitorlar
> Компьютеры|Kompyuterlar; Сетевое оборудование|Tarmoq uskunalari
routers; Роутер|router; one; Роутеры|Routerlar
> Бытовая техника|Maishiy texnika; Крупная техника|Yirik texnika
refrigerators; Холодильник|muzlatgich; color; Холодильники|Muzlatgichlar
washers; Стиральная машина|kir yuvish mashinasi; color; Стиральные машины|Kir yuvish mashinalari
> Бытовая техника|Maishiy texnika; Климатическая техника|Iqlim texnikasi
conditioners; Кондиционер|konditsioner; one; Кондиционеры|Konditsionerlar
> Бытовая техника|Maishiy texnika; Техника для дома|Uy uchun texnika
vacuums; Пылесос|changyutgich; color; Пылесосы|Changyutgichlar
> Бытовая техника|Maishiy texnika; Техника для кухни|Oshxona texnikasi
kettles; Электрочайник|elektr choynak; color; Чайники|Choynaklar
multicookers; Мультиварка|multivarka; color; Мультиварки|Multivarkalar
> Одежда|Kiyim; Повседневная одежда|Kundalik kiyim
tshirts; Футболка|futbolka; size; Футболки и поло|Futbolka va polo
hoodies; Худи|xudi; size; Худи и свитшоты|Xudi va svitshotlar
jeans; Джинсы|jinsi; size; Джинсы|Jinsilar
> Одежда|Kiyim; Женская одежда|Ayollar kiyimi
dresses; Платье|ko'ylak; size; Платья|Ko'ylaklar
> Одежда|Kiyim; Верхняя одежда|Ustki kiyim
jackets; Куртка|kurtka; size; Куртки|Kurtkalar
> Обувь|Poyabzal; Спортивная обувь|Sport poyabzali
sneakers; Кроссовки|krossovka; shoe; Кроссовки|Krossovkalar
> Красота|Go'zallik; Уход за лицом|Yuz parvarishi
creams; Крем для лица|yuz kremi; volume; Кремы и сыворотки|Krem va zardoblar
> Красота|Go'zallik; Уход за волосами|Soch parvarishi
shampoos; Шампунь|shampun; volume; Шампуни|Shampunlar
> Красота|Go'zallik; Парфюмерия|Parfyumeriya
perfumes; Парфюмерная вода|atir; volume; Духи|Atirlar
> Детские товары|Bolalar uchun; Игрушки|O'yinchoqlar
toys; Игрушка|o'yinchoq; one; Конструкторы и куклы|Konstruktor va qo'g'irchoqlar
> Детские товары|Bolalar uchun; Гигиена и уход|Gigiyena va parvarish
diapers; Подгузники|taglik; pack; Подгузники|Tagliklar
> Продукты|Oziq-ovqat; Чай и кофе|Choy va kofe
tea; Чай|choy; weight; Чай|Choy
coffee; Кофе|kofe; weight; Кофе|Kofe
> Продукты|Oziq-ovqat; Снеки|Sneklar
nuts; Орехи и сухофрукты|yong'oq; weight; Орехи и сухофрукты|Yong'oq va quruq mevalar
> Книги|Kitoblar; Художественная литература|Badiiy adabiyot
books; Книга|kitob; one; Романы и повести|Roman va qissalar
> Дом|Uy; Домашний текстиль|Uy to'qimachiligi
bedding; Постельное бельё|choyshab to'plami; one; Постельное бельё|Choyshablar
> Дом|Uy; Посуда и кухня|Idish va oshxona
cookware; Посуда|idish; one; Кастрюли и сковороды|Qozon va tovalar
> Дом|Uy; Освещение|Yoritish
lamps; Светильник|chiroq; color; Светильники|Chiroqlar
"""

#: Kind; brand; models with their prices.
_MODELS = """\
smartphones; Apple; iPhone 13=7600, iPhone 14=8900, iPhone 15=10400, iPhone 15 Plus=11800, iPhone
    15 Pro=13900, iPhone 15 Pro Max=15900, iPhone 16=12200, iPhone 16 Plus=13600, iPhone 16
    Pro=16400, iPhone 16 Pro Max=18900, iPhone 16e=9300, iPhone 17=13500, iPhone 17 Pro=18200,
    iPhone 17 Pro Max=20600
smartphones; Samsung; Galaxy A07=1450, Galaxy A17=2350, Galaxy A26=3150, Galaxy A36=4100, Galaxy
    A56=5200, Galaxy S24=8700, Galaxy S24 FE=6900, Galaxy S24 Ultra=13200, Galaxy S25=10300,
    Galaxy S25 Plus=12100, Galaxy S25 Ultra=15600, Galaxy Z Flip6=11200, Galaxy Z Fold6=18400
smartphones; Xiaomi; Redmi A5=1150, Redmi 14C=1490, Redmi 15=2050, Redmi Note 14=2450, Redmi Note
    14 Pro=3450, Redmi Note 14 Pro Plus=4700, Xiaomi 14T=5300, Xiaomi 14T Pro=7100, Xiaomi
    15=9400, POCO C75=1390, POCO X7=3300, POCO X7 Pro=4100, POCO F7=5200
smartphones; Honor; Honor X6c=1690, Honor X7d=2390, Honor X8c=2990, Honor X9c=4290, Honor
    200=4650, Honor 400=5290, Honor 400 Pro=7450, Honor Magic7 Pro=12400
smartphones; Tecno; Tecno Spark 30=1790, Tecno Spark 40=1890, Tecno Camon 40=2890, Tecno Pova
    7=2590
smartphones; realme; realme C61=1390, realme C75=2190, realme 14=3590, realme GT 7=6990
tablets; Apple; iPad 11=5600, iPad Air 11=8900, iPad Air 13=11900, iPad mini 7=7400, iPad Pro
    11=14900
tablets; Samsung; Galaxy Tab A9=2050, Galaxy Tab A9 Plus=2990, Galaxy Tab S9 FE=5400, Galaxy Tab
    S10 Plus=11200, Galaxy Tab S10 Ultra=13900
tablets; Xiaomi; Redmi Pad SE=2290, Redmi Pad Pro=3190, Xiaomi Pad 7=4990, Xiaomi Pad 7 Pro=6490
watches; Apple; Apple Watch SE=3400, Apple Watch Series 10=5900, Apple Watch Ultra 2=10900
watches; Samsung; Galaxy Fit3=690, Galaxy Watch7=2890, Galaxy Watch Ultra=6490
watches; Xiaomi; Xiaomi Smart Band 9=450, Xiaomi Smart Band 9 Pro=790, Redmi Watch 5=1090, Xiaomi
    Watch S4=1890
watches; Amazfit; Amazfit Bip 6=990, Amazfit GTR 4=1990, Amazfit T-Rex 3=3190
headphones; Apple; AirPods 4=2190, AirPods 4 ANC=2790, AirPods Pro 2=3490, AirPods Max=7900
headphones; Samsung; Galaxy Buds FE=990, Galaxy Buds3=1890, Galaxy Buds3 Pro=2590
headphones; JBL; JBL Tune 520BT=590, JBL Tune 720BT=890, JBL Wave Beam=790, JBL Live 770NC=1990,
    JBL Tour Pro 3=3290
headphones; Sony; Sony WH-CH520=690, Sony WH-CH720N=1390, Sony WF-C700N=1290, Sony
    WH-1000XM5=4490, Sony WH-1000XM6=5690
headphones; Xiaomi; Redmi Buds 6=390, Redmi Buds 6 Pro=690, Redmi Buds 6 Lite=290
speakers; JBL; JBL Go 4=590, JBL Clip 5=890, JBL Flip 6=1390, JBL Charge 5=1990, JBL Xtreme
    4=4190, JBL PartyBox 110=4990
speakers; Яндекс; Яндекс Станция Мини 3=1590, Яндекс Станция Лайт 2=990, Яндекс Станция Миди=2490,
    Яндекс Станция 3=4790
televisions; Samsung; Samsung Crystal UHD DU7100=4790, Samsung QLED Q60D=6990, Samsung QLED
    Q80D=9990, Samsung The Frame LS03D=9490
televisions; LG; LG UT8000=4590, LG UT9100=5290, LG NANO80=6290, LG QNED80=7290, LG OLED B4=11900
televisions; Artel; Artel A9000=3290, Artel A8000=2790, Artel UHD 2600=3590
televisions; Xiaomi; Xiaomi TV A 2025=3390, Xiaomi TV A Pro 2025=3890, Xiaomi TV Max=5990
televisions; Hisense; Hisense A6N=3490, Hisense E7NQ=4590, Hisense U7N=6990
consoles; Sony; PlayStation 5 Slim=7400, PlayStation 5 Pro=11900, PlayStation Portal=3490
consoles; Microsoft; Xbox Series S=4990, Xbox Series X=8290
consoles; Nintendo; Nintendo Switch OLED=4490, Nintendo Switch 2=7290
laptops; Apple; MacBook Air 13 M3=12900, MacBook Air 13 M4=14200, MacBook Air 15 M4=16900, MacBook
    Pro 14 M4=21900, MacBook Pro 16 M4=32900
laptops; ASUS; ASUS Vivobook 15=6490, ASUS Vivobook Go 15=5290, ASUS Zenbook 14=11900, ASUS TUF
    Gaming A15=10900, ASUS ROG Strix G16=17900
laptops; Acer; Acer Aspire 3=4890, Acer Aspire 5=6190, Acer Nitro V15=9490, Acer Swift Go 14=9990
laptops; HP; HP 15-fd0355nia=5390, HP 250 G10=5790, HP Pavilion 15=7990, HP Victus 16=10900, HP
    ProBook 450=9990
laptops; Lenovo; Lenovo IdeaPad 1=4590, Lenovo IdeaPad Slim 3=5890, Lenovo IdeaPad Slim 5=8290,
    Lenovo LOQ 15=10490, Lenovo ThinkPad E16=10990, Lenovo Legion 5=15900
monitors; LG; LG 24MR400=1390, LG 27UP600=3490, LG UltraGear 27GS60F=2590, LG UltraWide
    29WQ600=2990
monitors; Samsung; Samsung Essential S3=1290, Samsung Odyssey G3=2190, Samsung Odyssey G5=3190,
    Samsung ViewFinity S6=3990
monitors; AOC; AOC 24B15H2=1190, AOC 27G4=2390, AOC Q27P3=3290
routers; TP-Link; TP-Link Archer C6=490, TP-Link Archer AX23=790, TP-Link Archer AX55=1190,
    TP-Link Deco X50=1890
routers; Keenetic; Keenetic Starter=590, Keenetic Hopper=1490, Keenetic Giga=2290
refrigerators; Samsung; Samsung RB33=7900, Samsung RB38=9400, Samsung RS64=14900
refrigerators; LG; LG GA-B379=6900, LG GA-B459=8700, LG GC-B257=14200
refrigerators; Artel; Artel HD 345=4290, Artel HD 455=5590, Artel HS 117=2190
refrigerators; Bosch; Bosch KGN39=11900, Bosch KGN36=10400
washers; Samsung; Samsung WW60=4990, Samsung WW80=6290, Samsung WD90=9490
washers; LG; LG F2J3=4890, LG F2V5=5990, LG F4V7=7490
washers; Artel; Artel WMS 6=3190, Artel WMS 8=3890
washers; Bosch; Bosch WGA2=8490, Bosch WHA1=6990
conditioners; Artel; Artel Shahrisabz 12=3990, Artel Montana 12=4790, Artel Inverter 18=6490
conditioners; Midea; Midea Xtreme 12=4690, Midea Blanc 9=3790, Midea Breezeless 12=7290
conditioners; Gree; Gree Bora 12=5290, Gree Pular 12=5990
vacuums; Samsung; Samsung VC18=1190, Samsung Jet 75=4490
vacuums; Dyson; Dyson V8=5490, Dyson V12 Detect=8290, Dyson V15 Detect=9990
vacuums; Xiaomi; Xiaomi Robot Vacuum S10=2390, Xiaomi Robot Vacuum X20=4690, Xiaomi Vacuum
    G11=3290
kettles; Tefal; Tefal KI270=590, Tefal KO330=390
kettles; Bosch; Bosch TWK3A=490, Bosch TWK7S=690
kettles; Xiaomi; Xiaomi Electric Kettle 2=350, Xiaomi Kettle Pro=690
multicookers; Redmond; Redmond RMC-M25=890, Redmond RMC-250=1190
multicookers; Polaris; Polaris PMC 0521=790, Polaris EVO 0225=1290
"""

#: Kind; price; brands; products, Russian = Uzbek. Each brand makes each product.
_FAMILIES = """\
tshirts; 95; Ipakchi, Anor Wear, Tumaris, Basico, Nordline, Zarif, Samarqand Tekstil, Urban Uz,
    Kamalak, Oltin Tola, Silver Line; Футболка оверсайз=Oversayz futbolka, Футболка
    базовая=Bazaviy futbolka, Поло хлопковое=Paxta polo, Лонгслив=Longsliv, Футболка с
    принтом=Printli futbolka, Футболка детская=Bolalar futbolkasi
hoodies; 230; Ipakchi, Anor Wear, Basico, Nordline, Zarif, Samarqand Tekstil, Urban Uz, Kamalak,
    Oltin Tola; Худи с капюшоном=Kapyushonli xudi, Свитшот базовый=Bazaviy svitshot, Худи на
    молнии=Zamokli xudi, Худи с начёсом=Issiq xudi
jeans; 260; Denim Yo'li, Nordline, Basico, Tumaris, Urban Uz, Kamalak, Blue River, Levis; Джинсы
    прямые=To'g'ri jinsi, Джинсы мом=Mom jinsi, Джинсы скинни=Skinni jinsi, Джинсы широкие=Keng
    jinsi
dresses; 290; Tumaris, Lola Atlas, Sevinch, Malika Style, Nilufar, Kamalak, Guli Style; Платье
    миди=Midi ko'ylak, Платье из атласа=Atlas ko'ylak, Платье летнее=Yozgi ko'ylak, Платье
    вечернее=Kechki ko'ylak, Платье трикотажное=Trikotaj ko'ylak
jackets; 520; Nordline, Zarif, Basico, Tog' Havo, Urban Uz, Kamalak, Columbia, Qishlog; Куртка
    демисезонная=Mavsumiy kurtka, Пуховик зимний=Qishki puxovik, Ветровка=Shamolli kurtka, Жилет
    утеплённый=Issiq jilet
sneakers; 410; Adidas, Nike, Puma, Tezyurar, Asics, Reebok, New Balance, Demix; Кроссовки
    беговые=Yugurish krossovkasi, Кроссовки повседневные=Kundalik krossovka, Кроссовки
    зимние=Qishki krossovka, Кеды кожаные=Charm keda
creams; 85; Cosrx, Mizon, Bahor Cosmetics, Garnier, Nivea, Seoul Bloom, Round Lab, Beauty of
    Joseon, Missha, Guliston Cosmetics; Крем увлажняющий=Namlovchi krem, Сыворотка с витамином C=C
    vitaminli zardob, Крем солнцезащитный SPF 50=Quyoshdan himoya kremi SPF 50, Крем ночной=Tungi
    krem, Тонер для лица=Yuz toneri, Пенка для умывания=Yuvinish ko'pigi, Патчи для глаз=Ko'z
    patchlari, Маска для лица=Yuz niqobi
shampoos; 65; Garnier, Elseve, Seoul Bloom, Bahor Cosmetics, Nivea, Head & Shoulders, Kerasys,
    Missha, Guliston Cosmetics; Шампунь восстанавливающий=Tiklovchi shampun, Шампунь против
    перхоти=Qazg'oqqa qarshi shampun, Бальзам для волос=Soch balzami, Маска для волос=Soch niqobi,
    Шампунь для объёма=Hajm beruvchi shampun
perfumes; 310; Anvar Parfum, Lola Atlas, Oud Samarqand, Zafar Parfum, Atir Olami; Парфюмерная вода
    женская=Ayollar atiri, Парфюмерная вода мужская=Erkaklar atiri, Парфюмерная вода
    унисекс=Uniseks atir
toys; 140; Bolajon, Quvnoq, Lego, Polesie, Hot Wheels, Mehribon, Zo'r Toys; Конструктор 500
    деталей=500 qismli konstruktor, Кукла с аксессуарами=Aksessuarli qo'g'irchoq, Машинка на
    пульте=Pultli mashina, Пазл 1000 элементов=1000 qismli pazl, Мягкий медведь=Yumshoq ayiq,
    Железная дорога=Temir yo'l
diapers; 160; Huggies, Pampers, Lalaku, Bolajon, Merries, Baby Turco; Подгузники трусики=Taglik
    trusik, Подгузники ночные=Tungi taglik
tea; 28; Ahmad, Choyxona, Greenfield, Oq Choy, Impra, Tog' Bulog'i; Чай чёрный листовой=Qora choy,
    Чай зелёный=Ko'k choy, Чай с бергамотом=Bergamotli choy, Чай с чабрецом=Tog'rayhonli choy
coffee; 75; Jacobs, Lavazza, Nescafe, Qahva Uyi, Egoiste, Bushido; Кофе в зёрнах=Donador kofe,
    Кофе молотый=Maydalangan kofe, Кофе растворимый=Eriydigan kofe
nuts; 42; Bog'bon, Surxon Mevasi, Oltin Yong'oq, Farg'ona Bog'i, Zarafshon Meva; Миндаль
    отборный=Saralangan bodom, Грецкий орех=Yong'oq, Изюм чёрный=Qora mayiz, Курага=Turshak,
    Фисташка жареная=Qovurilgan pista
books; 55; Yangi Varaq, Kitob Olami, Ilm Ziyo, Bolalar Adabiyoti; Маленький принц=Kichkina
    shahzoda, Остров сокровищ=Xazinalar oroli, Робинзон Крузо=Robinzon Kruzo, Шум и ярость=Shovqin
    va g'azab, Минувшие дни=O'tkan kunlar, Граф Монте-Кристо=Graf Monte Kristo, Тысяча и одна
    ночь=Ming bir kecha, Великий Гэтсби=Buyuk Getsbi
bedding; 330; Ipak Uy, Zarafshon Tekstil, Cotton Dreams, Nafis Uy, Tekstil Olami; Бельё постельное
    евро=Yevro choyshab, Бельё постельное полуторное=Bir yarim kishilik choyshab, Плед
    велюровый=Velyur pled, Подушка ортопедическая=Ortopedik yostiq
cookware; 220; Tefal, Nadoba, Oshpaz, Berghoff, Rondell, Oltin Qozon; Сковорода 28 см=Tova 28 sm,
    Кастрюля 5 л=Qozon 5 l, Казан чугунный 8 л=Cho'yan qozon 8 l, Набор кастрюль=Qozonlar
    to'plami, Набор ножей=Pichoqlar to'plami
lamps; 120; Nur LED, Eglo, Yulduz, Xiaomi, Ledeme; Люстра потолочная=Ship qandili, Лампа
    настольная=Stol chirog'i, Бра настенное=Devor chirog'i, Лента светодиодная=LED lenta
"""


class Name(NamedTuple):
    """A word in two languages."""

    ru: str
    uz: str


class Variant(NamedTuple):
    """A variant of a good: its values on the axes, and the factor of its price."""

    values: tuple[str, ...]
    factor: float


class Kind(NamedTuple):
    """A kind of goods.

    :param number: its position in the table, from which ids are derived
    :param path: names of its category and the two parent categories, the root first
    """

    number: int
    key: str
    noun: Name
    axis: str
    path: tuple[Name, ...]


class Good(NamedTuple):
    """A good that shops sell, with one name on all platforms.

    :param price: price of the cheapest variant in so'm
    :param popularity: minimum number of shops of a platform that sell it
    :param axes: names of the properties in which its variants differ
    """

    kind: Kind
    brand: str
    name: Name
    price: int
    popularity: int
    axes: tuple[Name, ...]
    variants: tuple[Variant, ...]


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    """Return key → kind of goods."""
    by_key: dict[str, Kind] = {}
    above: list[str] = []
    for line in _KINDS.splitlines():
        if line.startswith("> "):
            above = line.removeprefix("> ").split("; ")
        else:
            key, noun, axis, category = line.split("; ")
            path = tuple(map(_name, [*above, category]))
            by_key[key] = Kind(len(by_key) + 1, key, _name(noun), axis, path)
    return by_key


@lru_cache(maxsize=1)
def goods() -> tuple[Good, ...]:
    """Return all goods in the order of the tables, electronics first."""
    return (*_models(), *_family_members())


def _models() -> Iterator[Good]:
    for key, brand, models in _rows(_MODELS):
        kind = kinds()[key]
        popularity = 4 if key == "smartphones" else 2
        for model in models.split(", "):
            name, price = model.split("=")
            axes, variants = _variants(kind.axis, is_colored=key in ("smartphones", "tablets"))
            yield Good(kind, brand, Name(name, name), int(price) * 1000, popularity, axes, variants)


def _family_members() -> Iterator[Good]:
    for key, price, brands, forms in _rows(_FAMILIES):
        kind = kinds()[key]
        axes, variants = _variants(kind.axis, is_colored=False)
        for number, form in enumerate(forms.split(", ")):
            for place, brand in enumerate(brands.split(", ")):
                name = Name(*(f"{word} {brand}" for word in form.split("=")))
                # Prices differ between products and brands by fixed steps.
                amount = int(price) * (70 + 13 * number + 17 * (place % 5)) // 100 * 1000
                yield Good(kind, brand, name, amount, 1, axes, variants)


def _rows(table: str) -> Iterator[list[str]]:
    """Yield the columns of each row. An indented line continues the one before."""
    for row in table.replace("\n   ", "").splitlines():
        yield row.split("; ")


def _variants(axis: str, is_colored: bool) -> tuple[tuple[Name, ...], tuple[Variant, ...]]:
    title, published = _AXES[axis]
    chosen = [entry.split("=") for entry in published.split(",")]
    variants = [Variant((value,), float(factor)) for value, factor in chosen]
    if axis == "one":
        return (), (Variant((), 1.0),)
    if not is_colored:
        return (_name(title),), tuple(variants)
    color, colors = _AXES["color"]
    shown = [entry.partition("=")[0] for entry in colors.split(",")][:2]
    combined = [Variant((*kept.values, shade), kept.factor) for kept in variants for shade in shown]
    return (_name(title), _name(color)), tuple(combined)


def _name(published: str) -> Name:
    ru, _, uz = published.partition("|")
    return Name(ru, uz or ru)
