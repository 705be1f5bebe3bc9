"""COPY of rows into temporary tables, in text form.

Text form, because CSV form turns a literal \\N into NULL.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

#: Characters of COPY data that are made and sent at a time.
_CHUNK = 1 << 20


def drop(cursor: CursorWrapper, tables: Iterable[str]) -> None:
    """Drop temporary tables before the transaction's end, as it may hold several batches."""
    names = sql.SQL(", ").join(map(sql.Identifier, tables))
    cursor.execute(sql.SQL("DROP TABLE {}").format(names))


def create(cursor: CursorWrapper, table: str, columns: Sequence[tuple[str, str]]) -> None:
    """Create a temporary table that lives until the end of the transaction at the longest.

    :param columns: pairs of name and SQL type
    """
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
    ]
    cursor.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(
            sql.Identifier(table), sql.SQL(", ").join(definitions)
        )
    )


def copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Send rows to a table by COPY, in chunks of bounded size."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    # Django translates the errors of execute(), not those of copy_expert().
    with cursor.db.wrap_database_errors:
        cursor.copy_expert(statement, _Stream(rows), size=_CHUNK)


class _Stream(io.TextIOBase):
    """What COPY reads: the rows' lines, made as they are asked for."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._lines = ("\t".join(map(_encode, row)) + "\n" for row in rows)
        self._rest = ""

    def read(self, size: int | None = -1) -> str:
        parts, length = [self._rest], len(self._rest)
        for line in self._lines:
            parts.append(line)
            length += len(line)
            if length >= _CHUNK:
                break
        text = "".join(parts)
        end = len(text) if size is None or size < 0 else size
        self._rest = text[end:]
        return text[:end]


def _encode(value: Any) -> str:
    """Return a value as COPY text: None → \\N, and what would end a column or row escaped."""
    kind = type(value)
    if value is None:
        return r"\N"
    if kind is str:
        return _escape(value)
    if kind is bool:
        return "t" if value else "f"
    if kind is int or kind is Decimal:
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if kind is bytes:
        return rf"\\x{value.hex()}"
    if isinstance(value, dict | list | tuple):
        return _escape(orjson.dumps(value).decode())
    raise TypeError(f"cannot copy {kind.__name__}")


def _escape(text: str) -> str:
    # str.replace: str.translate takes 12 times as long on strings of 8 KB.
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    return text.replace("\t", "\\t") if "\t" in text else text
