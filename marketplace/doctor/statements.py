"""The most expensive statements of a database, according to pg_stat_statements."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import Error, OperationalError, ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

from marketplace.databases.names import database_name
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import LIMITS, Row, rows
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted, duration, one_line
from marketplace.postgresql.errors import explain
from marketplace.postgresql.sql_files import read_sql

#: Mean execution time in milliseconds that is reported as info, and as a warning.
_SLOW = (1_000, 5_000)

#: Minimum number of calls for a meaningful mean.
_ENOUGH_CALLS = 3

#: The first word of statements that are expected to take long.
_MAINTENANCE_COMMANDS = (
    "copy",
    "create",
    "vacuum",
    "analyze",
    "alter",
    "reindex",
    "refresh",
    "declare",
    "fetch",
)

# The statement with which pg_dump reads a table.
_DUMP = re.compile(r"COPY\s.*\sTO\s+STDOUT", re.IGNORECASE | re.DOTALL)

# Sources are the tables and functions that a statement reads or writes. _CATALOG matches sources in
# the system catalog, _VALUES lists of parameters, and _NAMED the names of subqueries.
_SOURCE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+|LATERAL\s+)?(?!\()([^\s,;)]+)", re.IGNORECASE
)
_CATALOG = re.compile(r'"?(?:pg_|information_schema\b)', re.IGNORECASE)
_VALUES = re.compile(r"(?:pg_catalog\.)?unnest\(", re.IGNORECASE)
_NAMED = re.compile(r"(\w+)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)


class Statement(NamedTuple):
    """A normalized statement, without its parameter values. Times are in milliseconds.

    :param rows: the total number of rows returned or changed
    :param cached: the share of requested blocks that were in memory; None if none were requested
    :param share: the share of the total execution time in the database
    """

    query: str
    calls: int
    total: float
    mean: float
    longest: float
    rows: int
    cached: float | None
    share: float

    @property
    def is_from_tools(self) -> bool:
        """Whether it dumps a table or only reads system catalogs, unlike loads and pages.

        False if this is uncertain.
        """
        named = set(_NAMED.findall(self.query))
        sources = [
            source
            for source in _SOURCE.findall(self.query)
            if source not in named and not _VALUES.match(source)
        ]
        reads_catalog = bool(sources) and all(_CATALOG.match(source) for source in sources)
        return bool(_DUMP.match(self.query)) or reads_catalog


class Statements(NamedTuple):
    """All recorded statements of a database, the most expensive first.

    :param total: the time of all statements in milliseconds
    :param since: the start of the statistics
    """

    statements: tuple[Statement, ...]
    total: float
    since: datetime | None


def get_statements(alias: str) -> Statements:
    """Return the recorded statements of a database.

    :raises MarketplaceError: if the server does not record statements; the message says how to
        enable it
    """
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
        database = cursor.fetchone()[0]
    for name in (database_name(alias), MAINTENANCE_DATABASE):
        try:
            with connect_to_database(alias, name) as cursor:
                cursor.db.set_autocommit(False)
                cursor.execute(LIMITS)
                if schema := _schema(cursor):
                    return _read(cursor, schema, database)
        except Error:
            # Most roles may not connect to the maintenance database.
            if name != MAINTENANCE_DATABASE:
                raise
    raise MarketplaceError(_how_to_enable(alias))


def _slow(context: CheckContext) -> Iterator[Finding]:
    """Find statements with a long mean execution time."""
    try:
        recorded = get_statements(context.alias)
    except MarketplaceError as error:
        context.report_skipped("slow queries", str(error))
        return
    for statement in recorded.statements:
        mean, calls = statement.mean, statement.calls
        if calls < _ENOUGH_CALLS or mean < _SLOW[0] or _is_maintenance(statement.query):
            continue
        yield Finding(
            code="query-slow",
            severity=Severity.WARNING if mean >= _SLOW[1] else Severity.INFO,
            subject=one_line(statement.query, 100),
            what=f"The statement takes {duration(mean / 1000)} on average "
            f"({counted(calls, 'call')}, {statement.share:.0%} of the database's time).",
            why="Users or loads wait for the statement. An index, or reading fewer rows, may speed "
            "it up.",
            fix=f"python manage.py db_slow --database {context.alias}  # then EXPLAIN "
            "(ANALYZE, BUFFERS) it",
            evidence={"calls": calls, "mean": round(mean), "total": round(statement.total)},
            since=recorded.since,
        )


def _is_maintenance(query: str) -> bool:
    return query.lstrip("( \n").lower().startswith(_MAINTENANCE_COMMANDS)


def _schema(cursor: CursorWrapper) -> str | None:
    cursor.execute(
        "SELECT extnamespace::regnamespace::text FROM pg_extension"
        " WHERE extname = 'pg_stat_statements'"
    )
    row = cursor.fetchone()
    return row[0] if row else None


def _read(cursor: CursorWrapper, schema: str, database: int) -> Statements:
    text = sql.SQL(read_sql(__file__, "statements"))
    try:
        cursor.execute(
            text.format(view=sql.Identifier(schema, "pg_stat_statements")), {"database": database}
        )
        statement_rows = rows(cursor)
        info = sql.SQL("SELECT stats_reset FROM {}")
        cursor.execute(info.format(sql.Identifier(schema, "pg_stat_statements_info")))
        since = cursor.fetchone()[0]
    except (ProgrammingError, OperationalError) as error:
        # For example, the library is not loaded, or the role may not read the view.
        raise MarketplaceError(f"pg_stat_statements: {explain(error)}") from error
    total = statement_rows[0]["whole"] if statement_rows else 0.0
    return Statements(tuple(_statement(row) for row in statement_rows), total, since)


def _statement(row: Row) -> Statement:
    values = {name: row[name] for name in Statement._fields}
    return Statement(**{**values, "share": row["share"] or 0.0})


def _how_to_enable(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
        if cursor.fetchone() is None:
            return (
                "The extension pg_stat_statements is not installed on the server: install "
                "PostgreSQL's contrib package, add the extension to shared_preload_libraries, and "
                "restart the server."
            )
    return (
        "The extension pg_stat_statements is not enabled. As a superuser: python manage.py dbshell "
        f"--database {alias} -- -d {MAINTENANCE_DATABASE} "
        "-c 'CREATE EXTENSION pg_stat_statements'. It must also be in shared_preload_libraries, "
        "which requires a restart of the server. Roles that init_all has not created also need: "
        "GRANT CONNECT ON DATABASE "
        f"{MAINTENANCE_DATABASE} TO …;"
    )


CHECKS: Iterable[Check] = (Check("slow queries", ("query-slow",), _slow),)
