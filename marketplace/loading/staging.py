"""COPY of rows into temporary tables, in text format.

CSV format cannot be used, because it turns a literal \\N into NULL. Encoding and sending are
separate functions: the reader process encodes the rows, and the writer sends them.
"""

import io
from collections.abc import Iterable, Sequence, Set
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections, router
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

from marketplace.loading.formats import json_text
from marketplace.loading.items import Batch, SeenAgain
from marketplace.loading.targets import Plan, Target

#: Maximum number of encoded times in the cache.
_CACHED_TIMES = 10_000

#: Bytes of COPY data that are sent at a time.
_CHUNK = 1 << 18

#: The temporary table of items that were seen again.
SEEN_AGAIN = "stage_seen_again"

_SEEN_AGAIN_COLUMNS = (
    ("item", "integer"),
    ("content_hash", "bytea"),
    ("observed_at", "timestamptz"),
)


def stage_batch(alias: str, plan: Plan, batch: Batch) -> None:
    """Copy a batch to its temporary tables, in the transaction that will write it.

    :raises django.db.Error: if the database refuses any of the rows
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(sql.SQL("; ").join(_definitions(plan)))
        for target, rows in zip(plan.targets, batch.rows, strict=True):
            columns = [name for name, _ in stage_columns(target)]
            copy_lines(cursor, target.stage_table, columns, rows)
        if plan.observations:
            columns = list(plan.observations.columns)
            copy_lines(cursor, plan.observations.table, columns, batch.points)
        _stage_seen_again(cursor, batch.seen_again)


def _definitions(plan: Plan) -> list[sql.Composed]:
    """Return the statements that create the temporary tables of a plan."""
    definitions = [definition(target.stage_table, stage_columns(target)) for target in plan.targets]
    definitions += [
        definition_like(target.prior_table, target.table)
        for target in plan.targets
        if target.keep_prior
    ]
    if plan.observations:
        columns = list(plan.observations.columns.items())
        definitions.append(definition(plan.observations.table, columns))
    return [*definitions, definition(SEEN_AGAIN, _SEEN_AGAIN_COLUMNS)]


def _stage_seen_again(cursor: CursorWrapper, items: list[SeenAgain]) -> None:
    rows = ((item.position, bytes.fromhex(item.content_hash), item.observed_at) for item in items)
    copy(cursor, SEEN_AGAIN, [name for name, _ in _SEEN_AGAIN_COLUMNS], rows)


def clear_batch(alias: str, plan: Plan) -> None:
    """Empty the temporary tables for the next batch of the same transaction."""
    with connections[alias].cursor() as cursor:
        clear(cursor, [*plan.temporary_tables, SEEN_AGAIN])


def clear(cursor: CursorWrapper, tables: Iterable[str]) -> None:
    """Empty temporary tables for the next batch of the same transaction."""
    for table in tables:
        cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def stage_columns(target: Target) -> list[tuple[str, str]]:
    """Return name and SQL type of the columns of a staging table."""
    connection = connections[router.db_for_write(target.model)]
    types = [(name, str(field.db_type(connection))) for name, field in target.columns.items()]
    times = [("first_seen_at", "timestamptz"), ("last_seen_at", "timestamptz")]
    content_hash = [("content_hash", "bytea")] if target.has_content_hash else []
    references = [(name, "text") for name in target.references]
    # The position in the batch of the item that the row is counted for.
    position = ("item", "integer")
    return [("external_id", "text"), *types, *times, *content_hash, *references, position]


def definition(table: str, columns: Sequence[tuple[str, str]]) -> sql.Composed:
    """Return the statement that creates a temporary table unless it exists.

    The table lives as long as the session and is emptied at the end of each transaction. Creating
    a table for each batch would bloat the system catalogs.

    :param columns: pairs of name and SQL type
    """
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
    ]
    return sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
        sql.Identifier(table), sql.SQL(", ").join(definitions)
    )


def definition_like(table: str, model_table: str) -> sql.Composed:
    """Return the statement that creates a temporary table with the columns of another table."""
    return sql.SQL(
        "CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS"
    ).format(sql.Identifier(table), sql.Identifier(model_table))


def copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Encode rows and copy them into a table."""
    copy_lines(cursor, table, columns, "".join(map(encode, rows)).encode())


