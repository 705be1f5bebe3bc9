"""Conversions from what platforms publish to canonical values.

Each takes the published value and the name of its field, returns None for what is unknown (None,
an empty string), and raises `PayloadError` naming the field for what cannot be understood.
Unknown is None, never 0.
"""

import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parsedate_to_datetime
from functools import wraps
from html import unescape
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from marketplace.exceptions import PayloadError
from marketplace.loading.values import prices
from marketplace.loading.values.currencies import APOSTROPHES, CLEANED, currency_code
from marketplace.loading.values.prices import NUMBER, PRICE, RATING, WHOLE, Style

TASHKENT = ZoneInfo("Asia/Tashkent")

#: The largest amount that numeric(18,2) holds.
MAX_MONEY = Decimal(10) ** 16

_PLAIN_MONEY = 10**15
_CENT = Decimal("0.01")
_MICRODEGREE = Decimal("0.000001")

_MAX_INTEGER = 2**63 - 1
_MAX_COUNT = 2**31
#: Whole numbers up to here are exact as floats.
_MAX_EXACT = 2**53
_MAX_DIGITS = 400
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"(?i)<\s*(br|/p|/li|/div|/h[1-6])\s*/?\s*>\r?\n?")
#: A number that has one meaning: not "1.600".
_PLAIN = re.compile(r"-?(?:\d+(?:\.(?:\d\d?|\d{4,}))?|(?:0|\d{4,})\.\d{3})", re.ASCII)
_Result = TypeVar("_Result")

#: Objects that a function remembers at most.
_REMEMBERED = 5_000

_CLOCK = (
    r"(?:[T, ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-./](?P<month>\d{1,2})[-./](?P<day>\d{1,2})" + _CLOCK)
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})" + _CLOCK)
_MONTH_NAME = re.compile(r"\d\s+[A-Za-z]{3}\s+\d")
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")
_NOT_LETTER = re.compile(r"[\W_]+")
_NOT_WORD = re.compile(r"[^\w]+")


def text(value: Any, field: str) -> str | None:
    """Return trimmed text: "  a " → "a". Numbers become their text; None and "" become None."""
    if value is None:
        return None
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    raise _fault(field, value, "is not text")


def plain_text(value: Any, field: str) -> str | None:
    """Return text without HTML: tags removed, breaks kept as line ends, entities resolved."""
    published = text(value, field)
    if published is None or ("<" not in published and "&" not in published):
        return published
    return unescape(_TAG.sub(" ", _BREAK.sub("\n", published))).strip() or None


def identifier(value: Any, field: str) -> str:
    """Return the platform's id as text: 123 and "123" → "123".

    :raises PayloadError: also if there is none
    """
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        if abs(value) > _MAX_EXACT:
            raise _fault(field, value, "is not exact: a float of more than 2^53")
        value = int(value)
    found = text(value, field)
    if found is None:
        raise PayloadError("is missing", field)
    if len(found) > 200:
        raise _fault(field, found, "is longer than 200 characters")
    return found


def tax_number(value: Any, field: str) -> str | None:
    """Return a tax number without the white space in it: "987 654 321" → "987654321".

    Zeros alone, which platforms publish for "none", are None.
    """
    published = text(value, field)
    number = "".join(published.split()) if published else ""
    return number if number.strip("0") else None


