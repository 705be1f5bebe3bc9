"""COPY of rows into temporary tables, in text form.

Text form, because CSV form turns a literal \\N into NULL. Rows become text before they are sent, as
that may happen in another process than the one that sends them.
"""

import io
from collections.abc import Iterable, Sequence, Set
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

from marketplace.loading.formats import json_text

#: Times that are remembered at most.
_REMEMBERED = 10_000

#: Bytes of COPY data that are sent at a time.
_CHUNK = 1 << 18


def definition(table: str, columns: Sequence[tuple[str, str]]) -> sql.Composed:
    """Return the statement that makes a temporary table where there is none yet.

    It lives as long as the session and is emptied at the end of each transaction: a table a batch
    would cost the catalog more than the batch is worth.

    :param columns: pairs of name and SQL type
    """
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
    ]
    return sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
        sql.Identifier(table), sql.SQL(", ").join(definitions)
    )


def definition_like(table: str, model_table: str) -> sql.Composed:
    """Return the statement that makes a temporary table with another's columns, as `definition`."""
    return sql.SQL(
        "CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS"
    ).format(sql.Identifier(table), sql.Identifier(model_table))


def clear(cursor: CursorWrapper, tables: Iterable[str]) -> None:
    """Empty temporary tables, where a transaction goes on after the batch."""
    for table in tables:
        cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Send rows to a table."""
    copy_lines(cursor, table, columns, "".join(map(encode, rows)).encode())


def copy_lines(cursor: CursorWrapper, table: str, columns: Sequence[str], lines: bytes) -> None:
    """Send rows that were encoded already to a table."""
    if not lines:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    # Django translates the errors of execute(), not those of copy_expert().
    with cursor.db.wrap_database_errors:
        cursor.copy_expert(statement, io.BytesIO(lines), _CHUNK)


def encode(row: Iterable[Any]) -> str:
    """Return a row as a line of COPY text.

    :raises TypeError: as `join`
    """
    return join(row) + "\n"


def join(values: Iterable[Any]) -> str:
    """Return values as COPY text: None → \\N, what would end a column or row escaped.

    :raises TypeError: if a value is of a type that no column has
    """
    try:
        # Half of all values are None: a call for each would take a tenth of the time.
        return "\t".join(
            [r"\N" if value is None else _ENCODERS[type(value)](value) for value in values]
        )
    except KeyError as error:
        raise TypeError(f"cannot copy {error.args[0].__name__}") from None


def encode_column(values: Sequence[Any], allowed: Set[type[Any]] | None = None) -> Sequence[str]:
    """Return the values of one column, each as COPY text: as `join`, for a fraction of its time.

    :param allowed: the types that the column takes; any that can be written if None
    :raises TypeError: as `join`, and if a value is of another type
    """
    kinds = set(map(type, values))
    if allowed is not None and not kinds <= allowed:
        names = ", ".join(sorted(kind.__name__ for kind in kinds - allowed))
        raise TypeError(f"a column has values of another type: {names}")
    has_none = type(None) in kinds
    kinds.discard(type(None))
    if not kinds:
        return [r"\N"] * len(values)
    if len(kinds) > 1 or not kinds <= _ENCODERS.keys():
        return [join((value,)) for value in values]
    [kind] = kinds
    if kind is str and not _has_escapes("".join(filter(None, values))):
        return [r"\N" if value is None else value for value in values] if has_none else values
    encode = _ENCODERS[kind]
    if has_none:
        return [r"\N" if value is None else encode(value) for value in values]
    return list(map(encode, values))


def _has_escapes(text: str) -> bool:
    return "\\" in text or "\n" in text or "\r" in text or "\t" in text


def as_json(value: Any) -> str | None:
    """Return a value as JSON; None, which a column takes as NULL, as it is."""
    return None if value is None else json_text.dumps(value).decode()


def _escape(text: str) -> str:
    # str.replace: str.translate takes 12 times as long on strings of 8 KB.
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    return text.replace("\t", "\\t") if "\t" in text else text


def _encode_json(value: Any) -> str:
    # JSON has no control characters of its own: only its backslashes need escaping.
    return json_text.dumps(value).decode().replace("\\", "\\\\")


class _Moments:
    """Encode times: a batch has each of them in several columns and rows."""

    def __init__(self) -> None:
        self._known: dict[tuple[datetime, Any], str] = {}

    def __call__(self, value: datetime) -> str:
        # With the zone, as equal times may be written in different ones.
        key = (value, value.tzinfo)
        text = self._known.get(key)
        if text is None:
            if len(self._known) >= _REMEMBERED:
                # Not cleared in place: several threads may encode at once.
                self._known = {}
            text = self._known[key] = value.isoformat()
        return text


_ENCODERS: dict[type[Any], Any] = {
    str: _escape,
    bool: lambda value: "t" if value else "f",
    int: int.__repr__,
    Decimal: str,
    datetime: _Moments(),
    date: date.isoformat,
    UUID: str,
    bytes: lambda value: rf"\\x{value.hex()}",
    dict: _encode_json,
    list: _encode_json,
    tuple: _encode_json,
}
