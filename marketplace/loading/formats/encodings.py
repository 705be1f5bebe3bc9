"""Detection of encodings: byte order marks, UTF-8, and the encodings of Cyrillic.

Decoding Cyrillic text with a wrong encoding gives other Cyrillic text, without an error. Therefore
the text is decoded with each encoding, and each result gets a score by its pairs of letters, by
upper-case letters within words, and by characters that are rare in texts. If two encodings have
similar scores, none is chosen.
"""

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, NoReturn, TypeVar

import zstandard

from marketplace.exceptions import SourceError
from marketplace.loading.formats.lines import SURROGATES, LongLine, read_lines

T = TypeVar("T")

UTF_8 = "utf-8"
_BYTES = "latin-1"

#: Errors of reading a file, or packed data.
_READ_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError)

#: If a text is the same in several encodings, the first of them is chosen.
CYRILLIC = ("windows-1251", "koi8-r", "cp866", "iso-8859-5", "mac-cyrillic", "cp855")

#: UTF-32 comes before UTF-16, because its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

#: The sample begins at the first line that is not ASCII, and ends after this many bytes of lines
#: that are not ASCII, or bytes in total.
_MAX_LETTERS, _MAX_BYTES = 4_000, 1_000_000

#: Bytes of one line in the sample, from the first byte that is not ASCII.
_MAX_LINE_BYTES = 16_000

#: The score of the best encoding must exceed that of the second one by this margin.
_MARGIN = 6

#: Points that a misplaced character costs. A common pair of letters gains 1 point.
_PENALTY = 6

#: Characters of several bytes that make valid UTF-8 certain.
_ENOUGH = 8

#: Letter → letters that often follow it in Russian or Uzbek: 90 % of the pairs in a text.
_FOLLOWERS = (
    "а:бвгдежзйклмнпрстфхцчшщюя б:аеилноруы в:аеиклнорстуы г:аеилору д:авежикнорсуы "
    "е:абвгдежзйклмнопрстхцчш ж:адеин з:авдеикмноруы и:абвгдежзийклмнопрстфхцчюя й:кнст "
    "к:авеилорстуц л:аеиклноуыьюя м:аеимнопуы н:агдеикностуцыья о:бвгдежзийклмнопрстфхчшя "
    "п:аеилорту р:авгдежикмностуыья с:авеиклмнопрстуыья т:авеиклнорсуыья ў:зйлнқрт "
    "у:абвгдежзклмнпрстхчшю ф:аеиор х:анор ц:авеи ч:аеикн ш:аеикн щ:аеи ы:веймстхш ь:екнстю "
    "э:кл ю:тчщ я:демнтщю қ:аиув ғ:аиу ҳ:аоу"
)
_COMMON = {
    first + second
    for first, _, seconds in (entry.partition(":") for entry in _FOLLOWERS.split())
    for second in seconds
}
_LETTERS = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюяўқғҳ")
#: Words of one letter.
_SHORT = frozenset("авикосуяэ")
#: Characters other than letters that are usual in texts.
_USUAL = frozenset("«»°±№—–…“”„‘’•·©®™€§¾½¼²³×÷\u00a0\u00ad\u202f\u2009₽₸₴")
_WORD = re.compile(r"[^\W\d_]+")
#: Scripts and symbols that are rare: probably bytes of another encoding that are valid UTF-8.
_RARE = re.compile("[\u0530-\u1fff\u2800-\u2fff\u3400-\u4dbf\U00020000-\U0010ffff]")
#: A byte that could not be decoded.
UNDECODED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
#: A partial or whole UTF-8 character at the end.
_CUT_OFF = re.compile(rb"[\xc0-\xff]?[\x80-\xbf]{0,3}\Z")
_OTHER = re.compile(r"[^\w\x00-\x7f]")
_MIXED_CASE = re.compile(r"[а-яёў][А-ЯЁЎ]|[А-ЯЁЎ]{2}[а-яёў]")
#: Symbols in the place of a letter: before the rest of a word, or at its end.
_GLUED = re.compile(
    r"[^\w\s\x00-\x7f](?=[а-яёў])|(?<=[А-Яа-яЁёЎў])[€÷§№±¤]|(?<![\w.,])\u00a0(?=[а-яёў])"
)


