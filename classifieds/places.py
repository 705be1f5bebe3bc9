"""Canonical names of cities, regions and districts of Uzbekistan.

Platforms publish names in Russian, Uzbek (Latin or Cyrillic) or English, with or without "г.",
"shahri" or "город". The canonical name is the usual English one.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from marketplace.loading import values


class City(NamedTuple):
    """A city with its English, Russian and Uzbek names, its region and its coordinates."""

    name: str
    name_ru: str
    name_uz: str
    region: str
    latitude: Decimal
    longitude: Decimal


CAPITAL = "Tashkent"
CAPITAL_REGION = "Tashkent City"


def _city(name: str, ru: str, uz: str, region: str, latitude: str, longitude: str) -> City:
    return City(name, ru, uz, region, Decimal(latitude), Decimal(longitude))


#: The regional centers and the other large cities.
CITIES = (
    _city(CAPITAL, "Ташкент", "Toshkent", CAPITAL_REGION, "41.311081", "69.240562"),
    _city("Samarkand", "Самарканд", "Samarqand", "Samarkand Region", "39.654170", "66.959720"),
    _city("Namangan", "Наманган", "Namangan", "Namangan Region", "40.998300", "71.672570"),
    _city("Andijan", "Андижан", "Andijon", "Andijan Region", "40.782060", "72.344240"),
    _city("Nukus", "Нукус", "Nukus", "Karakalpakstan", "42.453060", "59.610280"),
    _city("Fergana", "Фергана", "Farg'ona", "Fergana Region", "40.384210", "71.784320"),
    _city("Bukhara", "Бухара", "Buxoro", "Bukhara Region", "39.774720", "64.428610"),
    _city("Karshi", "Карши", "Qarshi", "Kashkadarya Region", "38.860560", "65.789050"),
    _city("Kokand", "Коканд", "Qo'qon", "Fergana Region", "40.528640", "70.942500"),
    _city("Margilan", "Маргилан", "Marg'ilon", "Fergana Region", "40.471080", "71.724560"),
    _city("Angren", "Ангрен", "Angren", "Tashkent Region", "41.016670", "70.143610"),
    _city("Jizzakh", "Джизак", "Jizzax", "Jizzakh Region", "40.115830", "67.842220"),
    _city("Chirchik", "Чирчик", "Chirchiq", "Tashkent Region", "41.468890", "69.582220"),
    _city("Termez", "Термез", "Termiz", "Surkhandarya Region", "37.224170", "67.278330"),
    _city("Navoi", "Навои", "Navoiy", "Navoi Region", "40.084440", "65.379170"),
    _city("Urgench", "Ургенч", "Urganch", "Khorezm Region", "41.550000", "60.633330"),
    _city("Almalyk", "Алмалык", "Olmaliq", "Tashkent Region", "40.844720", "69.598330"),
    _city("Bekabad", "Бекабад", "Bekobod", "Tashkent Region", "40.220830", "69.269720"),
    _city("Shakhrisabz", "Шахрисабз", "Shahrisabz", "Kashkadarya Region", "39.057780", "66.834170"),
    _city("Gulistan", "Гулистан", "Guliston", "Syrdarya Region", "40.489720", "68.784170"),
    _city("Khiva", "Хива", "Xiva", "Khorezm Region", "41.378330", "60.363890"),
    _city(
        "Kattakurgan", "Каттакурган", "Kattaqo'rg'on", "Samarkand Region", "39.898890", "66.256110"
    ),
    _city("Yangiyul", "Янгиюль", "Yangiyo'l", "Tashkent Region", "41.112220", "69.047220"),
    _city("Nurafshon", "Нурафшан", "Nurafshon", "Tashkent Region", "41.042000", "69.358000"),
    _city("Zarafshan", "Зарафшан", "Zarafshon", "Navoi Region", "41.573300", "64.205800"),
)

#: Region → its smaller towns: "English name|other spelling|…".
_TOWNS = {
    "Andijan Region": (
        "Asaka|Асака",
        "Bulakbashi|Булакбаши|Buloqboshi",
        "Khanabad|Ханабад|Xonobod",
        "Shakhrikhan|Шахрихан|Shahrixon",
    ),
    "Bukhara Region": ("Bukhara|Buhara", "Gijduvan|Гиждуван|G'ijduvon", "Kagan|Каган|Kogon"),
    "Fergana Region": (
        "Fergana|Ferghana",
        "Kuva|Кува|Quva",
        "Kuvasay|Кувасай|Quvasoy",
        "Rishtan|Риштан|Rishton",
    ),
    "Kashkadarya Region": ("Guzar|Гузар|G'uzor", "Kitab|Китаб|Kitob", "Mubarek|Мубарек|Muborak"),
    "Karakalpakstan": (
        "Beruni|Беруни|Beruniy",
        "Khodjeyli|Ходжейли|Xo'jayli",
        "Kungrad|Кунград|Qo'ng'irot",
        "Turtkul|Турткуль|To'rtko'l",
    ),
    "Khorezm Region": ("Karaul|Караул|Qorovul", "Khanka|Ханка|Xonqa", "Pitnak|Питнак"),
    "Namangan Region": (
        "Chartak|Чартак|Chortoq",
        "Chust|Чуст",
        "Kasansay|Касансай|Kosonsoy",
        "Uchkurgan|Учкурган|Uchqo'rg'on",
    ),
    "Navoi Region": ("Uchkuduk|Учкудук|Uchquduq",),
    "Samarkand Region": (
        "Aktash|Акташ|Oqtosh",
        "Bulungur|Булунгур|Bulung'ur",
        "Jambay|Джамбай|Jomboy",
        "Urgut|Ургут",
    ),
    "Surkhandarya Region": ("Denau|Денау|Denov", "Sherabad|Шерабад|Sherobod"),
    "Syrdarya Region": (
        "Shirin|Ширин",
        "Syrdarya|Сырдарья|Sirdaryo",
        "Terenozek|Теренозек|Terenozak",
        "Yangiyer|Янгиер",
    ),
    # OLX lists this district as a settlement next to the capital, but its coordinates and the
    # flats in it are in the center of the capital.
    CAPITAL_REGION: (f"{CAPITAL}|Мирабад|Mirobod|Mirabad",),
    "Tashkent Region": (
        "Akhangaran|Ахангаран|Ohangaron",
        "Chinaz|Чиназ|Chinoz",
        "Eshanguzar|Эшангузар|Eshonguzar",
        "Gazalkent|Газалкент|G'azalkent",
        "Keles|Келес",
        "Kibray|Кибрай|Qibray",
        "Nazarbek|Назарбек",
        "Nurafshon|Тойтепа|To'ytepa",
        "Parkent|Паркент",
        "Pskent|Пскент|Piskent",
        "Zangiata|Зангиата|Zangiota",
    ),
}

#: "English name|other name|…" of a region, without "Region", "область" and "viloyati".
_REGIONS = (
    "Tashkent|Ташкентская|Toshkent",
    "Andijan|Андижанская|Andijon",
    "Bukhara|Бухарская|Buxoro",
    "Fergana|Ферганская|Farg'ona",
    "Jizzakh|Джизакская|Jizzax",
    "Kashkadarya|Кашкадарьинская|Qashqadaryo",
    "Khorezm|Хорезмская|Xorazm",
    "Namangan|Наманганская|Namangan",
    "Navoi|Навоийская|Navoiy",
    "Samarkand|Самаркандская|Samarqand",
    "Surkhandarya|Сурхандарьинская|Surxondaryo",
    "Syrdarya|Сырдарьинская|Sirdaryo",
)
_KARAKALPAKSTAN = "Karakalpakstan|Каракалпакстан|Qoraqalpog'iston"

#: District of the capital → its other names: former names, and names that `_district_key` does not
#: normalize. "Яккасарайский район", "Yakkasaroy tumani" and "yakkasarai" are normalized by it.
DISTRICTS = {
    "Almazar": ("Olmazor", "Собир Рахимов", "Сабир Рахимов", "Sobir Rahimov"),
    "Bektemir": (),
    "Chilanzar": (),
    "Mirabad": (),
    "Mirzo Ulugbek": ("М.Улугбек", "Улугбек"),
    "Sergeli": ("Сергелий", "Sirg'ali", "Sergili"),
    "Shaykhantakhur": ("Шайхантаур", "Shayhantohur", "Shayxontoxur"),
    "Uchtepa": ("Учтепин", "Акмаль Икрамов", "Akmal Ikromov"),
    "Yakkasaray": (),
    "Yangihayot": (),
    "Yashnabad": ("Хамза", "Хамзин", "Hamza"),
    "Yunusabad": (),
}

_LATIN = str.maketrans(
    dict(zip("абвгдезийклмнопрстуфыэқҳ", "abvgdeziyklmnoprstufyeqh", strict=True))
    | {"ё": "yo", "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": ""}
    | {"ь": "", "ю": "yu", "я": "ya", "ў": "o'", "ғ": "g'"}
)
_APOSTROPHE = re.compile("[ʻʼ‘’`´ʹ′]")
_ASIDE = re.compile(r"\([^()]*\)|,.*")
_IN_PARENTHESES = re.compile(r"\(([^()]*)\)")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

#: Words that do not distinguish places, in Latin letters and without apostrophes.
_CITY_WORDS = {"g", "gor", "gorod", "sh", "shahri", "shahar", "city", "pgt", "pos", "poselok"}
_REPUBLIC_WORDS = {"respublika", "respublikasi", "republic", "of"}
_REGION_WORDS = {"obl", "oblast", "oblasti", "vil", "viloyat", "viloyati", "region"}
_DISTRICT_WORDS = {"r", "n", "rn", "rayon", "rayona", "rayoni", "tuman", "tumani", "district"}
_DISTRICT_IN_NAME = re.compile(
    r"\b(?:р-?н|район[аи]?|туман[и]?|rayon[ai]?|tuman[i]?|district)(?!\w)\.?", re.IGNORECASE
)
_ADJECTIVE = re.compile(r"sk(?:iy|i|y|aya|ogo|om)$")
_FILLERS = _CITY_WORDS | _REPUBLIC_WORDS


def _words(name: str) -> list[str]:
    """Return the distinctive words of a name in one spelling: "Тошкент ш." → ["toshkent"]."""
    latin = (values.normalize_title(name) or "").translate(_LATIN)
    # Uzbek Latin spells х as x and ж as j.
    unified = latin.replace("'", "").replace("x", "kh").replace("j", "zh")
    return [word for word in unified.split() if word not in _FILLERS]


def _city_key(name: str) -> str:
    return "".join(_words(name))


def _region_key(name: str) -> str:
    return "".join(word for word in _words(name) if word not in _REGION_WORDS)


def _known_cities() -> dict[str, tuple[str, str]]:
    places = {}
    for city in CITIES:
        for name in (city.name, city.name_ru, city.name_uz):
            places[_city_key(name)] = (city.name, city.region)
    for region, towns in _TOWNS.items():
        for names in towns:
            canonical = names.partition("|")[0]
            places.update({_city_key(name): (canonical, region) for name in names.split("|")})
    return places


def _known_regions() -> dict[str, str]:
    regions = {_region_key(name): "Karakalpakstan" for name in _KARAKALPAKSTAN.split("|")}
    for names in _REGIONS:
        canonical = names.partition("|")[0] + " Region"
        regions.update({_region_key(name): canonical for name in names.split("|")})
    return regions


def _district_key(name: str) -> str:
    """Return the same key for the Russian, Uzbek and slug spellings of a district: "yakkasaray"."""
    key = "".join(word for word in _words(name) if word not in _DISTRICT_WORDS)
    # Uzbek has o where Russian has a. The letters х and ҳ are kh and h in Latin.
    folded = key.replace("kh", "h").replace("o", "a").replace("ai", "ay")
    return _ADJECTIVE.sub("", folded)


def _known_districts() -> dict[str, str]:
    return {_district_key(name): key for key, names in DISTRICTS.items() for name in (key, *names)}


_DISTRICT_BY_KEY = _known_districts()
_CITY_BY_KEY = _known_cities()
_REGION_BY_KEY = _known_regions()


def _find_city(name: str) -> tuple[str, str] | None:
    """Return a known city and its region, also from "Нурафшан (Тойтепа)" or "Ташкент, Чиланзар"."""
    return _CITY_BY_KEY.get(_city_key(name)) or _CITY_BY_KEY.get(_city_key(_ASIDE.sub(" ", name)))


def _in_latin(name: str) -> str | None:
    """Return an unknown name in Latin letters, with capitalized words."""
    latin = _APOSTROPHE.sub("'", name).casefold().translate(_LATIN)
    return " ".join(_WORD.sub(lambda word: word[0].capitalize(), latin).split()) or None


@lru_cache(maxsize=4096)
def canonical_city(name: str | None) -> str | None:
    """Return a city's English name: "г. Ташкент", "Тошкент", "Toshkent shahri" → "Tashkent".

    An unknown place keeps its published name in Latin letters. The name of a region becomes None.
    """
    if not name:
        return None
    place = _find_city(name)
    if place:
        return place[0]
    return None if _is_region(name) else _in_latin(name)


def _is_region(name: str) -> bool:
    return not _REGION_WORDS.isdisjoint(_words(name)) and _region_key(name) in _REGION_BY_KEY


@lru_cache(maxsize=4096)
def canonical_region(name: str | None) -> str | None:
    """Return a region's English name: "Ташкентская область" → "Tashkent Region".

    The name of a city becomes its region; the capital is a region: "г. Ташкент" → "Tashkent City".
    """
    if not name:
        return None
    if _REGION_WORDS.isdisjoint(_words(name)):
        city = _find_city(name)
        if city:
            return city[1]
    return _REGION_BY_KEY.get(_region_key(name)) or _in_latin(name)


@lru_cache(maxsize=4096)
def canonical_district(name: str | None, city: str | None) -> str | None:
    """Return a district's English name: "Яккасарайский район", "yakkasarai" → "Yakkasaray".

    A district of another city, or an unknown one, keeps its published name in Latin letters,
    without "район" or "tumani".

    :param city: the city of the district; the capital is assumed if it is None
    """
    if not name:
        return None
    # The district may be a part of the name: "Куйлюк-1 (Мирабадский район)", "Ташкент, Чилонзор
    # тумани".
    parts = (name, *_IN_PARENTHESES.findall(name), name.rpartition(",")[2])
    districts = (_DISTRICT_BY_KEY.get(_district_key(part)) for part in parts)
    district = next(filter(None, districts), None)
    if district and canonical_city(city) in (None, CAPITAL):
        return district
    return _in_latin(_DISTRICT_IN_NAME.sub(" ", _IN_PARENTHESES.sub(" ", name)))


@lru_cache(maxsize=4096)
def canonical_place(city: str | None, region: str | None) -> tuple[str | None, str | None]:
    """Return the canonical city and region of a listing.

    The published region takes precedence, because towns share names. Platforms assign the capital
    to the region around it, although it is a region of its own.
    """
    place = _find_city(city) if city else None
    if place and (place[0] == CAPITAL or not region):
        return place
    return canonical_city(city), canonical_region(region)
