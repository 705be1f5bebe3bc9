"""The description of a database's content, which must be the same after a restore."""

from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.backups import target_databases
from marketplace.humanize import counted
from marketplace.routers import database_of

# Tables that pg_dump writes: no tables of extensions, no system tables, no temporary tables.
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    c.relkind = 'r' AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY n.nspname, c.relname
"""

# Not-null constraints are excluded, because PostgreSQL 18 lists them and 17 does not. Indexes that
# pg_dump omits are excluded, too: indexes under construction, and indexes whose build failed.
# pg_dump writes the index of a partitioned table even if it is invalid, which it is until every
# partition has a matching index.
_OBJECTS = """
WITH schemas AS (
    SELECT n.oid FROM pg_namespace AS n
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
),
extensions AS (SELECT d.classid, d.objid FROM pg_depend AS d WHERE d.deptype = 'e'),
objects AS (
    SELECT
        CASE c.relkind
            WHEN 'i' THEN 'indexes' WHEN 'I' THEN 'indexes' WHEN 'S' THEN 'sequences'
            WHEN 'v' THEN 'views' WHEN 'm' THEN 'views' WHEN 'p' THEN 'partitioned tables'
        END AS kind,
        'pg_class'::regclass AS classid,
        c.oid
    FROM pg_class AS c
    WHERE
        c.relnamespace IN (SELECT oid FROM schemas) AND c.relpersistence <> 't'
        AND NOT EXISTS (
            SELECT FROM pg_index AS x JOIN pg_class AS t ON t.oid = x.indrelid
            WHERE
                x.indexrelid = c.oid
                AND NOT (x.indisready AND (x.indisvalid OR t.relkind = 'p'))
        )
    UNION ALL
    SELECT 'functions', 'pg_proc'::regclass, p.oid
    FROM pg_proc AS p WHERE p.pronamespace IN (SELECT oid FROM schemas)
    UNION ALL
    SELECT 'constraints', 'pg_constraint'::regclass, k.oid
    FROM pg_constraint AS k WHERE k.connamespace IN (SELECT oid FROM schemas) AND k.contype <> 'n'
    UNION ALL
    SELECT 'triggers', 'pg_trigger'::regclass, t.oid
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relpersistence <> 't'
)
SELECT kind, count(*) FROM objects
WHERE kind IS NOT NULL AND (classid, oid) NOT IN (SELECT classid, objid FROM extensions)
GROUP BY kind ORDER BY kind
"""

_SERVER = """
SELECT
    current_setting('server_version'), current_database(),
    pg_database_size(current_database()),
    (SELECT system_identifier::text FROM pg_control_system())
"""

# Roles that own an object of the database or have a privilege on one. They must exist before a
# restore.
_ROLES = """
SELECT pg_get_userbyid(refobjid)
FROM pg_shdepend
WHERE
    refclassid = 'pg_authid'::regclass
    AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND (
        dbid <> 0
        OR (
            classid = 'pg_database'::regclass
            AND objid = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
    )
UNION
SELECT pg_get_userbyid(c.relowner)
FROM pg_class AS c WHERE c.oid >= 16384
UNION
SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
ORDER BY 1
"""

Table = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class DatabaseContent:
    """The description of a database."""

    #: The name of the database on its server.
    database: str
    #: The version of the server, such as "18.6".
    server: str
    #: Identifies the server's cluster.
    system_identifier: str
    #: Including indexes.
    size_bytes: int
    #: Locale, owner, grants and settings of the database: see `target_databases.attributes`.
    attributes: dict[str, Any]
    roles: list[str]
    #: App → its last applied migration.
    migrations: dict[str, str]
    #: Name → version.
    extensions: dict[str, str]
    #: Kind → number of objects.
    objects: dict[str, int]
    #: "schema.table" → exact number of rows. Partitions are listed, their parents are not.
    tables: dict[str, int]


def collect(cursor: CursorWrapper, alias: str) -> DatabaseContent:
    """Return the description of the cursor's database, without counting rows."""
    cursor.execute(_SERVER)
    version, database, size, identifier = cursor.fetchone()
    return DatabaseContent(
        database=database,
        server=version.split()[0],
        system_identifier=identifier,
        size_bytes=size,
        attributes=target_databases.attributes(cursor, database),
        roles=[role for (role,) in _fetch_all(cursor, _ROLES)],
        migrations=_last_migrations(cursor, alias),
        extensions=dict(
            _fetch_all(cursor, "SELECT extname, extversion FROM pg_extension ORDER BY 1")
        ),
        objects=dict(_fetch_all(cursor, _OBJECTS)),
        tables={},
    )


def tables(cursor: CursorWrapper) -> list[Table]:
    """Return the schema and name of each table that stores rows."""
    cursor.execute(_TABLES)
    return [(schema, name) for schema, name in cursor.fetchall()]


def count_rows(cursor: CursorWrapper) -> dict[str, int]:
    """Return the exact number of rows of each table, as seen by the cursor's transaction."""
    counts = {}
    for table in tables(cursor):
        cursor.execute(SQL("SELECT count(*) FROM ONLY {}").format(Identifier(*table)))
        counts[".".join(table)] = int(cursor.fetchone()[0])
    return counts


def compare(cursor: CursorWrapper, alias: str, expected: DatabaseContent) -> list[str]:
    """Return the differences between the cursor's database and its expected content, as lines.

    All rows are counted. Versions of extensions are not compared, because they depend on the
    server.
    """
    actual = collect(cursor, alias)
    lines = _describe_differences("table", expected.tables, count_rows(cursor), "row")
    lines += _describe_differences("migration of", expected.migrations, actual.migrations)
    lines += _describe_differences("number of", expected.objects, actual.objects)
    missing = expected.extensions.keys() - actual.extensions.keys()
    return lines + [f"extension {name}: is missing" for name in sorted(missing)]


def _describe_differences(
    kind: str, expected: dict[str, Any], actual: dict[str, Any], unit: str = ""
) -> list[str]:
    lines = []
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            actual_text, expected_text = (
                _format_value(values.get(name), unit) for values in (actual, expected)
            )
            lines.append(f"{kind} {name}: {actual_text}, but the manifest says {expected_text}")
    return lines


def _format_value(value: int | str | None, unit: str) -> str:
    if value is None:
        return "absent"
    if isinstance(value, int):
        return counted(value, unit) if unit else f"{value:,}"
    return value


def _last_migrations(cursor: CursorWrapper, alias: str) -> dict[str, str]:
    cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return {}
    # The dict keeps the last row of each app.
    rows = _fetch_all(cursor, "SELECT app, name FROM django_migrations ORDER BY id")
    return {app: name for app, name in rows if database_of(app) == alias}


def _fetch_all(cursor: CursorWrapper, query: str) -> list[Any]:
    cursor.execute(query)
    return list(cursor.fetchall())
