"""Reading a damaged JSON text: the records around the damage are kept, the damaged one is cut out.

A record is an object that is an element of an array: the innermost one around the place where the
parser stopped. It ends at its closing brace; if its braces do not match, at the next element that
begins with the same key as it does; else at the end of the text, whose brackets are then closed.
"""

import json
import re
from typing import Any, NamedTuple

from marketplace.exceptions import SourceError

#: Stands for a record that was cut out: no platform publishes null as a record.
CUT = None

#: A text with more faults than this is no JSON text with a few damaged records.
MAX_CUTS = 1000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]"]', re.DOTALL)
_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_CLOSING = {"{": "}", "[": "]"}


class Cut(NamedTuple):
    """A piece that was cut out, with its place in the text as it was."""

    start: int
    reason: str
    raw: bytes


def parse_damaged(text: str, name: str) -> tuple[Any, list[Cut]]:
    """Return the value of a text, with null for each damaged record, and what was cut out.

    :raises SourceError: if the damage is not in a record
    """
    cuts: list[Cut] = []
    removed = 0
    while True:
        try:
            return json.loads(text), cuts
        except json.JSONDecodeError as error:
            if len(cuts) >= MAX_CUTS:
                raise SourceError(f"{name} has more than {MAX_CUTS} damaged records.") from None
            start, end, closing = _damaged_record(text, error, name)
            cuts.append(Cut(start + removed, error.msg, text[start:end].encode()))
            shorter = text[:start] + "null" + (closing or text[end:])
            removed += len(text) - len(shorter)
            text = shorter


def _damaged_record(text: str, error: json.JSONDecodeError, name: str) -> tuple[int, int, str]:
    """Return start and end of the record around an error, and the brackets left open by its cut."""
    stack = _open_brackets(text, error.pos)
    for depth in range(len(stack) - 1, 0, -1):
        bracket, start = stack[depth]
        if bracket == "{" and stack[depth - 1][0] == "[":
            closing = "".join(_CLOSING[kind] for kind, _ in reversed(stack[:depth]))
            return _end_of_record(text, start, error.pos, closing)
    raise SourceError(
        f"{name} is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}. "
        "No record could be told apart; fetch the file again."
    )


def _open_brackets(text: str, end: int) -> list[tuple[str, int]]:
    """Return the brackets that are open before a position, with their positions."""
    stack: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(text, 0, end):
        kind = token[0]
        if kind in "{[":
            stack.append((kind, token.start()))
        elif kind in "}]" and stack:
            stack.pop()
    return stack


def _end_of_record(text: str, start: int, damage: int, closing: str) -> tuple[int, int, str]:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif token[0] == '"':
            break  # A string that is never closed: the braces behind it cannot be trusted.
        if depth == 0:
            if token.end() > damage and text[token.end() :].lstrip()[:1] in (",", "]"):
                return start, token.end(), ""
            break
    sibling = _next_sibling(text, start)
    return (start, sibling, "") if sibling else (start, len(text), closing)


def _next_sibling(text: str, start: int) -> int | None:
    """Return where the comma before the next sound element with the same first key is."""
    key = _FIRST_KEY.match(text, start)
    if key is None:
        return None
    comma = re.compile(r",\s*(?=\{\s*" + re.escape(key[1]) + r"\s*:)")
    for found in comma.finditer(text, key.end()):
        try:
            json.JSONDecoder().raw_decode(text, found.end())
        except json.JSONDecodeError:
            continue
        return found.start()
    return None
