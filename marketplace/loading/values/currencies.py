"""Names of currencies, such as "сум", "so'm", "у.е." and "₽", and their decimal places."""

import re
from functools import lru_cache

from price_parser import Price

APOSTROPHES = dict.fromkeys(map(ord, "ʻʼ‘’`´ʹ′＇"), "'")

#: Character → its plain equivalent in numbers and names; None for one without a meaning.
CLEANED = (
    APOSTROPHES
    | {ord("٬"): "'"}
    | dict.fromkeys(map(ord, "−‒﹣－"), "-")
    | {ord("，"): ",", ord("．"): ".", ord("％"): "%", ord("٪"): "%"}
    # Marks of the writing direction, and zero-width spaces.
    | dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF, 0xAD], None)
)
#: Published name, casefolded and without dots and apostrophes → ISO 4217 code.
_CURRENCIES = {
    "uzs": "UZS",
    "сом": "UZS",
    "сум": "UZS",
    "сума": "UZS",
    "сумов": "UZS",
    "сўм": "UZS",
    "som": "UZS",
    "sum": "UZS",
    "so m": "UZS",
    "уе": "USD",
    "ye": "USD",
    "ue": "USD",
    "уйе": "USD",
    "uye": "USD",  # OLX of Uzbekistan
    "$": "USD",
    "us$": "USD",
    "usd": "USD",
    "долл": "USD",
    "доллар": "USD",
    "доллара": "USD",
    "долларов": "USD",
    "dollar": "USD",
    "€": "EUR",
    "eur": "EUR",
    "евро": "EUR",
    "rur": "RUB",
    "rub": "RUB",
    "руб": "RUB",
    "рубль": "RUB",
    "рубля": "RUB",
    "рублей": "RUB",
    "₽": "RUB",
    "kzt": "KZT",
    "₸": "KZT",
    "тг": "KZT",
    "тенге": "KZT",
    "теңге": "KZT",
    "tenge": "KZT",
    "zł": "PLN",
    "pln": "PLN",
}
#: Published name → codes of other currencies that the same name is used for.
_OTHER_MEANINGS = (
    dict.fromkeys(("руб", "рубль", "рубля", "рублей"), ("BYN",))
    | dict.fromkeys(("сом", "som"), ("KGS",))
    | dict.fromkeys(("$", "dollar"), ("AUD", "CAD", "HKD", "NZD", "SGD"))
)
#: Codes of currencies whose prices are usually written without decimals.
_WITHOUT_DECIMALS = re.compile(r"UZS|KZT|JPY|KRW|IDR|VND|HUF|CLP|ISK|PYG|IRR|MNT|AMD|XAF|XOF")
#: Names of currencies whose prices may have three decimals.
_THREE_DECIMALS = re.compile(
    r"(?i)KWD|BHD|OMR|JOD|TND|IQD|LYD|[KBJLTI]D|DT|R\.?O|\.?د\.[كبأاعتل]\.?|\.?[عكلتب]\.د\.?|"
    r"ر\.ع\.?|دينار"
)
#: Names that price-parser does not recognize, casefolded.
_OTHER_NAMES = re.compile(
    r"원|元|円|圆|圓|人民币|s'|r|yen|yuan|francs?|pound|stg|lari|лари|ლარი|бат|บาท|nis|kwz|hrn|uah|cny|byn|"
    r"ден|дин|din|gfr|sfr|chf|frw|ksh|fbu|rbl|gbp|vnđ|dhs|esc|btc|spl|can\$|دينار|ریال|نافكا|ናቕፋ"
)
_ISO_CODE = re.compile(r"[a-z]{3}")
_DOLLARS = re.compile(r"[A-Z]{2,3}\$")
#: The last word before a number and the first word after it that can name a currency.
_TOKEN_BEFORE = re.compile(r"([^\s\d()/,;|]+)\s*$")
_TOKEN_AFTER = re.compile(r"\s*([^\s\d()/,;|]+)")


@lru_cache(maxsize=1024)
def currency_code(name: str) -> str | None:
    """Return the ISO 4217 code of a published name: "so'm" → "UZS"; None if it is unknown."""
    plain = _plain(name)
    code = _CURRENCIES.get(plain)
    return code or (plain.upper() if re.fullmatch(r"[a-z]{3}", plain) else None)


def _plain(name: str) -> str:
    return name.casefold().translate(CLEANED).replace("'", "").replace(".", "").strip()


def has_decimals(code: str | None) -> bool:
    """Return whether prices in a currency may have decimals; True for an unknown currency."""
    return code is None or not _WITHOUT_DECIMALS.fullmatch(code)


def contradicts(name: str, code: str) -> bool:
    """Return whether a published name cannot mean the currency with this code."""
    named = currency_code(name) if name else None
    return named not in (None, code) and code not in _OTHER_MEANINGS.get(_plain(name), ())


def may_have_three_decimals(name: str) -> bool:
    """Return whether prices in the currency with this published name may have three decimals."""
    return _THREE_DECIMALS.fullmatch(name) is not None


def find_currency(before: str, after: str) -> str:
    """Return the name of the currency next to a number, or an empty text.

    :param before: the text before the number
    :param after: the text after the number
    """
    following, preceding = _TOKEN_AFTER.match(after), _TOKEN_BEFORE.search(before)
    name = _name(following[1]) if following else ""
    if not name and following and _ISO_CODE.fullmatch(following[1]):
        code = following[1].upper()
        name = code if Price.fromstring(code).currency == code else ""
    return name or (_name(preceding[1]) if preceding else "")


def _name(token: str) -> str:
    """Return the name of the currency that a word is, or begins with, or an empty text."""
    plain = token.strip('-+~≈:*!"«»')
    folded = plain.casefold()
    if (
        folded.replace("'", "").replace(".", "") in _CURRENCIES
        or _OTHER_NAMES.fullmatch(folded)
        or _DOLLARS.fullmatch(plain)
        or plain == "L"
    ):
        return plain
    name: str = Price.fromstring(plain).currency or ""
    if name.strip(".") == plain.strip("."):
        return name
    # Words that run together, as in "złdo negocjacji", and symbols next to other signs.
    is_distinct = not name.isascii() or not name.isalpha()
    is_part = len(name) > 1 or not name.isalpha()
    return name if name and is_distinct and is_part and plain.startswith(name) else ""