def decimal(value: Any, field: str, style: Style = NUMBER) -> Decimal | None:
    """Return a finite number: "28 308,50" → Decimal("28308.50"), "1,5 млн" → Decimal("1500000.0").

    :param style: how the field's numbers are written
    :raises PayloadError: also if a text has several meanings, as "1.600" has, or holds no number
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        number = _decimal_of_text(value, field, style)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _fault(field, value, "is not a number")
    else:
        number = Decimal(str(value))
    # Arithmetic on a number of a billion digits would not end.
    if number is not None and (not number.is_finite() or number.adjusted() > _MAX_DIGITS):
        raise _fault(field, value, "is not a finite number")
    return number


def _decimal_of_text(text: str, field: str, style: Style) -> Decimal | None:
    if _PLAIN.fullmatch(text) and style.decimal != ",":
        return Decimal(text)
    published = plain_text(text, field)
    if published is None:
        return None
    try:
        return prices.read(published, style).number
    except ValueError as error:
        raise _fault(field, text, str(error)) from None


def rounded(number: Decimal, places: Decimal) -> Decimal:
    """Return a number rounded half away from zero, as PostgreSQL does: 12.345 → 12.35.

    :param places: the last digit that is kept, such as Decimal("0.01")
    """
    return number.quantize(places, ROUND_HALF_UP)


def integer(value: Any, field: str, style: Style = WHOLE) -> int | None:
    """Return a whole number: 3, "3", 3.0, "4399.0" and "1,2 тыс. отзывов" are; 3.5 is not."""
    if value is None or (type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER):
        return value
    number = decimal(value, field, style)
    if number is None:
        return None
    if abs(number) > (_MAX_EXACT if isinstance(value, float) else _MAX_INTEGER):
        raise _fault(field, value, "is too large")
    if number != number.to_integral_value():
        raise _fault(field, value, "is not a whole number")
    return int(number)


def count(value: Any, field: str, style: Style = WHOLE) -> int | None:
    """Return a whole number that is not negative and fits in 32 bits."""
    if type(value) is int and 0 <= value < _MAX_COUNT:
        return value
    number = integer(value, field, style)
    if number is not None and not 0 <= number < _MAX_COUNT:
        raise _fault(field, value, "is not a count")
    return number


def money(value: Any, field: str, minor_units: int = 1, style: Style = PRICE) -> Decimal | None:
    """Return an amount that fits numeric(18,2), rounded half up to 2 places.

    :param minor_units: how many of the published unit make one of the currency (100 for kopecks)
    :raises PayloadError: also if it is negative or too large
    """
    if type(value) is int and minor_units == 1 and 0 <= value < _PLAIN_MONEY:
        # What most payloads hold: worth a way of its own.
        return Decimal(value).quantize(_CENT)
    number = decimal(value, field, style)
    if number is None:
        return None
    if number < 0:
        raise _fault(field, value, "is negative")
    # Compared after rounding, which may reach the limit; before it, the context's precision ends.
    if number >= MAX_MONEY * minor_units:
        raise _fault(field, value, "is too large for numeric(18,2)")
    amount = (number / minor_units).quantize(_CENT, ROUND_HALF_UP)
    if amount >= MAX_MONEY:
        raise _fault(field, value, "is too large for numeric(18,2)")
    return amount


def price(value: Any, field: str, minor_units: int = 1, style: Style = PRICE) -> Decimal | None:
    """Return an amount as `money` does, but None for 0: platforms publish 0 for "no price"."""
    return money(value, field, minor_units, style) or None


def old_price(
    value: Any, field: str, price: Decimal, minor_units: int = 1, style: Style = PRICE
) -> Decimal | None:
    """Return the price before a discount, or None unless it is higher than `price`.

    Platforms repeat the price itself there when nothing is discounted.
    """
    amount = money(value, field, minor_units, style)
    return amount if amount is not None and amount > price else None


def in_stock(quantity: int | None) -> bool | None:
    """Return whether anything is left; None if the quantity is unknown."""
    return None if quantity is None else quantity > 0


def total(quantities: Iterable[Any], field: str) -> int | None:
    """Return the sum of counts, leaving out unknown ones; None if none is known."""
    known = [number for value in quantities if (number := count(value, field)) is not None]
    return count(sum(known), field) if known else None


def rating(value: Any, field: str, style: Style = RATING) -> Decimal | None:
    """Return a rating between 0 and 5 with two places; 0 means "not rated yet" and becomes None."""
    number = decimal(value, field, style)
    if not number:
        return None
    if not 0 <= number <= 5:
        raise _fault(field, value, "is not between 0 and 5")
    return rounded(number, _CENT)


def coordinate(value: Any, field: str, limit: int, style: Style = NUMBER) -> Decimal | None:
    """Return degrees with six places, at most `limit` from zero (90 latitude, 180 longitude)."""
    number = decimal(value, field, replace(style, limit=limit))
    if number is None:
        return None
    if abs(number) > limit:
        raise _fault(field, value, f"is not between -{limit} and {limit}")
    return rounded(number, _MICRODEGREE)


_YES = "true 1 yes y on да есть имеется ha xa bor mavjud ҳа ха бор мавжуд"
_NO = "false 0 no n off нет не yo'q yoq mavjud_emas emas йўқ йук йок мавжуд_эмас"
_BOOLEANS = dict.fromkeys(_YES.split(), True) | dict.fromkeys(_NO.split(), False)


def boolean(value: Any, field: str) -> bool | None:
    """Return True or False: also for 0, 1, "yes", "no", "да", "нет", "ha", "yoʻq", "mavjud"."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).strip().casefold())
    if known is None:
        known = _BOOLEANS.get("_".join(str(value).translate(CLEANED).casefold().split()))
    if known is None:
        raise _fault(field, value, "is neither true nor false")
    return known


