"""Numbers and prices in texts: "1,5 млн so'm", "от 28 308,50 ₽", "1.899,-".

A text is read if it has exactly one meaning. A separator before exactly three digits is ambiguous:
"1.600" is 1600 or 1.6. The decimal mark that the mapping or the user states resolves it, or the
currency next to the number, or the other amounts of the same source. A number that remains
ambiguous is an error.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from marketplace.loading.values.contexts import LETTER, MULTIPLIER, PERCENT, Context, read_context
from marketplace.loading.values.currencies import CLEANED, has_decimals, may_have_three_decimals

_SPACES = " \u00a0\u2000-\u200a\u202f\u205f\u3000"
_GROUP = rf"[{_SPACES}']"
_NUMBER = re.compile(
    rf"(?:(?<![\d.,])|(?<={LETTER}[.,])|(?<=[^\w\s.,]\.))"
    rf"(?:\d{{1,3}}(?:(?:{_GROUP}|[.,])\d{{3}})+(?:[.,]\d+)?"  # 1 234 567,89
    r"|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?"  # 12,34,567.89
    r"|\d+(?:[.,]\d+)?"  # 1234567,89
    r"|(?:(?<![\w.])|(?<=[^\w\s.,]\.))\.\d+)"  # .75
    r"(?![.,]?\d)"
)
#: The form in most tables: "28 308,50 ₽".
_SIMPLE = re.compile(rf"(\d{{1,3}}(?:[{_SPACES}]\d{{3}})+|\d+)(?:[.,](\d\d?))?((?:[^\d.,]\D*)?)")
_NOT_DIGIT = re.compile(r"\D")
_SCIENTIFIC = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d+")
#: A number such as "1.600": the mark separates thousands or decimals.
_TWO_MEANINGS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}")
#: The same inside of a text.
_TWO_MEANINGS_IN_TEXT = re.compile(
    rf"(?<!\d)(?<!\d[.,{_SPACES}])[1-9]\d{{0,2}}[.,]\d{{3}}(?!\d|[.,]\d)"
)
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
_LAKHS = re.compile(r"\d{1,2}(?:,\d\d)*,\d{3}")
_NO_CENTS = re.compile(r"([.,])\s?[-–—]")
_SIGN = re.compile(r"(?<![\w.,])-[^\w\s]?$")
#: A space after the decimal mark of a price: "1.837, 32 €".
_SPACED_CENTS = re.compile(rf"(?<=\d[.,])[{_SPACES}](?=\d\d(?:\D*$|\s{LETTER}))")
#: Cents after the currency sign: "35€ 99".
_CENTS_AFTER_SIGN = re.compile(r"(?<=\d)\s?€\s?(\d\d)(?=\D*$)")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
#: Texts for a price on request.
_NOT_PUBLISHED = re.compile(
    r"(?i)(?:цена\s)?(?:договорная|по договор[её]нности|по запросу)|narxi? kelishiladi|"
    r"kelishiladi|kelishilgan|келишилади|келишилган|нархи келишилади"
)
_FREE = re.compile(r"(?i)(?:free|бесплатно|даром|bepul|tekin|бепул|текин)!*")
_ARABIC_MARK = "\u066b"


@dataclass(frozen=True)
class Style:
    """How the numbers of a field are written. Empty values are unknown.

    :param is_price: whether the words and units next to the number are checked
    :param is_whole: whether only whole numbers are possible
    :param limit: the largest possible number; 0 for no limit
    :param decimal: the decimal mark from the mapping
    :param stated: the decimal mark that the user specifies for ambiguous numbers
    :param evidence: the decimal mark of the other amounts of the source
    :param has_decimals: whether prices in the currency are written with decimals
    :param currency: the code of the currency; the text must not name another one
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
    """Return the style of prices in a currency.

    :param evidence: the decimal mark of the other prices of the source
    :param stated: the decimal mark that the user specifies; it takes precedence over all evidence
    """
    return Style(
        True,
        stated=stated,
        evidence=evidence,
        has_decimals=has_decimals(code),
        currency=code or "",
    )


class Reading(NamedTuple):
    """The number of a text, and the name of its currency.

    :param number: None for a price on request
    :param currency: as in the text; empty if the text names no currency
    """

    number: Decimal | None
    currency: str


def read(text: str, style: Style = NUMBER) -> Reading:
    """Return the number of a text: "от 28 308,50 ₽" → 28308.50, "₽".

    :raises ValueError: with the reason, if the text has no number, several, or an ambiguous one
    """
    simple = None if style.decimal else _SIMPLE.fullmatch(text)
    if simple:
        context = read_context("", simple[3].translate(CLEANED), style.is_price, style.currency)
        number = Decimal(f"{_NOT_DIGIT.sub('', simple[1])}.{simple[2] or ''}") * context.factor
        return Reading(number, context.currency)
    return _read(text.translate(CLEANED).strip(), style)


