"""The statements that a database spent its time on, as pg_stat_statements counts them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.db import Error, OperationalError, ProgrammingError, connections
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql

from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import LIMITS, Row, rows
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted, duration, one_line
from marketplace.postgresql.errors import explain
from marketplace.postgresql.sql_files import read_sql

#: Every server has this database. The extension counts for all databases wherever it is created;
#: here it gets into no backup, which a role that is no superuser could not restore.
_MAINTENANCE = "postgres"

#: Milliseconds of a statement on average, from which on it is told; and is a warning.
_SLOW = (1_000, 5_000)

#: Calls below which the average says little.
_ENOUGH_CALLS = 3

#: What takes long by nature.
_UPKEEP = ("copy", "create", "vacuum", "analyze", "alter", "reindex", "refresh", "declare", "fetch")

# As pg_dump reads a table.
_DUMP = re.compile(r"COPY\s.*\sTO\s+STDOUT", re.IGNORECASE | re.DOTALL)

# What a statement reads or writes: tables and functions, but no subqueries. Which of it is the
# server's own, and which are values that go with it.
_SOURCE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+|LATERAL\s+)?(?!\()([^\s,;)]+)", re.IGNORECASE
)
_CATALOG = re.compile(r'"?(?:pg_|information_schema\b)', re.IGNORECASE)
_VALUES = re.compile(r"(?:pg_catalog\.)?unnest\(", re.IGNORECASE)
_NAMED = re.compile(r"(\w+)\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)


class Statement(NamedTuple):
    """A statement, whatever its values were. Times are in milliseconds.

    :param rows: all rows that it returned or changed
    :param cached: share of the blocks it asked for that were in memory; None if it asked for none
    :param share: of the time of all statements of the database
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
    def is_of_tools(self) -> bool:
        """Whether it dumps a table, or reads the catalog alone: no load and no page does that.

        What cannot be told for certain is not.
        """
        named = set(_NAMED.findall(self.query))
        sources = [
            each
            for each in _SOURCE.findall(self.query)
            if each not in named and not _VALUES.match(each)
        ]
        reads_catalog = bool(sources) and all(_CATALOG.match(source) for source in sources)
        return bool(_DUMP.match(self.query)) or reads_catalog


class Statements(NamedTuple):
    """All statements of a database that are counted, the most expensive first.

    :param total: milliseconds of all of them
    :param since: since when they are counted
    """

    found: tuple[Statement, ...]
    total: float
    since: datetime | None


def statements(alias: str) -> Statements:
    """Return the statements of a database.

    :raises MarketplaceError: if the server does not count them, with how to make it
    """
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
        database = cursor.fetchone()[0]
    for name in (None, _MAINTENANCE):
        with _transaction(alias, name) as cursor:
            if cursor is not None and (schema := _schema(cursor)):
                return _read(cursor, schema, database)
    raise MarketplaceError(_how_to_enable(alias))


def _slow(examination: Examination) -> Iterator[Finding]:
    """Find statements that take long each time."""
    try:
        slow = statements(examination.alias)
    except MarketplaceError as error:
        examination.lack("slow queries", str(error))
        return
    for each in slow.found:
        if each.calls < _ENOUGH_CALLS or each.mean < _SLOW[0] or _is_upkeep(each.query):
            continue
        yield Finding(
            code="query-slow",
            severity=Severity.WARNING if each.mean >= _SLOW[1] else Severity.INFO,
            subject=one_line(each.query, 100),
            what=f"It takes {duration(each.mean / 1000)} on average "
            f"({counted(each.calls, 'call')}, {each.share:.0%} of the database's time).",
            why="People or loads wait for it. An index, or fewer rows to read, may mend it.",
            fix=f"python manage.py db_slow --database {examination.alias}  # then EXPLAIN "
            "(ANALYZE, BUFFERS) it",
            evidence={"calls": each.calls, "mean": round(each.mean), "total": round(each.total)},
            since=slow.since,
        )


def _is_upkeep(query: str) -> bool:
    return query.lstrip("( \n").lower().startswith(_UPKEEP)


def _connection(alias: str, name: str | None) -> BaseDatabaseWrapper:
    # Under its own alias django.contrib.postgres would look for types in the alias's database.
    connection = connections[alias].copy(NO_DB_ALIAS)
    if name:
        connection.settings_dict["NAME"] = name
    return connection


@contextmanager
def _transaction(alias: str, name: str | None) -> Iterator[CursorWrapper | None]:
    """Open a transaction that can only read in a database of the alias's server, if it may."""
    connection = _connection(alias, name)
    try:
        try:
            connection.set_autocommit(False)
        except Error:
            if name is None:
                raise
            yield None
            return
        with connection.cursor() as cursor:
            cursor.execute(LIMITS)
            yield cursor
    finally:
        connection.close()


def _schema(cursor: CursorWrapper) -> str | None:
    cursor.execute(
        "SELECT extnamespace::regnamespace::text FROM pg_extension"
        " WHERE extname = 'pg_stat_statements'"
    )
    found = cursor.fetchone()
    return found[0] if found else None


def _read(cursor: CursorWrapper, schema: str, database: int) -> Statements:
    text = sql.SQL(read_sql(__file__, "statements"))
    try:
        cursor.execute(
            text.format(view=sql.Identifier(schema, "pg_stat_statements")), {"database": database}
        )
        found = rows(cursor)
        info = sql.SQL("SELECT stats_reset FROM {}")
        cursor.execute(info.format(sql.Identifier(schema, "pg_stat_statements_info")))
        since = cursor.fetchone()[0]
    except (ProgrammingError, OperationalError) as error:
        # As when the server has not loaded the library, or the role may not read the view.
        raise MarketplaceError(f"pg_stat_statements: {explain(error)}") from error
    whole = found[0]["whole"] if found else 0.0
    return Statements(tuple(_statement(row) for row in found), whole, since)


def _statement(row: Row) -> Statement:
    values = {name: row[name] for name in Statement._fields}
    return Statement(**{**values, "share": row["share"] or 0.0})


def _how_to_enable(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
        if cursor.fetchone() is None:
            return (
                "The server does not have pg_stat_statements: install PostgreSQL's contrib "
                "package there, add it to shared_preload_libraries, and restart the server."
            )
    return (
        "The server does not show its statements. As a superuser: python manage.py dbshell "
        f"--database {alias} -- -d {_MAINTENANCE} -c 'CREATE EXTENSION pg_stat_statements'. It "
        "must also be among shared_preload_libraries, which takes a restart of the server. A role "
        f"that is not ours also needs: GRANT CONNECT ON DATABASE {_MAINTENANCE} TO …;"
    )


CHECKS: Iterable[Check] = (Check("slow queries", ("query-slow",), _slow),)