def copy_lines(cursor: CursorWrapper, table: str, columns: Sequence[str], lines: bytes) -> None:
    """Copy encoded rows into a table."""
    if not lines:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    # Django wraps the errors of execute(), but not those of copy_expert().
    with cursor.db.wrap_database_errors:
        cursor.copy_expert(statement, io.BytesIO(lines), _CHUNK)


def encode(row: Iterable[Any]) -> str:
    """Return a row as a line of COPY text.

    :raises TypeError: as `join`
    """
    return join(row) + "\n"


def join(values: Iterable[Any]) -> str:
    """Return values as tab-separated COPY text: None as \\N, special characters escaped.

    :raises TypeError: if no column type accepts the type of a value
    """
    try:
        # Half of all values are None. A function call for each of them costs 10 % of the time.
        return "\t".join(
            [r"\N" if value is None else _ENCODERS[type(value)](value) for value in values]
        )
    except KeyError as error:
        raise TypeError(f"cannot copy {error.args[0].__name__}") from None


def encode_column(values: Sequence[Any], allowed: Set[type[Any]] | None = None) -> Sequence[str]:
    """Return the values of one column, each as COPY text. Much faster than `join` for each value.

    :param allowed: the types that the column accepts; None accepts every type with an encoder
    :raises TypeError: if a value is of another type
    """
    types = set(map(type, values))
    if allowed is not None and not types <= allowed:
        names = ", ".join(sorted(unexpected.__name__ for unexpected in types - allowed))
        expected = ", ".join(sorted(kind.__name__ for kind in allowed - {type(None)}))
        raise TypeError(f"a column has values of type {names}; expected: {expected}")
    has_none = type(None) in types
    types.discard(type(None))
    if not types:
        return [r"\N"] * len(values)
    if len(types) > 1 or not types <= _ENCODERS.keys():
        return [join((value,)) for value in values]
    [value_type] = types
    if value_type is str and not _has_escapes("".join(filter(None, values))):
        return [r"\N" if value is None else value for value in values] if has_none else values
    encode = _ENCODERS[value_type]
    if has_none:
        return [r"\N" if value is None else encode(value) for value in values]
    return list(map(encode, values))


def _has_escapes(text: str) -> bool:
    return "\\" in text or "\n" in text or "\r" in text or "\t" in text


def as_json(value: Any) -> str | None:
    """Return a value as JSON text, and None as None, which becomes NULL."""
    return None if value is None else json_text.dumps(value).decode()


def _escape(text: str) -> str:
    # str.translate takes 12 times as long on strings of 8 KB.
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    return text.replace("\t", "\\t") if "\t" in text else text


def _encode_json(value: Any) -> str:
    # JSON text contains no raw control characters: only backslashes need escaping.
    return json_text.dumps(value).decode().replace("\\", "\\\\")


class _TimeEncoder:
    """Encode times, with a cache: a batch repeats each time in many columns and rows."""

    def __init__(self) -> None:
        self._texts: dict[tuple[datetime, Any], str] = {}

    def __call__(self, value: datetime) -> str:
        # Equal times may have different zones, and different texts.
        key = (value, value.tzinfo)
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _CACHED_TIMES:
                # Replace instead of clear: another thread may be encoding.
                self._texts = {}
            text = self._texts[key] = value.isoformat()
        return text


_ENCODERS: dict[type[Any], Any] = {
    str: _escape,
    bool: lambda value: "t" if value else "f",
    int: int.__repr__,
    Decimal: str,
    datetime: _TimeEncoder(),
    date: date.isoformat,
    UUID: str,
    bytes: lambda value: rf"\\x{value.hex()}",
    dict: _encode_json,
    list: _encode_json,
    tuple: _encode_json,
}
