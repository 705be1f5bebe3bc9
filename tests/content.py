"""The content of the tables of a database, by natural keys, without ids and times of loading."""

from collections import Counter
from typing import NamedTuple

import zstandard
from django.apps import apps
from django.db.models import UniqueConstraint
from psycopg2.sql import SQL, Identifier

#: Models without loaded content.
LOADING = {
    "LoadRun",
    "LoadSource",
    "LoadChunk",
    "PayloadDictionary",
    "PayloadObservation",
    "ExchangeRate",
    "Rollup",
}

#: Columns that state when, and by which run, a row was written.
_WRITTEN = {"id", "updated_at", "created_at", "run"}
_WRITTEN_BY_MODEL = {"QuarantinedRecord": {"first_seen_at", "last_seen_at"}}

#: Maximum number of differences in a message.
_SHOWN = 12

_TIMES = (
    "(SELECT string_agg(at::text, ' ' ORDER BY at) FROM "
    "(SELECT t.observed_at AS at UNION ALL SELECT unnest(s.observed_times) "
    "FROM {} s WHERE s.payload_id = t.id) AS seen)"
)


class Column(NamedTuple):
    """A compared column, with its SQL expression."""

    name: str
    value: object


def content(cursor, alias="ecommerce", without=()):
    """Return model → key → row, each row as column → text; payloads are decompressed.

    :param cursor: a cursor of the database, of this process or of another server
    :param without: further columns to leave out, as "Model.column"
    """
    models = apps.get_app_config(alias).get_models()
    return {
        model.__name__: _rows(cursor, model, set(without))
        for model in models
        if model.__name__ not in LOADING
    }


def empty(cursor, alias="ecommerce"):
    """Delete all rows and restart the sequences."""
    tables = [model._meta.db_table for model in apps.get_app_config(alias).get_models()]
    names = SQL(", ").join(map(Identifier, tables))
    # PostgreSQL truncates no table whose deferred constraints are still to be checked.
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    cursor.execute(SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))


def differences(expected, actual):
    """Return the differences between two contents as lines; empty if they are equal.

    A column that `actual` does not have is not compared.
    """
    lines = []
    for name in expected:
        lines += _compare(name, expected[name], actual[name])
    return lines[:_SHOWN]


def _compare(name, expected, actual):
    keys = sorted(expected.keys() | actual.keys())
    for key in keys:
        if key not in actual:
            yield f"{name} {key} is missing"
        elif key not in expected:
            yield f"{name} {key} is unexpected: {actual[key]}"
        else:
            for column, expected_value in expected[key].items():
                value = actual[key].get(column, expected_value)
                if value != expected_value:
                    yield f"{name} {key}: {column} is {value}, not {expected_value}"


def _rows(cursor, model, without):
    names = _WRITTEN | _WRITTEN_BY_MODEL.get(model.__name__, set())
    names |= {name.partition(".")[2] for name in without if name.startswith(f"{model.__name__}.")}
    fields = model._meta.concrete_fields
    columns = [_column(field) for field in fields if field.name not in names]
    is_payload = model.__name__ == "RawPayload"
    if is_payload:
        payload_observations = model._meta.apps.get_model(
            model._meta.app_label, "PayloadObservation"
        )
        times = SQL(_TIMES).format(Identifier(payload_observations._meta.db_table))
        columns.append(Column("observed_times", times))
    cursor.execute(
        SQL("SELECT {} FROM {} t ORDER BY t.id").format(
            SQL(", ").join(column.value for column in columns), Identifier(model._meta.db_table)
        )
    )
    column_names = [column.name for column in columns]
    rows = [dict(zip(column_names, row, strict=True)) for row in cursor.fetchall()]
    if is_payload:
        _unpack(cursor, model, rows)
    return _by_key(model, rows)


def _column(field):
    value = SQL("t.{}::text").format(Identifier(field.column))
    target = field.related_model
    if target is None or "external_id" not in {other.name for other in target._meta.fields}:
        return Column(field.name, value)
    # A foreign key is compared by the natural key of the referenced row.
    return Column(
        field.name,
        SQL("(SELECT r.external_id FROM {} r WHERE r.id = t.{})").format(
            Identifier(target._meta.db_table), Identifier(field.column)
        ),
    )


def _by_key(model, rows):
    """Return natural key → row; rows with the same key are numbered in their order."""
    constraints = model._meta.constraints
    unique = [item.fields for item in constraints if isinstance(item, UniqueConstraint)]
    first = rows[0] if rows else {}
    key = next((names for names in unique if first.keys() >= set(names)), ())
    rows_by_key, counts = {}, Counter()
    for row in rows:
        name = " ".join(str(row[column]) for column in key)
        counts[name] += 1
        rows_by_key[f"{name} #{counts[name]}" if counts[name] > 1 or not key else name] = row
    return rows_by_key


def _unpack(cursor, model, rows):
    dictionaries = apps.get_model(model._meta.app_label, "PayloadDictionary")._meta.db_table
    cursor.execute(SQL("SELECT dictionary_id, body FROM {}").format(Identifier(dictionaries)))
    decompressors = {
        number: zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(bytes(body)))
        for number, body in cursor.fetchall()
    }
    decompressors[0] = zstandard.ZstdDecompressor()
    for row in rows:
        frame = bytes.fromhex(row["body"].removeprefix("\\x"))
        number = zstandard.get_frame_parameters(frame).dict_id
        row["body"] = decompressors[number].decompress(frame).decode()
