"""JSON as platforms publish it: parsing that keeps whole numbers exact, and damaged texts.

Beyond the standard, NaN and Infinity are accepted, which some scrapers write for a missing value,
and objects that follow one another without an array around them. Of a damaged text, the records
before the damage are read.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecodeError
from typing import Any

import orjson

from marketplace.exceptions import SourceError

_DIGITS = bytes(ord("0") if chr(byte).isdecimal() else ord("x") for byte in range(128)) + b"x" * 128
#: Fewer digits than a whole number beyond 64 bits has, with or without a sign.
_MANY_DIGITS = b"0" * 19
_TOO_DEEP = "it is nested too deeply"
_SPACE = re.compile(r"[ \t\n\r]*")
#: The way from the beginning of a text to its list of records, with nothing before it.
_LIST = re.compile(r'\s*((?:\{\s*"(?:[^"\\]|\\.)*"\s*:\s*)*)\[[ \t\n\r]*')
_KEY = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse(data: bytes) -> Any:
    """Return the JSON value of some bytes, without what PostgreSQL cannot store.

    NUL characters are removed from text, lone surrogates become U+FFFD. NaN and Infinity are None;
    whole numbers beyond 64 bits are text of their digits.

    :raises ValueError: if it is not JSON; `explain` says why
    """
    # The fast parser rounds whole numbers beyond 64 bits without a word.
    if _MANY_DIGITS not in data.translate(_DIGITS):
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            # It also refuses lone surrogates, NaN and Infinity, which platforms do publish.
            pass
        else:
            return clean(value) if b"\\u0000" in data else value
    return clean(_decode(data.decode()))


def explain(error: ValueError) -> str:
    """Return why a line could not be parsed, as a reason for the quarantine."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 at byte {error.start + 1:,}"
    if isinstance(error, JSONDecodeError):
        return f"is not JSON: {error.msg} at column {error.colno:,}"
    return f"is not JSON: {error}"


def clean(value: Any) -> Any:
    """Return a JSON value without NUL characters, lone surrogates and overlong whole numbers.

    :raises ValueError: if it is nested too deeply, or a number has thousands of digits
    """
    try:
        return _clean(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(entry) for key, entry in value.items()}
    if type(value) is int and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def _whole_number(digits: str) -> int | str:
    if len(digits) < 19:
        return int(digits)
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:
        return digits
    return number


_DECODER = json.JSONDecoder(parse_constant=lambda name: None, parse_int=_whole_number)


def _decode(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise JSONDecodeError(_TOO_DEEP, text, 0) from None


def are_lines(lines: list[bytes]) -> bool:
    """Return whether the first lines of a source are documents of their own, or of one text.

    :param lines: the first ones that are not blank, at most three
    """
    if _is_document(lines[0]):
        return True
    if any(map(_is_document, lines[1:])):
        # The first line is damaged, unless the lines together are the beginning of one text.
        return not _is_beginning(lines)
    is_closed = lines[0].rstrip().endswith((b"}", b"]"))
    return is_closed and any(line[:1] == lines[0][:1] for line in lines[1:2])


def _is_document(line: bytes) -> bool:
    try:
        return isinstance(parse(line), dict | list)
    except ValueError:
        return False


def _is_beginning(lines: list[bytes]) -> bool:
    text = b"".join(lines).decode("utf-8", "replace").rstrip() + "\n"
    try:
        _decode(text)
    except JSONDecodeError as error:
        return error.pos == len(text)
    return True


def read(data: bytes, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the place and value of each document of a text: of an array, its elements.

    Of a damaged text, the documents before the damage. Where these are the elements of a list
    within an object, they are one document: that object with the sound elements. Nothing may stand
    before the list in it, or part of a record would be read as the whole of it.

    :param name: of the source, for messages
    :raises SourceError: behind the last sound document, if the text is damaged
    """
    try:
        value = parse(data)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode()
        damage = JSONDecodeError("the text is not UTF-8", text, len(text))
        yield from _read_damaged(text, damage, name, is_whole=False)
    except JSONDecodeError as error:
        yield from _read_damaged(error.doc, error, name, is_whole=True)
    except ValueError as error:
        raise SourceError(f"{name} cannot be read: {error}. Fetch the file again.") from None
    else:
        yield from _documents(value)


def _documents(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"element {number}", each) for number, each in enumerate(value, 1))
    else:
        yield "document", value


def _read_damaged(
    text: str, damage: JSONDecodeError, name: str, *, is_whole: bool
) -> Iterator[tuple[str, Any]]:
    number = 0
    try:
        for number, value in enumerate(_objects(text), 1):
            yield f"document {number}", clean(value)
    except JSONDecodeError as error:
        if number:
            raise _damaged(name, error, number) from None
    if number and is_whole:
        return
    found, keys, end = _find_list(text)
    if damage.msg == _TOO_DEEP:
        damage = JSONDecodeError(_TOO_DEEP, text, end)
    if any(isinstance(each, dict) for each in found):
        value = clean(found)
        for key in reversed(keys):
            value = {clean(key): value}
        number = len(found)
        yield from _documents(value)
    raise _damaged(name, damage, number)


def _objects(text: str) -> Iterator[Any]:
    """Yield the objects that follow one another in a text.

    :raises JSONDecodeError: behind the last of them, if something else follows
    """
    at = _skip_space(text, 0)
    while at < len(text):
        value, end = _next(text, at)
        if not isinstance(value, dict):
            raise JSONDecodeError("Extra data", text, at)
        yield value
        at = end


def _find_list(text: str) -> tuple[list[Any], list[str], int]:
    """Return the sound elements that a text's list begins with, the keys to it, and their end."""
    found: list[Any] = []
    opening = _LIST.match(text)
    if not opening:
        return found, [], 0
    at = opening.end()
    with suppress(JSONDecodeError):
        while True:
            value, at = _next(text, at)
            found.append(value)
            if not text.startswith(",", at):
                break
            at = _skip_space(text, at + 1)
    return found, [json.loads(key) for key in _KEY.findall(opening[1])], at


def _next(text: str, at: int) -> tuple[Any, int]:
    """Return the value at a position, and where the next token begins."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise JSONDecodeError(_TOO_DEEP, text, at) from None
    return value, _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr] # it matches anywhere


def _damaged(name: str, damage: JSONDecodeError, number: int) -> SourceError:
    reason = damage.msg.removesuffix(" at").removesuffix(" starting")
    before = f"The records before it were read ({number:,})" if number else "No record was read"
    return SourceError(
        f"{name} is not valid JSON at line {damage.lineno:,}, column {damage.colno:,}: "
        f"{reason}. {before}. Fetch or correct the file, and load it again."
    )
