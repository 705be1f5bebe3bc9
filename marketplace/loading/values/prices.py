"""Numbers and prices that are written as text: "1,5 млн so'm", "от 28 308,50 ₽", "1.899,-".

A number is read if it has one meaning. A separator before exactly three digits has two: "1.600" is
1600 or 1.6. It is settled by the decimal mark that the mapping or the user states, by the currency
beside the number, or by the other amounts of the same source; otherwise the number is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from marketplace.loading.values.currencies import (
    CLEANED,
    find_currency,
    has_decimals,
    is_another,
    may_have_three_decimals,
)

#: A letter that is not a digit or "_".
_LETTER = r"[^\W\d_]"
_SPACES = " \u00a0\u2000-\u200a\u202f\u205f\u3000"
_GROUP = rf"[{_SPACES}']"
_NUMBER = re.compile(
    rf"(?:(?<![\d.,])|(?<={_LETTER}[.,])|(?<=[^\w\s.,]\.))"
    rf"(?:\d{{1,3}}(?:(?:{_GROUP}|[.,])\d{{3}})+(?:[.,]\d+)?"  # 1 234 567,89
    r"|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?"  # 12,34,567.89
    r"|\d+(?:[.,]\d+)?"  # 1234567,89
    r"|(?:(?<![\w.])|(?<=[^\w\s.,]\.))\.\d+)"  # .75
    r"(?![.,]?\d)"
)
#: What most tables hold: "28 308,50 ₽".
_SIMPLE = re.compile(rf"(\d{{1,3}}(?:[{_SPACES}]\d{{3}})+|\d+)(?:[.,](\d\d?))?((?:[^\d.,]\D*)?)")
_NOT_DIGIT = re.compile(r"\D")
_PLAIN = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d+")
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}")
_SUSPECT = re.compile(rf"(?<!\d)(?<!\d[.,{_SPACES}])[1-9]\d{{0,2}}[.,]\d{{3}}(?!\d|[.,]\d)")
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
_LAKHS = re.compile(r"\d{1,2}(?:,\d\d)*,\d{3}")
_NO_CENTS = re.compile(r"([.,])\s?[-–—]")
_SIGN = re.compile(r"(?<![\w.,])-[^\w\s]?$")
#: A space behind the decimal mark of a price: "1.837, 32 €".
_SPACED_CENTS = re.compile(rf"(?<=\d[.,])[{_SPACES}](?=\d\d(?:\D*$|\s{_LETTER}))")
#: Cents behind the sign of the currency: "35€ 99".
_CENTS_BEHIND = re.compile(r"(?<=\d)\s?€\s?(\d\d)(?=\D*$)")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
_PERCENT = re.compile(r"\s?%")
#: A price that the seller does not publish.
_NOT_PUBLISHED = re.compile(
    r"(?i)(?:цена\s)?(?:договорная|по договор[её]нности|по запросу)|narxi? kelishiladi|"
    r"kelishiladi|kelishilgan|келишилади|келишилган|нархи келишилади"
)
_FREE = re.compile(r"(?i)(?:free|бесплатно|даром|bepul|tekin|бепул|текин)!*")
#: What multiplies the number before it, from its start to the end of the word.
_MULTIPLIERS = [
    (re.compile(pattern), Decimal(10) ** power)
    for pattern, power in (
        (r"\s?(?i:(?:тыс|тыщ|tys|минг|мың|мын|thousand)\w*|ming(?:ta)?\b)\.?|[kKкК]\b", 3),
        (r"\s?(?i:млн|миллион|mln|million|milyon)\w*\.?|[MМ]\b", 6),
        (r"\s?(?i:млрд|миллиард|mlrd|mld|milliard|billion|bln)\w*\.?", 9),
        (r"\s?(?i:трлн|триллион|trln|trillion)\w*\.?", 12),
    )
]
_MULTIPLIER = re.compile(
    r"(?i)\b(?:тыс|тыщ|tys|минг|мың|ming\b|млн|миллион|mln|million|млрд|миллиард|mlrd|milliard|трлн)"
)
#: What measures or bounds something else than a price.
_UNIT = re.compile(
    r"\s?(?:\+|(?:ft|in|oz|lb|[кk]?[gг]|[кkсcмm]?[mм]|[мm]?[lл]|кв|sq|[гg][бb]|"
    r"шт|pcs|dona|ta|дн|дней|days|мин|min|мес)(?![^\W_]))"
)
#: "15 к" is 15 000, or 15 kopecks.
_THOUSANDS_OR_CENTS = re.compile(r"\s[kKкК](?![^\W_])")
#: What makes a number the upper limit of a price: "до 100", "100 gacha".
_UPPER_LIMIT = re.compile(r"(?i)\b(?:до|up to|gacha|гача)\b")
#: Words beside a price that leave it one.
_PRICE_WORDS = re.compile(
    r"(?i)^(?:цен[аы]|price|narx\w*|нарх\w*|bahosi|cena|from|dan|бошлаб|boshlab|"
    r"only|inc|incl|inkl|vat|gst|tax|mwst|zzgl|versand|ндс|qqs|undefined)$"
)
_WORD = re.compile(rf"{_LETTER}{{3,}}")
_FOR_ONE = re.compile(rf"^\s?/\s?{_LETTER}+")
_ARABIC_MARK = "\u066b"


@dataclass(frozen=True)
class Style:
    """How the numbers of a field are written, as far as it is known.

    :param is_price: whether words and units beside the number may contradict it
    :param is_whole: whether only whole numbers are possible
    :param limit: the largest possible number; 0 if there is none
    :param decimal: the decimal mark that the mapping names
    :param stated: the decimal mark that the user states for numbers that have two meanings
    :param evidence: the decimal mark of the other amounts of the source
    :param has_decimals: whether prices in the currency are written with decimals
    :param currency: the currency's code; the text must not name another one
    """

    is_price: bool = False
    is_whole: bool = False
    limit: int = 0
    decimal: str = ""
    stated: str = ""
    evidence: str = ""
    has_decimals: bool = True
    currency: str = ""


NUMBER = Style()
PRICE = Style(is_price=True)
WHOLE = Style(is_whole=True)
RATING = Style(limit=5)


@lru_cache(maxsize=256)
def in_currency(code: str | None, evidence: str = "", stated: str = "") -> Style:
    """Return how prices in a currency are written.

    :param evidence: the decimal mark of the other prices of the source
    :param stated: the decimal mark that the user states; it counts more than all evidence
    """
    return Style(
        True,
        stated=stated,
        evidence=evidence,
        has_decimals=has_decimals(code),
        currency=code or "",
    )


class Reading(NamedTuple):
    """The one number of a text, and the name of the currency beside it, empty if there is none.

    :param number: None for a price that the seller does not publish
    """

    number: Decimal | None
    currency: str


class _Beside(NamedTuple):
    """What stands beside a number: what multiplies it, the currency, the text behind both."""

    factor: Decimal
    currency: str
    after: str


def read(text: str, style: Style = NUMBER) -> Reading:
    """Return the one number of a text: "от 28 308,50 ₽" → 28308.50, "₽".

    :raises ValueError: why it has none, or several, or none that is certain
    """
    simple = None if style.decimal else _SIMPLE.fullmatch(text)
    if simple:
        beside = _beside("", simple[3].translate(CLEANED), style.is_price, style.currency)
        number = Decimal(f"{_NOT_DIGIT.sub('', simple[1])}.{simple[2] or ''}") * beside.factor
        return Reading(number, beside.currency)
    return _read(text.translate(CLEANED).strip(), style)


def _read(cleaned: str, style: Style) -> Reading:
    if _ARABIC_MARK in cleaned:
        cleaned = cleaned.replace(_ARABIC_MARK, ".")
        style = replace(style, decimal=".")
    if _PLAIN.fullmatch(cleaned):
        return Reading(Decimal(cleaned), "")
    if style.is_price:
        if _NOT_PUBLISHED.fullmatch(cleaned):
            return Reading(None, "")
        if _FREE.fullmatch(cleaned):
            return Reading(Decimal(0), "")
        cleaned = _CENTS_BEHIND.sub(r",\1 €", _SPACED_CENTS.sub("", cleaned))
    match = _only_number(cleaned, style)
    before, after = cleaned[: match.start()], cleaned[match.end() :]
    beside = _beside(before, after, style.is_price, style.currency)
    number = _number(match[0], _decimal_mark(match[0], beside, style)) * beside.factor
    is_negative = _is_negative(before, after, style)
    return Reading(-number if is_negative else number, beside.currency)


def is_ambiguous(text: str) -> bool:
    """Return whether a separator of a text may mean two things: "1.600"."""
    return _SUSPECT.search(text) is not None


def evident_mark(texts: Iterable[str]) -> str:
    """Return the decimal mark that all amounts agree on: "1.600.000", "5,50" → ",".

    Empty if no amount shows it, or if they contradict each other.
    """
    marks = {_evident_mark(text) for text in texts} - {""}
    return marks.pop() if len(marks) == 1 else ""


def opposite(mark: str) -> str:
    """Return the decimal mark beside which another one separates thousands."""
    return "," if mark == "." else "."


def _evident_mark(text: str) -> str:
    cleaned = text.translate(CLEANED)
    numbers = _NUMBER.findall(cleaned)
    if len(numbers) != 1 or _MULTIPLIER.search(cleaned) or _AMBIGUOUS.fullmatch(numbers[0]):
        return ""
    marks = [character for character in numbers[0] if character in ".,"]
    if len(marks) > 1 and len(set(marks)) == 1:
        return opposite(marks[0])
    return marks[-1] if marks else ""


def _outside_parentheses(text: str, numbers: list[re.Match[str]]) -> list[re.Match[str]]:
    """Return the price itself, not what explains it: "34.12 (40.94 with tax)"."""
    spans = [each.span() for each in _IN_PARENTHESES.finditer(text)]
    return [each for each in numbers if not any(a < each.start() < b for a, b in spans)]


def _are_equal(numbers: list[re.Match[str]]) -> bool:
    """Return whether a text repeats one number that is not ambiguous: "205,68 € 205.68"."""
    digits = [each[0] for each in numbers]
    if any(_AMBIGUOUS.fullmatch(each) for each in digits):
        return False
    return len({_number(each, _evident_mark(each)) for each in digits}) == 1


def _only_number(text: str, style: Style) -> re.Match[str]:
    """Return the one number of a text."""
    numbers = list(_NUMBER.finditer(text))
    if style.is_price:
        prices = [each for each in numbers if not _PERCENT.match(text, each.end())]
        if numbers and not prices:
            raise ValueError("is a percentage, not a price")
        numbers = prices if len(prices) == 1 else _outside_parentheses(text, prices)
    if not numbers:
        raise ValueError("is not a number")
    if len(numbers) > 1 and not (style.is_price and _are_equal(numbers)):
        raise ValueError(f"holds {len(numbers)} numbers")
    return numbers[0]


@lru_cache(maxsize=1024)  # The same for most amounts of a source.
def _beside(before: str, after: str, is_price: bool, expected: str) -> _Beside:
    """Return what the texts before and after a number say of it."""
    factor = Decimal(1)
    for pattern, power in _MULTIPLIERS:
        match = pattern.match(after)
        if match:
            factor, after = power, after[match.end() :]
            break
    if _MULTIPLIER.search(before) or _MULTIPLIER.search(after):
        raise ValueError("is multiplied by a word that does not follow the number")
    currency = find_currency(before, after)
    if is_price:
        _check_price(before, after, currency)
    if expected and is_another(currency, expected):
        raise ValueError(f"is not in {expected}, the currency of the record")
    return _Beside(factor, currency, after)


def _check_price(before: str, after: str, currency: str) -> None:
    """Refuse a number that its text shows to be something else than a price."""
    if _PERCENT.match(after):
        raise ValueError("is a percentage, not a price")
    if _THOUSANDS_OR_CENTS.match(after):
        raise ValueError("can mean thousands or cents")
    if before.rstrip().endswith("+"):
        raise ValueError("is an addition to a price, not a price")
    if _UNIT.match(after) and not (currency and after[:1] != "+"):
        raise ValueError("is a measure or a limit, not a price")
    if _UPPER_LIMIT.search(before) or _UPPER_LIMIT.search(after):
        raise ValueError("is the upper limit of a price, not a price")
    words = _WORD.findall(before + " " + _FOR_ONE.sub("", after))
    if not currency and not all(_PRICE_WORDS.match(word) for word in words):
        raise ValueError("holds other words and no currency, so it may not be a price")


def _decimal_mark(digits: str, beside: _Beside, style: Style) -> str:
    """Return the decimal mark of a number, empty if it has none."""
    marks = [character for character in digits if character in ".,"]
    if style.decimal:
        return style.decimal
    if not marks:
        return ""
    no_cents = _NO_CENTS.match(beside.after)
    if no_cents:
        return no_cents[1]
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return ""
    if _AMBIGUOUS.fullmatch(digits):
        return _settle(digits, marks[0], beside, style)
    return marks[0]


def _settle(digits: str, mark: str, beside: _Beside, style: Style) -> str:
    """Return the decimal mark of a number such as "1.600", by evidence."""
    groups = opposite(mark)
    thousands = _number(digits, groups)
    if style.limit and thousands > style.limit:
        return mark
    if style.stated:
        return style.stated
    claims = {style.evidence, "" if style.has_decimals else groups} - {""}
    if beside.factor == 1:
        if style.is_whole and thousands % 1000:
            claims = {groups}
        elif beside.currency and not may_have_three_decimals(beside.currency):
            claims.add(groups)
    if len(claims) != 1:
        meanings = [_number(digits, each) * beside.factor for each in (groups, mark)]
        more, less = (f"{each.normalize():f}" for each in meanings)
        raise ValueError(
            f"can mean {more} or {less}: state the decimal mark, of a table by decimal in its "
            "mapping, of a feed by --decimal, in an adapter by prices.in_currency"
        )
    return claims.pop()


def _number(digits: str, mark: str) -> Decimal:
    """Return the number that some digits are.

    :raises ValueError: if what is left of the decimal mark is not grouped by three
    """
    whole, _, part = digits.rpartition(mark) if mark and mark in digits else (digits, "", "")
    whole = re.sub(_GROUP, "", whole)
    has_marks = "." in whole or "," in whole
    if has_marks and not (_GROUPED.fullmatch(whole) or _LAKHS.fullmatch(whole)):
        raise ValueError(f'does not fit the decimal mark "{mark}"' if mark else "is not a number")
    try:
        digits = whole.replace(".", "").replace(",", "") or "0"
        return Decimal(f"{digits}.{part}" if part else digits)
    except InvalidOperation:
        raise ValueError("is not a number") from None


def _is_negative(before: str, after: str, style: Style) -> bool:
    """Return whether a number is negative: "-5", "-$5", or "(5)" as accountants write it."""
    if _SIGN.search(before) or (before.strip() == "(" and after.strip() == ")"):
        return True
    # Before a price, a dash with a space is a bullet: "- $44.99".
    return before.strip() == "-" and not style.is_price
