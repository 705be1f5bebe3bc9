"""The databases of the benchmark: made, kept as templates, restored, measured."""

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

#: State of a database → what the template with it is called.
EMPTY = "empty"

_TABLES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class AS c
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE
    c.relname LIKE %(prefix)s
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
    """Make the server run, with a database for each alias."""
    embedded.start(settings.DATA_DIR)


def stop() -> None:
    """Stop the server."""
    connections.close_all()
    embedded.stop(settings.DATA_DIR)


def make_empty(alias: str) -> None:
    """Make the template of a database as it is before its first load."""
    initialize(alias, START.date(), drop_first=True)
    if alias == "ecommerce":
        # The months of all that is loaded: making them is no part of a load.
        partitions.ensure(alias, [date(START.year, month, 1) for month in range(1, 13)])
    keep(alias, EMPTY)


def make_all_empty() -> None:
    """Make the empty templates of all databases."""
    for alias in ALIASES:
        make_empty(alias)


def keep(alias: str, state: str) -> None:
    """Make a database the template of a state; the alias has none then until it is restored."""
    connections[alias].close()
    name, template = _names(alias, state)
    _control("DROP DATABASE IF EXISTS {template} WITH (FORCE)", template=template)
    _control("ALTER DATABASE {name} RENAME TO {template}", name=name, template=template)


def restore(alias: str, state: str) -> None:
    """Make a database what it was when it was kept, and nothing of it wait to be written."""
    connections[alias].close()
    name, template = _names(alias, state)
    _control("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)
    # By copying files: the other way, through the log, is slow for millions of rows.
    _control(
        "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY",
        name=name,
        template=template,
    )
    checkpoint()


def is_kept(alias: str, state: str, label: str) -> bool:
    """Return whether there is a template of a state that bears this label."""
    _, template = _names(alias, state)
    with connections[CONTROL].cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
            "WHERE datname = %(name)s",
            {"name": template},
        )
        return bool(cursor.fetchone() == (label,))


def label(alias: str, state: str, text: str) -> None:
    """Put a label on the template of a state."""
    _, template = _names(alias, state)
    with connections[CONTROL].cursor() as cursor:
        statement = sql.SQL("COMMENT ON DATABASE {} IS %(text)s").format(sql.Identifier(template))
        cursor.execute(statement, {"text": text})


def checkpoint() -> None:
    """Have the server write all that it has not written yet."""
    _control("CHECKPOINT")


def settle(alias: str) -> None:
    """Do what the server would do by itself before the next day's load."""
    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    checkpoint()


def sizes(alias: str) -> dict[str, int]:
    """Return the bytes of each table with its indexes and what is stored apart."""
    return dict(_rows(alias, _SIZES))


def schema(alias: str) -> str:
    """Return by what the database's tables and indexes are known."""
    return str(_rows(alias, _SCHEMA)[0][0])


def tables(alias: str) -> dict[str, list[str]]:
    """Return the columns of each table that are not generated, in the order of their creation."""
    return dict(_rows(alias, _TABLES))


def highest_keys(alias: str) -> dict[str, int]:
    """Return the highest key of each table; 0 where it has no row."""
    statement = sql.SQL("SELECT coalesce(max(id), 0) FROM {}")
    found = {}
    with connections[alias].cursor() as cursor:
        for table in tables(alias):
            cursor.execute(statement.format(sql.Identifier(table)))
            found[table] = cursor.fetchone()[0]
    return found


def export(alias: str, folder: Path, above: dict[str, int]) -> None:
    """Write the rows with keys above those given, as files for COPY."""
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
    """Execute a statement about databases, which must not run in one of those it is about."""
    composed = sql.SQL(statement).format(**{key: sql.Identifier(n) for key, n in names.items()})
    with connections[CONTROL].cursor() as cursor:
        cursor.execute(composed)
