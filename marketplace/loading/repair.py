"""Reading a damaged JSON text: the records around the damage are kept, the damaged ones cut out.

A record is an object that is an element of the outermost array around the damage. The array is
walked element by element: what can be decoded stays; what cannot is cut out up to the next sound
record, which is known by its keys. A text that is cut off keeps what it has: its open brackets are
closed.
"""

import json
import re
from typing import Any, NamedTuple

from marketplace.exceptions import SourceError

#: A text with damage in more arrays than this is no JSON text with a few damaged records.
MAX_ARRAYS = 20

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]"]', re.DOTALL)
_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_IDLE = re.compile(r"[\s,}]*")
_CLOSING = {"{": "}", "[": "]"}
#: Share of a sound record's keys that an object must have to be taken for another record.
_LIKENESS = 0.5


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


_DECODER = json.JSONDecoder(parse_constant=lambda name: None, parse_int=_integer)


class Cut(NamedTuple):
    """A piece that was cut out, with its place in the text as it was read."""

    start: int
    reason: str
    raw: bytes


def decode(text: str) -> Any:
    """Return a JSON value as the strict parser would, but with what it refuses made harmless.

    NaN and Infinity, which some scrapers write for what is missing, are None; integers beyond 64
    bits are floats.

    :raises ValueError: if it is no JSON
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_damaged(text: str, name: str) -> tuple[Any, list[Cut]]:
    """Return the value of a text without its damaged records, and these.

    :raises SourceError: if the damage is not in a record
    """
    cuts: list[Cut] = []
    for _ in range(MAX_ARRAYS):
        try:
            return decode(text), cuts
        except json.JSONDecodeError as error:
            text, found = _mend_array(text, error, name)
            cuts += found
        except ValueError as error:
            raise SourceError(f"{name} cannot be read: {error}.") from None
    raise SourceError(f"{name} is damaged in more than {MAX_ARRAYS} places. Fetch it again.")


def _mend_array(text: str, error: json.JSONDecodeError, name: str) -> tuple[str, list[Cut]]:
    """Return the text with the array around an error mended, and what was cut out of it."""
    stack = _open_brackets(text, error.pos)
    if not stack and text.lstrip()[:1] == "{":
        # Records one after the other, without an array around them.
        text, stack = f"[{text}]", [("[", 0)]
    arrays = [depth for depth, (bracket, _) in enumerate(stack) if bracket == "["]
    if not arrays:
        raise SourceError(
            f"{name} is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}. "
            "No record could be told apart; fetch the file again."
        )
    depth = arrays[0]
    start = stack[depth][1] + 1
    walk = _Walk(text, start)
    walk.run()
    closing = "".join(_CLOSING[kind] for kind, _ in reversed(stack[: depth + 1]))
    rest = text[walk.at :] if walk.is_closed else closing
    return text[:start] + ",".join(walk.sound) + rest, walk.cuts


class _Walk:
    """The elements of an array, from behind its opening bracket to its closing one."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.at = start
        self.sound: list[str] = []
        self.cuts: list[Cut] = []
        self.keys: set[str] = set()
        self.is_closed = False

    def run(self) -> None:
        """Sort the elements into sound and cut ones; stop at the closing bracket, or the end."""
        while True:
            self.at = _IDLE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "]":
                self.is_closed = True
                return
            self._take()

    def _take(self) -> None:
        try:
            value, end = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError) as error:
            end = self._end_of_damage()
            raw = self.text[self.at : end].rstrip(" \t\r\n,").encode("utf-8", "replace")
            self.cuts.append(Cut(self.at, getattr(error, "msg", str(error)), raw))
        else:
            self.sound.append(self.text[self.at : end])
            if not self.keys and isinstance(value, dict):
                self.keys = set(value)
        self.at = end

    def _end_of_damage(self) -> int:
        """Return where the next sound record begins; else where the braces of this one end."""
        key = _FIRST_KEY.match(self.text, self.at)
        opening = re.compile(r"\{\s*" + re.escape(key[1]) + r"\s*:") if key else _FIRST_KEY
        for found in opening.finditer(self.text, self.at + 1):
            if self._is_record(found.start()):
                return found.start()
        return self._end_of_braces()

    def _is_record(self, start: int) -> bool:
        try:
            value, _ = _DECODER.raw_decode(self.text, start)
        except (ValueError, RecursionError):
            return False
        if not self.keys:
            # Nothing to compare with yet: only what stands behind the braces can be a record.
            return start >= self._end_of_braces()
        return len(self.keys & set(value)) >= _LIKENESS * len(self.keys)

    def _end_of_braces(self) -> int:
        depth = 0
        for token in _TOKEN.finditer(self.text, self.at):
            if token[0] in "{[":
                depth += 1
            elif token[0] in "}]":
                depth -= 1
            if depth < 0:
                return token.start()
            if depth == 0 and token[0] in "}]":
                return token.end()
        return len(self.text)


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