#: Words of platforms and shops for availability: casefolded, letters and digits only. None: a word
#: that does not say whether the item is in stock.
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


def availability(value: Any, field: str) -> bool | None:
    """Return whether an item can be bought: "In stock", "нет в наличии", "sotuvda yo'q", 5 pieces.

    None for words that do not say it, such as "unknown" or "под заказ".

    :raises PayloadError: if the word is not known
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value > 0
    published = text(value, field) or ""
    # Of https://schema.org/InStock the last part counts.
    word = published.rpartition("/")[2].translate(APOSTROPHES).casefold().replace("ё", "е")
    word = _NOT_LETTER.sub("", word)
    if word.isdecimal():
        return int(word) > 0
    try:
        return _AVAILABILITY[word]
    except KeyError:
        raise _fault(field, value, "is not a known availability") from None


def instant(value: Any, field: str) -> datetime | None:
    """Return an aware time from text, or from seconds or milliseconds since 1970.

    Text is ISO 8601, also with a single digit for the hour, "30.11.2026 09:05", or RFC 822. Without
    a zone it is Asia/Tashkent. Digits beyond microseconds are dropped.
    """
    if value is None or value == "":
        return None
    try:
        moment = _moment(value)
    except (ValueError, OverflowError, OSError):
        raise _fault(field, value, "is not a time") from None
    if not _EARLIEST <= moment < _LATEST:
        raise _fault(field, value, "is not between the years 2000 and 2100")
    return moment


def _moment(value: Any) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) > 1e11 else value
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if not isinstance(value, str):
        raise ValueError
    published = _NANOSECONDS.sub(r"\1", value.strip())
    if len(published) in (10, 13) and published.isdecimal():
        return _moment(int(published))
    try:
        moment = datetime.fromisoformat(published)
    except ValueError:
        moment = _loose_moment(published)
    return moment if moment.tzinfo else moment.replace(tzinfo=TASHKENT)


def _loose_moment(text: str) -> datetime:
    """Return the time of a text that is not ISO 8601.

    :raises ValueError: if it has none of the known forms
    """
    found = _YEAR_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if found:
        year, month, day = (int(found[name]) for name in ("year", "month", "day"))
        hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
        zone = datetime.strptime(found["zone"], "%z").tzinfo if found["zone"] else None
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    if not _MONTH_NAME.search(text):
        raise ValueError
    try:
        return parsedate_to_datetime(text)
    except (TypeError, IndexError):
        raise ValueError from None


def currency(value: Any, field: str) -> str | None:
    """Return the ISO 4217 code: "Сом", "сум", "so'm", "soʻm" → UZS, "у.е." → USD, "RUR" → RUB."""
    published = text(value, field)
    if published is None:
        return None
    code = currency_code(published)
    if code is None:
        raise _fault(field, value, "is not a known currency")
    return code


def amount(value: Any, field: str) -> tuple[Decimal | None, str | None]:
    """Return an amount and its ISO 4217 code: "5 990 000 soʻm" → (Decimal("5990000.00"), "UZS")."""
    published = text(value, field)
    if published is None:
        return None, None
    try:
        found = prices.read(published, PRICE)
    except ValueError as error:
        raise _fault(field, value, str(error)) from None
    return money(found.number, field), currency(found.currency, field)


def normalize_title(title: str | None) -> str | None:
    """Return the form in which titles are compared across platforms.

    NFKC, casefolded, apostrophe variants unified, punctuation removed, spaces collapsed:
    "iPhone 15 Pro!" → "iphone 15 pro".
    """
    if not title:
        return None
    # Before NFKC, which turns an acute accent used as an apostrophe into a space and a mark.
    unified = unicodedata.normalize("NFKC", title.translate(APOSTROPHES)).casefold()
    kept = _NOT_WORD.sub(" ", unified.replace("'", "")).replace("_", " ")
    return " ".join(kept.split()) or None


def mapping(value: Any, field: str) -> dict[str, Any]:
    """Return the object itself; None becomes an empty one.

    :raises PayloadError: if it is something else
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _fault(field, value, "is not an object")
    return value


