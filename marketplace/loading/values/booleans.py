"""Yes and no in English, Russian and Uzbek, and words for availability."""

import re
from typing import Any

from marketplace.loading.values.currencies import APOSTROPHES, CLEANED
from marketplace.loading.values.errors import invalid
from marketplace.loading.values.texts import text

_NOT_LETTER = re.compile(r"[\W_]+")

_YES = "true 1 yes y on да есть имеется ha xa bor mavjud ҳа ха бор мавжуд"
_NO = "false 0 no n off нет не yo'q yoq mavjud_emas emas йўқ йук йок мавжуд_эмас"
_BOOLEANS = dict.fromkeys(_YES.split(), True) | dict.fromkeys(_NO.split(), False)

#: Word for availability, casefolded, letters and digits only → whether the item is in stock; None
#: if the word leaves it open.
_AVAILABILITY = (
    {"true": True, "false": False}
    | dict.fromkeys(
        (
            *("yes", "y", "on", "available", "instock", "instoreonly", "onlineonly", "onsale"),
            *("limitedavailability", "lowstock", "active", "enabled"),
            *("да", "есть", "вналичии", "естьвналичии", "имеетсявналичии", "имеется", "наскладе"),
            *("естьнаскладе", "впродаже", "доступен", "доступно", "доступна", "много", "мало"),
            *("ha", "bor", "mavjud", "sotuvda", "sotuvdabor", "sotuvdamavjud", "ombordabor"),
            *("omborda", "omborimizdabor"),
            *("ҳа", "бор", "мавжуд", "сотувда", "сотувдабор", "сотувдамавжуд", "омбордабор"),
        ),
        True,
    )
    | dict.fromkeys(
        (
            *("no", "n", "off", "none", "unavailable", "notavailable", "outofstock", "soldout"),
            *("notinstock", "nostock", "discontinued", "disabled", "inactive", "ended"),
            *("нет", "нетвналичии", "отсутствует", "неимеется", "нетнаскладе", "нетвпродаже"),
            *("распродано", "распродан", "распродана", "продано", "закончился", "закончилось"),
            *("закончилась", "недоступен", "недоступно", "недоступна", "снятспроизводства"),
            *("снятоспроизводства", "снятспродажи", "снятоспродажи"),
            *("yoq", "mavjudemas", "sotuvdayoq", "tugagan", "tugadi", "sotildi", "sotilgan"),
            *("ombordayoq", "sotuvdamavjudemas"),
            *("йўқ", "йук", "йуқ", "мавжудэмас", "сотувдайўқ", "тугаган", "тугади", "сотилган"),
            *("омбордайўқ", "сотувдамавжудэмас"),
        ),
        False,
    )
    | dict.fromkeys(
        (
            *("", "unknown", "null", "na", "preorder", "presale", "backorder", "onorder"),
            *("madetoorder", "toorder", "byorder", "onrequest", "comingsoon", "reserved"),
            *("неизвестно", "подзаказ", "назаказ", "заказ", "предзаказ", "ожидается"),
            *("уточняйте", "уточняйтеналичие", "уточнить", "позапросу", "скоро", "впути"),
            *("скоровпродаже", "резерв", "зарезервировано"),
            *("nomalum", "buyurtma", "buyurtmaasosida", "buyurtmaga", "tezorada", "kutilmoqda"),
            *("номаълум", "буюртма", "буюртмаасосида", "буюртмага", "тезорада", "кутилмоқда"),
        ),
        None,
    )
)


def boolean(value: Any, field: str) -> bool | None:
    """Return True or False, also from 0, 1, "yes", "no", "да", "нет", "ha", "yoʻq" or "mavjud"."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    meaning = _BOOLEANS.get(str(value).strip().casefold())
    if meaning is None:
        meaning = _BOOLEANS.get("_".join(str(value).translate(CLEANED).casefold().split()))
    if meaning is None:
        raise invalid(field, value, "is neither true nor false")
    return meaning


def availability(value: Any, field: str) -> bool | None:
    """Return whether an item can be bought, from "In stock", "нет в наличии", "sotuvda yo'q" or 5.

    Words that leave it open, such as "unknown" or "под заказ", become None.

    :raises PayloadError: if the word is not known
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value > 0
    published = text(value, field) or ""
    # schema.org publishes an address: https://schema.org/InStock.
    word = published.rpartition("/")[2].translate(APOSTROPHES).casefold().replace("ё", "е")
    word = _NOT_LETTER.sub("", word)
    if word.isdecimal():
        return int(word) > 0
    try:
        return _AVAILABILITY[word]
    except KeyError:
        raise invalid(field, value, "is not a known availability") from None
