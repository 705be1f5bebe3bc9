"""Tables with a million products: loaded rows, copied within the database.

Some products are loaded, and each row about them is then copied with new ids, hashes and normalized
titles, so that the indexes are as large and as varied as those of loaded rows. The columns are
taken from the models, so a new column does not require a change here.
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
    """Copy the rows about products and other objects of platforms until each exists `copies` times.

    Columns that refer to such rows refer to the copies.
    """
    multiplied = _multiplied_models(alias)
    with connections[alias].cursor() as cursor:
        strides = {model: _highest_key(cursor, model) for model in multiplied}
    for model in multiplied:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            # Disables the checks of foreign keys, which are slow. The keys are computed.
            cursor.execute("SET LOCAL session_replication_role = replica")
            indexes = _drop_indexes(cursor, model)
            cursor.execute(_repeat(model, strides, copies))
            for definition in indexes:
                cursor.execute(definition)
            table = model._meta.db_table
            cursor.execute(sql.SQL(_NEXT_KEY).format(table=sql.Identifier(table)), {"table": table})


def _multiplied_models(alias: str) -> list[Model]:
    """Return the models with an `external_id`, and those that refer to one of them."""
    multiplied: list[Model] = []
    for model in apps.get_app_config(alias).get_models():
        names = {field.name for field in model._meta.concrete_fields}
        parents = _parents(model).values()
        if "external_id" in names or any(parent in multiplied for parent in parents):
            multiplied.append(model)
    return multiplied


def _parents(model: Model) -> dict[str, Any]:
    """Return the foreign keys: column → model."""
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
    """Drop the indexes that do not implement constraints; return their definitions."""
    cursor.execute(_INDEXES, {"table": model._meta.db_table})
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [definition for _, definition in indexes]


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
    """Return the SQL expression for a column in the n-th copy."""
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
