"""The text around a number: multipliers, currencies, and words that contradict a price."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from marketplace.loading.values.currencies import contradicts, find_currency

#: A letter that is not a digit or "_".
LETTER = r"[^\W\d_]"

PERCENT = re.compile(r"\s?%")

#: Words and letters that multiply the number before them.
_MULTIPLIERS = [
    (re.compile(pattern), Decimal(10) ** power)
    for pattern, power in (
        (r"\s?(?i:(?:тыс|тыщ|tys|минг|мың|мын|thousand)\w*|ming(?:ta)?\b)\.?|[kKкК]\b", 3),
        (r"\s?(?i:млн|миллион|mln|million|milyon)\w*\.?|[MМ]\b", 6),
        (r"\s?(?i:млрд|миллиард|mlrd|mld|milliard|billion|bln)\w*\.?", 9),
        (r"\s?(?i:трлн|триллион|trln|trillion)\w*\.?", 12),
    )
]
MULTIPLIER = re.compile(
    r"(?i)\b(?:тыс|тыщ|tys|минг|мың|ming\b|млн|миллион|mln|million|млрд|миллиард|mlrd|milliard|трлн)"
)
#: Units after numbers that are not prices: sizes, weights, periods; "+" marks a lower limit.
_UNIT = re.compile(
    r"\s?(?:\+|(?:ft|in|oz|lb|[кk]?[gг]|[кkсcмm]?[mм]|[мm]?[lл]|кв|sq|[гg][бb]|"
    r"шт|pcs|dona|ta|дн|дней|days|мин|min|мес)(?![^\W_]))"
)
#: "15 к" means 15 000 or 15 kopecks.
_THOUSANDS_OR_CENTS = re.compile(r"\s[kKкК](?![^\W_])")
#: Words that make a number the upper limit of a price: "до 100", "100 gacha".
_UPPER_LIMIT = re.compile(r"(?i)\b(?:до|up to|gacha|гача)\b")
#: Words next to a price that do not change its meaning.
_PRICE_WORDS = re.compile(
    r"(?i)^(?:цен[аы]|price|narx\w*|нарх\w*|bahosi|cena|from|dan|бошлаб|boshlab|"
    r"only|inc|incl|inkl|vat|gst|tax|mwst|zzgl|versand|ндс|qqs|undefined)$"
)
_WORD = re.compile(rf"{LETTER}{{3,}}")
_FOR_ONE = re.compile(rf"^\s?/\s?{LETTER}+")


class Context(NamedTuple):
    """The meaning of the text around a number.

    :param factor: the multiplier after the number: 1000 for "тыс."
    :param currency: the name of the currency, or an empty text
    :param after: the text after the number and its multiplier
    """

    factor: Decimal
    currency: str
    after: str


@lru_cache(maxsize=1024)  # Most amounts of a source have the same context.
def read_context(before: str, after: str, is_price: bool, expected: str) -> Context:
    """Return the meaning of the texts before and after a number.

    :param expected: the code of the expected currency; empty if it is unknown
    :raises ValueError: if the texts contradict a price, or the expected currency
    """
    factor = Decimal(1)
    for pattern, power in _MULTIPLIERS:
        match = pattern.match(after)
        if match:
            factor, after = power, after[match.end() :]
            break
    if MULTIPLIER.search(before) or MULTIPLIER.search(after):
        raise ValueError("is multiplied by a word that does not follow the number")
    currency = find_currency(before, after)
    if is_price:
        _check_price(before, after, currency)
    if expected and contradicts(currency, expected):
        raise ValueError(f"is not in {expected}, the currency of the record")
    return Context(factor, currency, after)


def _check_price(before: str, after: str, currency: str) -> None:
    """Check that the text around a number does not contradict a price.

    :raises ValueError: if it does
    """
    if PERCENT.match(after):
        raise ValueError("is a percentage, not a price")
    if _THOUSANDS_OR_CENTS.match(after):
        raise ValueError("can mean thousands or cents: write the number in full")
    if before.rstrip().endswith("+"):
        raise ValueError("is an addition to a price, not a price")
    if _UNIT.match(after) and not (currency and after[:1] != "+"):
        raise ValueError("is a measure or a limit, not a price")
    if _UPPER_LIMIT.search(before) or _UPPER_LIMIT.search(after):
        raise ValueError("is the upper limit of a price, not a price")
    words = _WORD.findall(before + " " + _FOR_ONE.sub("", after))
    if not currency and not all(_PRICE_WORDS.match(word) for word in words):
        raise ValueError("has other words and no currency, so it may not be a price")