def _read(cleaned: str, style: Style) -> Reading:
    if _ARABIC_MARK in cleaned:
        cleaned = cleaned.replace(_ARABIC_MARK, ".")
        style = replace(style, decimal=".")
    if _SCIENTIFIC.fullmatch(cleaned):
        return Reading(Decimal(cleaned), "")
    if style.is_price:
        if _NOT_PUBLISHED.fullmatch(cleaned):
            return Reading(None, "")
        if _FREE.fullmatch(cleaned):
            return Reading(Decimal(0), "")
        cleaned = _CENTS_AFTER_SIGN.sub(r",\1 €", _SPACED_CENTS.sub("", cleaned))
    match = _find_number(cleaned, style)
    before, after = cleaned[: match.start()], cleaned[match.end() :]
    context = read_context(before, after, style.is_price, style.currency)
    number = _to_decimal(match[0], _decimal_mark(match[0], context, style)) * context.factor
    is_negative = _is_negative(before, after, style)
    return Reading(-number if is_negative else number, context.currency)


def is_ambiguous(text: str) -> bool:
    """Return whether a text has a number with two possible meanings, such as "1.600"."""
    return _TWO_MEANINGS_IN_TEXT.search(text) is not None


def find_decimal_mark(texts: Iterable[str]) -> str:
    """Return the decimal mark that amounts have in common: "1.600.000", "5,50" → ",".

    The result is empty if no amount shows its decimal mark, or if amounts contradict each other.
    """
    marks = {_mark_of(text) for text in texts} - {""}
    return marks.pop() if len(marks) == 1 else ""


def other_mark(mark: str) -> str:
    """Return "," for ".", and "." for ","."""
    return "," if mark == "." else "."


def _mark_of(text: str) -> str:
    """Return the decimal mark that an amount shows; empty if it shows none."""
    cleaned = text.translate(CLEANED)
    numbers = _NUMBER.findall(cleaned)
    if len(numbers) != 1 or MULTIPLIER.search(cleaned) or _TWO_MEANINGS.fullmatch(numbers[0]):
        return ""
    marks = [character for character in numbers[0] if character in ".,"]
    if len(marks) > 1 and len(set(marks)) == 1:
        return other_mark(marks[0])
    return marks[-1] if marks else ""


def _outside_parentheses(text: str, numbers: list[re.Match[str]]) -> list[re.Match[str]]:
    """Return the numbers that are not part of an explanation, as in "34.12 (40.94 with tax)"."""
    spans = [match.span() for match in _IN_PARENTHESES.finditer(text)]
    return [number for number in numbers if not any(a < number.start() < b for a, b in spans)]


def _are_equal(numbers: list[re.Match[str]]) -> bool:
    """Return whether a text repeats one number that is not ambiguous: "205,68 € 205.68"."""
    texts = [number[0] for number in numbers]
    if any(_TWO_MEANINGS.fullmatch(text) for text in texts):
        return False
    return len({_to_decimal(text, _mark_of(text)) for text in texts}) == 1


def _find_number(text: str, style: Style) -> re.Match[str]:
    """Return the only number of a text.

    :raises ValueError: if the text has no number, or several
    """
    numbers = list(_NUMBER.finditer(text))
    if style.is_price:
        prices = [number for number in numbers if not PERCENT.match(text, number.end())]
        if numbers and not prices:
            raise ValueError("is a percentage, not a price")
        numbers = prices if len(prices) == 1 else _outside_parentheses(text, prices)
    if not numbers:
        raise ValueError("is not a number")
    if len(numbers) > 1 and not (style.is_price and _are_equal(numbers)):
        raise ValueError(f"holds {len(numbers)} numbers")
    return numbers[0]


def _decimal_mark(digits: str, context: Context, style: Style) -> str:
    """Return the decimal mark of a number; empty if it has none."""
    marks = [character for character in digits if character in ".,"]
    if style.decimal:
        return style.decimal
    if not marks:
        return ""
    no_cents = _NO_CENTS.match(context.after)
    if no_cents:
        return no_cents[1]
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return ""
    if _TWO_MEANINGS.fullmatch(digits):
        return _resolve_mark(digits, marks[0], context, style)
    return marks[0]


def _resolve_mark(digits: str, mark: str, context: Context, style: Style) -> str:
    """Return the decimal mark of an ambiguous number such as "1.600".

    :raises ValueError: if the evidence is missing or contradictory
    """
    other = other_mark(mark)
    thousands = _to_decimal(digits, other)
    if style.limit and thousands > style.limit:
        return mark
    if style.stated:
        return style.stated
    candidates = {style.evidence, "" if style.has_decimals else other} - {""}
    if context.factor == 1:
        if style.is_whole and thousands % 1000:
            candidates = {other}
        elif context.currency and not may_have_three_decimals(context.currency):
            candidates.add(other)
    if len(candidates) != 1:
        meanings = [_to_decimal(digits, decimal) * context.factor for decimal in (other, mark)]
        larger, smaller = (f"{number.normalize():f}" for number in meanings)
        raise ValueError(
            f"can mean {larger} or {smaller}: state the decimal mark (--decimal , or --decimal . "
            "for a feed or table, decimal of the field in a mapping, prices.in_currency in an "
            "adapter)"
        )
    return candidates.pop()


def _to_decimal(digits: str, mark: str) -> Decimal:
    """Return the number that is written with these digits and separators.

    :param mark: the decimal mark, or an empty text
    :raises ValueError: if the digits before the decimal mark are not grouped by three, or in the
        Indian way
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
    # A dash with a space before a price is a bullet: "- $44.99".
    return before.strip() == "-" and not style.is_price