class TextLines:
    """The decoded lines of a stream, with their ends and without NUL characters.

    A byte that cannot be decoded becomes a lone surrogate. A line that is too large becomes a
    `LongLine`.

    :param stream: bytes, with `peek`
    :param encoding: empty if it is to be detected
    :param name: the name of the source, for messages
    :param max_line: bytes of the largest line; characters if the encoding is given or marked
    """

    def __init__(self, stream: Any, encoding: str, name: str, max_line: int) -> None:
        self._stream = stream
        self._name = name
        self._max_line = max_line
        self._encoding = encoding or _marked_encoding(stream.peek(4096)[:4096])

    def __iter__(self) -> Iterator[str]:
        for line in self._decode() if self._encoding else self._decode_unmarked():
            if "\0" in line:
                text = line.replace("\0", "")
                yield line.with_text(text) if isinstance(line, LongLine) else text
            else:
                yield line

    @property
    def encoding(self) -> str:
        """The encoding, for messages; UTF-8 while all lines were ASCII."""
        name = (self._encoding or UTF_8).lower().removesuffix("-sig")
        return name.upper() if name.startswith("utf") else name

    def _decode(self) -> Iterator[str]:
        encoding = self._with_byte_order()
        try:
            yield from read_lines(self._stream, encoding, self._max_line)
        except UnicodeError as error:
            raise SourceError(
                f'{self._name} cannot be read as "{encoding}": {error}. Correct encoding under '
                "[table] of the mapping."
            ) from None

    def _with_byte_order(self) -> str:
        """Return the encoding, with the byte order if it is UTF-16 or UTF-32 without a mark.

        :raises SourceError: if the byte order cannot be determined
        """
        head = self._stream.peek(4096)[:4096]
        name = codecs.lookup(self._encoding).name
        if name not in _MARKS.values() or name == "utf-8-sig" or head.startswith(tuple(_MARKS)):
            return self._encoding
        detected = _marked_encoding(head)
        if detected.startswith(name):
            return detected
        raise SourceError(
            f"{self._name} does not begin with a byte order mark. Set encoding = "
            f'"{name}-le" or "{name}-be" under [table] of the mapping.'
        )

    def _decode_unmarked(self) -> Iterator[str]:
        # All candidates have the same line ends. Latin-1 maps each byte to one character.
        lines = read_lines(self._stream, _BYTES, self._max_line)
        for number, line in enumerate(lines, 1):
            if not line.isascii():
                sample, rest = look_ahead(chain([line], lines), _Enough())
                self._encoding = detect(b"".join(map(_sample_bytes, sample)))
                if not self._encoding:
                    self._refuse(number)
                lines = chain(drain(sample), rest)
                break
            yield line
        for line in lines:
            if line.isascii():
                yield line
                continue
            text = line.encode(_BYTES).decode(self._encoding, SURROGATES)
            yield line.with_text(text) if isinstance(line, LongLine) else text

    def _refuse(self, number: int) -> NoReturn:
        raise SourceError(
            f"{self._name} is not UTF-8 from line {number} on, and its encoding cannot be "
            f'determined. Set encoding = "…" under [table] of a mapping ({", ".join(CYRILLIC)}, or '
            "any other encoding of Python), or convert the file to UTF-8."
        )


def _sample_bytes(line: str) -> bytes:
    """Return the bytes of a line that help to detect its encoding: at most `_MAX_LINE_BYTES`."""
    if line.isascii():
        return b""
    data = line.encode(_BYTES)
    if isinstance(line, LongLine):
        return _CUT_OFF.sub(b"", data) + b"\n"
    if len(data) <= _MAX_LINE_BYTES:
        return data
    first = _NOT_ASCII.search(line)
    start = first.start() if first else 0
    part = data[start : start + _MAX_LINE_BYTES]
    # A truncated character would look like damage.
    return _CUT_OFF.sub(b"", part) + b"\n"


