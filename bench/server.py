"""The server of the benchmark: its databases are kept as templates, restored and measured."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg2 import sql

from bench.contenders import MANIFEST
from bench.corpus import START
from ecommerce import partitions
from marketplace.databases.initialization import initialize
from marketplace.databases.names import database_name
from marketplace.postgresql import embedded
from marketplace.registry import ALIASES, CONTROL

#: The state of a database before its first load. A state is the suffix of its template.
EMPTY = "empty"

# Rollups are left out: no load writes them.
_TABLES = r"""
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class AS c
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE
    c.relname LIKE %(prefix)s
    AND c.relname NOT LIKE '%%\_rollup%%'
    AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND a.attgenerated = ''
GROUP BY c.oid, c.relname
ORDER BY c.oid
"""

_SIZES = """
SELECT c.relname, pg_total_relation_size(c.oid)
FROM pg_class AS c
WHERE c.relname LIKE %(prefix)s AND c.relkind = 'r'
ORDER BY 2 DESC
"""

_SCHEMA = """
SELECT md5(string_agg(definition, '; ' ORDER BY definition))
FROM (
    SELECT
        attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod)
            AS definition
    FROM pg_attribute
    WHERE attrelid::regclass::text LIKE %(prefix)s AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE tablename LIKE %(prefix)s
) AS definitions
"""


def start() -> None:
    """Start the server, with a database for each alias."""
    embedded.start(settings.DATA_DIR)


def stop() -> None:
    """Stop the server."""
    connections.close_all()
    embedded.stop(settings.DATA_DIR)


def make_empty(alias: str) -> None:
    """Create the template of a database before its first load."""
    initialize(alias, START.date(), drop_first=True)
    if alias == "ecommerce":
        # The partitions of all loads, because creating them is not part of a load.
        partitions.ensure(alias, [date(START.year, month, 1) for month in range(1, 13)])
    keep(alias, EMPTY)


def make_all_empty() -> None:
    """Create the empty templates of all databases."""
    for alias in ALIASES:
        make_empty(alias)


def keep(alias: str, state: str) -> None:
    """Rename a database to the template of a state. Restore it before the next use of the alias."""
    connections[alias].close()
    name, template = _names(alias, state)
    _control("DROP DATABASE IF EXISTS {template} WITH (FORCE)", template=template)
    _control("ALTER DATABASE {name} RENAME TO {template}", name=name, template=template)


def restore(alias: str, state: str) -> None:
    """Create a database from the template of a state, and write it to disk completely."""
    connections[alias].close()
    name, template = _names(alias, state)
    _control("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)
    # The other strategy, WAL_LOG, is slow for millions of rows.
    _control(
        "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY",
        name=name,
        template=template,
    )
    checkpoint()


def is_kept(alias: str, state: str, label: str) -> bool:
    """Return whether a template of a state with this label exists."""
    _, template = _names(alias, state)
    with connections[CONTROL].cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
            "WHERE datname = %(name)s",
            {"name": template},
        )
        return bool(cursor.fetchone() == (label,))


def label(alias: str, state: str, text: str) -> None:
    """Set the label of a state's template database."""
    _, template = _names(alias, state)
    with connections[CONTROL].cursor() as cursor:
        statement = sql.SQL("COMMENT ON DATABASE {} IS %(text)s").format(sql.Identifier(template))
        cursor.execute(statement, {"text": text})


def checkpoint() -> None:
    """Execute a checkpoint."""
    _control("CHECKPOINT")


def settle(alias: str) -> None:
    """Vacuum and analyze, as autovacuum would do before the load of the next day."""
    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    checkpoint()


def sizes(alias: str) -> dict[str, int]:
    """Return the bytes of each table with its indexes and TOAST."""
    return dict(_rows(alias, _SIZES))


def schema(alias: str) -> str:
    """Return a digest of the table and index definitions."""
    return str(_rows(alias, _SCHEMA)[0][0])


def tables(alias: str) -> dict[str, list[str]]:
    """Return the columns of each table that are not generated; tables in the order of creation."""
    return dict(_rows(alias, _TABLES))


def highest_keys(alias: str) -> dict[str, int]:
    """Return the highest key of each table; 0 for an empty table."""
    statement = sql.SQL("SELECT coalesce(max(id), 0) FROM {}")
    keys = {}
    with connections[alias].cursor() as cursor:
        for table in tables(alias):
            cursor.execute(statement.format(sql.Identifier(table)))
            keys[table] = cursor.fetchone()[0]
    return keys


def export(alias: str, folder: Path, above: dict[str, int]) -> None:
    """Write rows as files for COPY.

    :param above: table → the key after which rows are written
    """
    folder.mkdir(parents=True, exist_ok=True)
    exported = {}
    with connections[alias].cursor() as cursor:
        for table, columns in tables(alias).items():
            statement = sql.SQL("COPY (SELECT {} FROM {} WHERE id > {}) TO STDOUT").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.Identifier(table),
                sql.Literal(above.get(table, 0)),
            )
            with (folder / table).open("wb") as file:
                cursor.copy_expert(statement, file)
                if file.tell():
                    exported[table] = columns
    (folder / MANIFEST).write_text(json.dumps(exported))


def _rows(alias: str, query: str) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, {"prefix": rf"{alias}\_%"})
        return list(cursor.fetchall())


def _names(alias: str, state: str) -> tuple[str, str]:
    name = database_name(alias)
    return name, f"{name}_{state}"


def _control(statement: str, **names: str) -> None:
    """Execute a statement about a database from the connection to another one."""
    composed = sql.SQL(statement).format(**{key: sql.Identifier(n) for key, n in names.items()})
    with connections[CONTROL].cursor() as cursor:
        cursor.execute(composed)
