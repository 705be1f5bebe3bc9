"""What can be told of a database and must be the same after it was restored."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.backups import target_databases as server
from marketplace.humanize import counted
from marketplace.routers import database_of

# Tables that pg_dump writes: not those of extensions, of the server, of a session.
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

# Not-null constraints, which PostgreSQL 18 lists and 17 does not, are left out; so are indexes that
# pg_dump leaves out: those that are being built, and those whose building failed. An index of a
# partitioned table is written even if it is not valid, as it is until each partition has its own.
_OBJECTS = """
WITH ours AS (
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
        c.relnamespace IN (SELECT oid FROM ours) AND c.relpersistence <> 't'
        AND NOT EXISTS (
            SELECT FROM pg_index AS x JOIN pg_class AS t ON t.oid = x.indrelid
            WHERE
                x.indexrelid = c.oid
                AND NOT (x.indisready AND (x.indisvalid OR t.relkind = 'p'))
        )
    UNION ALL
    SELECT 'functions', 'pg_proc'::regclass, p.oid
    FROM pg_proc AS p WHERE p.pronamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'constraints', 'pg_constraint'::regclass, k.oid
    FROM pg_constraint AS k WHERE k.connamespace IN (SELECT oid FROM ours) AND k.contype <> 'n'
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

# All who own or are granted something in the database, for they must be there before a restore.
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

# The kind that `_OBJECTS` gives them.
_INDEXES = "indexes"


class Comparison(NamedTuple):
    """How a database differs from what it must be, as lines."""

    differences: list[str]
    #: What does not make it less than it was.
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a database is."""

    #: Its name on the server.
    database: str
    #: The server's version, such as "18.6".
    server: str
    #: Unlike that of any other server.
    system_identifier: str
    #: With indexes.
    size_bytes: int
    #: Locale, owner, grants and settings of the database itself: see `server.attributes`.
    attributes: dict[str, Any]
    roles: list[str]
    #: App → its last applied migration.
    migrations: dict[str, str]
    #: Name → version.
    extensions: dict[str, str]
    #: Kind → number.
    objects: dict[str, int]
    #: "schema.table" → exact number of rows; of partitioned tables the partitions.
    tables: dict[str, int]


def tell(cursor: CursorWrapper, alias: str) -> Facts:
    """Return what the database is to which the cursor is connected; its rows are not counted."""
    cursor.execute(_SERVER)
    version, database, size, identifier = cursor.fetchone()
    return Facts(
        database=database,
        server=version.split()[0],
        system_identifier=identifier,
        size_bytes=size,
        attributes=server.attributes(cursor, database),
        roles=[role for (role,) in _asked(cursor, _ROLES)],
        migrations=_heads(cursor, alias),
        extensions=dict(_asked(cursor, "SELECT extname, extversion FROM pg_extension ORDER BY 1")),
        objects=dict(_asked(cursor, _OBJECTS)),
        tables={},
    )


def tables(cursor: CursorWrapper) -> list[Table]:
    """Return schema and name of all tables that have rows of their own."""
    cursor.execute(_TABLES)
    return [(schema, name) for schema, name in cursor.fetchall()]


def count(cursor: CursorWrapper) -> dict[str, int]:
    """Return the exact number of rows of each table, as the cursor's transaction sees it."""
    counts = {}
    for table in tables(cursor):
        cursor.execute(SQL("SELECT count(*) FROM ONLY {}").format(Identifier(*table)))
        counts[".".join(table)] = int(cursor.fetchone()[0])
    return counts


def compare(cursor: CursorWrapper, alias: str, expected: Facts) -> Comparison:
    """Return how the database differs from what it must be.

    Rows are counted. Versions of extensions are the server's own, so they may differ.
    """
    found = tell(cursor, alias)
    lines = _compared("table", expected.tables, count(cursor), "row")
    lines += _compared("migration of", expected.migrations, found.migrations)
    warnings = _fewer_indexes(expected.objects, found.objects)
    # What was warned of is no difference.
    told, seen = (
        {kind: number for kind, number in each.items() if kind != _INDEXES or not warnings}
        for each in (expected.objects, found.objects)
    )
    lines += _compared("number of", told, seen)
    missing = expected.extensions.keys() - found.extensions.keys()
    lines += [f"extension {name}: is missing" for name in sorted(missing)]
    return Comparison(lines, warnings)


def _fewer_indexes(expected: dict[str, int], found: dict[str, int]) -> list[str]:
    """Return a warning if indexes are missing: older manifests count what pg_dump leaves out.

    pg_restore ends at the first index that it cannot build, so that it is no other one.
    """
    there, told = found.get(_INDEXES, 0), expected.get(_INDEXES, 0)
    if there >= told:
        return []
    return [
        f"number of indexes: {there:,}, but the manifest says {told:,}. pg_dump leaves out an "
        "index that is being built or whose building failed, and earlier backups counted it. "
        "After a restore db_verify names what is missing of the indexes that the code expects."
    ]


def _compared(
    kind: str, expected: dict[str, Any], found: dict[str, Any], unit: str = ""
) -> list[str]:
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            told, seen = (_amount(each.get(name), unit) for each in (expected, found))
            lines.append(f"{kind} {name}: {seen}, but the manifest says {told}")
    return lines


def _amount(value: int | str | None, unit: str) -> str:
    if value is None:
        return "absent"
    if isinstance(value, int):
        return counted(value, unit) if unit else f"{value:,}"
    return value


def _heads(cursor: CursorWrapper, alias: str) -> dict[str, str]:
    cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return {}
    # A later row of the same app takes the place of the earlier one.
    rows = _asked(cursor, "SELECT app, name FROM django_migrations ORDER BY id")
    return {app: name for app, name in rows if database_of(app) == alias}


def _asked(cursor: CursorWrapper, query: str) -> list[Any]:
    cursor.execute(query)
    return list(cursor.fetchall())
