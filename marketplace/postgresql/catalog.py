"""Tables in PostgreSQL's catalog, with their columns, indexes and constraints."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db import connections

# Partitions and tables of extensions are left out. Tables of other databases are searched in all
# schemas, including views.
_TABLES = """
SELECT DISTINCT pg_class.relname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE
    NOT pg_class.relispartition
    AND (
        (pg_namespace.nspname = current_schema() AND pg_class.relkind IN ('r', 'p', 'f'))
        OR (
            pg_class.relname = ANY(%(others)s)
            AND pg_class.relkind IN ('r', 'p', 'f', 'v', 'm')
            AND pg_namespace.nspname NOT LIKE 'pg\\_%%'
        )
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE
            pg_depend.classid = 'pg_class'::regclass
            AND pg_depend.objid = pg_class.oid
            AND pg_depend.deptype = 'e'
    )
ORDER BY pg_class.relname
"""

_COLUMNS = """
SELECT
    pg_class.relname,
    pg_attribute.attname,
    format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
    NOT pg_attribute.attnotnull,
    pg_attribute.attgenerated <> ''
FROM pg_class
JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
WHERE
    pg_class.relname = ANY(%(tables)s)
    AND pg_class.relnamespace = current_schema()::regnamespace
    AND pg_attribute.attnum > 0
    AND NOT pg_attribute.attisdropped
ORDER BY pg_class.relname, pg_attribute.attnum
"""

_INDEXES = """
SELECT
    pg_class.relname,
    index_class.relname,
    ARRAY(
        SELECT coalesce(pg_attribute.attname, '(expression)')::text
        FROM unnest(pg_index.indkey) WITH ORDINALITY AS keys (attnum, place)
        LEFT JOIN pg_attribute
            ON
                pg_attribute.attrelid = pg_index.indrelid
                AND pg_attribute.attnum = keys.attnum
        WHERE keys.place <= pg_index.indnkeyatts
        ORDER BY keys.place
    ),
    pg_am.amname,
    pg_index.indisunique,
    pg_index.indpred IS NOT NULL,
    pg_index.indisvalid,
    EXISTS (SELECT FROM pg_constraint WHERE pg_constraint.conindid = pg_index.indexrelid
        AND pg_constraint.contype IN ('p', 'u', 'x'))
FROM pg_class
JOIN pg_index ON pg_index.indrelid = pg_class.oid
JOIN pg_class AS index_class ON index_class.oid = pg_index.indexrelid
JOIN pg_am ON pg_am.oid = index_class.relam
WHERE
    pg_class.relname = ANY(%(tables)s)
    AND pg_class.relnamespace = current_schema()::regnamespace
ORDER BY pg_class.relname, index_class.relname
"""

# Constraints of type n of PostgreSQL 18, for NOT NULL, are part of the columns.
_CONSTRAINTS = """
SELECT
    pg_class.relname,
    pg_constraint.conname,
    pg_constraint.contype,
    ARRAY(
        SELECT pg_attribute.attname::text
        FROM unnest(pg_constraint.conkey) WITH ORDINALITY AS keys (attnum, place)
        JOIN pg_attribute
            ON
                pg_attribute.attrelid = pg_constraint.conrelid
                AND pg_attribute.attnum = keys.attnum
        ORDER BY keys.place
    ),
    coalesce(target.relname, ''),
    pg_constraint.convalidated
FROM pg_class
JOIN pg_constraint ON pg_constraint.conrelid = pg_class.oid
LEFT JOIN pg_class AS target ON target.oid = pg_constraint.confrelid
WHERE
    pg_class.relname = ANY(%(tables)s)
    AND pg_class.relnamespace = current_schema()::regnamespace
    AND pg_constraint.contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY pg_class.relname, pg_constraint.conname
"""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    type: str
    is_nullable: bool
    is_generated: bool


class Index(NamedTuple):
    """An index of a table."""

    name: str
    #: The key columns; "(expression)" for an expression.
    columns: list[str]
    method: str
    is_unique: bool
    is_partial: bool
    is_valid: bool
    #: Whether it implements a constraint.
    has_constraint: bool


class Constraint(NamedTuple):
    """A constraint of a table."""

    name: str
    #: p: primary key, u: unique, f: foreign key, c: check, x: exclusion.
    kind: str
    #: The constrained columns; of a check constraint, in the order of the table.
    columns: list[str]
    #: The table that a foreign key references; empty for other constraints.
    target: str
    is_valid: bool


class Table(NamedTuple):
    """The columns, indexes and constraints of a table."""

    columns: dict[str, Column]
    indexes: list[Index]
    constraints: list[Constraint]


def table_names(alias: str, others: Collection[str]) -> list[str]:
    """Return the names of the tables in the schema, and of `others` in any schema."""
    return [name for (name,) in _fetch(alias, _TABLES, others=list(others))]


def describe_tables(alias: str, names: Collection[str]) -> dict[str, Table]:
    """Return the named tables of the schema by name."""
    columns, indexes, constraints = (
        _by_table(_fetch(alias, query, tables=list(names)))
        for query in (_COLUMNS, _INDEXES, _CONSTRAINTS)
    )
    return {
        name: Table(
            {row[0]: Column(*row) for row in columns[name]},
            [Index(*row) for row in indexes[name]],
            [Constraint(*row) for row in constraints[name]],
        )
        for name in names
    }


def _fetch(alias: str, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _by_table(rows: list[tuple[Any, ...]]) -> defaultdict[str, list[tuple[Any, ...]]]:
    grouped = defaultdict(list)
    for table, *row in rows:
        grouped[table].append(tuple(row))
    return grouped