def objects(value: Any, field: str) -> list[dict[str, Any]]:
    """Return a list of objects; None becomes an empty one.

    :raises PayloadError: if it is something else, or holds something else
    """
    if value is None:
        return []
    if not isinstance(value, list) or not {dict}.issuperset(map(type, value)):
        raise _fault(field, value, "is not a list of objects")
    return value


def entries(value: Any, field: str) -> list[Any]:
    """Return a list whose entries may be anything; None becomes an empty one.

    For lists whose entries become items of their own: an entry that is not an object is refused
    alone, when it is parsed.

    :raises PayloadError: if it is something else than a list
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise _fault(field, value, "is not a list")
    return value


def memoize(parse: Callable[[dict[str, Any]], _Result]) -> Callable[[dict[str, Any]], _Result]:
    """Have a function of an object with an `id` return what it returned for an equal one.

    For what is told again and again, such as the seller in each of his products: to compare it
    costs a fraction of parsing it. What is returned must not be changed.
    """
    known: dict[int | str, tuple[dict[str, Any], _Result]] = {}

    @wraps(parse)
    def remember(value: dict[str, Any]) -> _Result:
        key = value.get("id")
        if type(key) is not int and type(key) is not str:
            return parse(value)
        found = known.get(key)
        if found is not None and found[0] == value:
            return found[1]
        result = parse(value)
        if len(known) >= _REMEMBERED:
            known.clear()
        known[key] = (value, result)
        return result

    return remember


def quote(value: Any) -> str:
    """Return a value for a message: at most 80 characters, texts in double quotes, in one line."""
    if isinstance(value, str | bytes):
        return f'"{_shortened(_visible(value))}"'
    # Of objects and lists only the beginning: they may be huge, or nested deeper than repr() goes.
    return _shortened(reprlib.repr(value) if isinstance(value, dict | list) else str(value))


def _shortened(text: str) -> str:
    return f"{text[:80]}…" if len(text) > 80 else text


def _visible(value: str | bytes) -> str:
    """Return a text without characters that would break the line of a message."""
    text = value[:400].decode("utf-8", "replace") if isinstance(value, bytes) else value[:400]
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _fault(field: str, value: Any, reason: str) -> PayloadError:
    return PayloadError(f"{quote(value)} {reason}", field)
