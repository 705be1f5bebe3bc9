"""The heads of question files: their keys and types, and errors with file and line."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from marketplace.exceptions import QuestionError
from marketplace.postgresql.sql_files import split_head

#: The languages of texts; English is required.
LANGUAGES = ("en", "ru", "uz")

#: "parameters" or "columns" → name → the title of those for which a head states none.
TITLES: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    Path(__file__).with_name("titles.toml").read_text("utf-8")
)

_TABLE = re.compile(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]")
_KEY = re.compile(r"\s*([\w.\"-]+)\s*=")

#: Types of pydantic's errors → what a value must be.
_EXPECTED = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
}

#: Types of errors → what the keys of a table must be; {place} stands for the table.
_KEYS = {
    "missing": "{place} has no {key}.",
    "extra_forbidden": "Unknown key {key} in {place}. Use {known}.",
}


def _as_texts(value: Any) -> Any:
    """Return a text as one in English."""
    return {"en": value} if isinstance(value, str) else value


def _in_known_languages(texts: dict[str, str]) -> dict[str, str]:
    if set(texts) - set(LANGUAGES):
        raise PydanticCustomError("language", "has a language other than en, ru and uz")
    return texts


def _in_english(texts: dict[str, str]) -> dict[str, str]:
    if not texts.get("en"):
        raise PydanticCustomError("language", "has no English text")
    return texts


def _as_decimal(value: Any) -> Decimal:
    # A boolean is a whole number of Python.
    if type(value) not in (int, Decimal):
        raise PydanticCustomError("number", "must be a number")
    return Decimal(value)


Texts = Annotated[dict[str, str], BeforeValidator(_as_texts), AfterValidator(_in_known_languages)]
RequiredTexts = Annotated[Texts, AfterValidator(_in_english)]
Number = Annotated[Decimal, BeforeValidator(_as_decimal)]


class _Table(BaseModel):
    """A table of a head; keys that are not declared are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ParameterHead(_Table):
    """A table [parameters.NAME]."""

    type: str = "text"
    default: str = ""
    required: bool = False
    choices: list[str] = []
    minimum: Number | None = None
    maximum: Number | None = None
    title: Texts = {}


class ColumnHead(_Table):
    """A table [columns.NAME]."""

    type: str = "text"
    title: Texts = {}
    link: str = ""


class ChartHead(_Table):
    """The table [chart]."""

    kind: Literal["bar", "line", "step"]
    x: str = ""
    y: str = ""
    series: str = ""
    label: str = ""


class PanelHead(_Table):
    """A table [[panels]]."""

    page: str
    parameters: dict[str, str] = {}
    columns: list[str] = []
    limit: Annotated[int, Field(ge=0)] = 5


class Head(_Table):
    """The head of a question."""

    title: RequiredTexts
    description: RequiredTexts
    group: str = ""
    has_history: bool = False
    shown: list[str] = []
    figures: list[str] = []
    parameters: dict[str, ParameterHead] = {}
    columns: dict[str, ColumnHead] = {}
    chart: ChartHead | None = None
    panels: list[PanelHead] = []


#: The key of a table of the head → the model of the tables within it.
_TABLES: dict[str, type[_Table]] = {
    "parameters": ParameterHead,
    "columns": ColumnHead,
    "chart": ChartHead,
    "panels": PanelHead,
}

#: The keys and positions that lead to a value of a head.
Place = tuple[str | int, ...]


class QuestionFile:
    """A file with a head in TOML, within its first comment, and the SQL after it.

    :raises QuestionError: if the file has no valid head
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise QuestionError(path, 1, "The file is not UTF-8. Save it as UTF-8.") from None
        parts = split_head(self._text)
        if parts is None:
            raise QuestionError(path, 1, "The file must begin with /*, a head in TOML, and */.")
        self._head_text, sql = parts
        self._sql_start = len(self._text) - len(sql)
        self.sql = sql.rstrip().rstrip(";")
        self.head = self._validate(self._parse())

    def error(self, place: Place, reason: str) -> QuestionError:
        """Return an error at the line of a place of the head."""
        return QuestionError(self.path, self._line_of(place), reason)

    def sql_error(self, position: int, reason: str) -> QuestionError:
        """Return an error at the line of a position of the SQL."""
        line = self._text.count("\n", 0, self._sql_start + position) + 1
        return QuestionError(self.path, line, reason)

    def _parse(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._head_text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"line (\d+)", str(error))
            line = self._first_line + int(match[1]) - 1 if match else 1
            raise QuestionError(self.path, line, f"The head is not valid TOML: {error}.") from None

    def _validate(self, tables: dict[str, Any]) -> Head:
        try:
            return Head.model_validate(tables)
        except ValidationError as error:
            # A misspelled key is one error, and that it is missing is another.
            first = min(error.errors(), key=lambda item: item["type"] == "missing")
            raise self.error(first["loc"], _reason(first)) from None

    @property
    def _first_line(self) -> int:
        """The line of the file in which the head begins."""
        return self._text.count("\n", 0, self._text.index(self._head_text)) + 1

    def _line_of(self, place: Place) -> int:
        """Return the line of the innermost part of a place that has a line of its own."""
        table: Place = ()
        found, line = 0, 1
        lists: dict[str, int] = {}
        for number, text in enumerate(self._head_text.splitlines(), self._first_line):
            if match := _TABLE.match(text):
                here = table = _names(match[2])
                if match[1] == "[[":
                    lists[match[2]] = lists.get(match[2], -1) + 1
                    here = table = (*table, lists[match[2]])
            elif match := _KEY.match(text):
                here = (*table, *_names(match[1]))
            else:
                continue
            depth = min(len(here), len(place))
            if found < depth and here[:depth] == place[:depth]:
                found, line = depth, number
        return line


def _names(dotted: str) -> Place:
    return tuple(name.strip('"') for name in dotted.split("."))


def _reason(error: ErrorDetails) -> str:
    """Return what is wrong with a value, in terms of TOML."""
    *outer, key = [part for part in error["loc"] if part != "[key]"]
    if kind := _KEYS.get(error["type"]):
        model = _TABLES[str(outer[0])] if outer else Head
        names = [str(part) for part in outer if isinstance(part, str)]
        place = f"[{'.'.join(names)}]" if outer else "the head"
        text = kind.format(place=place, key=key, known=", ".join(sorted(model.model_fields)))
        return text[0].upper() + text[1:]
    name = next(part for part in (key, *reversed(outer)) if isinstance(part, str))
    if expected := _EXPECTED.get(error["type"]):
        return f"{name} must be {expected}."
    message = error["msg"]
    separator = " " if message[0].islower() else ": "
    return f"{name}{separator}{message}."
