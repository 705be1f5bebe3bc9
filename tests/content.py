"""What the tables of a database say: by natural keys, without ids and times of loading."""

from collections import Counter
from typing import NamedTuple

import zstandard
from django.apps import apps
from django.db.models import UniqueConstraint
from psycopg2.sql import SQL, Identifier

#: Models that tell of loading, not of what was loaded.
LOADING = {
    "LoadRun",
    "LoadSource",
    "LoadChunk",
    "PayloadDictionary",
    "PayloadObservation",
    "ExchangeRate",
}

#: What says when, and by which run, something was written.
_WRITTEN = {"id", "updated_at", "created_at", "run"}
_WRITTEN_BY_MODEL = {"QuarantinedRecord": {"first_seen_at", "last_seen_at"}}

#: Differences that a message names.
_SHOWN = 12

_TIMES = (
    "(SELECT string_agg(at::text, ' ' ORDER BY at) FROM "
    "(SELECT t.observed_at AS at UNION ALL SELECT unnest(s.observed_times) "
    "FROM {} s WHERE s.payload_id = t.id) AS seen)"
)


class Column(NamedTuple):
    """A column of what is compared."""

    name: str
    value: object


def content(cursor, alias="ecommerce", without=()):
    """Return model → its rows, each as column → text; payloads are unpacked.

    :param cursor: of the database, whether this process's own or another server's
    :param without: further columns to leave out, as "Model.column"
    """
    models = apps.get_app_config(alias).get_models()
    return {
        model.__name__: _rows(cursor, model, set(without))
        for model in models
        if model.__name__ not in LOADING
    }


def empty(cursor, alias="ecommerce"):
    """Remove all rows, and begin to count ids anew."""
    tables = [model._meta.db_table for model in apps.get_app_config(alias).get_models()]
    names = SQL(", ").join(map(Identifier, tables))
    cursor.execute(SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))


def differences(expected, found):
    """Return how one content differs from another, as lines; empty if they are equal.

    A column that is not in `found` at all is not compared.
    """
    lines = []
    for name in expected:
        lines += _compare(name, expected[name], found[name])
    return lines[:_SHOWN]


def _compare(name, expected, found):
    keys = sorted(expected.keys() | found.keys())
    for key in keys:
        if key not in found:
            yield f"{name} {key} is missing"
        elif key not in expected:
            yield f"{name} {key} is too much: {found[key]}"
        else:
            for column, value in expected[key].items():
                told = found[key].get(column, value)
                if told != value:
                    yield f"{name} {key}: {column} is {told}, not {value}"


def _rows(cursor, model, without):
    names = _WRITTEN | _WRITTEN_BY_MODEL.get(model.__name__, set())
    names |= {name.partition(".")[2] for name in without if name.startswith(f"{model.__name__}.")}
    columns = [_column(each) for each in model._meta.concrete_fields if each.name not in names]
    is_payload = model.__name__ == "RawPayload"
    if is_payload:
        payload_observations = model._meta.apps.get_model(
            model._meta.app_label, "PayloadObservation"
        )
        seen = SQL(_TIMES).format(Identifier(payload_observations._meta.db_table))
        columns.append(Column("observed_times", seen))
    cursor.execute(
        SQL("SELECT {} FROM {} t ORDER BY t.id").format(
            SQL(", ").join(column.value for column in columns), Identifier(model._meta.db_table)
        )
    )
    told = [column.name for column in columns]
    rows = [dict(zip(told, row, strict=True)) for row in cursor.fetchall()]
    if is_payload:
        _unpack(cursor, model, rows)
    return _by_key(model, rows)


def _column(field):
    own = SQL("t.{}::text").format(Identifier(field.column))
    target = field.related_model
    if target is None or not any(each.name == "external_id" for each in target._meta.fields):
        return Column(field.name, own)
    # A foreign key is known by the other row's own key.
    return Column(
        field.name,
        SQL("(SELECT r.external_id FROM {} r WHERE r.id = t.{})").format(
            Identifier(target._meta.db_table), Identifier(field.column)
        ),
    )


def _by_key(model, rows):
    """Return key → row, by the table's own key; what has the same is numbered in its order."""
    unique = [each.fields for each in model._meta.constraints if isinstance(each, UniqueConstraint)]
    told = rows[0] if rows else {}
    key = next((names for names in unique if told.keys() >= set(names)), ())
    found, counts = {}, Counter()
    for row in rows:
        name = " ".join(str(row[each]) for each in key)
        counts[name] += 1
        found[f"{name} #{counts[name]}" if counts[name] > 1 or not key else name] = row
    return found


def _unpack(cursor, model, rows):
    dictionaries = apps.get_model(model._meta.app_label, "PayloadDictionary")._meta.db_table
    cursor.execute(SQL("SELECT dictionary_id, body FROM {}").format(Identifier(dictionaries)))
    known = {
        number: zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(bytes(body)))
        for number, body in cursor.fetchall()
    }
    known[0] = zstandard.ZstdDecompressor()
    for row in rows:
        frame = bytes.fromhex(row["body"].removeprefix("\\x"))
        number = zstandard.get_frame_parameters(frame).dict_id
        row["body"] = known[number].decompress(frame).decode()
