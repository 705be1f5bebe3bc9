"""Invented texts in Russian and Uzbek that are as repetitive as real ones.

If all texts had the same sentences, compression would look better than it is. Words are therefore
composed of stems and endings, with realistic frequencies, and numbers, sizes and model codes are
random. Compressed with zstd, with or without a trained dictionary, these texts need at least as
many bits per character as the descriptions of real ads.
"""

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

_ADJECTIVES = """\
нов надёжн удобн лёгк прочн мягк тёпл красив стильн современн качествен натуральн универсальн
компактн мощн быстр тих безопасн детск женск мужск спортивн зимн летн домашн кухонн офисн дорожн
складн водонепроницаем антибактериальн гипоаллергенн экологичн износостойк ударопрочн сенсорн
беспроводн электрическ механическ автоматическ цифров светодиодн оригинальн фирмен подарочн
праздничн повседневн классическ минималистичн яркооранжев тёмносин светлосер молочн бордов
изумрудн серебрист золотист матов глянцев прозрачн плотн тонк широк узк высок глубок кругл
прямоугольн угольн керамическ стальн алюминиев деревянн бамбуков хлопков льнян шёлков шерстян
кожан силиконов пластиков стеклянн хрустальн гранитн мраморн резинов бумажн многоразов
одноразов сменн съёмн регулируем поворотн встроен настольн настенн потолочн напольн подвесн
автомобильн садов строительн музыкальн учебн лечебн косметическ увлажняющ питательн освежающ
очищающ восстанавливающ тонизирующ ароматн вкусн свеж сушён обжарен молот растворим фруктов
ягодн цитрусов мятн ванильн шоколадн медов орехов сливочн солён остр диетическ витаминн"""

_NOUNS = """\
корпус экран чехол ремень кабель адаптер аккумулятор фильтр насос мотор двигатель вентилятор
обогреватель светильник абажур плафон патрон выключатель датчик пульт динамик микрофон объектив
штатив кронштейн держатель крючок карман рукав воротник капюшон манжет подклад пояс замок молни
застёжк пуговиц липучк кнопк ручк ножк полк дверц крышк чаш тарелк кружк ложк вилк сковород
кастрюл форм доск тёрк щётк губк салфетк скатерт штор подушк простын наволочк одеял матрас коврик
дорожк сумк рюкзак кошелёк чемодан зонт перчатк шапк шарф носк футболк рубашк куртк жилет брюк
юбк плать костюм комбинезон пижам халат тапочк кроссовк ботинк сапог туфл стельк шнурк игрушк
кукл машинк конструктор пазл мяч самокат велосипед палатк спальник фонар термос флягк посуд
набор комплект упаковк коробк пакет бутылк флакон тюбик банк крем шампун бальзам масл сыворотк
маск скраб гель мыл паст порошок средств раствор состав аромат вкус запах цвет оттенок рисунок
узор принт логотип материал ткан хлопок полиэстер вискоз эластан шерст кож замш силикон пластик
металл стал сплав стекл дерев бамбук гарант доставк возврат обмен оплат рассрочк скидк качеств
производител магазин склад заказ покупател отзыв размер длин ширин высот объём вес мощност
напряжен частот скорост температур режим программ функц таймер дисплей памят процессор"""

_VERBS = """\
подходит используется выдерживает защищает сохраняет обеспечивает позволяет помогает создаёт
украшает дополняет поддерживает включает содержит заменяет упрощает ускоряет снижает повышает
улучшает очищает увлажняет согревает охлаждает освещает крепится складывается стирается моется
заряжается работает служит хранится переносится устанавливается поставляется комплектуется
изготавливается проверяется сертифицируется выбирается покупается нравится радует удивляет"""