def look_ahead(
    lines: Iterator[T],
    is_enough: Callable[[list[T]], bool],
    deferred: tuple[type[Exception], ...] = _READ_ERRORS,
) -> tuple[list[T], Iterator[T]]:
    """Return the first lines, and an iterator over the others.

    :param is_enough: called after each line with the lines that were read
    :param deferred: errors that the iterator raises instead; by default those of reading
    """
    sample: list[T] = []
    failures: list[Exception] = []
    try:
        for line in lines:
            sample.append(line)
            if is_enough(sample):
                break
    except deferred as error:
        failures.append(error)

    def rest() -> Iterator[T]:
        for failure in failures:
            raise failure
        yield from lines

    return sample, rest()


def drain(items: list[T]) -> Iterator[T]:
    """Yield the items of a list and remove them from it, so that their memory is released."""
    items.reverse()
    while items:
        yield items.pop()


class _Enough:
    """Whether lines suffice to detect their encoding; called after each line."""

    def __init__(self) -> None:
        self._letters = self._bytes = 0

    def __call__(self, lines: list[str]) -> bool:
        size = len(lines[-1])
        self._bytes += size
        self._letters += 0 if lines[-1].isascii() else size
        return self._letters >= _MAX_LETTERS or self._bytes >= _MAX_BYTES


def _marked_encoding(head: bytes) -> str:
    """Return the encoding by a byte order mark, or by the zeros of UTF-16; empty if unknown."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [index % 2 for index, byte in enumerate(head) if byte == 0]
    # A few zeros may be noise. Zeros of noise are at both even and odd positions.
    if len(zeros) < 3 or len(set(zeros)) != 1:
        return ""
    return "utf-16-le" if zeros[0] else "utf-16-be"


def detect(sample: bytes) -> str:
    """Return the encoding of some lines that are not ASCII; empty if it cannot be determined."""
    # The sample may end in the middle of a character.
    text = codecs.getincrementaldecoder(UTF_8)("surrogateescape").decode(sample)
    if _has_sound_lines(text):
        return UTF_8
    damage = len(UNDECODED.findall(text))
    valid_count = len(_NOT_ASCII.findall(text)) - damage - len(_RARE.findall(text))
    scores = {text: (_score(text, damage) + 3 * valid_count, UTF_8)}
    for encoding in CYRILLIC:
        text = sample.decode(encoding, SURROGATES)
        unusual = sum(other not in _USUAL for other in _OTHER.findall(text))
        scores.setdefault(text, (_score(text, unusual) + (encoding == CYRILLIC[0]), encoding))
    (best, encoding), (second, _) = sorted(scores.values(), reverse=True)[:2]
    # Bytes in another encoding are rarely valid UTF-8.
    margin = 2 if encoding == UTF_8 and not damage else _MARGIN
    return encoding if best > 0 and best - second >= margin else ""


def _has_sound_lines(text: str) -> bool:
    """Return whether a text is UTF-8: valid in so many lines that the others must be damaged."""
    lines = [line for line in text.split("\n") if not line.isascii()]
    valid_lines = [line for line in lines if not UNDECODED.search(line)]
    characters = "".join(_NOT_ASCII.findall("".join(valid_lines)))
    is_plausible = len(valid_lines) == len(lines) or not _RARE.search(characters)
    return is_plausible and len(characters) >= _ENOUGH and 4 * len(valid_lines) >= len(lines)


def _score(text: str, unusual: int) -> int:
    """Return a score of how much a text resembles Russian or Uzbek in Cyrillic; 0 is neutral.

    :param unusual: the number of its characters that are unusual in texts
    """
    glued = len(_GLUED.findall(text))
    return sum(map(_score_word, _WORD.findall(text))) - _PENALTY * (unusual + glued)


def _score_word(word: str) -> int:
    if word.isascii():
        return 0
    lower = word.lower()
    foreign = sum(letter not in _LETTERS for letter in lower)
    if foreign == len(lower):
        # Another script, such as accented Latin (no penalty), or Cyrillic of other languages.
        return -_PENALTY * sum("\u0400" <= letter <= "\u052f" for letter in lower)
    if len(lower) == 1:
        return 0 if lower in _SHORT else -1
    pairs = [first + second for first, second in pairwise(lower)]
    common = sum(pair in _COMMON for pair in pairs)
    mixed = len(_MIXED_CASE.findall(word))
    return 2 * common - len(pairs) - _PENALTY * (foreign + mixed)
