"""Tables that hold a million products already: loaded rows, copied within the database.

Some products are loaded as all others are; then each row about them is repeated under ids of its
own, with hashes and normalized titles of its own, so that no index has it easier than with rows
that were loaded. What rows look like is asked of the models: a new column needs nothing here.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connections, models, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE
    i.indrelid = %(table)s::regclass
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
"""

_NEXT_KEY = """
SELECT setval(pg_get_serial_sequence(%(table)s, 'id'), (SELECT max(id) FROM {table}))
"""

Model = type[models.Model]


def multiply(alias: str, copies: int) -> None:
    """Repeat all that is about things on platforms, until it is there `copies` times."""
    known = _multiplied(alias)
    with connections[alias].cursor() as cursor:
        strides = {model: _highest_key(cursor, model) for model in known}
    for model in known:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            # Keys are right by the way they are made; to check each would take longer than all.
            cursor.execute("SET LOCAL session_replication_role = replica")
            indexes = _drop_indexes(cursor, model)
            cursor.execute(_repeat(model, strides, copies))
            for definition in indexes:
                cursor.execute(definition)
            table = model._meta.db_table
            cursor.execute(sql.SQL(_NEXT_KEY).format(table=sql.Identifier(table)), {"table": table})


def _multiplied(alias: str) -> list[Model]:
    """Return the models of things with an id on their platform, and of what belongs to those."""
    found: list[Model] = []
    for model in apps.get_app_config(alias).get_models():
        names = {field.name for field in model._meta.concrete_fields}
        if "external_id" in names or any(parent in found for parent in _parents(model).values()):
            found.append(model)
    return found


def _parents(model: Model) -> dict[str, Any]:
    """Return column → model of the foreign keys."""
    return {
        field.attname: field.related_model
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
    }


def _highest_key(cursor: CursorWrapper, model: Model) -> int:
    table = sql.Identifier(model._meta.db_table)
    cursor.execute(sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(table))
    return int(cursor.fetchone()[0])


def _drop_indexes(cursor: CursorWrapper, model: Model) -> list[str]:
    """Drop the indexes that are no constraints; return how to make them again."""
    cursor.execute(_INDEXES, {"table": model._meta.db_table})
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [definition for _, definition in found]


def _repeat(model: Model, strides: dict[Model, int], copies: int) -> sql.Composed:
    columns = [field for field in model._meta.concrete_fields if not field.generated]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS t "
        "CROSS JOIN generate_series(1, {last}) AS n"
    ).format(
        table=sql.Identifier(model._meta.db_table),
        columns=sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in columns),
        values=sql.SQL(", ").join(_values(model, columns, strides)),
        last=sql.Literal(copies - 1),
    )


def _values(
    model: Model, columns: list[Any], strides: dict[Model, int]
) -> Iterator[sql.Composable]:
    parents = _parents(model)
    for field in columns:
        if field.primary_key:
            rule, stride = "t.{c} + n * {stride}", strides[model]
        elif parents.get(field.attname) in strides:
            rule, stride = "t.{c} + n * {stride}", strides[parents[field.attname]]
        else:
            rule, stride = _rule(field), 0
        yield sql.SQL(rule).format(c=sql.Identifier(field.column), stride=sql.Literal(stride))


def _rule(field: Any) -> str:
    """Return the value of a column in the n-th copy."""
    if field.name == "external_id":
        return "t.{c} || to_char(n, 'FM000')"
    if field.name == "path_ids":
        return (
            "(SELECT jsonb_agg(e.id || to_char(n, 'FM000') ORDER BY e.place) "
            "FROM jsonb_array_elements_text(t.{c}) WITH ORDINALITY AS e (id, place))"
        )
    if field.name == "title_normalized":
        return "t.{c} || ' ' || n"
    if isinstance(field, models.UUIDField):
        return "md5(t.{c}::text || n)::uuid"
    if isinstance(field, models.BinaryField) and field.name.endswith("_hash"):
        return "decode(md5(encode(t.{c}, 'hex') || n), 'hex')"
    return "t.{c}"