_UZBEK = """\
mahsulot sifat narx rang o‘lcham tovar do‘kon buyurtma yetkazib kafolat qulay yengil mustahkam
zamonaviy chiroyli ishonchli tabiiy paxta ipak charm yog‘och temir po‘lat shisha plastik rezina
bolalar ayollar erkaklar uy oshxona ofis mashina bog‘ qurilish sport sayohat maktab bayram sovg‘a
kiyim ko‘ylak shim kurtka poyabzal krossovka etik sumka ryukzak hamyon soat uzuk taqinchoq telefon
quloqchin kabel quvvatlagich batareya ekran g‘ilof noutbuk sichqoncha klaviatura televizor kolonka
muzlatgich changyutgich dazmol choynak mikser blender qozon tova pichoq qoshiq likopcha piyola
dasturxon ko‘rpa yostiq choyshab parda gilam chiroq lampa stol stul shkaf javon ko‘zgu soch yuz
teri tana krem shampun sovun atir yog‘ niqob vitamin choy kofe asal yong‘oq meva quritilgan guruch
un shakar tuz ziravor suv sharbat shokolad pishiriq o‘yinchoq qo‘g‘irchoq mashinacha konstruktor
kitob daftar qalam rangli yumshoq qattiq issiq sovuq yorug‘ tez sekin katta kichik uzun qisqa keng
tor yangi original arzon foydali xavfsiz suvga chidamli namlik harorat tozalash saqlash ishlatish
yuvish o‘rnatish ulash boshqarish sozlash tekshirish tanlash sotib olish almashtirish qaytarish"""

_ADJECTIVE_ENDINGS = "ый ая ое ые ого ой ому ую ым ыми ых"
_NOUN_ENDINGS = "- а у ом е ы ов ам ами ах и ой"
_UZBEK_ENDINGS = "- - - lar lari ning ga dan da ni i si imiz li lik siz larga"
_SMALL = "и с для из на в от до без по при под а также не очень можно или если чтобы как"
_SMALL_UZBEK = "va bilan uchun ham yoki juda bu har bir barcha eng ko‘p kam bo‘lib"
_UNITS = "см мм кг г мл л Вт В шт % °C м ч мин ГБ мАч Гц дБ мес"
_UNITS_UZBEK = "sm mm kg g ml l Vt V dona % °C m soat daqiqa GB mAh Gs oy"
_CODE = "ABCDEFGHKLMNPRSTUVXZ"


class Language(NamedTuple):
    """The parts that texts in a language consist of.

    :param weights: the cumulative frequencies of the words
    :param small: words between other words
    """

    words: Sequence[str]
    weights: Sequence[float]
    small: Sequence[str]
    units: Sequence[str]


def _language(words: list[str], small: str, units: str) -> Language:
    """Return a language whose words have frequencies like those of real texts."""
    # A random order. Otherwise the inflections of the first stems would be the most frequent words.
    Random("words").shuffle(words)
    weights = list(accumulate(1 / (place + 20) for place in range(len(words))))
    return Language(words, weights, small.split(), units.split())


def _forms(stems: str, endings: str) -> list[str]:
    """Return each stem with each ending; a hyphen means that the stem has no ending."""
    return [stem + end.strip("-") for stem in stems.split() for end in endings.split()]


RUSSIAN = _language(
    _forms(_ADJECTIVES, _ADJECTIVE_ENDINGS) + _forms(_NOUNS, _NOUN_ENDINGS) + _VERBS.split(),
    _SMALL,
    _UNITS,
)
UZBEK = _language(_forms(_UZBEK, _UZBEK_ENDINGS), _SMALL_UZBEK, _UNITS_UZBEK)


def phrase(random: Random, language: Language, count: int) -> str:
    """Return a phrase of some words, such as a title or a name."""
    text = " ".join(random.choices(language.words, cum_weights=language.weights, k=count))
    return text[:1].upper() + text[1:]


def code(random: Random) -> str:
    """Return a model code."""
    letters = "".join(random.choices(_CODE, k=2 + int(random.random() * 2)))
    return f"{letters}-{int(random.random() * 9900) + 100}"


def text(random: Random, language: Language, length: int) -> str:
    """Return sentences of about `length` characters in total."""
    sentences: list[str] = []
    while length > 0:
        sentences.append(_sentence(random, language))
        length -= len(sentences[-1]) + 1
    return " ".join(sentences)


def _sentence(random: Random, language: Language) -> str:
    count = 4 + int(random.random() * 9)
    words = random.choices(language.words, cum_weights=language.weights, k=count)
    for place in range(2, count, 3):
        words[place] = _filler(random, language)
    joined = " ".join(words)
    return f"{joined[0].upper()}{joined[1:]}{'.' if random.random() < 0.8 else '!'}"


def _filler(random: Random, language: Language) -> str:
    """Return text between words: a short word, a measure or a model code."""
    chance = random.random()
    if chance < 0.6:
        return language.small[int(random.random() * len(language.small))]
    if chance < 0.9:
        unit = language.units[int(random.random() * len(language.units))]
        return f"{int(random.random() ** 3 * 999) + 1} {unit},"
    return code(random)
